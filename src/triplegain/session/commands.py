"""A person's commands to the running session: carried out at once, answered when they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from msgspec.structs import replace

from triplegain.decision.schedule import Skip
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus
from triplegain.domain.records import OrderRecord, SecurityEvent
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.session.runner import SessionRunner


class SessionCommands:
    """The commands of one run. Every one stores its security event in the transaction of its effect."""

    def __init__(self, runner: SessionRunner) -> None:
        self._runner = runner
        self._session = runner.session

    async def place(
        self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, audit: SecurityEvent
    ) -> OrderRecord:
        name = request.client_order_id
        with self._acting():
            known = self._session.executor.order(name)
            if known is None:
                _sent(self._session.place(request, stop, target))
            is_new = known is None or known.status is OrderStatus.PENDING
            answered = self._runner.expect("place", name) if is_new else None
        await self._store(audit if known is None else None)
        record = None if answered is None else await self._answered(answered)
        return record or self._order(name)

    async def cancel(self, client_order_id: str, audit: SecurityEvent) -> OrderRecord:
        before = self._order(client_order_id)
        if before.status.is_final:
            raise RefusedError(Code.UNKNOWN_OPEN_ORDER, f"{client_order_id} is {before.status.value} already")
        with self._acting():
            _sent(self._session.cancel(client_order_id))
        return await self._change("cancel", client_order_id, audit)

    async def amend(self, request: AmendRequest, audit: SecurityEvent) -> OrderRecord:
        self._order(request.client_order_id)
        with self._acting():
            _sent(self._session.amend(request))
        return await self._change("amend", request.client_order_id, audit)

    async def _change(self, command: str, client_order_id: str, audit: SecurityEvent) -> OrderRecord:
        """Store the command and wait for the exchange's answer to it."""
        refusals = self._session.executor.refusals
        refusals.pop((command, client_order_id), None)
        answered = self._runner.expect(command, client_order_id)
        await self._store(audit)
        record = await self._answered(answered)
        refused = refusals.pop((command, client_order_id), None)
        if refused is not None:
            raise RefusedError(Code.of(refused.code) or Code.REFUSED, refused.reason)
        return record or self._order(client_order_id)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        """A change of the session: refused when the run is over; what goes wrong within it halts the session."""
        self._runner.check_open()
        try:
            yield
        except RefusedError:
            raise
        except BaseException as error:
            self._runner.fail(error)
            raise

    async def close_position(self, position_id: str, audit: SecurityEvent) -> None:
        with self._acting():
            if not self._session.close_position(position_id):
                raise RefusedError(Code.NOT_FOUND, f"{position_id} is not open, or is on its way out already")
        await self._store(audit)

    async def flat(self, audit: SecurityEvent) -> tuple[str, ...]:
        with self._acting():
            closing = self._session.flat()
        await self._store(audit)
        return closing

    async def emergency(self, audit: SecurityEvent) -> tuple[str, ...]:
        """Pause, give up what is decided and not done, and start closing everything, in one step; the ids of the
        positions begun."""
        with self._acting():
            self._session.paused = True
            self._session.mind.give_up("a person has stopped everything", self._session.now_ns)
            closing = self._session.flat()
        await self._store(_with(audit, positions=list(closing)))
        return closing

    async def reset_risk(self, audit: SecurityEvent) -> tuple[str, ...]:
        """An administrator ends the halts of risk; why each of them held. Refused while equity is not known."""
        session = self._session
        with self._acting():
            equity = session.portfolio.equity_usd()
            ended = tuple(halt.reason for halt in session.risk.memory.halts_in_force(session.now_ns))
            why_not = session.risk.reset(session.now_ns, equity)
            if why_not or equity is None:
                raise RefusedError(Code.EQUITY_UNKNOWN, why_not)
            session.watch.put_down()
        await self._store(_with(audit, equity=text(equity), ended=list(ended)))
        return ended

    async def run_task(self, task: str, audit: SecurityEvent) -> None:
        """A run beside the schedule. Refused where it would only be skipped."""
        session = self._session
        with self._acting():
            self._check_runs(task)
            session.mind.request(task, session.now_ns)
        await self._store(audit)

    def _check_runs(self, task: str) -> None:
        session, mind = self._session, self._session.mind
        if task not in mind.schedule.specs:
            known = ", ".join(mind.schedule.specs)
            raise RefusedError(
                Code.UNKNOWN_TASK,
                f"this session has no task {task}, it has {known}: sentiment and decision need a model, "
                "rebalance needs rebalance.enabled in portfolio.yaml",
            )
        if mind.schedule.start_ns is None:
            raise RefusedError(Code.NOT_READY, "the market has not started yet: wait for the first prices")
        match mind.why_skipped(task):
            case None:
                pass
            case Skip.PAUSED:
                raise RefusedError(Code.NOT_NOW, f"trading is paused, so {task} would be skipped: `resume` first")
            case Skip.NOT_RUNNING:
                why = session.halted or session.risk.halted(session.now_ns)
                raise RefusedError(Code.NOT_NOW, f"trading is halted, so {task} would be skipped: {why}")
            case Skip.EMERGENCY | Skip.DEGRADED:
                why = mind.degradation.reason
                raise RefusedError(Code.NOT_NOW, f"models are failing, so {task} would be skipped: {why}")

    async def pause(self, audit: SecurityEvent) -> None:
        with self._acting():
            self._session.paused = True
        await self._store(audit)

    async def resume(self, audit: SecurityEvent) -> None:
        with self._acting():
            self._session.paused = False
        await self._store(audit)

    async def _store(self, audit: SecurityEvent | None) -> None:
        if audit is not None:
            self._session.record.security_events.append(audit)
        await self._runner.commit()

    async def _answered(self, answer: asyncio.Future[OrderRecord | None]) -> OrderRecord | None:
        """The order as it was stored with the answer; by now it may have ended and left memory."""
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not answer.cancelled():
                raise
            raise RefusedError(
                Code.OUTCOME_UNKNOWN, "the session stopped before the exchange answered; what was sent is stored"
            ) from None

    def _order(self, client_order_id: str) -> OrderRecord:
        record = self._session.executor.order(client_order_id)
        if record is None:
            raise RefusedError(Code.NOT_FOUND, f"no open order is called {client_order_id}")
        return record


def _with(audit: SecurityEvent, **details: object) -> SecurityEvent:
    """With what is known of the act only once it is done."""
    return replace(audit, details={**audit.details, **details})


def _sent(outcome: object) -> None:
    if isinstance(outcome, Refusal):
        raise RefusedError(outcome.code, outcome.reason)

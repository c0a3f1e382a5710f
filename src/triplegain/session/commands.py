"""The one door for commands to a running session: carried out at once, answered when they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, assert_never

import msgspec
from msgspec.structs import replace

from triplegain.decision.schedule import Skip
from triplegain.domain.commands import (
    AmendOrder,
    Answer,
    AnyAnswer,
    CancelAll,
    CancelAllAfter,
    Cancelling,
    CancelOrder,
    CancelOrders,
    ClosePosition,
    ClosingProgress,
    Command,
    Done,
    EditOrder,
    Emergency,
    Flat,
    NotDone,
    Pause,
    PlaceBatch,
    PlaceOrder,
    R,
    ReducePosition,
    ResetRisk,
    ResetSession,
    Resume,
    RunTask,
    Stands,
    Unknown,
    ValidateOrder,
)
from triplegain.domain.errors import TripleGainError
from triplegain.domain.ids import Origin
from triplegain.domain.money import text
from triplegain.domain.records import OrderRecord, SecurityEvent
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.session.answers import Change, outcome_of
from triplegain.session.order_by_hand import check_batch
from triplegain.session.steps import Steps
from triplegain.session.trading_session import TradingSession

#: Where candles are all there is, nobody knows before what it does to an order.
_WHEN_CANDLE_IS_OVER = "the candle under way may fill it: it is carried out when that is over"
_UNDER_WAY = "the session stopped before the exchange answered; what was sent is stored and goes on with the session"


class _Begun(msgspec.Struct, frozen=True):
    """Carried out in memory. `waits`: answers of the exchange that belong to it, by client order id."""

    record: Any = None
    again: bool = False
    waits: Mapping[str, asyncio.Future[OrderRecord | Refusal]] = {}
    #: Why it is not sent yet; empty where it is, or needs not be.
    stands: str = ""
    #: What is known of the act only once it is done, for the audit.
    details: Mapping[str, Any] = {}


class Run(Protocol):
    """Of a session, be it the main one of its market or another."""

    @property
    def steps(self) -> Steps: ...


class SessionCommands:
    """A `Door` to one run. Every command stores its security event in the transaction of its effect."""

    def __init__(self, run: Run) -> None:
        self._steps = run.steps

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        answer: AnyAnswer
        try:
            self._steps.check_open()
            begun = await self._steps.carry_out(lambda: self._begin(command, origin, audit))
            if isinstance(begun, Refusal):
                return NotDone(begun)
            answer = await self._answered(command, begun)
        except Exception as error:
            # The store says of what it has refused that nothing is stored; what else went wrong may have come later.
            code = Code.of(error.code) if isinstance(error, TripleGainError) else None
            words = str(error) or type(error).__name__
            answer = Unknown(words) if code in (None, Code.OUTCOME_UNKNOWN) else NotDone(Refusal(code, words))
        return answer

    @property
    def _session(self) -> TradingSession:
        return self._steps.session

    def _begin(self, command: Command[Any], origin: Origin, audit: SecurityEvent) -> _Begun | Refusal:
        """What goes wrong within it ends the command alone: nothing of it is stored, and what it did is undone."""
        try:
            begun = self._carry_out(command, origin)
            if isinstance(begun, _Begun) and not (
                isinstance(command, PlaceOrder | PlaceBatch | EditOrder) and begun.again
            ):
                details = {**audit.details, **begun.details, "origin": origin.value}
                self._session.record.security_events.append(replace(audit, details=details))
            return begun
        except RefusedError as error:
            return error.refusal
        except Exception as error:
            return self._steps.break_off(error)

    def _carry_out(self, command: Any, origin: Origin) -> _Begun | Refusal:
        session = self._session
        match command:
            case PlaceOrder():
                return self._place(command, origin)
            case PlaceBatch(orders):
                return self._place_batch(orders, origin)
            case ValidateOrder(request, stop, target):
                return session.by_hand.validate(replace(request, origin=origin), stop, target) or _Begun()
            case EditOrder():
                return self._edit(command)
            case AmendOrder(request):
                return self._change(request.client_order_id, Change.AMEND, lambda: session.by_hand.amend(request))
            case CancelOrder(name):
                return self._change(name, Change.CANCEL, lambda: session.by_hand.cancel(name))
            case CancelOrders(names):
                return self._cancelling(session.by_hand.cancel_batch(names))
            case CancelAllAfter(timeout_s):
                switch = session.by_hand.cancel_all_after(timeout_s)
                return switch if isinstance(switch, Refusal) else _Begun(switch)
            case CancelAll():
                return self._cancelling(session.by_hand.cancel_all())
            case ClosePosition(named) | ReducePosition(named) if named not in session.positions_left():
                return Refusal(Code.UNKNOWN_POSITION, f"{named} is not open")
            case ClosePosition(position_id):
                begun = session.by_hand.close_position(position_id)
                return self._closing(ClosingProgress((position_id,), (position_id,)), again=not begun)
            case ReducePosition(position_id, quantity):
                refused = session.by_hand.reduce_position(position_id, quantity)
                return refused or self._closing(ClosingProgress((position_id,), (position_id,)))
            case Flat():
                return self._closing(self._flat())
            case Emergency():
                session.paused = True
                session.decision_engine.give_up("a person has stopped everything", session.now_ns)
                progress = self._flat()
                return self._closing(progress, details={"positions": list(progress.positions)})
            case Pause():
                session.paused = True
                return _Begun()
            case Resume():
                session.paused = False
                return _Begun()
            case ResetRisk():
                return self._reset_risk()
            case RunTask(task):
                self._check_runs(task)
                session.decision_engine.request(task, session.now_ns)
                return _Begun()
            case ResetSession():
                return Refusal(Code.REFUSED, "a session does not end itself")
            case _:
                assert_never(command)

    def _cancelling(self, asked: tuple[dict[str, int], Cancelling] | Refusal) -> _Begun | Refusal:
        if isinstance(asked, Refusal):
            return asked
        cancelling, others = asked
        exchange = self._session.exchange
        if later := {name for name, number in cancelling.items() if exchange.waits_for_candle(number)}:
            others = replace(others, left={**others.left, **dict.fromkeys(sorted(later), _WHEN_CANDLE_IS_OVER)})
        cancelling = {name: number for name, number in cancelling.items() if name not in later}
        waits = {name: self._steps.answers.expect(name, number) for name, number in cancelling.items()}
        return _Begun(others, waits=waits, details={"orders": list(cancelling)})

    def _flat(self) -> ClosingProgress:
        session = self._session
        by_hand = (each.symbol for each in session.exchange.margin.positions.values())
        margin = tuple(dict.fromkeys(symbol for symbol in by_hand if session.desk.on_margin(symbol) is None))
        closing = session.by_hand.flat()
        return ClosingProgress(closing, session.positions_left(), margin)

    def _closing(self, progress: ClosingProgress, **more: Any) -> _Begun:
        """The way out of positions; it stands where one of their markets takes nothing now."""
        open_ones = self._session.desk.open_positions()
        return _Begun(
            progress,
            stands=self._session.why_stands(each.symbol for each in open_ones if each.position_id in progress.left),
            **more,
        )

    def _place(self, command: PlaceOrder, origin: Origin) -> _Begun | Refusal:
        name = command.request.client_order_id
        known = self._session.executor.orders.by_client_id(name)
        if known is None:
            sent = self._session.by_hand.place(replace(command.request, origin=origin), command.stop, command.target)
            if isinstance(sent, Refusal):
                return sent
        elif not self._is_under_way(known):
            return _Begun(known, again=True)
        return _Begun(waits={name: self._steps.answers.expect(name)}, again=known is not None)

    def _place_batch(self, orders: tuple[PlaceOrder, ...], origin: Origin) -> _Begun | Refusal:
        """A batch whose orders are known already is done again; one that has some of them is another batch."""
        if (refused := check_batch([each.request for each in orders])) is not None:
            return refused
        names = [each.request.client_order_id for each in orders]
        known = [self._session.executor.orders.by_client_id(name) for name in names]
        if not any(known):
            protected = [(replace(each.request, origin=origin), each.stop, each.target) for each in orders]
            sent = self._session.by_hand.place_batch(protected)
            if isinstance(sent, Refusal):
                return sent
        elif not all(known):
            there = ", ".join(name for name, record in zip(names, known, strict=True) if record is not None)
            return Refusal(Code.CLIENT_ORDER_ID_IN_USE, f"orders of these ids are there already: {there}")
        pending = [name for name, each in zip(names, known, strict=True) if each is None or self._is_under_way(each)]
        waits = {name: self._steps.answers.expect(name) for name in pending}
        return _Begun(tuple(each for each in known if each is not None), again=bool(known[0]), waits=waits)

    def _edit(self, command: EditOrder) -> _Begun | Refusal:
        """Answered as the new order is."""
        orders = self._session.executor.orders
        if (known := orders.by_client_id(command.new_id)) is not None:
            if known.request.options.replaces != command.client_order_id:
                return Refusal(Code.CLIENT_ORDER_ID_IN_USE, f"{command.new_id} is the id of another order")
            if not self._is_under_way(known):
                return _Begun(known, again=True)
            return _Begun(waits={command.new_id: self._steps.answers.expect(command.new_id)}, again=True)
        record = orders.by_client_id(command.client_order_id)
        if record is None:
            return Refusal(Code.UNKNOWN_ORDER, f"no open order is called {command.client_order_id}")
        if record.status.is_final:
            return Refusal(Code.ORDER_FINAL, f"order {command.client_order_id} is {record.status} already")
        changes = command.quantity, command.price, command.deadline_ns
        sent = self._session.by_hand.edit(record, command.new_id, *changes)
        if isinstance(sent, Refusal):
            return sent
        return _Begun(waits={command.new_id: self._steps.answers.expect(command.new_id)})

    def _is_under_way(self, record: OrderRecord) -> bool:
        """The exchange has not answered it yet. One that waits there for its time is answered, and pending still."""
        order = self._session.exchange.orders.get(record.request.client_order_id)
        return order is not None and not order.is_at_exchange

    def _change(self, name: str, change: Change, ask: Callable[[], int | Refusal]) -> _Begun | Refusal:
        """`ask` gives the number of the command."""
        record = self._session.executor.orders.by_client_id(name)
        if record is None:
            return Refusal(Code.UNKNOWN_ORDER, f"no open order is called {name}")
        if record.status.is_final:
            over = outcome_of(change, record)
            return over if isinstance(over, Refusal) else _Begun(over, again=True)
        number = ask()
        if isinstance(number, Refusal):
            return number
        if not number:
            return _Begun(record, stands=self._session.why_stands((record.request.symbol,)))
        if self._session.exchange.waits_for_candle(number):
            return _Begun(record, stands=_WHEN_CANDLE_IS_OVER)
        return _Begun(waits={name: self._steps.answers.expect(name, number, change)})

    async def _answered(self, command: Command[Any], begun: _Begun) -> AnyAnswer:
        """The answer, once the exchange has given all of its own."""
        found: dict[str, OrderRecord | Refusal] = {}
        for name, waiting in begun.waits.items():
            try:
                found[name] = await asyncio.shield(waiting)
            except asyncio.CancelledError:
                if not waiting.cancelled():
                    raise
                return Unknown(_UNDER_WAY)
        if isinstance(command, PlaceBatch):
            # In the order of the batch: those that were answered before, and those that are now.
            records = {each.request.client_order_id: each for each in begun.record} | found
            return Done(tuple(records[each.request.client_order_id] for each in command.orders), begun.again)
        if isinstance(command, CancelAll | CancelOrders):
            why_not = {name: each.reason for name, each in found.items() if isinstance(each, Refusal)}
            gone = tuple(name for name in found if name not in why_not)
            return Done(replace(begun.record, cancelled=gone, left={**begun.record.left, **why_not}))
        for answer in found.values():
            return NotDone(answer) if isinstance(answer, Refusal) else Done(answer, begun.again)
        return Stands(begun.record, begun.stands) if begun.stands else Done(begun.record, begun.again)

    def _reset_risk(self) -> _Begun | Refusal:
        """The record says why each halt held. Refused while equity is not known."""
        session = self._session
        equity = session.portfolio.equity_usd()
        ended = tuple(halt.reason for halt in session.risk.memory.halts_in_force(session.now_ns))
        why_not = session.risk.reset(session.now_ns, equity)
        if why_not or equity is None:
            return Refusal(Code.EQUITY_UNKNOWN, why_not)
        session.watch.put_down()
        return _Begun(ended, details={"equity": text(equity), "ended": list(ended)})

    def _check_runs(self, task: str) -> None:
        """Raises RefusedError where it would only be skipped."""
        session, engine = self._session, self._session.decision_engine
        if task not in engine.schedule.specs:
            known = ", ".join(engine.schedule.specs)
            raise RefusedError(
                Code.UNKNOWN_TASK,
                f"this session has no task {task}, it has {known}: sentiment and decision need a model, "
                "rebalance needs rebalance.enabled in portfolio.yaml",
            )
        if engine.schedule.start_ns is None:
            raise RefusedError(Code.NOT_READY, "the market has not started yet: wait for the first prices")
        match engine.why_skipped(task):
            case None:
                pass
            case Skip.PAUSED:
                raise RefusedError(Code.NOT_NOW, f"trading is paused, so {task} would be skipped: `resume` first")
            case Skip.NOT_RUNNING:
                why = session.halted or session.risk.halted(session.now_ns)
                raise RefusedError(Code.NOT_NOW, f"trading is halted, so {task} would be skipped: {why}")
            case Skip.EMERGENCY | Skip.DEGRADED:
                why = engine.degradation.reason
                raise RefusedError(Code.NOT_NOW, f"models are failing, so {task} would be skipped: {why}")

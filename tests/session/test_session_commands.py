"""Commands on risk, tasks and everything at once: in one step with their audit, or refused with nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.session.by_hand import by_hand
from tests.session.stored_parts import part, stored_by

from triplegain.agents.registry import AGENTS
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import ClosingProgress, Done, Emergency, PlaceOrder, ReducePosition, ResetRisk, RunTask
from triplegain.domain.ids import Origin
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Market, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, SecurityEvent
from triplegain.domain.refusals import RefusedError
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession

AUDIT = SecurityEvent("risk_reset", "admin", "127.0.0.1", "r", 0, {"by": "hand"})
VOTERS = DecisionSettings(
    tasks=tuple(spec for spec in AGENTS.tasks if spec.name != "rebalance"),
    assigned=ModelAssignment(
        {"decision": ("qwen",), "social": ("grok",)}, providers={"qwen": "ollama", "grok": "ollama"}
    ),
)


class Store:
    def __init__(self) -> None:
        self.batches: list[CommitBatch] = []

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        self.batches.append(batch)


async def play(
    open_session: Any,
    market: Any,
    act: Callable[[SessionCommands, TradingSession], Awaitable[None]],
    beside: bool = False,
    **changes: Any,
) -> list[CommitBatch]:
    """A demo market of ten seconds, at whose 300th message `act` happens; what was stored. `beside`: the market goes
    on meanwhile."""
    feed = market(seconds=10)
    session: TradingSession = open_session(feed, baseline=None, **changes)
    store = Store()
    acting: list[asyncio.Task[None]] = []

    async def acted() -> None:
        await act(SessionCommands(runner), session)

    class Waking:
        """Messages one by one, the act between two of them."""

        def __init__(self) -> None:
            self._events: Iterator[MarketEvent] = feed.events()
            self._number = 0

        def __aiter__(self) -> Waking:
            return self

        async def __anext__(self) -> list[MarketEvent]:
            self._number += 1
            if self._number == 300:
                acting.append(asyncio.get_running_loop().create_task(acted()))
                if not beside:
                    await acting[0]
            try:
                return [next(self._events)]
            except StopIteration:
                raise StopAsyncIteration from None

    runner = SessionRunner(session, Waking(), store, ManualClock())
    await runner.run()
    await acting[0]
    return store.batches


def with_audit(batches: list[CommitBatch]) -> CommitBatch:
    [found] = [batch for batch in batches if batch.security_events]
    return found


async def refused(command: Awaitable[Any], code: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as caught:
        await command
    assert caught.value.code == code


async def test_a_reset_and_its_audit_are_one_step(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        session.risk.restore(None)
        assert await by_hand(commands, ResetRisk(), AUDIT) == ("risk state is missing: ADMIN reset",)
        assert session.risk.halted(session.now_ns) == ""

    step = with_audit(await play(open_session, market, act))
    assert [change.kind for change in step.risk] == ["reset"]
    assert part(stored_by([step]), "risk.state")["halts"] == []
    told = {"by": "hand", "equity": "10000", "ended": ["risk state is missing: ADMIN reset"]}
    assert step.security_events == (replace(AUDIT, details={**told, "origin": "hand"}),)


async def test_no_reset_without_a_known_equity_above_zero(
    open_session: Any, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        before = session.risk.state()
        for unknown in (None, Decimal(0), Decimal("-5")):
            with monkeypatch.context() as patched:
                patched.setattr(session.portfolio, "equity_usd", lambda found=unknown: found)
                await refused(
                    by_hand(commands, ResetRisk(), AUDIT), "equity_unknown", "equity is unknown or not above zero"
                )
        assert session.risk.state() == before

    batches = await play(open_session, market, act)
    assert not any(batch.security_events for batch in batches)


async def test_an_emergency_pauses_and_closes_in_one_step(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        assert await by_hand(commands, Emergency(), AUDIT) == ClosingProgress(())
        assert session.paused

    step = with_audit(await play(open_session, market, act))
    assert part(stored_by([step]), "session.standing")["paused"] is True
    assert step.security_events[0].details == {"by": "hand", "positions": [], "origin": "hand"}


async def test_a_run_that_is_wanted_is_stored_and_due_at_once(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        assert session.thinks_at_ns > session.now_ns
        await by_hand(commands, RunTask("regime"), AUDIT)
        assert session.thinks_at_ns <= session.now_ns
        assert session.decision_engine.schedule.tasks["regime"].tally.forced == 0

    batches = await play(open_session, market, act)
    asked = part(stored_by([with_audit(batches)]), "decision.schedule")["tasks"]["regime"]
    assert int(asked["asked_ns"]) == with_audit(batches).market_time_ns
    assert part(stored_by(batches), "decision.schedule")["tasks"]["regime"]["tally"]["forced"] == 1


async def test_a_task_nobody_can_do_is_unknown(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        await refused(
            by_hand(commands, RunTask("decision"), AUDIT), "unknown_task", "no task decision, it has technical, regime"
        )

    assert not any(batch.security_events for batch in await play(open_session, market, act))


async def test_a_run_that_would_be_skipped_is_refused_with_the_reason(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        session.paused = True
        await refused(by_hand(commands, RunTask("decision"), AUDIT), "not_now", "paused, so decision would be skipped")
        await by_hand(commands, RunTask("technical"), AUDIT)
        session.paused = False
        session.risk.restore(None)
        await refused(by_hand(commands, RunTask("decision"), AUDIT), "not_now", "halted.*risk state is missing")
        session.risk.reset(session.now_ns, Decimal(10_000))
        for _ in range(DegradationSettings().reduced_after):
            session.decision_engine.degradation.failed("ollama", session.now_ns, "no route")
        await refused(by_hand(commands, RunTask("sentiment"), AUDIT), "not_now", "ollama failed 3 times: no route")
        await by_hand(commands, RunTask("decision"), AUDIT)

    batches = await play(open_session, market, act, decision=VOTERS)
    assert sum(len(batch.security_events) for batch in batches) == 2


async def test_before_the_market_starts_no_task_runs(open_session: Any, market: Any) -> None:
    session = open_session(market(), baseline=None)
    runner = SessionRunner(session, iter(()), Store(), ManualClock())
    await refused(by_hand(SessionCommands(runner), RunTask("regime"), AUDIT), "not_ready", "has not started yet")


async def test_a_part_of_a_position_is_sold_and_the_rest_keeps_its_stop(open_session: Any, market: Any) -> None:
    """0.01 BTC are bought; 0.00333333 are to be sold, to the lot. Of the rest nobody can sell more than there is."""
    left = Decimal("0.00666667")

    async def act(commands: SessionCommands, session: TradingSession) -> None:
        quote = session.prices.quote("BTC/USDT")
        assert quote is not None and quote.bid is not None
        stop = quote.bid.quantize(Decimal(1)) * Decimal("0.9")
        bought = OrderRequest("mine", "BTC/USDT", Side.BUY, Decimal("0.01"), Market())
        await by_hand(commands, PlaceOrder(bought, stop=stop), AUDIT)
        [position] = session.desk.open_positions()
        for quantity, words in (("0.01", "sell less"), ("5", "sell less"), ("0.000001", "minimum 0.0")):
            command = ReducePosition(position.position_id, Decimal(quantity))
            await refused(by_hand(commands, command, AUDIT), "refused", words)
        await refused(by_hand(commands, ReducePosition("pos-9", left), AUDIT), "unknown_position", "pos-9 is not open")
        reduced = await by_hand(commands, ReducePosition("pos-1", Decimal("0.003333339")), AUDIT)
        assert reduced == ClosingProgress(("pos-1",), ("pos-1",))
        await refused(by_hand(commands, ReducePosition("pos-1", left), AUDIT), "not_now", "or a part of it is")

    batches = await play(open_session, market, act, beside=True)
    [sale] = [fill for batch in batches for fill in batch.fills if fill.side is Side.SELL]
    assert sale.quantity == Decimal("0.00333333")
    last = {order.request.client_order_id: order for batch in batches for order in batch.orders}
    stop = next(order for order in last.values() if order.request.terms.waits)
    assert (stop.status, stop.quantity) == (OrderStatus.OPEN, left)
    assert [batch.positions[-1].quantity for batch in batches if batch.positions][-1] == left


async def test_who_asked_for_it_is_stored_with_an_order_and_with_the_act(open_session: Any, market: Any) -> None:
    async def act(commands: SessionCommands, session: TradingSession) -> None:
        for origin in (Origin.HAND, Origin.GATEWAY):
            order = OrderRequest(origin.value, "BTC/USDT", Side.BUY, Decimal("0.01"), Market())
            assert isinstance(await commands.submit(PlaceOrder(order), origin, AUDIT), Done)

    batches = await play(open_session, market, act, beside=True)
    rows = {order.request.client_order_id: order.request.origin for batch in batches for order in batch.orders}
    assert rows == {"hand": Origin.HAND, "gateway": Origin.GATEWAY}
    assert [event.details["origin"] for batch in batches for event in batch.security_events] == ["hand", "gateway"]

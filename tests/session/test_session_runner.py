"""The runner stores before it answers, and stores nothing after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.session.by_hand import by_hand

from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import AmendOrder, CancelOrder, Pause, PlaceOrder
from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import FeedState, FeedStatus, MarketEvent
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, SecurityEvent
from triplegain.domain.refusals import RefusedError
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import Ending, SessionRunner

AUDIT = SecurityEvent("paper_trade", "admin", "127.0.0.1", "r", 0)


class Away(TripleGainError):
    exit_code = 5


class Store:
    """Keeps batches; fails at the commit of that number; may be held shut."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.batches: list[CommitBatch] = []
        self.open = asyncio.Event()
        self.open.set()
        self.commits = 0
        self._fails_at = fails_at

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        self.commits += 1
        await self.open.wait()
        if self.commits == self._fails_at:
            raise Away("the database is away")
        self.batches.append(batch)


def order(name: str, price: str | None = None) -> OrderRequest:
    terms = Market() if price is None else Limit(Decimal(price))
    return OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.01"), terms)


def running(open_session: Any, market: Any, store: Store, then: Any, at: int = 300) -> tuple[SessionRunner, Any]:
    """A run at full speed that starts `then(commands)` as a task at message `at`."""
    feed = market(seconds=60)
    session = open_session(feed, baseline=None)
    tasks: list[asyncio.Task[Any]] = []

    def events() -> Iterator[MarketEvent]:
        for number, event in enumerate(feed.events()):
            if number == at:
                tasks.append(asyncio.get_running_loop().create_task(then(SessionCommands(runner))))
            yield event

    runner = SessionRunner(session, events(), store, ManualClock())
    return runner, tasks


async def test_an_order_is_answered_when_it_is_stored(open_session: Any, market: Any) -> None:
    store = Store()
    runner, tasks = running(open_session, market, store, lambda c: by_hand(c, PlaceOrder(order("a")), AUDIT))
    assert await runner.run() is Ending.FEED_OVER
    record = await tasks[0]
    stored = {o.request.client_order_id for batch in store.batches for o in batch.orders}
    assert "a" in stored
    assert record.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
    assert [event for batch in store.batches for event in batch.security_events] == [
        msgspec.structs.replace(AUDIT, details={"origin": "hand"})
    ]


async def test_a_repeated_order_is_not_answered_before_the_first_is_stored(open_session: Any, market: Any) -> None:
    store = Store()
    answers: list[str] = []

    async def twice(commands: SessionCommands) -> None:
        store.open.clear()
        first = asyncio.create_task(by_hand(commands, PlaceOrder(order("a")), AUDIT))
        await asyncio.sleep(0)
        second = asyncio.create_task(by_hand(commands, PlaceOrder(order("a")), AUDIT))
        for _ in range(5):
            await asyncio.sleep(0)
        answers.append(f"{first.done()} {second.done()}")
        store.open.set()
        await asyncio.gather(first, second)

    runner, tasks = running(open_session, market, store, twice)
    await runner.run()
    await tasks[0]
    assert answers == ["False False"]
    assert len({o.order_number for batch in store.batches for o in batch.orders}) == 1


async def test_orders_that_end_at_once_are_answered_however_many_they_are(open_session: Any, market: Any) -> None:
    store = Store()

    async def trade(commands: SessionCommands) -> list[Any]:
        small = [msgspec.structs.replace(order(f"mine-{number}"), quantity=Decimal("0.001")) for number in range(20)]
        return await asyncio.gather(*(by_hand(commands, PlaceOrder(one), AUDIT) for one in small))

    runner, tasks = running(open_session, market, store, trade)
    await runner.run()
    assert [record.status for record in await tasks[0]] == [OrderStatus.FILLED] * 20


async def test_after_a_failed_commit_nothing_more_is_stored(open_session: Any, market: Any) -> None:
    store = Store(fails_at=1)
    outcomes: list[str] = []

    async def place_then_pause(commands: SessionCommands) -> None:
        for act in (by_hand(commands, PlaceOrder(order("a")), AUDIT), by_hand(commands, Pause(), AUDIT)):
            try:
                await act
                outcomes.append("done")
            except TripleGainError as error:
                outcomes.append(type(error).__name__)

    runner, tasks = running(open_session, market, store, place_then_pause)
    with pytest.raises(Away):
        await runner.run()
    await tasks[0]
    assert outcomes == ["RefusedError", "RefusedError"]
    assert store.batches == []
    assert "away" in runner.session.halted


async def test_a_step_that_breaks_halts_the_session_unstored(open_session: Any, market: Any) -> None:
    store = Store()

    async def nothing(_: SessionCommands) -> None:
        return None

    runner, _ = running(open_session, market, store, nothing)
    settle = runner.session.executor.settle

    def broken() -> Any:
        if runner.events_seen > 400:
            raise ZeroDivisionError("a bug")
        return settle()

    runner.session.executor.settle = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await runner.run()
    before = len(store.batches)
    with pytest.raises(RefusedError, match="halted"):
        await by_hand(SessionCommands(runner), Pause(), AUDIT)
    with pytest.raises(RefusedError):
        await runner.commit()
    assert len(store.batches) == before


async def test_a_cancel_never_overtakes_its_order(open_session: Any, market: Any) -> None:
    store = Store()
    heard: list[str] = []

    async def place_and_cancel(commands: SessionCommands) -> None:
        placing = asyncio.create_task(by_hand(commands, PlaceOrder(order("a", "1000")), AUDIT))
        await asyncio.sleep(0)
        # Jitter apart both take 100 ms; this cancel would take none.
        commands._session.exchange.latency.cancel_ns = 0
        heard.append((await by_hand(commands, CancelOrder("a"), AUDIT)).status.value)
        heard.append((await placing).status.value)

    runner, tasks = running(open_session, market, store, place_and_cancel)
    await runner.run()
    await tasks[0]
    assert heard == ["cancelled", "cancelled"]


async def test_an_amendment_answers_with_the_new_terms(open_session: Any, market: Any) -> None:
    store = Store()

    async def place_and_amend(commands: SessionCommands) -> Any:
        await by_hand(commands, PlaceOrder(order("a", "1000")), AUDIT)
        return await by_hand(commands, AmendOrder(AmendRequest("a", price=Decimal("1100"))), AUDIT)

    runner, tasks = running(open_session, market, store, place_and_amend)
    await runner.run()
    assert (await tasks[0]).price == Decimal(1100)


async def test_commands_after_the_end_are_refused(open_session: Any, market: Any) -> None:
    async def nothing(_: SessionCommands) -> None:
        return None

    runner, _ = running(open_session, market, Store(), nothing)
    await runner.run()
    with pytest.raises(RefusedError, match="stopping"):
        await by_hand(SessionCommands(runner), PlaceOrder(order("late")), AUDIT)


async def batches(events: list[MarketEvent], size: int = 7) -> AsyncIterator[list[MarketEvent]]:
    """A live feed that tells these events a few at a time."""
    for start in range(0, len(events), size):
        yield events[start : start + size]


async def test_a_live_market_leaves_the_same_record_as_its_replay(open_session: Any, market: Any) -> None:
    feed = market(seconds=60)
    records = []
    for events in (feed.events(), batches(list(feed.events()))):
        store = Store()
        runner = SessionRunner(open_session(feed), events, store, ManualClock())
        assert await runner.run() is Ending.FEED_OVER
        told = [event for batch in store.batches for event in batch.events]
        records.append((told, [entry for batch in store.batches for entry in batch.entries]))
    assert records[0] == records[1]
    assert any(isinstance(event, OrderFilled) for event in records[0][0])


async def test_the_duration_of_a_live_run_begins_with_its_first_book(open_session: Any, market: Any) -> None:
    """An hour of missed trades comes first; the run still sees its ten seconds of market."""
    feed = market(seconds=60)
    told = list(feed.events())
    first = told[0]
    hour = 3600 * 10**9
    away = FeedStatus("BTC/USDT", first.exchange_time_ns - hour, first.received_at_ns, FeedState.CATCH_UP, "away")
    runner = SessionRunner(open_session(feed), batches([away, *told]), Store(), ManualClock(), duration_ns=10 * 10**9)
    assert await runner.run() is Ending.DURATION
    assert 9 * 10**9 < runner.session.now_ns - first.exchange_time_ns < 10 * 10**9


async def test_a_live_run_stops_between_two_messages(open_session: Any, market: Any) -> None:
    feed = market(seconds=60)
    runner = SessionRunner(open_session(feed), batches(list(feed.events())), Store(), ManualClock())
    asyncio.get_running_loop().call_soon(runner.stop)
    assert await runner.run() is Ending.STOPPED
    assert 0 < runner.events_seen < 100

"""As fast as possible what happens between two breaths is one step, and nobody hears of what is not stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from tests.session.stored_parts import stored_by
from tests.session.stored_run import Store, order, play

from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.app.operation.notices import notices_of
from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import Done, PlaceOrder
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CommitBatch
from triplegain.market.feed import FeedError
from triplegain.session.runner import Ending, SessionRunner
from triplegain.session.trading_session import TradingSession

#: Messages between two breaths: the trader trades several times meanwhile.
BREATH = 512
EMA = BaselineSettings()


@pytest.fixture(autouse=True)
def breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triplegain.session.runner._BREATH", BREATH)


def takes_all(batch: CommitBatch) -> None:
    """A store that refuses nothing."""


def one_by_one(session: TradingSession, events: Iterator[MarketEvent]) -> Store:
    """Every step by itself, as it happens."""
    store = Store(takes_all)
    for position, event in enumerate(events, 1):
        session.on_event(event)
        if session.must_commit:
            store.batches.append(session.take_batch(position, 0))
    session.close_run()
    store.batches.append(session.take_batch(position, 0))
    return store


async def test_one_step_holds_what_happens_between_two_breaths(open_session: Any, market: Any) -> None:
    store = Store(takes_all)
    _, _, ended = await play(open_session, market, store, baseline=EMA)
    feed = market(seconds=60)
    apart = one_by_one(open_session(feed, baseline=EMA), feed.events())
    assert ended is Ending.FEED_OVER
    assert store.money() == apart.money() and any(batch.fills for batch in store.batches)
    assert stored_by(store.batches) == stored_by(apart.batches)
    # Each but the last at a breath, and so no more of them than there are breaths.
    assert all(batch.feed_position % BREATH == 0 for batch in store.batches[:-1])
    assert [len(batch.fills) for batch in store.batches] == [7, 1]


async def test_nobody_has_a_turn_before_what_has_happened_is_stored(open_session: Any, market: Any) -> None:
    store, unstored, turns = Store(takes_all, takes_time=False), 0, 0
    feed = market(seconds=60)
    session = open_session(feed, baseline=EMA)
    runner = SessionRunner(session, feed.events(), store, ManualClock())

    async def look() -> None:
        nonlocal unstored, turns
        while True:
            turns += 1
            unstored += session.must_commit
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    assert await runner.run() is Ending.FEED_OVER
    looking.cancel()
    assert (unstored, turns > runner.events_seen // BREATH) == (0, True)


@pytest.mark.parametrize("dies_at", [4 * BREATH + 1, 4 * BREATH + 400])
async def test_a_death_between_two_breaths_goes_on_from_the_last_step(
    open_session: Any, market: Any, dies_at: int
) -> None:
    feed = market(seconds=60)
    whole, store = Store(takes_all), Store(takes_all)
    await play(open_session, market, whole, baseline=EMA)
    dying = SessionRunner(open_session(feed, baseline=EMA), dies(feed.events(), dies_at), store, ManualClock())
    with pytest.raises(Killed):
        await dying.run()
    position = store.batches[-1].feed_position
    assert position == 4 * BREATH
    session, again = open_session(feed, baseline=EMA), feed.events()
    for event in islice(again, position):
        session.observe(event)
    session.restore(stored_by(store.batches))
    assert await SessionRunner(session, again, store, ManualClock(), position=position).run() is Ending.FEED_OVER
    assert store.money() == whole.money()


class Killed(BaseException):
    """Nothing is done any more."""


def dies(
    events: Iterator[MarketEvent], number: int, why: Callable[[], BaseException] = Killed
) -> Iterator[MarketEvent]:
    yield from islice(events, number)
    raise why()


@pytest.mark.parametrize("breaks_at", [1000, 1500, 1600, 2000, 2420])
async def test_where_the_feed_breaks_all_that_has_happened_is_stored(
    open_session: Any, market: Any, breaks_at: int
) -> None:
    """Within a stretch as well; whoever goes on does so behind the last message that was taken."""
    feed, store = market(seconds=60), Store(takes_all)
    session = open_session(feed, baseline=EMA)
    broken = dies(feed.events(), breaks_at, lambda: FeedError("a line is damaged"))
    runner = SessionRunner(session, broken, store, ManualClock())
    with pytest.raises(FeedError):
        await runner.run()
    apart = open_session(feed, baseline=EMA)
    one = one_by_one(apart, islice(feed.events(), breaks_at))
    assert runner.events_seen == runner.position == store.batches[-1].feed_position == breaks_at
    assert not session.must_commit and store.money() == one.money()


async def test_whoever_waits_for_an_answer_has_it_with_its_own_step(open_session: Any, market: Any) -> None:
    store = Store(takes_all)
    (answer,), _, _ = await play(open_session, market, store, PlaceOrder(order("mine")))
    assert isinstance(answer, Done) and answer.record.status is OrderStatus.FILLED
    # Asked for at a breath and answered some messages later, which is not at one.
    answered = next(batch for batch in store.batches for each in batch.orders if each.status.is_final)
    assert answered.feed_position % BREATH


async def test_two_orders_of_one_step_that_cannot_be_stored_are_taken_out_one_after_the_other(
    open_session: Any, market: Any
) -> None:
    """In the session that is built again each is in a step of its own, with sound ones between."""

    def refuses(batch: CommitBatch) -> int | None:
        return batch.fills[0].order_number if batch.fills and store.refused < 2 else None

    store = Store(refuses)
    _, runner, ended = await play(open_session, market, store, baseline=EMA)
    assert ended is Ending.FEED_OVER and runner.session.halted == "" and store.refused == 2
    rows = {each.order_number: each.status for batch in store.batches for each in batch.orders}
    assert list(rows.values()).count(OrderStatus.ERROR) == 2


async def test_where_coins_are_missing_each_step_is_stored_as_it_happens(
    open_session: Any, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored ends the halt, so that how much is stored together may not decide when."""
    store = Store(takes_all)
    monkeypatch.setattr("triplegain.session.reconciliation.Reconciliation.lacks", True)
    await play(open_session, market, store, baseline=EMA)
    assert any(batch.feed_position % BREATH for batch in store.batches[:-1])


async def test_what_one_step_says_is_told_as_it_happened(open_session: Any, market: Any) -> None:
    store = Store(takes_all)
    await play(open_session, market, store, baseline=EMA)
    told = notices_of(store.batches[0])
    assert [each.time_ns for each in told] == sorted(each.time_ns for each in told)
    kinds = [each.kind for each in told]
    assert kinds.index("position") < max(at for at, kind in enumerate(kinds) if kind == "decision")

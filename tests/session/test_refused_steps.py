"""A step that the store refuses is undone: the others are done, the one at fault is answered, the session goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import stored_by
from tests.session.stored_run import CommitRefusedError, Refuses, Store, order, play

from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.commands import AmendOrder, Done, NotDone, Pause, PlaceOrder
from triplegain.domain.orders import AmendRequest, OrderStatus
from triplegain.domain.records import CommitBatch
from triplegain.domain.refusals import Code
from triplegain.session.runner import Ending


def names(*wanted: str, status: OrderStatus | None = None) -> Refuses:
    """A store that cannot hold the orders of these names, or not in that status."""

    def refuses(batch: CommitBatch) -> int | None:
        for each in batch.orders:
            if each.request.client_order_id in wanted and status in (None, each.status):
                return each.order_number
        return None

    return refuses


async def test_the_order_that_cannot_be_stored_is_answered_and_the_others_are_done(
    open_session: Any, market: Any
) -> None:
    store = Store(names("wrong"))
    commands = [PlaceOrder(order(name)) for name in ("first", "wrong", "last")]
    answers, runner, ended = await play(open_session, market, store, *commands, Pause())
    first, wrong, last, paused = answers
    assert ended is Ending.FEED_OVER
    # The step of the four, and the step of the wrong one alone.
    assert store.refused == 2
    assert isinstance(first, Done) and isinstance(last, Done) and isinstance(paused, Done)
    assert first.record.status is last.record.status is OrderStatus.FILLED
    assert isinstance(wrong, NotDone) and wrong.refusal.code is Code.COMMIT_REFUSED
    assert wrong.refusal.reason == "a row is out of range"
    assert store.order("wrong") is None and runner.session.paused
    audited = [event.request_id for batch in store.batches for event in batch.security_events]
    assert sorted(audited) == ["0", "2", "3"]


async def test_on_a_live_market_nothing_that_follows_on_a_refused_step_is_stored(
    open_session: Any, market: Any
) -> None:
    store = Store(names("wrong"))
    commands = [PlaceOrder(order(name)) for name in ("wrong", "last")]
    (wrong, last), _, ended = await play(open_session, market, store, *commands, live=True)
    assert ended is Ending.FEED_OVER
    assert isinstance(wrong, NotDone) and wrong.refusal.code is Code.COMMIT_REFUSED
    assert isinstance(last, Done) and last.record.status is OrderStatus.FILLED


@pytest.mark.parametrize("live", [False, True])
async def test_it_leaves_nothing_behind(open_session: Any, market: Any, live: bool) -> None:
    """The record is that of a session which nobody asked for it."""
    without, store = Store(names(), takes_time=False), Store(names("wrong"), takes_time=False)
    right = [PlaceOrder(order("first")), PlaceOrder(order("last", "1000"))]
    await play(open_session, market, without, *right, live=live)
    await play(open_session, market, store, right[0], PlaceOrder(order("wrong")), right[1], live=live)
    assert store.refused == 2
    assert store.money() == without.money()
    assert stored_by(store.batches) == stored_by(without.batches)


@pytest.mark.parametrize("live", [False, True])
async def test_what_a_trader_does_meanwhile_is_the_same(open_session: Any, market: Any, live: bool) -> None:
    baseline = BaselineSettings()
    without, store = Store(names()), Store(names("wrong"))
    await play(open_session, market, without, baseline=baseline, live=live)
    await play(open_session, market, store, PlaceOrder(order("wrong")), baseline=baseline, live=live)
    assert store.refused == 2 and any(batch.fills for batch in store.batches)
    assert store.money() == without.money()


async def test_what_a_refused_change_was_numbered_is_free_for_the_next_one(open_session: Any, market: Any) -> None:
    """The session itself asks for something of another order, under the number that the refused change had."""
    store = Store(lambda batch: 0 if any(event.request_id == "2" for event in batch.security_events) else None)
    placed = [PlaceOrder(order("resting", "1000")), PlaceOrder(order("other", "900"))]
    change = AmendOrder(AmendRequest("resting", price=Decimal(1001)))
    answers, runner, ended = await play(
        open_session, market, store, *placed, change, live=True, then=lambda session: session.by_hand.cancel("other")
    )
    assert isinstance(answers[2], NotDone) and answers[2].refusal.code is Code.COMMIT_REFUSED
    assert ended is Ending.FEED_OVER and runner.session.halted == ""
    rows = [store.order("resting"), store.order("other")]
    assert [row.status for row in rows if row is not None] == [OrderStatus.OPEN, OrderStatus.CANCELLED]


async def test_without_a_command_in_the_step_the_order_that_the_store_names_is_taken_out(
    open_session: Any, market: Any
) -> None:
    """It is stored as it was sent; that it is filled cannot be stored."""
    store = Store(names("wrong", status=OrderStatus.FILLED))
    held, wrong, last = await_all = [PlaceOrder(order("held")), PlaceOrder(order("wrong")), PlaceOrder(order("last"))]
    answers, runner, ended = await play(open_session, market, store, *await_all)
    assert ended is Ending.FEED_OVER and runner.session.halted == ""
    row = store.order(wrong.request.client_order_id)
    assert row is not None and row.status is OrderStatus.ERROR and not row.filled_quantity
    assert row.reason == "taken out: a row is out of range"
    assert [a.message for batch in store.batches for a in batch.alerts if a.kind is AlertKind.ORDER_TAKEN_OUT] == [
        "wrong was taken out: a row is out of range"
    ]
    for each in (held, last):
        stored = store.order(each.request.client_order_id)
        assert stored is not None and stored.status is OrderStatus.FILLED
    # Nothing is held for it any more, and no position waits for it.
    assert all(balance.held == 0 for balance in store.batches[-1].balances)
    assert [p.position_id for p in runner.session.desk.open_positions()] == ["pos-1", "pos-3"]
    assert isinstance(answers[1], Done) and answers[1].record.status is OrderStatus.ERROR


async def test_a_resting_order_is_taken_out_of_the_book(open_session: Any, market: Any) -> None:
    resting = PlaceOrder(order("wrong", "1000"))

    def refuses(batch: CommitBatch) -> int | None:
        seen = store.order("wrong") is not None and store.order("other") is not None
        return 1 if seen and batch.fills and not _is_out(store) else None

    store = Store(refuses)
    _, runner, ended = await play(open_session, market, store, resting, PlaceOrder(order("other")))
    assert ended is Ending.FEED_OVER and _is_out(store)
    assert not list(runner.session.executor.orders.open_orders())


def first_entry(*words: str) -> Refuses:
    """A store that cannot hold the first entry of a trader as it was sent, nor a row of it whose order is so named."""

    def refuses(batch: CommitBatch) -> int | None:
        for each in batch.orders:
            request = each.request
            if request.purpose == "entry" and each.order_number == 1 and (request.quantity or "not at all" in words):
                return 1
        return None

    return refuses


@pytest.mark.parametrize("live", [False, True])
async def test_an_order_of_a_trader_that_cannot_be_stored_as_it_is_sent_is_taken_out_as_it_is_sent(
    open_session: Any, market: Any, live: bool
) -> None:
    store = Store(first_entry())
    _, runner, ended = await play(open_session, market, store, baseline=BaselineSettings(), live=live)
    assert ended is Ending.FEED_OVER and runner.session.halted == "" and store.refused == 1
    rows = {order.order_number: order for batch in store.batches for order in batch.orders}
    first = rows.pop(1)
    assert first.status is OrderStatus.ERROR and not first.filled_quantity
    assert first.reason == "taken out: a row is out of range"
    assert [a.message for batch in store.batches for a in batch.alerts if a.kind is AlertKind.ORDER_TAKEN_OUT] == [
        f"{first.request.client_order_id} was taken out: a row is out of range"
    ]
    # The trader goes on, and nothing is held or waited for.
    assert any(order.status is OrderStatus.FILLED for order in rows.values())
    held = [order for order in rows.values() if not order.status.is_final]
    assert held or all(balance.held == 0 for balance in store.batches[-1].balances)


async def test_an_order_that_cannot_even_be_stored_as_taken_out_halts(open_session: Any, market: Any) -> None:
    store = Store(first_entry("not at all"))
    _, runner, ended = await play(open_session, market, store, baseline=BaselineSettings())
    assert isinstance(ended, CommitRefusedError) and store.refused == 2
    assert runner.session.halted == "a row is out of range; and again after an order had been taken out"


def _is_out(store: Store) -> bool:
    row = store.order("wrong")
    return row is not None and row.status is OrderStatus.ERROR


async def test_a_second_refusal_halts_in_words(open_session: Any, market: Any) -> None:
    store = Store(names("wrong", "other", status=OrderStatus.FILLED))
    _, runner, ended = await play(open_session, market, store, PlaceOrder(order("wrong")), PlaceOrder(order("other")))
    assert isinstance(ended, CommitRefusedError)
    assert runner.session.halted == "a row is out of range; and again after an order had been taken out"
    assert store.refused == 2
    assert sum(alert.kind is AlertKind.ORDER_TAKEN_OUT for batch in store.batches for alert in batch.alerts) == 1


async def test_a_refused_step_with_no_order_to_leave_out_halts(open_session: Any, market: Any) -> None:
    store = Store(lambda batch: 0 if batch.fills else None)
    _, runner, ended = await play(open_session, market, store, PlaceOrder(order("a")))
    assert isinstance(ended, CommitRefusedError) and store.refused == 1
    assert runner.session.halted == "a row is out of range"


async def test_commands_that_wait_when_the_session_halts_were_surely_not_done(open_session: Any, market: Any) -> None:
    """The market's part of the step alone is refused, too."""
    store = Store(lambda batch: 0)
    answers, _, ended = await play(open_session, market, store, PlaceOrder(order("a")), Pause())
    assert isinstance(ended, CommitRefusedError)
    assert all(isinstance(answer, NotDone) for answer in answers), answers
    assert store.refused == 2 and store.batches == []


async def test_who_cannot_build_again_halts_at_the_first_refusal(open_session: Any, market: Any) -> None:
    store = Store(names("wrong"))
    commands = [PlaceOrder(order("wrong")), PlaceOrder(order("last"))]
    answers, _, ended = await play(open_session, market, store, *commands, rebuilds=False)
    assert isinstance(ended, CommitRefusedError) and store.refused == 1
    assert all(isinstance(answer, NotDone) for answer in answers)

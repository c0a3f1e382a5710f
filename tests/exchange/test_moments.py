"""Tape and depth are channels of their own: what counts is the moment a datum speaks of, not when it came.

Each case says the arithmetic. The book of `usual`: bid 100.0 x 5.0, asks 100.1 x 1.0 and 100.2 x 10.0, moment 2.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.exchange.conftest import NO_DELAY, Bench

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import Heartbeat, MarketDepth
from triplegain.domain.orders import Limit
from triplegain.exchange.settings import ExchangeSettings


def _delayed(nanoseconds: int) -> ExchangeSettings:
    return replace(NO_DELAY, place_delay_ns=nanoseconds, cancel_delay_ns=nanoseconds)


# -- what the tape took -----------------------------------------------------------------------------------------------


def _swept() -> Bench:
    """Bids 100.0, 99.9, 99.8 of 1 and 99.7 of 5; a sale of 1 at 99.7 says that the three better ones are gone."""
    bench = Bench()
    bench.book(bids="100.0x1 99.9x1 99.8x1 99.7x5", asks="100.1x5", snapshot=True, at=1)
    bench.trade("sell", "1", "99.7", at=2)
    return bench


def test_a_sweep_stays_swept_whatever_prints_follow() -> None:
    bench = _swept()
    # Somebody bid 0.01 at 100.0 again and was sold to: that gives none of the swept levels back.
    bench.trade("sell", "0.01", "100.0", at=3)
    bench.order("o", "sell", "1")
    assert bench.fills() == ["1 @ 99.7 taker"]


def test_a_book_that_is_newer_than_the_sweep_shows_what_is_there() -> None:
    bench = _swept()
    bench.book(bids="99.9x0 99.8x0 99.7x4 100.0x2", at=3)
    bench.order("o", "sell", "3")
    assert bench.fills() == ["2 @ 100 taker", "1 @ 99.7 taker"]


def test_a_book_of_the_very_moment_of_the_sweep_ends_nothing_but_its_own_level() -> None:
    bench = _swept()
    # One execution told in several updates: this one says only that 99.7 lost its 1.
    bench.book(bids="99.7x4", at=2)
    bench.order("o", "sell", "4")
    assert bench.fills() == ["4 @ 99.7 taker"]


def test_a_level_that_a_book_of_the_very_moment_sets_is_there() -> None:
    bench = _swept()
    bench.book(bids="99.7x4 99.9x2", at=2)
    bench.order("o", "sell", "3")
    assert bench.fills() == ["2 @ 99.9 taker", "1 @ 99.7 taker"]


def test_two_sweeps_end_each_at_their_own_moment() -> None:
    bench = _swept()
    bench.trade("sell", "1", "99.8", at=9)
    # Newer than the sweep to 99.7 and older than that to 99.8: 99.8 has bids again, of which the later sale took 1.
    bench.book(bids="100.0x0 99.9x3 99.8x3 99.7x4", at=5)
    bench.order("o", "sell", "3")
    assert bench.fills() == ["2 @ 99.8 taker", "1 @ 99.7 taker"]


def test_a_book_older_than_the_tape_gives_nothing_back(usual: Bench) -> None:
    usual.trade("buy", "1", "100.1", at=20)
    usual.trade("sell", "0.001", "100.0", at=21)
    usual.book(bids="99.0x1", at=10)
    usual.order("o", "buy", "1")
    assert usual.fills() == ["1 @ 100.2 taker"]


def test_an_old_book_changes_what_is_displayed_and_not_what_was_taken_since() -> None:
    bench = Bench()
    bench.book(bids="100.0x5", asks="100.1x5 100.2x9", snapshot=True, at=1)
    bench.trade("buy", "2", "100.1", at=20)
    # At 10 the level was 4; at 20 it lost 2: 2 are there.
    bench.book(asks="100.1x4", at=10)
    bench.order("o", "buy", "3")
    assert bench.fills() == ["2 @ 100.1 taker", "1 @ 100.2 taker"]


def test_a_snapshot_older_than_the_tape_gives_nothing_back(usual: Bench) -> None:
    usual.trade("buy", "1", "100.1", at=20)
    usual.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=10)
    usual.order("o", "buy", "1")
    assert usual.fills() == ["1 @ 100.2 taker"]


def test_a_print_that_the_book_has_shown_already_takes_nothing_more() -> None:
    bench = Bench()
    bench.book(bids="100.0x5", asks="100.1x5 100.2x9", snapshot=True, at=1)
    bench.book(asks="100.1x3", at=20)
    bench.trade("buy", "2", "100.1", at=19)
    bench.order("o", "buy", "4")
    assert bench.fills() == ["3 @ 100.1 taker", "1 @ 100.2 taker"]


# -- before an order stood --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "quantity"), [("100.5", "0.7"), ("100.0", "1.5")])
def test_a_trade_from_before_it_arrived_neither_fills_nor_advances(limit: str, quantity: str) -> None:
    bench = Bench(settings=_delayed(20))
    bench.book(bids="100.0x1", asks="101.0x5", snapshot=True, at=100)
    bench.book(bids="99.0x1", at=105)
    bench.order("o", "buy", "1", limit)
    bench.book(bids="98.0x1", at=130)
    # Told at 131, made at 102; the order arrived at 125.
    bench.trade("sell", quantity, "100.0", at=102)
    assert bench.fills() == []
    [order] = bench.market.resting.all()
    assert order.ahead == (0 if limit == "100.5" else 10**8)


def test_a_trade_of_the_moment_of_its_arrival_counts() -> None:
    bench = Bench(settings=_delayed(20))
    bench.book(bids="100.0x1", asks="101.0x5", snapshot=True, at=100)
    bench.order("o", "buy", "1", "100.5")
    bench.book(bids="98.0x1", at=130)
    bench.trade("sell", "0.7", "100.5", at=120)
    assert bench.fills() == ["0.7 @ 100.5 maker"]


def test_a_trade_from_between_fills_the_order_that_stood_and_passes_the_later_one() -> None:
    bench = Bench()
    bench.book(bids="99.0x1", asks="101.0x5", snapshot=True, at=1)
    bench.order("first", "buy", "1", "100.0")
    bench.book(bids="98.0x1", at=50)
    bench.order("second", "buy", "1", "100.0")
    bench.trade("sell", "1.5", "100.0", at=30)
    assert (bench.fills("first"), bench.fills("second")) == (["1 @ 100 maker"], [])


def test_an_order_with_a_new_price_stands_from_its_amendment_on() -> None:
    bench = Bench()
    bench.book(bids="100.0x5 99.0x1", asks="100.1x1", snapshot=True, at=2)
    bench.order("o", "buy", "1", "99.5")
    bench.book(bids="99.0x2", at=50)
    bench.amend("o", price="99.9")
    bench.trade("sell", "1", "99.9", at=30)
    assert bench.fills() == []
    bench.trade("sell", "1", "99.9", at=51)
    assert bench.fills() == ["1 @ 99.9 maker"]


def test_a_trade_of_the_moment_of_the_book_that_it_joined_is_in_what_stood_before_it(usual: Bench) -> None:
    usual.book(bids="100.0x2", at=20)
    usual.order("o", "buy", "1", "100.0")
    # Told after the book of 20: the 2 that it shows stood behind those 3.
    usual.trade("sell", "3", "100.0", at=20)
    assert (usual.fills(), _ahead(usual)) == ([], [2])


def test_behind_quotes_that_are_taken_nobody_stands_ahead(usual: Bench) -> None:
    usual.book(asks="100.1x0 100.2x0", at=20)
    usual.order("took", "sell", "5", "100.0")
    usual.order("o", "sell", "1", "99.9")
    # 100.0 is displayed and taken by us: nobody asks 99.9.
    assert _ahead(usual) == [0]


def test_an_order_that_becomes_smaller_stands_as_before(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.book(bids="99.5x1", at=50)
    usual.amend("o", quantity="0.5")
    usual.trade("sell", "5.2", "100.0", at=30)
    assert usual.fills() == ["0.2 @ 100 maker"]


def test_a_book_from_before_it_arrived_does_not_fill_it(usual: Bench) -> None:
    usual.book(asks="100.1x0 100.2x0 100.9x1", at=50)
    usual.order("o", "buy", "1", "100.5")
    usual.book(asks="100.4x1", at=40)
    assert usual.fills() == []
    # A newer one says that it still is so.
    usual.book(bids="99.0x1", at=51)
    assert usual.fills() == ["1 @ 100.5 maker"]


def test_the_next_trade_of_the_tape_is_one_from_after_the_arrival() -> None:
    bench = Bench(depth=MarketDepth.TAPE)
    bench.trade("buy", "1", "100.0", at=50)
    bench.order("o", "buy", "1")
    bench.trade("buy", "1", "90.0", at=49)
    assert bench.fills() == []
    bench.trade("buy", "1", "101.0", at=51)
    # 0.1 % slippage, rounded up to the tick: 101.101 -> 101.2.
    assert bench.fills() == ["1 @ 101.2 taker"]


def test_an_explanation_names_the_moment_of_the_trade(usual: Bench) -> None:
    usual.order("o", "buy", "1", "99.9")
    usual.book(bids="99.0x1", at=50)
    usual.trade("sell", "1", "99.8", at=30)
    [fill] = [event for event in usual.drain() if isinstance(event, OrderFilled)]
    assert (fill.explanation["cause"]["time_ns"], fill.time_ns) == (30, 50)


# -- the queue --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "late", "after", "fills"),
    [
        ("", "100.0x5", "", []),  # five came before the order: the five that are sold next are theirs
        ("100.0x1", "100.0x6", "", []),  # one of before and five
        ("", "100.0x5", "100.0x0", ["1 @ 100 maker"]),  # all five have left again since
        ("", "", "100.0x5", ["1 @ 100 maker"]),  # they came after it
    ],
)
def test_who_came_before_an_order_stands_in_front_of_it_though_we_are_told_late(
    before: str, late: str, after: str, fills: list[str]
) -> None:
    b = Bench(settings=_delayed(20))
    b.book(bids=f"{before} 99.9x5", asks="100.2x5", snapshot=True, at=70)
    b.exchange.run_through(80)
    b.order("o", "buy", "1", "100.0")
    b.exchange.on_event(Heartbeat(101, 101))  # it has arrived at 100; the depth is late
    if late:
        b.book(bids=late, at=95)
    if after:
        b.book(bids=after, at=105)
    b.trade("sell", "5", "100.0", at=110)
    assert b.fills() == fills


def _ahead(bench: Bench) -> list[float]:
    return [order.ahead / 10**8 for order in bench.market.resting.all()]


def test_a_late_print_that_made_the_level_shrink_counts_once(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.book(bids="100.0x3", at=20)
    usual.trade("sell", "2", "100.0", at=20)
    assert _ahead(usual) == [3]


def test_a_late_print_from_after_the_last_shrink_is_another_trade(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    # 5 in front; one cancels at 10. At 20 the book is known and the level as it was: of the sale at 15 the level was
    # filled up again behind us, for it shows 4 still.
    usual.book(bids="100.0x4", at=10)
    usual.book(bids="99.0x1", at=20)
    usual.trade("sell", "1", "100.0", at=15)
    assert _ahead(usual) == [3]


def test_a_late_print_that_a_snapshot_has_shown_counts_once(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.book(bids="100.0x3", asks="100.1x1", snapshot=True, at=20)
    usual.trade("sell", "2", "100.0", at=19)
    assert _ahead(usual) == [3]
    usual.trade("sell", "3.5", "100.0", at=21)
    assert usual.fills() == ["0.5 @ 100 maker"]


def test_a_late_print_is_in_the_level_that_came_into_sight_after_it() -> None:
    bench = Bench()
    bench.book(bids="102.0x3", asks="103.0x5", snapshot=True, at=1)
    bench.order("o", "buy", "1", "100.0")
    # Out of sight, the queue is unknown; 1.5 are seen at 20, after the sale of that moment.
    bench.book(bids="100.0x1.5", at=20)
    bench.trade("sell", "2.9", "100.0", at=20)
    assert (bench.fills(), _ahead(bench)) == ([], [1.5])


def test_a_print_newer_than_an_old_shrink_does_not_explain_it(usual: Bench) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.trade("sell", "1", "100.0", at=20)
    # 5 - 1 are in front. At 10 somebody had cancelled 1, behind or before; the sale of 20 is not in that.
    usual.book(bids="100.0x4", at=10)
    assert _ahead(usual) == [4]
    usual.book(bids="100.0x3", at=30)
    assert _ahead(usual) == [3]


# -- the last trade and stops -----------------------------------------------------------------------------------------


def test_the_last_trade_is_the_newest_and_not_the_one_told_last(usual: Bench) -> None:
    usual.trade("buy", "0.1", "100.1", at=20)
    usual.trade("sell", "0.1", "98.0", at=10)
    assert usual.market.last == 1001
    usual.stop("s", "sell", "1", "99.0")
    assert usual.ends("s") == "open"


def test_a_stop_is_not_fired_by_a_trade_from_before_it_arrived(usual: Bench) -> None:
    usual.trade("buy", "0.1", "100.1", at=20)
    usual.stop("s", "sell", "1", "99.0")
    usual.trade("sell", "0.1", "98.0", at=19)
    assert usual.ends("s") == "open"


def test_a_stop_is_fired_by_a_late_trade_that_it_stood_for(usual: Bench) -> None:
    usual.trade("buy", "0.1", "100.1", at=20)
    usual.stop("s", "sell", "1", "99.0")
    usual.trade("buy", "0.1", "100.1", at=40)
    usual.book(bids="100.0x4", at=41)
    usual.trade("sell", "0.1", "98.0", at=30)
    assert usual.fills("s") == ["1 @ 100 taker"]


def test_a_stop_that_arrives_looks_at_the_last_trade_for_itself_alone(usual: Bench) -> None:
    usual.trade("sell", "0.1", "98.0", at=20)
    usual.book(bids="100.0x5", at=21)
    usual.stop("at once", "sell", "1", "99.0")
    assert usual.fills("at once") == ["1 @ 100 taker"]


# -- what is left to be taken -----------------------------------------------------------------------------------------


def test_post_only_may_rest_on_a_level_that_was_emptied(usual: Bench) -> None:
    usual.order("took", "buy", "1")
    usual.order("o", "buy", "1", Limit(Decimal("100.1"), post_only=True))
    assert usual.ends("o") == "open"
    assert _ahead(usual) == [0]
    # What grows there is new, and sells to us at our price.
    usual.book(asks="100.1x1.5")
    assert usual.fills("o") == ["0.5 @ 100.1 maker"]


def test_post_only_may_be_amended_onto_it_as_well(usual: Bench) -> None:
    usual.order("o", "buy", "1", Limit(Decimal("99.0"), post_only=True))
    usual.order("took", "buy", "1")
    usual.amend("o", price="100.1")
    assert usual.refused("o") == []
    usual.amend("o", price="100.2")
    assert usual.refused("o") == ["EOrder:Post only order"]


def test_what_this_account_took_came_off_the_front_of_its_own_queue(usual: Bench) -> None:
    usual.order("own", "sell", "1", "100.2")
    # 1 @ 100.1 and 10 @ 100.2, all that stood before our own.
    usual.order("first", "buy", "11")
    usual.book(asks="100.2x14")
    # The 4 that are new stand behind our own, which is next: self-trade prevention.
    usual.order("second", "buy", "1")
    assert usual.ends("second") == "cancelled: self-trade prevention"
    assert usual.fills("second") == []


# -- what cannot have been --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "quantity"), [("0.1", "5"), ("300.0", "5"), ("99.0", "20000000")])
def test_a_trade_that_cannot_have_been_does_nothing(usual: Bench, price: str, quantity: str) -> None:
    usual.trade("buy", "0.1", "100.1", at=20)
    usual.order("bid", "buy", "1", "99.0")
    usual.stop("stop", "sell", "1", "99.5")
    usual.trade("sell", quantity, price, at=30)
    assert (usual.market.last, usual.fills(), usual.ends("stop")) == (1001, [], "open")


def test_the_first_trade_of_all_is_compared_with_the_quotes(usual: Bench) -> None:
    usual.trade("sell", "1", "0.1")
    assert usual.market.last is None
    usual.trade("sell", "1", "100.0")
    assert usual.market.last == 1000


def test_quotes_that_have_followed_make_it_plausible(usual: Bench) -> None:
    usual.trade("buy", "0.1", "100.1", at=20)
    usual.stop("stop", "sell", "1", "99.5")
    usual.trade("sell", "1", "45.0", at=30)
    assert usual.ends("stop") == "open"
    usual.book(bids="100.0x0 45.0x2", asks="100.1x0 100.2x0 46.0x2", at=31)
    usual.trade("sell", "1", "45.0", at=32)
    assert usual.fills("stop") == ["1 @ 45 taker"]


def test_without_a_book_ten_in_a_row_that_agree_are_believed() -> None:
    bench = Bench(depth=MarketDepth.TAPE)
    bench.trade("buy", "1", "100.0", at=1)
    for at in range(2, 11):
        bench.trade("sell", "1", "40.0", at=at)
    bench.trade("buy", "1", "100.0", at=11)
    for at in range(12, 21):
        bench.trade("sell", "1", "40.0", at=at)
    assert bench.market.last == 1000
    bench.trade("sell", "1", "40.1", at=21)
    assert bench.market.last == 401


@pytest.mark.parametrize("quantity", ["2", "0.5"])
def test_a_stop_of_another_size_still_hears_of_trades_from_before(quantity: str) -> None:
    b = Bench()
    b.book(bids="99.9x50", asks="100.1x50", snapshot=True, at=10)
    b.trade("buy", "1", "100.0", at=11)
    b.stop("s", "sell", "1", "99.0")
    b.book(bids="99.8x5", at=100)
    b.amend("s", quantity=quantity)
    # The tape is late: at 95 the trigger was 99 as it is now, and a trade went through it.
    b.trade("sell", "1", "98.5", at=95)
    assert b.fills() == [f"{quantity} @ 99.9 taker"]

"""Two accounts on one market: each meets it as if the other were not there, and one that has left meets nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.clock import Moment
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, MarketDepth
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import StopLoss, TrailingStop
from triplegain.exchange.public_market import PublicMarket, public_markets


class Pair:
    """The book of the worked cases: bid 100.0 x 5.0, asks 100.1 x 1.0 and 100.2 x 10.0. `first` tells it."""

    def __init__(self, bench: Callable[..., Any]) -> None:
        self.first = bench()
        self.second = bench(shares=self.first)
        self.first.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True)
        self.market: PublicMarket = self.first.market.public

    def order(self, which: str, name: str, *words: Any) -> None:
        bench = self.first if which == "first" else self.second
        # As a session is before anything is done in it.
        bench.exchange.now_ns = self.first.exchange.now_ns
        bench.order(name, *words)

    def both(self, name: str, *words: Any) -> None:
        self.order("first", name, *words)
        self.order("second", name, *words)

    def wanted(self) -> list[Any]:
        """What the market knows of who is to be told of what; by price how many."""
        market = self.market
        watchers = [{price: len(there) for price, there in side.items()} for side in market._watchers]
        return deepcopy([market._best, market._triggers_at, len(market._listeners), watchers])

    def fills(self, name: str | None = None) -> tuple[list[str], list[str]]:
        return self.first.fills(name), self.second.fills(name)


@pytest.fixture
def pair(bench: Callable[..., Any]) -> Pair:
    return Pair(bench)


def test_each_waits_behind_the_public_queue_alone(pair: Pair) -> None:
    pair.both("bid", "buy", "3", "100.0")
    # 5.0 stand in front of each; 7.0 are sold, so that each gets what is left of it: 2.0.
    pair.first.trade("sell", "7", "100.0")
    assert pair.fills() == (["2 @ 100 maker"], ["2 @ 100 maker"])


def test_what_one_takes_is_there_for_the_other(pair: Pair) -> None:
    pair.both("take", "buy", "1.5")
    assert pair.fills() == (["1 @ 100.1 taker", "0.5 @ 100.2 taker"],) * 2
    # Each has taken the level itself: shown again as before, it is there for neither.
    pair.both("more", "buy", "0.5", "100.1")
    assert pair.fills("more") == ([], [])
    # One lot more is new liquidity for both.
    pair.first.book(asks="100.1x1.2")
    assert pair.fills("more") == (["0.2 @ 100.1 maker"],) * 2


def test_their_orders_do_not_meet_each_other(pair: Pair) -> None:
    pair.order("first", "bid", "buy", "1", "100.0")
    pair.order("second", "ask", "sell", "1", "100.1")
    pair.order("second", "sells", "sell", "1", "100.0")
    # The public bid is taken, not the other account's.
    assert pair.fills() == ([], ["1 @ 100 taker"])
    assert pair.first.ends("bid") == "open"


def test_a_fill_is_of_the_time_of_what_caused_it(pair: Pair) -> None:
    pair.order("second", "bid", "buy", "1", "99.9")
    pair.first.trade("sell", "1", "99.8", at=77)
    (fill,) = [event for event in pair.second.drain() if isinstance(event, OrderFilled)]
    assert (fill.time_ns, pair.second.exchange.now_ns) == (77, 77)


@pytest.mark.parametrize("which", ["first", "second"])
def test_stops_of_each_are_fired_by_the_tape_of_all(pair: Pair, which: str) -> None:
    near, far = StopLoss(Decimal("100.1")), StopLoss(Decimal("100.2"))
    other = "second" if which == "first" else "first"
    pair.order(which, "near", "buy", "1", near)
    pair.order(other, "far", "buy", "1", far)
    # The trade has taken 0.4 of the first level.
    pair.first.trade("buy", "0.4", "100.1")
    fired = dict(zip(("first", "second"), pair.fills(), strict=True))
    assert (fired[which], fired[other]) == (["0.6 @ 100.1 taker", "0.4 @ 100.2 taker"], [])
    # The next one has swept it, and taken 0.5 of the second.
    pair.first.trade("buy", "0.5", "100.2")
    assert dict(zip(("first", "second"), pair.fills(), strict=True))[other] == ["1 @ 100.2 taker"]


def test_who_has_left_is_met_by_nothing(pair: Pair) -> None:
    # A trail begins at the last trade.
    pair.first.trade("sell", "0.1", "100.0")
    pair.both("bid", "buy", "3", "100.0")
    pair.both("stop", "sell", "1", StopLoss(Decimal("99.5")))
    pair.order("second", "trails", "sell", "1", TrailingStop(Offset(Sign.PLUS, Decimal(1))))
    pair.second.exchange.leave()
    ahead = pair.second.exchange.orders["bid"].ahead
    pair.first.book(bids="100.0x1")
    pair.first.trade("sell", "4", "100.0")
    pair.first.trade("sell", "1", "99.5")
    assert pair.fills("bid") == (["3 @ 100 maker"], [])
    assert pair.first.ends("stop").startswith("cancelled: no more visible")
    assert [pair.second.ends("stop"), pair.second.ends("trails")] == ["open", "open"]
    assert pair.second.exchange.orders["bid"].ahead == ahead
    # A status concerns everybody who is there.
    pair.first.exchange.on_event(FeedStatus("BTC/USDT", 99, 99, FeedState.STALE, "silent"))
    assert (pair.first.market.condition, pair.second.market.condition) == ("silent", "")


def test_the_market_forgets_what_the_one_that_left_wanted_to_hear(pair: Pair) -> None:
    pair.first.trade("sell", "0.1", "100.0")
    nothing = pair.wanted()
    pair.order("first", "low", "buy", "1", "99.0")
    own = pair.wanted()
    pair.order("second", "high", "buy", "1", "99.9")
    pair.order("second", "ask", "sell", "1", "100.9")
    pair.order("second", "stop", "sell", "1", StopLoss(Decimal("99.8")))
    pair.order("second", "rise", "buy", "1", StopLoss(Decimal(102)))
    pair.order("second", "trails", "sell", "1", TrailingStop(Offset(Sign.PLUS, Decimal(1))))
    pair.order("second", "take", "buy", "0.5")
    assert pair.wanted() == [[999, 1009], [998, 1020], 1, [{990: 1, 999: 1}, {1009: 1, 1001: 1}]]
    pair.second.exchange.leave()
    assert pair.wanted() == own
    pair.first.cancel("low")
    assert pair.wanted() == nothing


@pytest.mark.parametrize("state", [FeedState.SYNCED, FeedState.STALE, FeedState.MAINTENANCE])
def test_a_market_put_where_another_stood_is_that_one(pair: Pair, state: FeedState, bench: Callable[..., Any]) -> None:
    pair.first.trade("buy", "0.5", "100.1", at=40)
    pair.first.exchange.on_event(FeedStatus("BTC/USDT", 50, 51, state, "so it is"))
    instrument: Instrument = pair.first.instrument
    other = bench()
    there = other.market.public
    there.see(pair.market.seen())
    assert there.seen() == pair.market.seen()
    assert (there.last, there.last_at_ns, there.dated_ns, there.received_at_ns) == (1001, 40, 40, 51)
    # Who follows it stands in its condition, and meets its book.
    assert (other.market.state, other.market.condition) == (state, pair.first.market.condition)
    if state is FeedState.SYNCED:
        other.exchange.now_ns = 60
        other.order("take", "buy", "1")
        # 0.5 of the first level were traded, and no book has said so since.
        assert other.fills() == ["0.5 @ 100.1 taker", "0.5 @ 100.2 taker"]
    assert public_markets({instrument: MarketDepth.BOOK})["BTC/USDT"].seen() != pair.market.seen()


def test_a_late_comer_finds_the_book_and_takes_of_it(pair: Pair, bench: Callable[..., Any]) -> None:
    late = bench(shares=pair.first)
    late.exchange.now_ns = pair.first.exchange.now_ns
    late.order("take", "sell", "1")
    assert late.fills() == ["1 @ 100 taker"]
    update = BookUpdate("BTC/USDT", 90, 90, ((1000, 0),), (), False)
    late.exchange.on_event(update)
    assert pair.market.book.moment == Moment(90)
    assert not late.market.book.taken[0]

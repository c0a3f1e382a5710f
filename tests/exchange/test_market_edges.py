"""A market as the feed tells it and as one account follows it, at the edges. Prices in ticks, quantities in lots.

The book of `usual`: bid 100.0 x 5.0, asks 100.1 x 1.0 and 100.2 x 10.0.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT, Bench

from triplegain.domain.clock import Moment
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    Candle,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketDepth,
    PublicTrade,
)
from triplegain.domain.orders import Limit, SelfTradePrevention, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import TrailingStop
from triplegain.exchange.book import ASK, BID, NO_PRICES
from triplegain.exchange.public_market import PublicMarket
from triplegain.exchange.venue_market import MarketStanding

D = Decimal
SYMBOL = INSTRUMENT.symbol


class Follower:
    """Writes down what it is told. Rests and waits where it says."""

    def __init__(self, best: tuple[int, int] = NO_PRICES, triggers_at: tuple[int, int] = NO_PRICES) -> None:
        self.best, self.triggers_at = list(best), list(triggers_at)
        self.told: list[tuple[Any, ...]] = []
        self.wants = True

    def wake(self, time_ns: int) -> None:
        self.told.append(("wake", time_ns))

    def fail(self, error: Exception) -> None:
        raise error

    def concerns(self, side: int, price: int) -> bool:
        return self.wants

    def level_changed(self, side: int, price: int, before: int, size: int, explained: int, moment: Moment) -> None:
        self.told.append(("level", side, price, before, size, explained, moment))

    def shown_anew(self, moment: Moment) -> None:
        self.told.append(("anew", moment))

    def match_quotes(self, moment: Moment) -> None:
        self.told.append(("match", moment))

    def on_trade(self, trade: PublicTrade, moment: Moment, is_newest: bool) -> None:
        self.told.append(("trade", trade.price, moment, is_newest))

    def on_candle(self, candle: Candle) -> None:
        self.told.append(("candle", candle.close))

    def stand(self) -> None:
        self.told.append(("stand",))

    def take_effect(self) -> None:
        self.told.append(("effect",))

    def fire_passed(self, moment: Moment) -> None:
        self.told.append(("passed", moment))

    def heard(self) -> list[tuple[Any, ...]]:
        """Since the last call."""
        told, self.told = self.told, []
        return told


class Told:
    """A market, and what is told of it: bids 99 x 4 and 100 x 5, asks 102 x 6 and 103 x 7 at moment 10."""

    def __init__(self, depth: MarketDepth = MarketDepth.BOOK) -> None:
        self.market = PublicMarket(INSTRUMENT, depth)
        self.book(((99, 4), (100, 5)), ((102, 6), (103, 7)), at=10, snapshot=True)

    def follow(self, *followers: Follower) -> None:
        for each in followers:
            self.market.follow(each)

    def book(self, bids: Any, asks: Any, at: int, snapshot: bool = False) -> None:
        self.market.on_event(BookUpdate(SYMBOL, at, at, bids, asks, snapshot), at + 1)

    def trade(self, side: Side, price: int, lots: int, at: int) -> bool:
        return self.market.on_event(PublicTrade(SYMBOL, at, at, price, lots, side), at + 1)

    @property
    def levels(self) -> Any:
        return self.market.book.best_first()


# -- the book ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "levels"),
    [
        # The best levels have new sizes.
        ((100, 1), (102, 2), (((100, 1), (99, 4)), ((102, 2), (103, 7)))),
        # What lies before them is gone.
        ((99, 3), (103, 8), (((99, 3),), ((103, 8),))),
        # They are new.
        ((101, 1), (102, 6), (((101, 1), (100, 5), (99, 4)), ((102, 6), (103, 7)))),
        ((98, 1), (104, 6), (((98, 1),), ((104, 6),))),
    ],
)
def test_a_best_quote_cuts_the_book_to_itself(bid: Any, ask: Any, levels: Any) -> None:
    told = Told()
    told.market.on_event(BestQuote(SYMBOL, 20, 20, bid, ask), 21)
    assert told.levels == levels
    assert (told.market.book.moment, told.market.dated_ns) == (20, 20)


def test_who_watches_a_level_hears_of_each_size_and_nobody_else() -> None:
    told, watches, other = Told(), Follower(), Follower()
    told.follow(watches, other)
    told.market.watch(watches, BID, 100)
    told.market.watch(watches, BID, 100)
    told.book(((100, 3), (99, 1)), (), at=20)
    told.market.on_event(BestQuote(SYMBOL, 30, 30, (99, 1), (102, 6)), 31)
    assert watches.heard() == [
        ("wake", 21), ("level", BID, 100, 5, 3, 0, 20), ("wake", 31), ("level", BID, 100, 3, 0, 0, 30),
    ]  # fmt: skip
    assert other.heard() == []
    told.market.unwatch(other, BID, 100)
    told.market.unwatch(watches, BID, 100)
    told.market.unwatch(watches, BID, 100)
    told.book(((100, 3),), (), at=40)
    assert (watches.heard(), told.market._watchers) == ([], ({}, {}))


def test_what_trades_have_taken_of_a_level_is_told_with_its_new_size() -> None:
    told, watches = Told(), Follower()
    told.follow(watches)
    told.market.watch(watches, BID, 100)
    told.trade(Side.SELL, 100, 2, at=15)
    watches.heard()
    told.book(((100, 1),), (), at=20)
    assert watches.heard() == [("wake", 21), ("level", BID, 100, 5, 1, 2, 20)]


@pytest.mark.parametrize(
    ("bid", "state"), [(101, FeedState.SYNCED), (102, FeedState.CROSSED), (103, FeedState.CROSSED)]
)
def test_a_book_whose_sides_meet_is_crossed(bid: int, state: FeedState) -> None:
    told, follower = Told(), Follower()
    told.follow(follower)
    told.book(((bid, 1),), (), at=20)
    assert told.market.state is state
    assert follower.heard() == ([] if state is FeedState.SYNCED else [("wake", 21), ("effect",)])


@pytest.mark.parametrize(
    ("best", "asks", "is_met"),
    [
        ((101, NO_PRICES[ASK]), ((101, 1),), True),
        ((100, NO_PRICES[ASK]), ((101, 1),), False),
        ((NO_PRICES[BID], 100), (), True),
        ((NO_PRICES[BID], 101), (), False),
    ],
)
def test_quotes_at_an_order_are_told_to_whom_it_is(best: tuple[int, int], asks: Any, is_met: bool) -> None:
    told, one, other = Told(), Follower(best), Follower()
    told.follow(one, other)
    for side in (BID, ASK):
        told.market.rests(side, best[side])
    told.book((), asks, at=20)
    assert one.heard() == ([("wake", 21), ("match", 20)] if is_met else [])
    assert other.heard() == []


# -- who is concerned ----------------------------------------------------------------------------------------------


def test_of_all_that_rest_and_wait_the_nearest_counts() -> None:
    told = Told()
    near, far = Follower((98, 105), (97, 106)), Follower((96, 107), (95, 108))
    told.follow(far, near)
    for each in (far, near):
        for side in (BID, ASK):
            told.market.rests(side, each.best[side])
            told.market.triggers(side, each.triggers_at[side])
    assert (told.market._best, told.market._triggers_at) == ([98, 105], [97, 106])
    near.best, near.triggers_at = [96, 107], [94, 109]
    for side, gone in ((BID, 90), (BID, 98), (ASK, 105)):
        told.market.rests_no_more(side, gone)
    for side, gone in ((BID, 90), (BID, 97), (ASK, 106)):
        told.market.triggers_no_more(side, gone)
    assert (told.market._best, told.market._triggers_at) == ([96, 107], [95, 108])
    told.market.leave(far)
    assert (told.market._best, told.market._triggers_at) == ([96, 107], [94, 109])
    told.market.leave(near)
    assert (told.market._best, told.market._triggers_at) == (list(NO_PRICES), list(NO_PRICES))


@pytest.mark.parametrize(
    ("side", "price", "concerned"),
    [
        # It rests at 98 and 105, and waits for 97 and 106.
        (Side.SELL, 99, False), (Side.SELL, 98, True), (Side.SELL, 97, True),
        (Side.BUY, 104, False), (Side.BUY, 105, True), (Side.BUY, 98, False),
        (Side.BUY, 97, True), (Side.SELL, 106, True), (Side.SELL, 105, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("listens", [False, True])
def test_a_trade_is_told_to_whom_it_may_concern(side: Side, price: int, concerned: bool, listens: bool) -> None:
    told, follower = Told(), Follower((98, 105), (97, 106))
    told.follow(follower)
    for each in (BID, ASK):
        told.market.rests(each, follower.best[each])
        told.market.triggers(each, follower.triggers_at[each])
    told.market.listen(follower, to_all=listens)
    told.market.listen(follower, to_all=listens)
    assert told.trade(side, price, 1, at=20)
    assert follower.heard() == ([("wake", 21), ("trade", price, 20, True)] if concerned or listens else [])
    told.market.listen(follower, to_all=False)
    assert told.market._listeners == []
    follower.wants = False
    told.trade(side, price, 1, at=30)
    assert follower.heard() == []


def test_where_nothing_is_matched_every_trade_is_told_to_all() -> None:
    told, follower = Told(), Follower()
    told.follow(follower)
    follower.wants = False
    told.market.on_event(FeedStatus(SYMBOL, 20, 20, FeedState.STALE, "silent"), 21)
    assert follower.heard() == [("wake", 21), ("effect",), ("wake", 21), ("passed", 21)]
    told.trade(Side.SELL, 101, 1, at=30)
    told.trade(Side.SELL, 101, 1, at=25)
    assert follower.heard() == [("wake", 31), ("trade", 101, 30, True), ("wake", 26), ("trade", 101, 25, False)]
    assert (told.market.last_at_ns, told.market.dated_ns) == (30, 30)


def test_a_snapshot_is_told_to_all_and_ends_what_waited_for_it() -> None:
    told, follower = Told(), Follower()
    told.follow(follower)
    told.market.on_event(FeedStatus(SYMBOL, 20, 20, FeedState.GAP, "gap"), 21)
    follower.heard()
    told.book(((99, 4),), ((102, 6),), at=30, snapshot=True)
    assert follower.heard() == [
        ("wake", 31), ("anew", 30), ("wake", 31), ("effect",), ("wake", 31), ("passed", 30),
    ]  # fmt: skip
    assert (told.market.state, told.market.state_reason) == (FeedState.SYNCED, "")


def test_nothing_else_is_told() -> None:
    told, follower = Told(), Follower()
    told.follow(follower)
    assert told.market.on_event(Heartbeat(20, 20), 21)
    assert (follower.heard(), told.market.received_at_ns) == ([], 20)


@pytest.mark.parametrize(
    ("state", "depth", "believed"),
    [
        # Ten in a row that agree count only where no book says otherwise.
        (FeedState.SYNCED, MarketDepth.BOOK, False),
        (FeedState.POST_ONLY, MarketDepth.BOOK, False),
        (FeedState.STALE, MarketDepth.BOOK, True),
        (FeedState.SYNCED, MarketDepth.TAPE, True),
    ],
)
def test_a_price_far_from_all_that_is_known(state: FeedState, depth: MarketDepth, believed: bool) -> None:
    told = Told(depth)
    told.market.on_event(FeedStatus(SYMBOL, 20, 20, state, ""), 21)
    answers = [told.trade(Side.SELL, 300, 1, at=30 + number) for number in range(10)]
    assert answers == [False] * 9 + [believed]
    assert told.market.last == (300 if believed else None)


def test_a_candle_is_told_and_then_its_close_is_the_last_price() -> None:
    market, follower = PublicMarket(INSTRUMENT, MarketDepth.CANDLES), Follower()
    market.follow(follower)
    market.on_event(CandleClosed(SYMBOL, 100, 100, Candle(SYMBOL, 0, 100, 5, 9, 4, 8, 70)), 101)
    assert follower.heard() == [("wake", 101), ("candle", 8)]
    assert (market.last, market.last_at_ns, market.dated_ns) == (8, 100, 100)
    other, stands = PublicMarket(INSTRUMENT, MarketDepth.CANDLES), Follower()
    other.follow(stands)
    other.see(market.seen())
    assert (other.candle, stands.heard()) == (market.candle, [("stand",)])
    assert other.candle is not None
    assert (other.candle.left, other.candle.close) == (D(70), 8)
    empty = PublicMarket(INSTRUMENT, MarketDepth.CANDLES)
    other.see(empty.seen())
    assert other.candle is None


# -- an account ----------------------------------------------------------------------------------------------------


def test_a_message_about_no_market_of_ours_is_believed(usual: Bench) -> None:
    assert usual.exchange.on_event(PublicTrade("ETH/USDT", 50, 50, 1, 1, Side.BUY)) is True
    assert usual.exchange.now_ns == 50


def test_the_quotes_are_the_best_of_both_sides(usual: Bench) -> None:
    usual.book(bids="99.0x1")
    assert (usual.market.quotes(), usual.market.seen_quotes()) == ((1000, 1001), (1000, 1001))


@pytest.mark.parametrize(
    ("known", "assumed", "state", "reason"),
    [(False, True, FeedState.GAP, "away"), (False, False, FeedState.GAP, "away"), (True, False, FeedState.SYNCED, "")],
)
def test_how_a_market_was_left_counts_where_no_book_has_come_since(
    bench: Callable[..., Bench], known: bool, assumed: bool, state: FeedState, reason: str
) -> None:
    b = bench()
    if known:
        b.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    left = MarketStanding(990, Moment(7), FeedState.GAP, "away", 5, 6, *((True,) if assumed else ()))
    b.market.restore(left)
    public = b.market.public
    assert (public.state, public.state_reason, public.is_assumed) == (state, reason, assumed)
    assert (b.market.state, b.market.condition) == (state, reason)
    assert (public.last, public.last_at_ns, b.market.since_ns) == (990, 7, 7)
    assert (b.market.rate.value, b.market.rate.at_ns) == (5, 6)
    b.market.restore(MarketStanding(980, Moment(9)))
    assert (public.last, b.market.since_ns) == (990, 9)


@pytest.mark.parametrize(
    ("state", "since", "filled"),
    [
        # What an account has seen in an earlier run it is told again where others catch up, and met once.
        (FeedState.CATCH_UP, 60, False),
        (FeedState.CATCH_UP, 50, False),
        (FeedState.CATCH_UP, 49, True),
        (FeedState.STALE, 60, True),
    ],
)
def test_a_trade_that_no_book_goes_with_is_met_once(usual: Bench, state: FeedState, since: int, filled: bool) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus(SYMBOL, 40, 40, state, "so"))
    usual.market.since_ns = Moment(since)
    usual.trade("sell", "1", "99.9", at=50)
    assert usual.fills() == (["1 @ 100 maker"] if filled else [])


def test_a_market_that_is_held_keeps_what_the_tape_went_through_until_it_is_not(usual: Bench) -> None:
    usual.stop("stop", "sell", "1", "99.0")
    usual.exchange.hold("the record cannot be written")
    assert (usual.market.is_held, usual.market.condition) == (True, "the record cannot be written")
    usual.trade("sell", "1", "98.0")
    usual.order("refused", "buy", "1")
    assert (usual.fills(), usual.ends("refused")) == ([], "rejected: EService:Unavailable")
    usual.book(bids="100.0x5")
    assert usual.fills() == []
    usual.exchange.hold("")
    assert (usual.market.is_held, usual.market.condition, usual.fills()) == (False, "", ["1 @ 100 taker"])


def test_what_takes_all_trades_hears_no_more_of_them_when_it_is_gone(usual: Bench) -> None:
    public = usual.market.public
    usual.trade("sell", "0.1", "100.0")
    usual.order("trails", "sell", "1", TrailingStop(Offset(Sign.PLUS, D(1))))
    assert len(public._listeners) == 1
    usual.cancel("trails")
    assert public._listeners == []


def test_a_level_is_watched_as_long_as_something_was_taken_of_it(usual: Bench) -> None:
    public = usual.market.public
    usual.order("take", "buy", "0.5")
    assert list(public._watchers[ASK]) == [1001]
    usual.book(asks="100.1x0")
    assert public._watchers == ({}, {})


def test_one_that_took_nothing_joins_behind_what_the_book_shows(usual: Bench) -> None:
    """The own ask has taken the bid that came to it, which the book still shows: who reaches the ask ends it, takes
    nothing, and stands behind the 5."""
    usual.book(asks="100.1x0")
    usual.order("ask", "sell", "8", "100.1")
    usual.book(bids="100.1x5")
    assert usual.fills() == ["5 @ 100.1 maker"]
    usual.order("bid", "buy", "1", "100.1", self_trade=SelfTradePrevention.CANCEL_OLDEST)
    assert (usual.fills("bid"), usual.exchange.orders["bid"].ahead) == ([], usual.instrument.lots(D(5)))


def test_in_candles_who_may_only_make_waits_for_a_price_through_its_own(bench: Callable[..., Bench]) -> None:
    b = bench(depth=MarketDepth.CANDLES)

    def candle(opens: int) -> None:
        told = Candle(SYMBOL, opens, 100, 1000, 1000, 990, 1000, 10**12)
        b.exchange.on_event(CandleClosed(SYMBOL, opens + 100, opens + 100, told))

    candle(0)
    b.order("makes", "buy", "1", Limit(D("99.5"), post_only=True))
    b.order("takes", "buy", "1", "100.5")
    candle(100)
    assert (b.fills("makes"), b.fills("takes")) == (["1 @ 99.5 maker"], ["1 @ 100.1 taker"])


def test_a_stop_that_is_reached_already_fires_on_arrival(usual: Bench) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("stop", "sell", "1", StopLoss(D("100.0")))
    assert usual.fills() == ["1 @ 100 taker"]
    usual.order("waits", "sell", "1", StopLoss(D("99.9")))
    assert usual.ends("waits") == "open"

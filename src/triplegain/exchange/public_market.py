"""One instrument as the feed tells it, whoever trades there: its book, its last trade and its condition.

It exists once, however many accounts there are. Each of them follows it with what is its own (`Follower`), and is told
only of what can concern it: a message that touches no order of an account costs that account nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.clock import NEVER, Moment
from triplegain.domain.event_rows import EventRows
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    CLOSED_STATES,
    PRICED_STATES,
    BestQuote,
    BookUpdate,
    Candle,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketDepth,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.exchange.approach import Approach
from triplegain.exchange.book import ASK, BID, NO_PRICES, BookSeen, OrderBook, is_better, reaches
from triplegain.exchange.candle_time import AFTER_NS, ToldCandle
from triplegain.exchange.plausible import DoubtsSeen, PrintCheck
from triplegain.exchange.quiet import Quiet
from triplegain.exchange.quiet_rows import LONG, RowPass, is_at_rest
from triplegain.exchange.row_index import RowIndex

#: Conditions that a new snapshot of the book ends.
_UNTIL_SNAPSHOT = (
    FeedState.CROSSED,
    FeedState.GAP,
    FeedState.CHECKSUM_MISMATCH,
    FeedState.STALE,
    FeedState.CATCH_UP,
    FeedState.MISSED,
)

#: Behind fewer messages than the first that could be passed over, so many times as the second none are: where they
#: concern somebody all the time, looking for it costs more than it saves.
_SHORT, _APART = 4, 8
#: Where more levels are watched, the next of them is not far.
_FEW = 32


def _highest(prices: Iterable[int]) -> int:
    return max(prices, default=NO_PRICES[BID])


def _lowest(prices: Iterable[int]) -> int:
    return min(prices, default=NO_PRICES[ASK])


_BEST = (_highest, _lowest)


class Follower(Protocol):
    """An account in one market."""

    @property
    def best(self) -> list[int]:
        """Its best resting bid and ask, `NO_PRICES` where it has none."""
        ...

    @property
    def triggers_at(self) -> list[int]:
        """The highest trigger that the market must fall to and the lowest that it must rise to, or `NO_PRICES`."""
        ...

    def wake(self, time_ns: int) -> None:
        """Something that happens at that time is about to concern it."""
        ...

    def fail(self, error: Exception) -> None:
        """It could not do what it was told to, and what it has done of that is not known."""
        ...

    def concerns(self, side: int, price: int) -> bool:
        """Whether a trade that hit `side` at `price` can do anything to its orders."""
        ...

    def level_changed(self, side: int, price: int, before: int, size: int, explained: int, moment: Moment) -> None:
        """A level that it watches has a new size; `explained` lots of that are trades."""
        ...

    def shown_anew(self, moment: Moment) -> None:
        """The book is a new snapshot."""
        ...

    def match_quotes(self, moment: Moment) -> None:
        """The book shows quotes at or through its orders."""
        ...

    def on_trade(self, trade: PublicTrade, moment: Moment, is_newest: bool) -> None:
        """A trade that concerns it, or any while the market is not matched."""
        ...

    def on_candle(self, candle: Candle) -> None:
        """A finished candle, where that is all there is."""
        ...

    def stand(self) -> None:
        """The market is found in its condition."""
        ...

    def take_effect(self) -> None:
        """The market has another condition now."""
        ...

    def fire_passed(self, moment: Moment) -> None:
        """Its stops that were gone through without a book meet it, if there is one."""
        ...


class Aims(msgspec.Struct, frozen=True):
    """When somebody has something to do beside what orders wait for: at a bid of `rise_at` or above, at an ask of
    `fall_at` or below, at a trade of `trades_until_ns` or later, and at anything of `until_ns` or later."""

    until_ns: int
    trades_until_ns: int = NEVER
    rise_at: int = NO_PRICES[ASK]
    fall_at: int = NO_PRICES[BID]


class RowsPassed(msgspec.Struct, frozen=True):
    """So many messages; the latest time that one of them told, and the numbers of the trades among them."""

    count: int
    latest_ns: int
    trades: Sequence[int]


NONE_PASSED = RowsPassed(0, 0, ())


class PublicStanding(msgspec.Struct, frozen=True):
    """What of a market no book says."""

    last: int | None
    last_at_ns: Moment
    state: FeedState
    state_reason: str
    is_assumed: bool
    candle: ToldCandle | UnsetType = UNSET


#: The book, what was told beside it, when we learnt of it, and the newest time of its own.
MarketSeen = tuple[BookSeen, PublicStanding, DoubtsSeen, int, int]


class PublicMarket:
    """Takes market events one at a time, in order of receipt."""

    def __init__(self, instrument: Instrument, depth: MarketDepth) -> None:
        self.instrument = instrument
        self.depth = depth
        self.book = OrderBook()
        #: Price of the trade of the newest moment.
        self.last: int | None = None
        self.last_at_ns = Moment(0)
        #: The exchange's own time of the newest price, whatever time it is for us.
        self.dated_ns = 0
        #: How often the feed has told something of it: what is made of that is the same as long as this is. 0: it is
        #: being told something now, or never was.
        self.told = 0
        self._messages = 0
        #: When we learnt of the last message about this market.
        self.received_at_ns = 0
        #: What the feed has told of its condition.
        self.state = FeedState.SYNCED
        self.state_reason = ""
        #: The last candle, where they are all there is.
        self.candle: ToldCandle | None = None
        #: The state is that of an earlier run: the feed has said nothing yet.
        self.is_assumed = False
        self._tape = PrintCheck(self.book)
        #: In order of arrival.
        self._followers: list[Follower] = []
        #: By side and price, who rests there or has taken something there.
        self._watchers: tuple[dict[int, list[Follower]], dict[int, list[Follower]]] = ({}, {})
        #: Of all followers: see `Follower`.
        self._best = list(NO_PRICES)
        self._triggers_at = list(NO_PRICES)
        #: Those with an order that any trade may concern.
        self._listeners: list[Follower] = []
        #: Of those who follow: how near trades came to their orders. A trade between the two prices is no news to them.
        self._approaches: list[Approach] = []
        self.no_news = [-1, 1 << 62]
        self._now_ns = 0
        #: So many times more nothing is passed over.
        self._apart = 0
        #: The rows that were passed last, and what was worked out for them.
        self._indexed: tuple[EventRows, RowIndex] | None = None

    # -- who follows ---------------------------------------------------------------------------------------------

    def follow(self, follower: Follower) -> None:
        self._followers.append(follower)

    def leave(self, follower: Follower) -> None:
        """Nothing that happens here concerns it any more."""
        self._followers.remove(follower)
        self.listen(follower, to_all=False)
        for side in (BID, ASK):
            for price in [price for price, there in self._watchers[side].items() if follower in there]:
                self.unwatch(follower, side, price)
            self.rests_no_more(side, self._best[side])
            self.triggers_no_more(side, self._triggers_at[side])

    def expect(self, approach: Approach) -> None:
        """It is told of the next trade, and of those that are more extreme from then on."""
        if approach not in self._approaches:
            self._approaches.append(approach)
        self.no_news[:] = 1 << 62, -1

    def ignore(self, approach: Approach) -> None:
        """It is not told of anything any more."""
        if approach in self._approaches:
            self._approaches.remove(approach)

    def come_near(self, price: int, moment: Moment, time_ns: int) -> None:
        """A trade that may be the most extreme of its time; see `no_news`."""
        for each in self._approaches:
            each.trade(price, moment, time_ns)
        newest = [each.newest for each in self._approaches]
        self.no_news[:] = (
            max((low for low, _ in newest), default=-1),
            min((high for _, high in newest), default=1 << 62),
        )

    def watch(self, follower: Follower, side: int, price: int) -> None:
        """Tell it of every new size of a level."""
        there = self._watchers[side].setdefault(price, [])
        if follower not in there:
            there.append(follower)

    def unwatch(self, follower: Follower, side: int, price: int) -> None:
        there = self._watchers[side].get(price)
        if there is not None and follower in there:
            there.remove(follower)
            if not there:
                del self._watchers[side][price]

    def rests(self, side: int, price: int) -> None:
        """A follower has an order there now."""
        if is_better(side, price, self._best[side]):
            self._best[side] = price

    def rests_no_more(self, side: int, price: int) -> None:
        if price == self._best[side]:
            self._best[side] = _BEST[side](each.best[side] for each in self._followers)

    def triggers(self, rising: int, price: int) -> None:
        """A follower has an order that waits for the market to fall, or to rise, to there."""
        if is_better(rising, price, self._triggers_at[rising]):
            self._triggers_at[rising] = price

    def triggers_no_more(self, rising: int, price: int) -> None:
        if price == self._triggers_at[rising]:
            self._triggers_at[rising] = _BEST[rising](each.triggers_at[rising] for each in self._followers)

    def listen(self, follower: Follower, to_all: bool) -> None:
        """Whether any trade may concern it."""
        if to_all and follower not in self._listeners:
            self._listeners.append(follower)
        elif not to_all and follower in self._listeners:
            self._listeners.remove(follower)

    def _tell(self, some: Iterable[Follower], what: Callable[[Follower], None]) -> None:
        """Something happens to them. One may leave on the way, and what goes wrong with one keeps it from no other."""
        for each in list(some):
            try:
                each.wake(self._now_ns)
                what(each)
            except Exception as error:
                each.fail(error)

    # -- market events -------------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent, time_ns: int) -> bool:
        """One message of the feed; `time_ns` is when it is worked on, which never runs back. False for a trade that
        cannot have been."""
        self.told = 0
        self._messages += 1
        self.received_at_ns, self._now_ns = event.received_at_ns, time_ns
        try:
            return self._apply(event, Moment(event.exchange_time_ns))
        finally:
            self.told = self._messages

    def _apply(self, event: MarketEvent, moment: Moment) -> bool:
        match event:
            case BookUpdate():
                self._apply_book(event, moment)
            case PublicTrade():
                return self._apply_trade(event, moment)
            case BestQuote():
                self._apply_best_quote(event, moment)
            case CandleClosed():
                self._apply_candle(event, moment)
            case FeedStatus():
                self._set_state(event.state, event.reason)
                self._tell(self._followers, lambda each: each.fire_passed(Moment(self._now_ns)))
            case Heartbeat() | TimePassed() | PastCandles():
                pass
        return True

    def _set_level(self, moment: Moment, side: int, price: int, size: int) -> None:
        book = self.book
        before = book.set_level(side, price, size)
        there = self._watchers[side].get(price)
        if there is None:
            if book.unsettled:
                book.explain(side, price, moment)
            return
        explained = book.explain(side, price, moment) if book.unsettled else 0
        self._tell(there, lambda each: each.level_changed(side, price, before, size, explained, moment))

    def _after_book(self, moment: Moment) -> None:
        book = self.book
        if moment > book.moment:
            book.reach(moment)
        if moment > self.dated_ns:
            self.dated_ns = moment
        bids, asks = book.prices
        bid, ask = bids[-1] if bids else NO_PRICES[BID], asks[0] if asks else NO_PRICES[ASK]
        if bid >= ask:
            self._check_crossed()
            return
        best_bid, best_ask = self._best
        if best_bid >= ask or best_ask <= bid:
            reached = [each for each in self._followers if each.best[BID] >= ask or each.best[ASK] <= bid]
            self._tell(reached, lambda each: each.match_quotes(moment))

    def _set_state(self, state: FeedState, reason: str) -> None:
        """A crossed book stops matching; a market that is closed anyway stays closed for its own reason."""
        if state is FeedState.SYNCED and self.book.is_crossed():
            state, reason = FeedState.CROSSED, f"the public book of {self.instrument.symbol} is crossed"
        self.state, self.state_reason, self.is_assumed = state, reason, False
        self._tell(self._followers, lambda each: each.take_effect())

    def _check_crossed(self) -> None:
        if self.state is FeedState.SYNCED:
            self._set_state(FeedState.SYNCED, "")

    def _apply_book(self, update: BookUpdate, moment: Moment) -> None:
        if update.snapshot:
            self._resynchronise(update, moment)
        else:
            for price, size in update.bids:
                self._set_level(moment, BID, price, size)
            for price, size in update.asks:
                self._set_level(moment, ASK, price, size)
            if update.depth:
                self.book.truncate(update.depth)
        self._after_book(moment)
        if update.snapshot:
            self._tell(self._followers, lambda each: each.fire_passed(moment))

    def _resynchronise(self, update: BookUpdate, moment: Moment) -> None:
        """A new snapshot keeps queue estimates, capped at the new size."""
        self.book.replace(update.bids, update.asks, update.depth, moment)
        self._tell(self._followers, lambda each: each.shown_anew(moment))
        # What starts as the market is seen again, starts on this book.
        if moment > self.book.moment:
            self.book.reach(moment)
        if self.state in _UNTIL_SNAPSHOT or self.is_assumed:
            self._set_state(FeedState.SYNCED, "")

    def _apply_best_quote(self, quote: BestQuote, moment: Moment) -> None:
        """Newer than the depth: levels better than it are gone, its own have these sizes."""
        for side, (best, size) in ((BID, quote.bid), (ASK, quote.ask)):
            prices = self.book.prices[side]
            gone = prices[bisect_right(prices, best) :] if side == BID else prices[: bisect_left(prices, best)]
            for price in gone:
                self._set_level(moment, side, price, 0)
            self._set_level(moment, side, best, size)
        self._after_book(moment)

    def _apply_trade(self, trade: PublicTrade, moment: Moment) -> bool:
        """False where nobody believes it."""
        price, lots, is_of_book = trade.price, trade.quantity, self.depth is MarketDepth.BOOK
        if not self._tape.believes(price, lots, self.last, is_of_book and self.state in PRICED_STATES):
            return False
        is_newest = moment >= self.last_at_ns
        if is_newest:
            self.last, self.last_at_ns = price, moment
            self.dated_ns = max(self.dated_ns, moment)
        side = trade.side.opposite.index
        if is_of_book:
            self.book.record_print(side, price, lots, moment)
        lowest, highest = self.no_news
        if price < lowest or price > highest:
            self.come_near(price, moment, moment)
        self._tell(self._concerned(side, price), lambda each: each.on_trade(trade, moment, is_newest))
        return True

    def _concerned(self, side: int, price: int) -> list[Follower]:
        """By a trade that hit `side` at `price`: all of them where it is not matched."""
        if self.state is not FeedState.SYNCED:
            return [*self._followers]
        falling, rising = self._triggers_at
        if not self._listeners and falling < price < rising and not reaches(side, self._best[side], price):
            return []
        return [each for each in self._followers if each.concerns(side, price)]

    def _apply_candle(self, event: CandleClosed, moment: Moment) -> None:
        candle = event.candle
        self.candle = told = ToldCandle.of(candle, candle.volume)
        # It counts for those that were there when it opened.
        for price in (candle.low, candle.high):
            self.come_near(price, Moment(told.open_time_ns + AFTER_NS), told.close_time_ns)
        self._tell(self._followers, lambda each: each.on_candle(candle))
        self.last, self.last_at_ns = candle.close, moment
        self.dated_ns = max(self.dated_ns, moment)

    # -- messages that concern nobody ----------------------------------------------------------------------------

    def pass_over(self, rows: EventRows, first: int, end: int, time_ns: int, aims: Aims) -> RowsPassed:
        """Those from `first` on that can concern nobody, up to the first that may, or to `end`: they are taken as
        `on_event` would take each of them. `time_ns`: when the message before was worked on. Nothing of `aims` is
        reached yet."""
        if self._apart:
            self._apart -= 1
            return NONE_PASSED
        if self.state is not FeedState.SYNCED or not is_at_rest(self.book, (self._best[BID], self._best[ASK])):
            return NONE_PASSED
        is_book = self.depth is MarketDepth.BOOK
        is_long = end - first >= LONG and sum(map(len, self._watchers)) <= _FEW
        index = self.index_of(rows) if is_long else None
        way = RowPass(self.book, self._tape, is_book, rows, self._quiet(aims), self, index)
        way.last, way.last_at_ns, way.dated_ns = self.last, self.last_at_ns, self.dated_ns
        count = way.run(first, end) - first
        if count < min(_SHORT, end - first):
            self._apart = _APART
        if not count:
            return NONE_PASSED
        self.last, self.last_at_ns, self.dated_ns = way.last, way.last_at_ns, way.dated_ns
        self.received_at_ns, self._now_ns = rows.received[first + count - 1], max(time_ns, way.latest_ns)
        self._messages += count
        self.told = self._messages
        if self.book.is_crossed():
            # Against the decoder's word.
            self._check_crossed()
        return RowsPassed(count, way.latest_ns, way.trades)

    def index_of(self, rows: EventRows) -> RowIndex | None:
        """Made when it is first of use."""
        if rows.arrays is None or self.depth is not MarketDepth.BOOK:
            return None
        if self._indexed is None or self._indexed[0] is not rows:
            self._indexed = rows, RowIndex(rows.arrays)
        return self._indexed[1]

    def _quiet(self, aims: Aims) -> Quiet:
        (best_bid, best_ask), (falling, rising) = self._best, self._triggers_at
        least, most = falling + 1, rising - 1
        if self.depth is not MarketDepth.BOOK:
            # Trades are all the quotes it has.
            least, most = max(least, aims.fall_at + 1), min(most, aims.rise_at - 1)
        if self._listeners:
            least, most = NO_PRICES[ASK], NO_PRICES[BID]
        bids, asks = self._watchers
        return Quiet(
            (bids.keys(), asks.keys()),
            min(best_ask, aims.rise_at),
            max(best_bid, aims.fall_at),
            (max(least, best_bid + 1), most),
            (least, min(most, best_ask - 1)),
            aims.until_ns,
            aims.trades_until_ns,
        )

    # -- what is kept --------------------------------------------------------------------------------------------

    def begin_away(self, time_ns: int, reason: str) -> None:
        """A run begins and the feed has said nothing yet. A market that the exchange had closed counts as closed until
        it says otherwise, be it by a book."""
        state = self.state if self.state in CLOSED_STATES else FeedState.GAP
        self.on_event(FeedStatus(self.instrument.symbol, time_ns, time_ns, state, reason), time_ns)
        self.is_assumed = True

    def seen(self) -> MarketSeen:
        """What the feed has told of this market."""
        told = (self.last, self.last_at_ns, self.state, self.state_reason, self.is_assumed)
        standing = PublicStanding(*told, self.candle or UNSET)
        return self.book.seen(), standing, self._tape.doubts, self.received_at_ns, self.dated_ns

    def see(self, seen: MarketSeen) -> None:
        """Put a new market where the feed had left another."""
        self._messages = self.told = self._messages + 1
        book, standing, self._tape.doubts, self.received_at_ns, self.dated_ns = seen
        self.book.see(book)
        self.candle = None if standing.candle is UNSET else standing.candle
        self.last, self.last_at_ns = standing.last, standing.last_at_ns
        self.state, self.state_reason, self.is_assumed = standing.state, standing.state_reason, standing.is_assumed
        for each in self._followers:
            each.stand()

    def restore(self, stored: PublicStanding) -> None:
        """As a session has kept it. What the feed has told already stays as the feed left it."""
        self._messages = self.told = self._messages + 1
        if self.last is None:
            self.last, self.last_at_ns = stored.last, stored.last_at_ns
        if self.candle is None and stored.candle is not UNSET:
            self.candle = stored.candle
        if not self.book.is_known:
            self.state, self.state_reason, self.is_assumed = stored.state, stored.state_reason, stored.is_assumed
            for each in self._followers:
                each.stand()


def public_markets(instruments: Mapping[Instrument, MarketDepth]) -> dict[str, PublicMarket]:
    """By symbol, of which nothing is known yet."""
    return {instrument.symbol: PublicMarket(instrument, depth) for instrument, depth in instruments.items()}

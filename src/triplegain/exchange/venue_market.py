"""One instrument on the paper exchange: its book, our orders in it, its last trade and its condition."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.clock import Moment
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    CLOSED_STATES,
    PRICED_STATES,
    BestQuote,
    BookUpdate,
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
from triplegain.domain.orders import OrderStatus, TimeInForce
from triplegain.exchange.book import ASK, BID, BookSeen, OrderBook, reaches
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.engine import Engine
from triplegain.exchange.matching import Matcher
from triplegain.exchange.order import Quotes, Role, WorkingOrder
from triplegain.exchange.plausible import DoubtsSeen, PrintCheck
from triplegain.exchange.queue import QueueEstimator
from triplegain.exchange.rate_limit import RateCounter
from triplegain.exchange.resting import RestingOrders, TriggerOrders, is_reached
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.simple_fills import (
    KILLED,
    MISSED_TRADE,
    UNAFFORDABLE,
    SimpleFills,
    lose_places,
    meet_missed_trade,
    meet_missed_triggers,
    unmet,
)

BEYOND_BOOK = "no more visible liquidity"

#: Conditions that count before a hold: they say what becomes of trades, or that the exchange is closed.
_OF_OTHER_TIMES = (FeedState.CATCH_UP, FeedState.MISSED, *CLOSED_STATES)

#: Conditions that a new snapshot of the book ends.
_UNTIL_SNAPSHOT = (
    FeedState.CROSSED,
    FeedState.GAP,
    FeedState.CHECKSUM_MISMATCH,
    FeedState.STALE,
    FeedState.CATCH_UP,
    FeedState.MISSED,
)


class MarketStanding(msgspec.Struct, frozen=True):
    """What is stored of a market: its feed rebuilds the book, and in a replay the last trade and the condition too."""

    last: int | None = None
    last_at_ns: Moment = Moment(0)
    state: FeedState = FeedState.SYNCED
    state_reason: str = ""
    rate: int = 0
    rate_at_ns: int = 0
    #: See `VenueMarket.begin_away`.
    is_assumed: bool | UnsetType = UNSET
    #: Where candles are all there is: the last one, as long as something that it bought may still be guarded in it.
    candle: ToldCandle | UnsetType = UNSET


_UNTOUCHED = MarketStanding()
#: The book, what was told beside it, and when we learnt of it.
MarketSeen = tuple[BookSeen, MarketStanding, DoubtsSeen, int, int]


class VenueMarket:
    """Takes market events one at a time, in order of receipt."""

    def __init__(
        self,
        instrument: Instrument,
        depth: MarketDepth,
        engine: Engine,
        queue: QueueEstimator,
        settings: ExchangeSettings,
    ) -> None:
        self.instrument = instrument
        self.depth = depth
        self.book = OrderBook()
        self.resting = RestingOrders()
        self._bids, self._asks = self.book.prices
        self.triggers = TriggerOrders()
        self.simple = SimpleFills(engine, settings)
        self.rate = RateCounter(settings.account_tier)
        #: Price of the trade of the newest moment.
        self.last: int | None = None
        self.last_at_ns = Moment(0)
        #: The exchange's own time of the newest price, whatever time it is for us.
        self.dated_ns = 0
        #: When we learnt of the last message about this market.
        self.received_at_ns = 0
        #: What counts: what the feed told, or why the market is held.
        self.state = FeedState.SYNCED
        self.state_reason = ""
        self._told = (FeedState.SYNCED, "")
        self._held = ""
        #: The state is that of an earlier run: the feed has said nothing yet.
        self._is_assumed = False
        self._engine = engine
        self._matcher = Matcher(self.book, self.resting, engine, queue)
        self._tape = PrintCheck(self.book)

    @property
    def condition(self) -> str:
        """Why orders are refused or not matched here, in words; empty while the market is open."""
        if self.state is FeedState.SYNCED:
            return ""
        return self.state_reason or self.state.value.replace("_", " ")

    @property
    def is_closed(self) -> bool:
        """The exchange itself has closed this market: it takes neither orders nor cancels. What we cannot see is not
        closed: it goes on there, and cancels are taken."""
        return self.state in CLOSED_STATES

    # -- market events -------------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent) -> bool:
        """One message of the feed: what is due before it, the event itself with its matching, what is due with it.

        False for a trade that cannot have been.
        """
        engine, is_believed = self._engine, True
        moment = Moment(event.exchange_time_ns)
        time_ns: int = moment
        if time_ns < engine.now_ns:
            time_ns = engine.now_ns
        if engine.next_due_ns < time_ns:
            engine.run_through(time_ns - 1)
        engine.now_ns = time_ns
        self.received_at_ns = event.received_at_ns
        match event:
            case BookUpdate():
                self._apply_book(event, moment)
            case PublicTrade():
                is_believed = self._apply_trade(event, moment)
            case BestQuote():
                self._apply_best_quote(event, moment)
            case CandleClosed():
                self._apply_candle(event, moment)
            case FeedStatus():
                self._set_state(event.state, event.reason)
                self._fire_passed(Moment(time_ns))
            case Heartbeat() | TimePassed() | PastCandles():
                pass
        if engine.next_due_ns <= time_ns:
            engine.run_through(time_ns)
        return is_believed

    def _set_level(self, moment: Moment, side: int, price: int, size: int) -> None:
        book = self.book
        before = book.set_level(side, price, size)
        if price in self.resting.levels[side]:
            self._matcher.level_changed(side, price, before, size, moment, self.last_at_ns)
        elif book.unsettled:
            book.explain(side, price, moment)

    def _after_book(self, moment: Moment) -> None:
        book = self.book
        if moment > book.moment:
            book.reach(moment)
        if moment > self.dated_ns:
            self.dated_ns = moment
        bids, asks = book.prices
        if not bids or not asks:
            if any(self.resting.prices):
                self._match_quotes(moment)
            return
        bid, ask = bids[-1], asks[0]
        if bid >= ask:
            self._check_crossed()
            return
        best_own_bid, best_own_ask = self.resting.best
        if best_own_bid >= ask or best_own_ask <= bid:
            self._match_quotes(moment)

    def _set_state(self, state: FeedState, reason: str) -> None:
        self._told, self._is_assumed = (state, reason), False
        self._take_effect()

    def hold(self, words: str, time_ns: int) -> None:
        """Match nothing whatever the feed says, because of `words`; empty: what the feed says counts again."""
        self._held = words
        self._take_effect()
        self._fire_passed(Moment(time_ns))

    @property
    def is_held(self) -> bool:
        """Something else than the feed's word keeps it from being matched: its prices are of no use."""
        return bool(self._held)

    def _take_effect(self) -> None:
        state, reason = self._told
        if self._held and state not in _OF_OTHER_TIMES:
            state, reason = FeedState.STALE, self._held
        was_closed = self.is_closed
        self.state, self.state_reason = state, reason
        self._engine.touch_market(self.instrument.symbol)
        if was_closed and not self.is_closed:
            self._engine.reopened(self.instrument.symbol)
        if state in (FeedState.CATCH_UP, FeedState.MISSED):
            lose_places(self.resting, self._engine)
        self._check_crossed()

    def _check_crossed(self) -> None:
        """A crossed book stops matching; a market that is closed anyway stays closed for its own reason."""
        if self.state is FeedState.SYNCED and self.book.is_crossed():
            self._set_state(FeedState.CROSSED, f"the public book of {self.instrument.symbol} is crossed")

    def _match_quotes(self, moment: Moment) -> None:
        if self.state is FeedState.SYNCED:
            self._matcher.opposite_quotes(BID, moment)
            self._matcher.opposite_quotes(ASK, moment)

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
            self._fire_passed(moment)

    def _resynchronise(self, update: BookUpdate, moment: Moment) -> None:
        """A new snapshot keeps queue estimates, capped at the new size."""
        self.book.replace(update.bids, update.asks, update.depth, moment)
        self._matcher.shown_anew(moment, self.last_at_ns)
        if self._told[0] in _UNTIL_SNAPSHOT or self._is_assumed:
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
        if moment >= self.last_at_ns:
            self.last, self.last_at_ns = price, moment
            self.dated_ns = max(self.dated_ns, moment)
            for order in self.triggers.follow(price, moment):
                self._engine.touch(order.key)
        self._engine.touch_market(self.instrument.symbol)
        side = trade.side.opposite.index
        if self.state is not FeedState.SYNCED:
            self._apply_unseen_trade(moment, side, price, lots)
            return True
        if is_of_book:
            self.book.record_print(side, price, lots, moment)
            best = self.resting.best[side]
            if best >= price if side == BID else best <= price:
                self._matcher.trade(side, price, lots, moment)
        else:
            self.simple.on_trade(moment, price, lots)
        for order in self.triggers.reached(price, moment):
            if order.left:
                self._fire(order, price, moment)
        return True

    def _apply_unseen_trade(self, moment: Moment, side: int, price: int, lots: int) -> None:
        """A trade that no book goes with. Limits are met by the rules for what was missed; so are stops of a time that
        is over. Else the trade is kept for the stop: it fires at the book that comes, however the price is then."""
        if self.depth is MarketDepth.BOOK and self.state is not FeedState.CATCH_UP:
            self.book.record_print(side, price, lots, moment)
        cause = {"event": MISSED_TRADE, "time_ns": moment, "price": price, "quantity": lots}
        if self.state is not FeedState.MISSED:
            meet_missed_trade(self._matcher, self.simple, side, moment, cause)
        if self.state is FeedState.CATCH_UP:
            meet_missed_triggers(self.triggers, self.simple, self._engine, self.wait, moment, cause)
            return
        for order in self.triggers.go_through(price, moment):
            self._engine.touch(order.key)

    def _apply_candle(self, event: CandleClosed, moment: Moment) -> None:
        candle = event.candle
        self.simple.on_candle(candle, self.state is FeedState.SYNCED)
        self.last, self.last_at_ns = candle.close, moment
        self.dated_ns = max(self.dated_ns, moment)
        self._engine.touch_market(self.instrument.symbol)

    # -- triggers ------------------------------------------------------------------------------------------------

    def _fire_passed(self, moment: Moment) -> None:
        """There is a book again: stops that the tape went through without one meet it, oldest first."""
        if self.state is FeedState.SYNCED:
            for order in self.triggers.passed():
                if order.left:
                    self._fire(order, order.passed, moment)

    def _fire(self, order: WorkingOrder, last: int, moment: Moment) -> None:
        """The tape has reached its trigger. Bids and asks do not count."""
        self.triggers.remove(order)
        order.stands_ns = max(order.stands_ns, moment)
        self._engine.trigger(order, last)
        cause = {"event": "stop", "time_ns": moment, "price": last, "trigger": order.fired}
        if self.depth is MarketDepth.BOOK:
            self._meet_book(order, cause)
        elif self.simple.execute_now(order, cause):
            self.wait(order)

    # -- orders --------------------------------------------------------------------------------------------------

    def admit(self, order: WorkingOrder) -> None:
        """An accepted order starts to work: trigger orders wait, takers take, limits rest what is left."""
        order.stands_ns = Moment(self._engine.now_ns)
        cause = {"event": "arrival", "time_ns": order.arrived_ns}
        role = order.role
        match role:
            case Role.TRIGGER:
                self.wait(order)
                is_open = self.state is FeedState.SYNCED and self.depth is not MarketDepth.CANDLES
                if is_open and self.last is not None and is_reached(order, self.last):
                    self._fire(order, self.last, order.stands_ns)
            case Role.LIMIT if self.depth is MarketDepth.TAPE and not self.would_take(order):
                if (why := unmet(order)) is not None:
                    self._engine.finish(order, OrderStatus.CANCELLED, why)
                    return
                self.wait(order)
            case Role.MARKET | Role.LIMIT if self.depth is not MarketDepth.BOOK:
                order.fresh = role is Role.LIMIT and not order.post_only
                self.wait(order)
            case Role.MARKET | Role.LIMIT:
                self._meet_book(order, cause)
            case _:
                assert_never(role)

    def _meet_book(self, order: WorkingOrder, cause: dict[str, Any]) -> None:
        """What the book shows is taken; what it does not show rests, or is cancelled, never invented."""
        role = order.role
        match role:
            case Role.MARKET:
                self._take_market(order, cause)
            case Role.LIMIT:
                self._take_limit(order, cause)
            case Role.TRIGGER:
                self.wait(order)
            case _:
                assert_never(role)

    def _take_market(self, order: WorkingOrder, cause: dict[str, Any]) -> None:
        if order.cost:
            self._matcher.size_by_cost(order)
        self._matcher.take(order, None, cause)
        if not order.status.is_final:
            more = any(self.book.walk(1 - order.side, None))
            self._engine.finish(order, OrderStatus.CANCELLED, UNAFFORDABLE if more else BEYOND_BOOK)

    def _take_limit(self, order: WorkingOrder, cause: dict[str, Any]) -> None:
        if order.request.time_in_force is TimeInForce.FOK and not self._matcher.takes_all(order):
            self._engine.finish(order, OrderStatus.CANCELLED, KILLED)
            return
        crossed, offered = self.would_take(order), order.left
        if crossed:
            self._matcher.take(order, order.price, cause)
            if not order.left or order.status.is_final:
                return
            # An own order in the way may be gone by self-trade prevention, and public ones be in front.
            crossed = order.left < offered or self.would_take(order)
        if (why := unmet(order)) is not None:
            self._engine.finish(order, OrderStatus.CANCELLED, why)
            return
        order.show_slice()
        order.ahead = 0 if crossed else self._matcher.queue_ahead(order.side, order.price)
        order.ahead_before = order.ahead_at_arrival = order.ahead
        # What was traded up to the moment of this book is in the queue that it shows.
        order.stands_ns = max(order.stands_ns, Moment(self.book.moment + 1))
        self.wait(order)

    def wait(self, order: WorkingOrder) -> None:
        """Put the order, last, where it waits: among triggers, in the queue at its price, or for the next price."""
        role = order.role
        match role:
            case Role.TRIGGER if self.depth is not MarketDepth.CANDLES:
                self.triggers.add(order)
            case Role.LIMIT if self.depth is MarketDepth.BOOK:
                self.resting.add(order)
            case Role.TRIGGER | Role.LIMIT | Role.MARKET:
                self.simple.add(order)
            case _:
                assert_never(role)

    def would_take(self, order: WorkingOrder) -> bool:
        """Whether the limit reaches something that is there to be taken, public or our own. What this account or the
        tape has taken already is not, though the book still shows it."""
        own = self.resting.best[1 - order.side]
        if reaches(order.side, order.price, own):
            return True
        if self.depth is MarketDepth.BOOK:
            return any(self.book.walk(1 - order.side, order.price))
        return self.last is not None and reaches(order.side, order.price, self.last)

    def withdraw(self, order: WorkingOrder) -> None:
        """Take the order out of whatever it waits in."""
        if not (self.resting.remove(order) or self.triggers.remove(order)):
            self.simple.remove(order)

    def quotes(self) -> Quotes:
        """(best bid, best ask) in ticks; the last trade on both sides where there is no book."""
        if self.depth is not MarketDepth.BOOK:
            return self.last, self.last
        bids, asks = self._bids, self._asks
        return bids[-1] if bids else None, asks[0] if asks else None

    def seen_quotes(self) -> Quotes:
        """The same as far as it can be seen: a book that waits for its snapshot is of another time, and after a restart
        it is gone."""
        return self.quotes() if self.depth is not MarketDepth.BOOK or self.state in PRICED_STATES else (None, None)

    def charge(self, cost: int, now_ns: int) -> bool:
        """Count a command against the rate limit; False where it had been reached."""
        self._engine.touch_market(self.instrument.symbol)
        return self.rate.charge(cost, now_ns)

    # -- what a session keeps ------------------------------------------------------------------------------------

    def begin_away(self, time_ns: int, reason: str) -> None:
        """A run begins and the feed has said nothing yet. A market that the exchange had closed counts as closed until
        it says otherwise, be it by a book."""
        state = self.state if self.is_closed else FeedState.GAP
        self.on_event(FeedStatus(self.instrument.symbol, time_ns, time_ns, state, reason))
        self._is_assumed = True

    def standing(self) -> MarketStanding | None:
        """None for a market of which nothing has been heard and nothing been asked."""
        now = MarketStanding(
            self.last,
            self.last_at_ns,
            *self._told,
            self.rate.value,
            self.rate.at_ns,
            self._is_assumed or UNSET,
            self.simple.guarded or UNSET,
        )
        return None if now == _UNTOUCHED else now

    def seen(self) -> MarketSeen:
        """What the feed has told of this market."""
        standing = MarketStanding(
            self.last,
            self.last_at_ns,
            *self._told,
            is_assumed=self._is_assumed or UNSET,
            candle=self.simple.told or UNSET,
        )
        return self.book.seen(), standing, self._tape.doubts, self.received_at_ns, self.dated_ns

    def see(self, seen: MarketSeen) -> None:
        """Put a new market where the feed had left another."""
        book, standing, self._tape.doubts, self.received_at_ns, self.dated_ns = seen
        self.book.see(book)
        self.last, self.last_at_ns = standing.last, standing.last_at_ns
        self._told = self.state, self.state_reason = standing.state, standing.state_reason
        self._is_assumed = standing.is_assumed is True
        self.simple.told = None if standing.candle is UNSET else standing.candle

    def restore(self, stored: MarketStanding) -> None:
        """What the feed has told already stays as the feed left it."""
        if self.last is None:
            self.last, self.last_at_ns = stored.last, stored.last_at_ns
        if not self.book.is_known:
            self._told = self.state, self.state_reason = stored.state, stored.state_reason
            self._is_assumed = stored.is_assumed is True
        if stored.candle is not UNSET:
            self.simple.told = stored.candle
        self.rate.value, self.rate.at_ns = stored.rate, stored.rate_at_ns

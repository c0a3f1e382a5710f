"""One account's orders on one instrument of the paper exchange: where they wait, and how they meet the market.

What the feed tells of the instrument is its `PublicMarket`'s, which other accounts may follow as well. Accounts never
see, queue behind, match or consume one another.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.clock import Moment
from triplegain.domain.market import CLOSED_STATES, PRICED_STATES, Candle, FeedState, MarketDepth, PublicTrade
from triplegain.domain.money import EXACT
from triplegain.domain.orders import OrderStatus, TimeInForce
from triplegain.domain.views import OrderStanding
from triplegain.exchange.account_book import TakenLiquidity
from triplegain.exchange.approach import HIGH, LOW, Approaches
from triplegain.exchange.book import ASK, BID, reaches
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.engine import Engine
from triplegain.exchange.matching import Matcher
from triplegain.exchange.order import Quotes, Role, WorkingOrder
from triplegain.exchange.public_market import PublicMarket, PublicStanding
from triplegain.exchange.queue import QueueEstimator, is_unknown
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


class MarketStanding(msgspec.Struct, frozen=True):
    """What is stored of a market: its feed rebuilds the book, and in a replay the last trade and the condition too."""

    last: int | None = None
    last_at_ns: Moment = Moment(0)
    state: FeedState = FeedState.SYNCED
    state_reason: str = ""
    rate: int = 0
    rate_at_ns: int = 0
    #: See `PublicMarket.begin_away`.
    is_assumed: bool | UnsetType = UNSET
    #: Where candles are all there is: the last one, as long as something that it bought may still be guarded in it.
    candle: ToldCandle | UnsetType = UNSET


_UNTOUCHED = MarketStanding()


class VenueMarket:
    """Follows its public market, which calls it in order of receipt."""

    def __init__(
        self,
        public: PublicMarket,
        engine: Engine,
        queue: QueueEstimator,
        settings: ExchangeSettings,
        taken: TakenLiquidity,
        approaches: Approaches,
    ) -> None:
        self.public = public
        self.instrument = public.instrument
        self.depth = public.depth
        self.has_book = self.depth is MarketDepth.BOOK
        #: Candles are all there is: they have a time of their own.
        self.has_own_time = self.depth is MarketDepth.CANDLES
        self.resting = RestingOrders(self._rests, self._rests_no_more)
        self.best = self.resting.best
        self.triggers = TriggerOrders(self._triggers, self._triggers_no_more)
        self.triggers_at = self.triggers.nearest
        self.simple = SimpleFills(engine, settings, public, self._listen)
        self.rate = RateCounter(settings.account_tier)
        #: What counts: what the feed told, or why the market is held.
        self.state = public.state
        self.state_reason = public.state_reason
        #: Trades up to then this account has seen in an earlier run.
        self.since_ns = Moment(0)
        self._held = ""
        self._engine = engine
        self.wake, self.fail = engine.wake, engine.fail
        self.book = taken.open(self.instrument.symbol, public.book, self._watch_taken)
        self.approach = approaches.open(self.instrument.symbol, lambda: public.expect(self.approach))
        self._matcher = Matcher(self.book, self.resting, engine, queue)
        public.follow(self)

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

    @property
    def is_unseen(self) -> bool:
        """The market goes on at the exchange, and this account does not see it."""
        return self.state not in PRICED_STATES and not self.is_closed

    @property
    def last(self) -> int | None:
        """Price of the last trade in ticks."""
        return self.public.last

    @property
    def mark(self) -> Decimal | None:
        """What one is worth, in the quote currency: the price of the last trade, as triggers go by it, however old;
        where there was none, the middle of the book."""
        if self.public.last is not None:
            return self.instrument.price(self.public.last)
        bid, ask = self.quotes()
        return None if bid is None or ask is None else EXACT.divide(self.instrument.price(bid + ask), 2)

    # -- what the public market tells ----------------------------------------------------------------------------

    def _rests(self, side: int, price: int) -> None:
        self.public.watch(self, side, price)
        self.public.rests(side, price)

    def _rests_no_more(self, side: int, price: int) -> None:
        if price not in self.book.taken[side]:
            self.public.unwatch(self, side, price)
        self.public.rests_no_more(side, price)

    def _triggers(self, rising: int, price: int) -> None:
        self.public.triggers(rising, price)
        self._listen()

    def _triggers_no_more(self, rising: int, price: int) -> None:
        self.public.triggers_no_more(rising, price)
        self._listen()

    def _listen(self) -> None:
        self.public.listen(self, to_all=bool(self.simple) or self.triggers.is_trailing)

    def _watch_taken(self, side: int, price: int) -> None:
        if price in self.book.taken[side]:
            self.public.watch(self, side, price)
        elif price not in self.resting.levels[side]:
            self.public.unwatch(self, side, price)

    def concerns(self, side: int, price: int) -> bool:
        falling, rising = self.triggers_at
        return (
            reaches(side, self.best[side], price)
            or falling >= price
            or rising <= price
            or bool(self.simple)
            or self.triggers.is_trailing
        )

    def level_changed(self, side: int, price: int, before: int, size: int, explained: int, moment: Moment) -> None:
        if price in self.book.taken[side]:
            self.book.level_changed(side, price, size)
        if price in self.resting.levels[side]:
            self._matcher.level_changed(side, price, before, size, explained, moment, self.public.last_at_ns)

    def shown_anew(self, moment: Moment) -> None:
        self.book.shown_anew()
        self._matcher.shown_anew(moment, self.public.last_at_ns)

    def match_quotes(self, moment: Moment) -> None:
        if self.state is FeedState.SYNCED:
            self._matcher.opposite_quotes(BID, moment)
            self._matcher.opposite_quotes(ASK, moment)

    def hold(self, words: str, time_ns: int) -> None:
        """Match nothing whatever the feed says, because of `words`; empty: what the feed says counts again."""
        self._held = words
        self.take_effect()
        self.fire_passed(Moment(time_ns))

    @property
    def is_held(self) -> bool:
        """Something else than the feed's word keeps it from being matched: its prices are of no use."""
        return bool(self._held)

    def stand(self) -> None:
        state, reason = self.public.state, self.public.state_reason
        if self._held and state not in _OF_OTHER_TIMES:
            state, reason = FeedState.STALE, self._held
        self.state, self.state_reason = state, reason

    def take_effect(self) -> None:
        was_closed, was_unseen = self.is_closed, self.is_unseen
        self.stand()
        if not self.is_closed and (was_closed or (was_unseen and not self.is_unseen)):
            self._engine.reopened(self.instrument.symbol)
        if self.state in (FeedState.CATCH_UP, FeedState.MISSED):
            lose_places(self.resting, self._engine)

    def on_trade(self, trade: PublicTrade, moment: Moment, is_newest: bool) -> None:
        price, lots, side = trade.price, trade.quantity, trade.side.opposite.index
        if is_newest:
            for order in self.triggers.follow(price, moment):
                self._engine.touch(order.key)
        if self.state is not FeedState.SYNCED:
            # On a market that others follow as well, what they have missed is told again.
            if self.state is not FeedState.CATCH_UP or moment > self.since_ns:
                self._meet_unseen_trade(moment, side, price, lots)
            return
        if self.has_book:
            if reaches(side, self.best[side], price):
                self._matcher.trade(side, price, lots, moment)
        else:
            self.simple.on_trade(moment, price, lots)
        for order in self.triggers.reached(price, moment):
            if order.left:
                self._fire(order, price, moment)

    def _meet_unseen_trade(self, moment: Moment, side: int, price: int, lots: int) -> None:
        """A trade that no book goes with. Limits are met by the rules for what was missed; so are stops of a time that
        is over. Else the trade is kept for the stop: it fires at the book that comes, however the price is then."""
        cause = {"event": MISSED_TRADE, "time_ns": moment, "price": price, "quantity": lots}
        if self.state is not FeedState.MISSED:
            meet_missed_trade(self._matcher, self.simple, side, moment, cause)
        if self.state is FeedState.CATCH_UP:
            meet_missed_triggers(self.triggers, self.simple, self._engine, self.wait_unseen, moment, cause)
            # Whoever it filled in part stands behind what the new book shows all the same.
            lose_places(self.resting, self._engine)
            return
        for order in self.triggers.go_through(price, moment):
            self._engine.touch(order.key)

    def on_candle(self, candle: Candle) -> None:
        asleep = [order for order in self.simple.all() if order.role is Role.TRIGGER]
        self.simple.on_candle(candle, self.state is FeedState.SYNCED)
        for order in asleep:
            if order.triggered and order.left and not order.status.is_final:
                self._begin_to_wait(order)

    # -- triggers ------------------------------------------------------------------------------------------------

    def fire_passed(self, moment: Moment) -> None:
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
        if self.has_book:
            self._meet_book(order, cause)
        elif self.simple.execute_now(order, cause):
            self.wait(order)

    # -- orders --------------------------------------------------------------------------------------------------

    def admit(self, order: WorkingOrder) -> None:
        """An accepted order starts to work: trigger orders wait, takers take, limits rest what is left."""
        order.stands_ns = Moment(self._engine.now_ns)
        # The queue of a place that it had before is no longer in front of it.
        order.ahead = order.ahead_before = order.waits_since = 0
        cause = {"event": "arrival", "time_ns": order.arrived_ns}
        role = order.role
        match role:
            case Role.LIMIT if self.has_book:
                self._take_limit(order, cause)
            case Role.MARKET if self.has_book:
                self._take_market(order, cause)
            case Role.TRIGGER:
                self.wait(order)
                is_open = self.state is FeedState.SYNCED and not self.has_own_time
                if is_open and self.last is not None and is_reached(order, self.last):
                    self._fire(order, self.last, order.stands_ns)
            case Role.LIMIT if self.depth is MarketDepth.TAPE and not self.would_take(order):
                if (why := unmet(order)) is not None:
                    self._engine.finish(order, OrderStatus.CANCELLED, why)
                    return
                order.fresh = False
                self.wait(order)
            case Role.MARKET | Role.LIMIT:
                order.fresh = role is Role.LIMIT and not order.post_only
                self.wait(order)
            case _:
                assert_never(role)

    def wait_unseen(self, order: WorkingOrder) -> None:
        """An order that the exchange opens while we see no book: it waits, and a stop whose trigger the last trade has
        reached already fires when there is one."""
        if order.role is Role.LIMIT and self.has_book:
            self._engine.paths.begin(order, self._engine.now_ns)
        self.wait(order)
        if order.role is Role.TRIGGER and self.last is not None and is_reached(order, self.last):
            self.triggers.pass_through(order, self.last)

    def _meet_book(self, order: WorkingOrder, cause: dict[str, Any]) -> None:
        """What the book shows is taken; what it does not show rests, or is cancelled, never invented."""
        role = order.role
        match role:
            case Role.LIMIT:
                self._take_limit(order, cause)
            case Role.MARKET:
                self._take_market(order, cause)
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
        shown_until = self.public.book.moment
        if shown_until >= order.stands_ns:
            order.stands_ns = Moment(shown_until + 1)
        self._engine.paths.begin(order, self._engine.now_ns)
        self.wait(order)

    def wait(self, order: WorkingOrder) -> None:
        """Put the order, last, where it waits; from here on it counts how near the market comes."""
        self._begin_to_wait(order)
        self.put(order)

    def put(self, order: WorkingOrder) -> None:
        """Among triggers, in the queue at its price, or with those that wait for the next price; last."""
        role = order.role
        match role:
            case Role.TRIGGER if not self.has_own_time:
                self.triggers.add(order)
            case Role.LIMIT if self.has_book:
                self.resting.add(order)
            case Role.TRIGGER | Role.LIMIT | Role.MARKET:
                self.simple.add(order)
            case _:
                assert_never(role)

    def would_take(self, order: WorkingOrder) -> bool:
        """Whether the limit reaches something that is there to be taken, public or our own. What this account or the
        tape has taken already is not, though the book still shows it."""
        side, price = order.side, order.price
        if reaches(side, price, self.best[1 - side]):
            return True
        if self.has_book:
            offered = self.public.book.best(1 - side)
            if offered is None or not reaches(side, price, offered):
                return False
            return any(self.book.walk(1 - side, price))
        return self.last is not None and reaches(side, price, self.last)

    def withdraw(self, order: WorkingOrder) -> None:
        """Take the order out of whatever it waits in."""
        if not (self.resting.remove(order) or self.triggers.remove(order)):
            self.simple.remove(order)

    def _begin_to_wait(self, order: WorkingOrder) -> None:
        """Of an order that waits already it counts."""
        if not order.waits_since:
            order.waits_since = self.approach.begin(order.stands_ns, self._waits_since)
            self.public.expect(self.approach)

    def _waits_since(self) -> list[int]:
        return [each.waits_since for waiting in (self.resting, self.triggers, self.simple) for each in waiting.all()]

    def nearest(self, order: WorkingOrder) -> tuple[int, int] | None:
        """The trade that came nearest to the price or trigger of an order while it waited there: price and time. None
        where it did not wait, or there was none."""
        if not order.waits_since:
            return None
        rises = order.rising if order.role is Role.TRIGGER else order.side == ASK
        return self.approach.since(HIGH if rises else LOW, order.waits_since)

    def order_standing(self, order: WorkingOrder) -> OrderStanding:
        """For whoever looks at it from outside."""
        standing, nearest = order.standing(), self.nearest(order)
        knows = order.queue_points > 0 and not is_unknown(order.ahead)
        return msgspec.structs.replace(
            standing,
            ahead=self.instrument.quantity(order.ahead) if knows else None,
            traded=self.instrument.quantity(order.queue_traded) if knows else None,
            nearest=None if nearest is None else self.instrument.price(nearest[0]),
            nearest_at_ns=None if nearest is None else nearest[1],
        )

    def quotes(self) -> Quotes:
        """(best bid, best ask) in ticks; the last trade on both sides where there is no book."""
        if not self.has_book:
            return self.last, self.last
        bids, asks = self.public.book.prices
        return bids[-1] if bids else None, asks[0] if asks else None

    def seen_quotes(self) -> Quotes:
        """The same as far as it can be seen: a book that waits for its snapshot is of another time, and after a restart
        it is gone."""
        return self.quotes() if not self.has_book or self.state in PRICED_STATES else (None, None)

    @property
    def shows_book(self) -> bool:
        """There is a book, of now."""
        return self.has_book and self.state in PRICED_STATES

    def quotes_at(self, last: int) -> tuple[int, int]:
        """The best quotes that a trade meets; itself where no book is seen."""
        bid, ask = self.seen_quotes() if self.has_book else (None, None)
        return (last, last) if bid is None or ask is None else (bid, ask)

    # -- what a session keeps ------------------------------------------------------------------------------------

    def standing(self) -> MarketStanding | None:
        """None for a market of which nothing has been heard and nothing been asked."""
        public = self.public
        now = MarketStanding(
            public.last,
            public.last_at_ns,
            public.state,
            public.state_reason,
            self.rate.value,
            self.rate.at_ns,
            public.is_assumed or UNSET,
            self.simple.guarded or UNSET,
        )
        return None if now == _UNTOUCHED else now

    def restore(self, stored: MarketStanding) -> None:
        """What the feed has told already stays as the feed left it."""
        told = stored.last, stored.last_at_ns, stored.state, stored.state_reason, stored.is_assumed is True
        self.public.restore(PublicStanding(*told, stored.candle))
        self.since_ns = stored.last_at_ns
        if stored.candle is not UNSET:
            self.simple.own = stored.candle
        self.rate.value, self.rate.at_ns = stored.rate, stored.rate_at_ns

"""A session's market walked once more, with its orders given to every other rule on the way.

What is due at a time comes after the messages of that time: an order sees the market as the session saw it when it sent
it. A rule without latency is given it there and then; what is taken back here is taken back there at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush

from msgspec import Struct

from triplegain.domain.clock import NEVER
from triplegain.domain.market import (
    PRICED_STATES,
    CandleClosed,
    FeedState,
    Level,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.exchange.book import ASK, BID
from triplegain.exchange.public_market import PublicMarket
from triplegain.optimism.asked import STOPS, Asked, Shape
from triplegain.optimism.recorded import Recorded
from triplegain.optimism.rules import RULES, Filled, Rule, Seen, crosses

#: Where there is no book, all that can be seen is the last price, for any size.
_ANY_SIZE = 1 << 62

_Range = tuple[int, int]
Quotes = tuple[int | None, int | None]


class Elsewhere(Struct, frozen=True):
    """An order, and what came of it by each rule in their order: of no lots where it filled nothing, None where that is
    not known: it has no such order, or would have looked when the market had ended.

    `quotes` are the best bid and ask that the order met here as it was sent.
    `mark_doubled` is twice the price at which what is filled here or there alone is valued: the middle, in ticks, when
    the order was over here; None where there was none.
    """

    order: Recorded
    mark_doubled: int | None
    filled: tuple[Filled | None, ...]
    quotes: Quotes


#: Not a lot, for nothing.
NOTHING = Filled(0, 0)


class _Waiting:
    """An order by one rule."""

    __slots__ = ("asked", "crossed", "is_due", "is_gone", "is_new", "order", "place")

    def __init__(self, order: Recorded, place: int, crossed: bool) -> None:
        self.order = order
        self.place = place
        self.asked = order.asked
        self.crossed = crossed
        #: Nobody has looked since it was sent or amended.
        self.is_new = True
        #: The next look is entered already.
        self.is_due = False
        self.is_gone = False


class Walk:
    """Messages go in one at a time, in the order of the feed; `end` says what came of the orders."""

    def __init__(
        self, markets: Mapping[str, PublicMarket], orders: Iterable[Recorded], rules: Sequence[Rule] = RULES
    ) -> None:
        self.now_ns = 0
        self._markets = markets
        self._rules = rules
        self._orders = {each.number: each for each in orders}
        self._filled: dict[int, list[Filled | None]] = {}
        self._marks: dict[int, int | None] = {}
        self._met: dict[int, Quotes] = {}
        self._waiting: dict[str, list[_Waiting]] = {symbol: [] for symbol in markets}
        #: As they were at the last message: state, best bid, best ask.
        self._shown: dict[str, tuple[FeedState, int | None, int | None]] = {}
        #: Symbols with an order that is new since the last message.
        self._unseen: set[str] = set()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._entries = 0
        for time_ns in {time_ns for order in self._orders.values() for time_ns in _commands(order)}:
            self._enter(time_ns, self._look_at_command)
        for order in self._orders.values():
            self._enter(order.sent_ns, partial(self._send, order))
            for change in order.changes:
                self._enter(change.time_ns, partial(self._amend, order, change.asked))
            self._enter(order.over_ns, partial(self._value, order))
            self._enter(order.taken_back_ns, partial(self._take_back, order))

    def take(self, event: MarketEvent) -> None:
        """One message, after everything that was due before it."""
        time_ns = max(event.exchange_time_ns, self.now_ns)
        self._carry_out_before(time_ns)
        self.now_ns = time_ns
        market = self._markets.get(event.symbol)
        if market is None or not market.on_event(event, time_ns):
            return
        waiting = self._waiting[event.symbol]
        if waiting:
            self._show(market, waiting, event)

    def end(self, until_ns: int) -> tuple[list[Elsewhere], list[Recorded]]:
        """After everything that was due until then: what came of the orders, and those whose market was not there."""
        self._carry_out_before(until_ns + 1)
        known, unknown = [], []
        for number, order in self._orders.items():
            if number not in self._filled:
                unknown.append(order)
                continue
            if number not in self._marks:
                self._value(order)
            known.append(Elsewhere(order, self._marks[number], tuple(self._filled[number]), self._met[number]))
        return known, unknown

    def _enter(self, time_ns: int, act: Callable[[], None]) -> None:
        if time_ns < NEVER:
            self._entries += 1
            heappush(self._agenda, (time_ns, self._entries, act))

    def _carry_out_before(self, time_ns: int) -> None:
        agenda = self._agenda
        while agenda and agenda[0][0] < time_ns:
            self.now_ns, _, act = heappop(agenda)
            act()

    # -- orders --------------------------------------------------------------------------------------------------

    def _send(self, order: Recorded) -> None:
        market = self._markets[order.symbol]
        if not market.told or market.state not in PRICED_STATES:
            return
        found = self._filled[order.number] = list[Filled | None]([None] * len(self._rules))
        bids, asks = _levels(market, 1)
        crossed = crosses(order.asked, bids, asks)
        self._met[order.number] = (bids[0][0] if bids else None, asks[0][0] if asks else None)
        for place, rule in enumerate(self._rules):
            if order.asked.shape not in rule.takes:
                continue
            each = _Waiting(order, place, crossed)
            if order.asked.shape is Shape.MARKET:
                self._enter(self.now_ns + rule.market_after_ns, partial(self._look, each, is_first=True))
                continue
            found[place] = NOTHING
            self._look(each, is_first=True)
            if not each.is_gone:
                self._waiting[order.symbol].append(each)
                self._unseen.add(order.symbol)
                self._enter_look(each, rule, self.now_ns + 1)

    def _amend(self, order: Recorded, asked: Asked) -> None:
        for each in self._waiting[order.symbol]:
            if each.order is order:
                each.asked, each.is_new = asked, True
                self._unseen.add(order.symbol)
                if not each.is_due:
                    self._enter_look(each, self._rules[each.place], self.now_ns)

    def _take_back(self, order: Recorded) -> None:
        for each in [each for each in self._waiting[order.symbol] if each.order is order]:
            self._forget(each)

    def _forget(self, each: _Waiting) -> None:
        each.is_gone = True
        there = self._waiting[each.order.symbol]
        if each in there:
            there.remove(each)

    def _value(self, order: Recorded) -> None:
        """It is over here: what it filled, or did not, is worth the middle of now, or the last price."""
        market = self._markets[order.symbol]
        bids, asks = _levels(market, 1)
        if bids and asks:
            self._marks[order.number] = bids[0][0] + asks[0][0]
        else:
            last = _last(market)
            self._marks[order.number] = None if last is None else 2 * last

    # -- looks ---------------------------------------------------------------------------------------------------

    def _show(self, market: PublicMarket, waiting: list[_Waiting], event: MarketEvent) -> None:
        """To those that look at each message; the others look again in their time."""
        traded = _traded(event) if market.state in PRICED_STATES else None
        symbol, shown = market.instrument.symbol, (market.state, market.book.best(BID), market.book.best(ASK))
        is_moved = self._shown.get(symbol) != shown or market.depth is not MarketDepth.BOOK
        if traded is None and not is_moved and symbol not in self._unseen:
            return
        self._shown[symbol] = shown
        self._unseen.discard(symbol)
        for each in list(waiting):
            rule = self._rules[each.place]
            if traded is not None and rule.hears_trades:
                self._look(each, traded=traded)
            if each.is_gone or not (is_moved or each.is_new):
                continue
            each.is_new = False
            if rule.quotes_every_ns == 0:
                self._look(each)
            elif not each.is_due:
                self._enter_look(each, rule, self.now_ns)

    def _look_at_command(self) -> None:
        """Somebody is about to send, amend or take back something."""
        for waiting in self._waiting.values():
            for each in list(waiting):
                if self._rules[each.place].looks_at_commands:
                    is_due = each.is_due
                    self._look(each)
                    each.is_due = is_due

    def _enter_look(self, each: _Waiting, rule: Rule, from_ns: int) -> None:
        """The next of its looks that is not before that time."""
        every_ns = rule.quotes_every_ns
        if every_ns:
            sent_ns = each.order.sent_ns
            each.is_due = True
            self._enter(sent_ns - (sent_ns - from_ns) // every_ns * every_ns, partial(self._look, each))

    def _look(self, each: _Waiting, traded: _Range | None = None, is_first: bool = False) -> None:
        if each.is_gone:
            return
        each.is_due = False if traded is None else each.is_due
        rule, market = self._rules[each.place], self._markets[each.order.symbol]
        # Only what takes goes further than the best; a limit that waits never does.
        bids, asks = _levels(market, rule.depth if is_first or each.asked.shape in STOPS else 1)
        seen = Seen(bids, asks, _last(market), traded, is_first, each.crossed)
        filled = rule.fill(each.asked, seen)
        if filled is None and each.asked.shape is Shape.MARKET:
            filled = NOTHING
        if filled is not None:
            self._filled[each.order.number][each.place] = filled
            self._forget(each)


def _commands(order: Recorded) -> tuple[int, ...]:
    """When somebody does something about it."""
    return order.sent_ns, order.taken_back_ns, *(each.time_ns for each in order.changes)


def _last(market: PublicMarket) -> int | None:
    return market.last if market.state in PRICED_STATES else None


def _levels(market: PublicMarket, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """So many bids and asks, the best first; none while the market's prices cannot be trusted."""
    if market.state not in PRICED_STATES:
        return (), ()
    if market.depth is not MarketDepth.BOOK:
        only = () if market.last is None else ((market.last, _ANY_SIZE),)
        return only, only
    (bids, asks), (bid_prices, ask_prices) = market.book.levels, market.book.prices
    if depth == 1:
        return tuple((price, bids[price]) for price in bid_prices[-1:]), tuple((p, asks[p]) for p in ask_prices[:1])
    best_bids = tuple((price, bids[price]) for price in reversed(bid_prices[-depth:]))
    return best_bids, tuple((price, asks[price]) for price in ask_prices[:depth])


def _traded(event: MarketEvent) -> _Range | None:
    """The lowest and the highest price that it tells of."""
    if isinstance(event, PublicTrade):
        return event.price, event.price
    if isinstance(event, CandleClosed):
        return event.candle.low, event.candle.high
    return None

"""A session's market walked once more, with its orders given to every other rule on the way.

What is due at a time comes after the messages of that time. Of several messages of one time an order comes after the
first one that leaves the quotes at which it was decided, where those are known: what came later was not seen by whoever
sent it. A rule without latency is given it there and then; what is taken back here is taken back there at the same
time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from triplegain.optimism.rules import RULES, Filled, Rule, Seen, Traded, crosses
from triplegain.optimism.waiting import WaitingOrder, WaitingOrders

#: Where there is no book, all that can be seen is the last price, for any size.
_ANY_SIZE = 1 << 62

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


class Walk:
    """Messages go in one at a time, in the order of the feed; `end` says what came of the orders."""

    def __init__(
        self,
        markets: Mapping[str, PublicMarket],
        orders: Iterable[Recorded],
        rules: Sequence[Rule] = RULES,
        decided: Mapping[int, Quotes] | None = None,
    ) -> None:
        """`decided`: best bid and ask at the decision, by the number of the order, as far as they are known."""
        self.now_ns = 0
        self._decided = decided or {}
        self._markets = markets
        self._rules = rules
        self._orders = {each.number: each for each in orders}
        self._filled: dict[int, list[Filled | None]] = {}
        self._marks: dict[int, int | None] = {}
        self._sent: set[int] = set()
        self._met: dict[int, Quotes] = {}
        self._waiting = {symbol: WaitingOrders() for symbol in markets}
        self._of_order: dict[int, list[WaitingOrder]] = {}
        #: By the time at which they are sent, those that may come between its messages.
        self._unsent: defaultdict[int, list[Recorded]] = defaultdict(list)
        #: As they were at the last message: state, best bid, best ask.
        self._shown: dict[str, tuple[FeedState, int | None, int | None]] = {}
        #: Symbols with an order that is new since the last message.
        self._unseen: set[str] = set()
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._entries = 0
        for time_ns in {time_ns for order in self._orders.values() for time_ns in _commands(order)}:
            self._enter(time_ns, self._look_at_command)
        for order in self._orders.values():
            self._enter(order.sent_ns, partial(self._send_if_not_sent, order))
            if order.number in self._decided:
                self._unsent[order.sent_ns].append(order)
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
        if market is not None and market.on_event(event, time_ns) and (waiting := self._waiting[event.symbol]):
            self._show(market, waiting, event)
        for order in self._unsent.get(time_ns, ()):
            if order.number not in self._sent and self._quotes(order.symbol) == self._decided[order.number]:
                self._send(order)

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

    def _quotes(self, symbol: str) -> Quotes:
        bids, asks = _levels(self._markets[symbol], 1)
        return (bids[0][0] if bids else None, asks[0][0] if asks else None)

    def _send_if_not_sent(self, order: Recorded) -> None:
        if order.number not in self._sent:
            self._send(order)

    def _send(self, order: Recorded) -> None:
        market = self._markets[order.symbol]
        self._sent.add(order.number)
        if not market.told or market.state not in PRICED_STATES:
            return
        found = self._filled[order.number] = list[Filled | None]([None] * len(self._rules))
        bids, asks = _levels(market, 1)
        crossed = crosses(order.asked, bids, asks)
        self._met[order.number] = self._quotes(order.symbol)
        for place, rule in enumerate(self._rules):
            if order.asked.shape not in rule.takes:
                continue
            each = WaitingOrder(order, place, crossed)
            is_market = order.asked.shape is Shape.MARKET
            if is_market and rule.market_after_ns:
                self._enter(self.now_ns + rule.market_after_ns, partial(self._look, each, is_first=True))
                continue
            found[place] = None if is_market else NOTHING
            self._look(each, is_first=True)
            if not each.is_gone:
                self._waiting[order.symbol].add(each)
                self._of_order.setdefault(order.number, []).append(each)
                self._unseen.add(order.symbol)
                self._enter_look(each, rule, self.now_ns + 1)

    def _amend(self, order: Recorded, asked: Asked) -> None:
        for each in self._of_order.get(order.number, ()):
            if not each.is_gone:
                self._waiting[order.symbol].amend(each, asked)
                self._unseen.add(order.symbol)
                if not each.is_due:
                    self._enter_look(each, self._rules[each.place], self.now_ns)

    def _take_back(self, order: Recorded) -> None:
        """A market order is over here as soon as it may be: elsewhere it waits for what fills it."""
        if order.asked.shape is Shape.MARKET:
            return
        for each in self._of_order.pop(order.number, ()):
            self._forget(each)

    def _forget(self, each: WaitingOrder) -> None:
        each.is_gone = True
        self._waiting[each.order.symbol].remove(each)

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

    def _show(self, market: PublicMarket, waiting: WaitingOrders, event: MarketEvent) -> None:
        """To those that it may have reached and that look at each message; the others look again in their time."""
        traded = _traded(event) if market.state in PRICED_STATES else None
        symbol, shown = market.instrument.symbol, (market.state, market.book.best(BID), market.book.best(ASK))
        is_moved = self._shown.get(symbol) != shown or market.depth is not MarketDepth.BOOK
        if traded is None and not is_moved and symbol not in self._unseen:
            return
        self._shown[symbol] = shown
        self._unseen.discard(symbol)
        for each in self._reached(market, waiting, traded):
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

    def _reached(
        self, market: PublicMarket, waiting: WaitingOrders, traded: Traded | None = None
    ) -> Iterator[WaitingOrder]:
        """By the quotes, or by what was traded."""
        there = [levels[0][0] for levels in _levels(market, 1) if levels]
        if traded is not None:
            there += traded[:2]
        return waiting.reached(min(there), max(there)) if there else iter(())

    def _look_at_command(self) -> None:
        """Somebody is about to send, amend or take back something."""
        for symbol, waiting in self._waiting.items():
            for each in self._reached(self._markets[symbol], waiting):
                if self._rules[each.place].looks_at_commands:
                    is_due = each.is_due
                    self._look(each)
                    each.is_due = is_due

    def _enter_look(self, each: WaitingOrder, rule: Rule, from_ns: int) -> None:
        """The next of its looks that is not before that time."""
        every_ns = rule.quotes_every_ns
        if every_ns:
            sent_ns = each.order.sent_ns
            each.is_due = True
            self._enter(sent_ns - (sent_ns - from_ns) // every_ns * every_ns, partial(self._look, each))

    def _look(self, each: WaitingOrder, traded: Traded | None = None, is_first: bool = False) -> None:
        if each.is_gone:
            return
        each.is_due = False if traded is None else each.is_due
        rule, market = self._rules[each.place], self._markets[each.order.symbol]
        # Only what takes goes further than the best; a limit that waits never does.
        bids, asks = _levels(market, rule.depth if is_first or each.asked.shape in STOPS else 1)
        seen = Seen(bids, asks, _last(market), traded, is_first, each.crossed)
        filled = rule.fill(each.asked, seen)
        if filled is None and each.asked.shape is Shape.MARKET and rule.market_after_ns is not None:
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


def _traded(event: MarketEvent) -> Traded | None:
    if isinstance(event, PublicTrade):
        return event.price, event.price, event.price
    if isinstance(event, CandleClosed):
        return event.candle.low, event.candle.high, event.candle.open
    return None

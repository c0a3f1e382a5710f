"""How the reference exchange matches where there is a book: taking, waiting in the queue, stops, being blind."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import assert_never

from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_book import Change, better
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.orders import Market, SelfTradePrevention, StopLoss, TimeInForce

#: What a new book puts an end to; anything else ends when the exchange says so.
_BLIND = (FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.CROSSED, FeedState.STALE)


class ReferenceWithBook(ReferenceExchange):
    #: By side and price, what we have taken of what is displayed.
    taken: tuple[dict[int, int], dict[int, int]]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.taken = (defaultdict(int), defaultdict(int))

    # -- the market moves ------------------------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        match event:
            case BookUpdate():
                self._on_book(event)
            case BestQuote():
                self._on_changes(self.book.trim(event), event.exchange_time_ns)
            case PublicTrade():
                self._on_trade(event)
            case FeedStatus():
                self._on_status(event.state)
            case CandleClosed() | PastCandles() | Heartbeat() | TimePassed():
                pass
            case _ as never:
                assert_never(never)

    def _on_book(self, message: BookUpdate) -> None:
        moment = message.exchange_time_ns
        if message.snapshot:
            self.book.snapshot(message)
            for side in (0, 1):
                for price in list(self.taken[side]):
                    self._remember(side, price, self.book.visible(side, price))
            for order in self._resting():
                visible = self.book.visible(order.side, self._limit(order))
                order.on_snapshot(visible, moment, self.book.tape_ns)
            if self.state in _BLIND:
                self.state = FeedState.SYNCED
            self._seen(moment)
        else:
            self._on_changes(self.book.update(message), moment)

    def _on_changes(self, changes: list[Change], moment: int) -> None:
        for change in changes:
            self._remember(change.side, change.price, change.after)
            for order in self._resting(change.side):
                if order.limit == change.price:
                    order.on_level(change.after, change.cancelled, moment, self.book.tape_ns)
        self._seen(moment)

    def _seen(self, moment: int) -> None:
        """The book is as the message leaves it."""
        for order in self._resting():
            if order.ahead is None:
                visible = self.book.visible(order.side, self._limit(order))
                order.on_snapshot(visible, moment, self.book.tape_ns)
        if self.book.is_crossed and self.state is FeedState.SYNCED:
            self.state = FeedState.CROSSED
        if self.is_matched:
            self._match_quotes(moment)
        self._fire_reached()

    def _remember(self, side: int, price: int, displayed: int | None) -> None:
        """What we took is at most what is displayed now; out of sight it is kept."""
        if displayed is None or price not in self.taken[side]:
            return
        self.taken[side][price] = min(self.taken[side][price], displayed)
        if not self.taken[side][price]:
            del self.taken[side][price]

    def _on_status(self, state: FeedState) -> None:
        was_closed = self.is_closed
        self.state = state
        if state is FeedState.SYNCED and self.book.is_crossed:
            self.state = FeedState.CROSSED
        if was_closed and not self.is_closed:
            self.expire_at_opening()
        self._fire_reached()

    def _fire_reached(self) -> None:
        """Stops that the tape went through meanwhile, in the order in which they came."""
        if not self.is_matched or not self.book.is_known:
            return
        for order in self._sleeping():
            if order.reached is not None and order.name in self.open:
                self._wake(order, order.reached)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _match_quotes(self, moment: int) -> None:
        """Opposite quotes at or through a resting order fill it at its price. Quotes older than it do not."""
        best = (self.book.best(0), self.book.best(1))
        for order in self._resting():
            other, price = 1 - order.side, self._limit(order)
            nearest = best[other]
            if moment < order.stands_ns or nearest is None or better(other, price, nearest):
                continue
            for level in self.book.levels(other):
                if better(other, price, level) or not order.left:
                    break
                lots = min(order.left, self._available(other, level))
                if lots:
                    self.taken[other][level] += lots
                    self.fill(order, price, lots, maker=True)

    def _on_trade(self, trade: PublicTrade) -> None:
        if self.book.doubts(trade, is_seen=self.book.is_known):
            return
        moment, side = trade.exchange_time_ns, 1 - trade.side.index
        self.book.take(trade)
        rest = trade.quantity
        waiting_at: int | None = None
        for order in self._resting(side):
            price = self._limit(order)
            if better(side, trade.price, price) or moment < order.stands_ns:
                continue
            if price != trade.price:
                order.pass_front()
                past = rest
            elif self.is_matched:
                past = order.on_print(rest, moment)
            else:
                continue
            lots = min(order.left, past) if price != waiting_at else 0
            if lots < order.left:
                waiting_at = price
            if lots:
                # What is ours would not have come to those behind.
                rest -= lots
                self.fill(order, price, lots, maker=True)
        for order in self._sleeping():
            if moment >= order.stands_ns and order.name in self.open and order.is_reached(trade.price):
                self._reach(order, trade.price)

    def _reach(self, order: ReferenceOrder, price: int) -> None:
        if self.is_matched:
            self._wake(order, price)
        elif order.reached is None:
            order.reached = price

    def _wake(self, order: ReferenceOrder, price: int) -> None:
        order.asleep, order.reached = False, None
        self.tell("triggered", order.name, order.trigger, price)
        self._execute(order)

    # -- taking ----------------------------------------------------------------------------------------------------

    def arrive(self, order: ReferenceOrder) -> None:
        if order.trigger is None:
            self._execute(order)
            return
        order.asleep, order.turn = True, self.next_turn()
        if self.book.last is not None and order.is_reached(self.book.last):
            self._reach(order, self.book.last)

    def _execute(self, order: ReferenceOrder) -> None:
        """Takes what it may, and then rests or ends."""
        if not order.is_post_only and self._take(order):
            return
        if not order.left:
            return
        match order.request.terms:
            case Market() | StopLoss():
                self.end(order, "liquidity")
            case _:
                if order.request.time_in_force is TimeInForce.IOC:
                    self.end(order, "immediate")
                    return
                order.turn = self.next_turn()
                order.join(self._in_front(order.side, self._limit(order)))

    def _in_front(self, side: int, price: int) -> int | None:
        """Where the other side is displayed, nobody stands on this one, taken or not."""
        nearest = self.book.best(1 - side)
        if nearest is not None and not better(1 - side, price, nearest):
            return 0
        return self.book.visible(side, price)

    def _take(self, order: ReferenceOrder) -> bool:
        """Walks the other side; True where the order has come to its end on the way."""
        other = 1 - order.side
        while order.left:
            price = self._next_price(order)
            if price is None:
                return False
            room = self._available(other, price)
            own = next((each for each in self._resting(other) if each.limit == price), None)
            if own is not None:
                room = min(room, max((own.ahead or 0) - self.taken[other].get(price, 0), 0))
                if not room:
                    if self._meet_oneself(order, own):
                        return True
                    continue
            lots = min(order.left, room)
            payable = lots
            if order.is_purchase:
                funds = self.purse.free(self.instrument.quote) + self.purse.hold_of(order.number)
                payable = self.purse.affordable(order.bill, price, lots, funds)
            if payable:
                self.taken[other][price] += payable
                self.fill(order, price, payable, maker=False)
            if payable < lots:
                self.end(order, "funds")
                return True
        return True

    def _next_price(self, order: ReferenceOrder) -> int | None:
        """The best price within the limit at which somebody, or we ourselves, stand on the other side."""
        other = 1 - order.side
        own = [self._limit(each) for each in self._resting(other)[:1]]
        public = [next((level for level in self.book.levels(other) if self._available(other, level)), None)]
        prices = [price for price in own + public if price is not None]
        if order.limit is not None:
            prices = [price for price in prices if not better(other, order.limit, price)]
        if not prices:
            return None
        return max(prices) if other == 0 else min(prices)

    def _meet_oneself(self, order: ReferenceOrder, own: ReferenceOrder) -> bool:
        """Self-trade prevention; True where it ends the incoming order."""
        rule = order.request.self_trade
        if rule is not SelfTradePrevention.CANCEL_NEWEST:
            self.end(own, "self-trade")
        if rule is not SelfTradePrevention.CANCEL_OLDEST:
            self.end(order, "self-trade")
            return True
        return False

    # -- looking ---------------------------------------------------------------------------------------------------

    def _available(self, side: int, price: int) -> int:
        return max(self.book.left(side, price) - self.taken[side].get(price, 0), 0)

    def _limit(self, order: ReferenceOrder) -> int:
        assert order.limit is not None
        return order.limit

    def _resting(self, side: int | None = None) -> list[ReferenceOrder]:
        """Best price first, then first come."""
        resting = [o for o in self.open.values() if o.rests and side in (None, o.side)]
        return sorted(resting, key=lambda o: (o.side, -self._limit(o) if o.side == 0 else self._limit(o), o.turn))

    def _sleeping(self) -> list[ReferenceOrder]:
        return sorted((order for order in self.open.values() if order.asleep), key=lambda order: order.turn)

    def would_take(self, side: int, limit: int) -> bool:
        other = 1 - side
        levels = [level for level in self.book.levels(other) if self._available(other, level)][:1]
        own = [self._limit(order) for order in self._resting(other)[:1]]
        return any(not better(other, limit, price) for price in levels + own)

    def price_now(self, side: int) -> int | None:
        return self.book.best(1 - side)

    def asked(self, lots: int) -> Fraction:
        cost = Fraction(0)
        for price in self.book.levels(1):
            some = min(lots, self._available(1, price))
            cost += self.purse.cost(price, some)
            lots -= some
            if not lots:
                break
        return cost

    def is_priced(self) -> bool:
        return self.book.is_known

"""How the reference exchange matches where there is a book: taking, waiting in the queue, stops, being blind."""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

from tests.exchange.reference_book import Change, better
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_taking import ReferenceTaker

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
from triplegain.domain.orders import TimeInForce
from triplegain.exchange.seeded import draw

#: What a new book puts an end to; anything else ends when the exchange says so.
_BLIND = (
    FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.CROSSED, FeedState.STALE, FeedState.CATCH_UP,
    FeedState.MISSED,
)  # fmt: skip


class ReferenceWithBook(ReferenceTaker):
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
            for order in self.resting():
                visible = self.book.visible(order.side, self.limit(order))
                order.on_snapshot(visible, moment, self.book.tape_ns)
                self.on_queue(order, "shown_anew")
            if self.state in _BLIND:
                self.state = FeedState.CROSSED if self.book.is_crossed else FeedState.SYNCED
                if self.is_matched:
                    self.on_opening()
            self._seen(moment)
        else:
            self._on_changes(self.book.update(message), moment)

    def _on_changes(self, changes: list[Change], moment: int) -> None:
        for change in changes:
            self._remember(change.side, change.price, change.after)
            for order in self.resting(change.side):
                if order.limit == change.price:
                    if moment < order.stands_ns:
                        order.find_in_front(change.came)
                    left = self._left_from_front(order.ahead, change)
                    order.on_level(change.after, change.cancelled, moment, self.book.tape_ns, left)
                    is_late = moment < order.stands_ns and change.came > 0
                    self.on_queue(order, "told_late" if is_late else "cancelled")
        self._seen(moment)

    def _left_from_front(self, ahead: int | None, change: Change) -> int:
        """How many of those who cancelled stood in front, as the queue model has it."""
        there = change.after + change.cancelled
        if not change.cancelled or not ahead:
            return 0
        match self.settings.queue_model:
            case "proportional":
                return change.cancelled * min(ahead, there) // there
            case "probabilistic":
                behind = max(there - ahead, 0)
                self.queue_draws += 1
                front, back = ahead**self.settings.queue_power, behind**self.settings.queue_power
                drawn = Fraction(draw(self.settings.seed + 1, self.queue_draws), 2**64)
                return min(ahead, change.cancelled) if drawn < Fraction(front, front + back) else 0
            case _:
                return 0

    def _seen(self, moment: int) -> None:
        """The book is as the message leaves it."""
        if self.book.is_crossed and self.state is FeedState.SYNCED:
            self.state = FeedState.CROSSED
        if self.is_matched:
            self._match_quotes(moment)
        self._fire_reached(moment)

    def _remember(self, side: int, price: int, displayed: int | None) -> None:
        """What we took is at most what is displayed now; out of sight it is kept."""
        if displayed is None or price not in self.taken[side]:
            return
        self.taken[side][price] = min(self.taken[side][price], displayed)
        if not self.taken[side][price]:
            del self.taken[side][price]

    def _on_status(self, state: FeedState) -> None:
        was_closed, was_unseen = self.is_closed, self.is_blind
        self.state = state
        if state is FeedState.SYNCED and self.book.is_crossed:
            self.state = FeedState.CROSSED
        if state in (FeedState.CATCH_UP, FeedState.MISSED):
            for order in self.resting():
                self._lose_place(order)
        if self.is_back(was_closed, was_unseen):
            self.on_opening()
        self._fire_reached(self.now_ns)

    def _fire_reached(self, moment: int) -> None:
        """Stops that the tape went through meanwhile, in the order in which they came, meet the book of that moment."""
        if not self.is_matched or not self.book.is_known:
            return
        for order in self._sleeping():
            if order.reached is not None and order.name in self.open:
                self._wake(order, order.reached, moment)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _match_quotes(self, moment: int) -> None:
        """Opposite quotes at or through a resting order fill it at its price. Quotes older than it do not."""
        best = (self.book.best(0), self.book.best(1))
        for order in self.resting():
            other, price = 1 - order.side, self.limit(order)
            nearest = best[other]
            if moment < order.stands_ns or nearest is None or better(other, price, nearest):
                continue
            for level in self.book.levels(other):
                if better(other, price, level) or not order.left or order.name not in self.open:
                    break
                lots = min(order.left, self.available(other, level))
                if lots:
                    self.taken[other][level] += lots
                    self._fill_resting(order, lots, moment)

    def _on_trade(self, trade: PublicTrade) -> None:
        if self.book.doubts(trade, is_seen=self.book.is_known):
            return
        moment, side = trade.exchange_time_ns, 1 - trade.side.index
        self.book.take(trade)
        if moment == self.book.tape_ns:
            self.trail(trade)
        whole = rest = trade.quantity
        waiting_at: int | None = None
        for order in self.resting(side) if self.state is not FeedState.MISSED else ():
            price = self.limit(order)
            is_met = not better(side, trade.price, price) and moment >= order.stands_ns
            if not is_met or order.name not in self.open:
                continue
            past, moved, most = rest, 0, order.left
            if price != trade.price:
                order.pass_front()
                self.on_queue(order, "passed")
            elif self.is_matched:
                # Those who saw the queue shrink by it count all of it, the others what that shrink has not shown.
                counted = whole if moment <= order.shrunk_ns else rest
                served = order.served(counted, moment)
                past, moved = order.on_print(counted, moment)
                most = order.slice
                self.on_queue(order, "traded", served)
            else:
                continue
            lots = min(most, past) if price != waiting_at else 0
            if lots < most:
                waiting_at = price
            # What is ours would not have come to those behind.
            whole, rest = whole - lots, moved + past - lots
            if lots:
                self._fill_resting(order, lots, moment)
        for order in self._sleeping():
            is_reached = moment >= order.stands_ns and order.is_reached(trade.price)
            if order.name in self.open and (is_reached or (self.is_away and order.reached is not None)):
                self.reach(order, trade.price, moment)
        for order in self.resting() if self.is_away else ():
            self._lose_place(order)

    def _lose_place(self, order: ReferenceOrder) -> None:
        order.lose_place()
        self.on_queue(order, "unseen")

    def on_queue(self, order: ReferenceOrder, why: str, traded: int = 0) -> None:
        """What is in front of a resting order may be something else, `traded` of it by a trade: for whoever writes it
        down."""

    def _fill_resting(self, order: ReferenceOrder, lots: int, moment: int) -> None:
        """At its own price; an iceberg shows its next slice behind all that is displayed."""
        price, order.slice = self.limit(order), order.slice - lots
        self.fill(order, price, lots, maker=True)
        if order.left and order.slice <= 0:
            self._join(order)
            order.stands_ns = moment
            self.tell("refilled", order.name, order.slice)

    def reach(self, order: ReferenceOrder, price: int, moment: int) -> None:
        if self.is_matched:
            self._wake(order, price, moment)
        elif self.is_away:
            self.wake_by_tape(order, price if order.reached is None else order.reached, moment)
        elif order.reached is None:
            order.reached = price

    def _wake(self, order: ReferenceOrder, price: int, moment: int) -> None:
        """A limit that it becomes stands from that moment on."""
        order.asleep, order.reached, order.was_triggered = False, None, True
        self.tell("triggered", order.name, order.trigger, price)
        if order.limit is not None:
            order.trigger, order.stands_ns = None, moment
            self.tell("priced", order.name, order.limit)
        self._execute(order)

    # -- taking ----------------------------------------------------------------------------------------------------

    def arrive(self, order: ReferenceOrder) -> None:
        if order.trigger is not None:
            order.asleep, order.turn = True, self.next_turn()
            if self.book.last is not None and order.is_reached(self.book.last):
                self.reach_on_arrival(order, self.book.last)
        elif self.is_unseen(order):
            self._join(order)
            order.lose_place()
        else:
            self._execute(order)

    def _execute(self, order: ReferenceOrder) -> None:
        """Takes what it may, and then rests or ends."""
        force = order.request.time_in_force
        if force is TimeInForce.FOK and self.reachable(order) < order.left:
            self.end(order, "kill")
            return
        if not order.is_post_only and self.take(order):
            return
        if order.limit is None:
            self.end(order, "liquidity")
        elif force is TimeInForce.IOC:
            self.end(order, "immediate")
        else:
            self._join(order)

    def _join(self, order: ReferenceOrder) -> None:
        """At the back of its level. Every print that is not newer than the book is in what it shows."""
        order.turn = self.next_turn()
        order.join(self._in_front(order.side, self.limit(order)))
        order.stands_ns = max(order.stands_ns, self.book.time_ns + 1)

    def _in_front(self, side: int, price: int) -> int | None:
        """Where the other side is displayed, nobody stands on this one, taken or not."""
        nearest = self.book.best(1 - side)
        if nearest is not None and not better(1 - side, price, nearest):
            return 0
        return self.book.visible(side, price)

    def _sleeping(self) -> list[ReferenceOrder]:
        return sorted((order for order in self.open.values() if order.asleep), key=lambda order: order.turn)

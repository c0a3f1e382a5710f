"""How the reference exchange fills where only candles are known: at the next open, and by candles through a price."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import assert_never

from tests.exchange.reference_agenda import Asked, Batch, Cancelled, Command, Placed, Switch
from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_tape import ReferenceOnTape
from tests.exchange.reference_terms import hung, trailed

from triplegain.domain.market import Candle, CandleClosed, FeedStatus, MarketEvent
from triplegain.domain.orders import AmendRequest, OrderRequest, TimeInForce
from triplegain.domain.refusals import Code
from triplegain.domain.terms import StopLoss, StopLossLimit, TrailingStop, TrailingStopLimit

#: All orders together get this part of a candle's volume.
_SHARE = 10
#: What is decided of a close is sent at the close, or in answer to what came of that: just after all that is told then.
_ANSWER_NS = 1
_ENDS = {TimeInForce.IOC: "immediate", TimeInForce.FOK: "kill"}


class ReferenceOnCandles(ReferenceOnTape):
    #: The candle that was told last.
    told: Candle | None = None

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        #: The purchases and sales of the last candle, and the positions that they were for.
        self._filled: tuple[set[str], set[str]] = (set(), set())
        self._amends = False
        self._is_of_market = True

    # -- a time of its own -----------------------------------------------------------------------------------------

    def _counted(self, late_ns: int) -> int:
        """A delay shorter than a candle is none."""
        return 0 if self.told is not None and late_ns < self.told.length_ns else late_ns

    def date_of(self, order: ReferenceOrder) -> int:
        """A date that is a close comes after the candle that ends there."""
        return super().date_of(order) + _ANSWER_NS

    def put(self, arrives_ns: int, asked: Asked) -> None:
        insort(self._commands, Command(arrives_ns, asked), key=lambda each: each.due_ns)

    def cancel_batch(self, names: Sequence[str]) -> None:
        """One message; each of them at the time of its order."""
        late_ns = self.delayed(self.settings.cancel_delay_ns)
        for asked in [Cancelled(name) for name in names]:
            self.put(self._due(asked, late_ns), asked)

    def due_ns(self, asked: Asked, delay_ns: int) -> int:
        return self._due(asked, self.delayed(delay_ns))

    def _due(self, asked: Asked, late_ns: int) -> int:
        changed = None
        match asked:
            case Placed(request=request):
                if request.symbol != self.instrument.symbol:
                    return self._on_channel(late_ns)
                changed = self._under_way(request.options.replaces or "")
            case Batch():
                pass
            case AmendRequest(client_order_id=name) | Cancelled(name=name):
                changed = self._under_way(name)
                if changed is None:
                    return self._on_channel(late_ns)
            case Switch():
                return self._on_channel(late_ns)
            case _ as never:
                assert_never(never)
        arrives_ns = self.now_ns + self._counted(late_ns)
        return arrives_ns if changed is None else self._changed_ns(*changed, arrives_ns)

    def _on_channel(self, late_ns: int) -> int:
        """What is of no market: its delay counts, and nothing overtakes it."""
        self._arrived_ns = max(self._arrived_ns, self.now_ns + late_ns)
        return self._arrived_ns

    def _under_way(self, name: str) -> tuple[OrderRequest, int, int] | None:
        """An order that is open or on its way, with the times of its sending and arrival."""
        if name in self.open:
            order = self.open[name]
            return order.request, order.sent_ns, order.stands_ns
        if name in self.waiting:
            return self.waiting[name].request, self.waiting[name].sent_ns, self.waiting[name].waits_ns
        for due_ns, asked in self._commands:
            sent = asked.orders if isinstance(asked, Batch) else (asked,)
            for each in sent:
                if isinstance(each, Placed) and each.request.client_order_id == name:
                    return each.request, each.sent_ns, due_ns
        return None

    def _changed_ns(self, request: OrderRequest, sent_ns: int, stands_ns: int, arrives_ns: int) -> int:
        """When a change is carried out: not while a candle is under way that may fill the order."""
        told, arrives_ns = self.told, max(arrives_ns, stands_ns)
        if told is None or arrives_ns <= told.close_time_ns + _ANSWER_NS:
            return arrives_ns
        candles = -(-(arrives_ns - _ANSWER_NS - told.close_time_ns) // told.length_ns)
        over_ns = told.close_time_ns + candles * told.length_ns
        begun_ns = over_ns - told.length_ns
        if not _is_stop(request) and _since(request, sent_ns, stands_ns, told.length_ns) > begun_ns + _ANSWER_NS:
            return arrives_ns
        return over_ns + _ANSWER_NS

    def tell(self, kind: str, name: str, *said: object) -> None:
        """What is not open any more, or never was, is of no market, and so is another pair."""
        is_open = name in self.open or name in self.waiting
        is_of_other = kind == "rejected" and said == (frozenset({Code.UNKNOWN_PAIR}),)
        self._is_of_market = (kind != "refused" or is_open) and not is_of_other
        super().tell(kind, name, *said)

    def answer_ns(self) -> int:
        if self._is_of_market:
            return self.now_ns + self._counted(self.delayed(self.settings.response_delay_ns))
        return super().answer_ns()

    # -- candles ---------------------------------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        if isinstance(event, CandleClosed):
            self._on_candle(event.candle)
        elif isinstance(event, FeedStatus):
            super().on_market(event)

    def _on_candle(self, candle: Candle) -> None:
        """Stops before all else; nothing that was sent while the candle was open is traded in it, except stops."""
        self.told, self._room = candle, candle.volume // _SHARE
        self._filled = (set(), set())
        if self.is_matched:
            orders = sorted(self.open.values(), key=lambda order: order.number)
            stops = [order for order in orders if _is_stop(order.request) and (order.asleep or order.limit is None)]
            for order in stops:
                if order.name not in self.open:
                    continue
                if not order.asleep:
                    self._offer(order, candle)
                elif order.stands_ns < candle.close_time_ns:
                    self._guard(order, candle)
            self.on_stops_met(candle)
            for order in [order for order in orders if order not in stops]:
                if order.name in self.open:
                    self._offer(order, candle)
        self.book.last = candle.close

    def on_stops_met(self, candle: Candle) -> None:
        """A candle has reached the stops that it reaches, and nothing else yet."""

    def _guard(self, order: ReferenceOrder, candle: Candle) -> None:
        """A stop. The worse extreme meets a trigger as it stood, the close meets it where it has come to."""
        if order.is_reached(candle.high if order.is_purchase else candle.low):
            self._fire(order, candle.open)
            return
        was_there = (
            _since(order.request, order.sent_ns, order.stands_ns, candle.length_ns) <= candle.open_time_ns + _ANSWER_NS
        )
        self._follow(order, candle, was_there)
        if order.is_reached(candle.close):
            self._fire(order, candle.close)

    def _follow(self, order: ReferenceOrder, candle: Candle, was_there: bool) -> None:
        trail = order.terms.trail
        if trail is None:
            return
        seen = (candle.low if order.is_purchase else candle.high) if was_there else candle.close
        if order.peak is None or (seen < order.peak if order.is_purchase else seen > order.peak):
            order.peak = seen
            order.trigger = trailed(trail, seen, order.is_purchase, self.instrument)
            if order.terms.after is not None:
                order.limit = hung(order.terms.after, order.trigger, order.is_purchase, self.instrument)

    def _fire(self, order: ReferenceOrder, price: int) -> None:
        """At the worse of its trigger and a price of the candle, plus slippage; a take-profit at its trigger."""
        trigger, limit = order.trigger, order.limit
        assert trigger is not None
        order.asleep, order.was_triggered, order.fired = False, True, trigger
        worse = max(trigger, price) if order.is_purchase else min(trigger, price)
        met = worse if _is_stop(order.request) else trigger
        self.tell("triggered", order.name, trigger, met)
        order.trigger, order.rests = None, limit is not None
        if limit is None:
            self._take_share(order, self.slipped(order.side, met))
            self._end_at_once(order)
            return
        self.tell("priced", order.name, limit)
        slipped = self.slipped(order.side, met)
        if not better(order.side, slipped, limit):
            self._take_share(order, slipped)
        self._end_at_once(order)

    def _take_share(self, order: ReferenceOrder, price: int) -> None:
        lots = self._share(order, whole=False)
        if order.terms.cost is not None:
            wanted = self.purse.budget(order.terms.cost, order.spent) // self.purse.cost(price, 1)
            lots = self._room if self.settings.partial_fills or wanted <= self._room else 0
        if order.request.time_in_force is not TimeInForce.FOK or lots == order.left:
            self._take(order, price, lots)

    def _offer(self, order: ReferenceOrder, candle: Candle) -> None:
        """The open, for what is new; then what goes through its price."""
        if (
            not candle.volume
            or _since(order.request, order.sent_ns, order.stands_ns, candle.length_ns)
            > candle.open_time_ns + _ANSWER_NS
        ):
            return
        if order.asleep:
            if order.is_reached(candle.low if order.is_purchase else candle.high):
                self._fire(order, candle.open)
            return
        limit = order.limit
        if not order.rests:
            price = candle.open
            if order.was_triggered and limit is None:
                # What its candle had no volume for is never dealt better later.
                price = max(price, order.fired) if order.is_purchase else min(price, order.fired)
            slipped = self.slipped(order.side, price)
            if limit is None or not better(order.side, slipped, limit):
                self._take_share(order, slipped)
            order.rests = limit is not None
            self._end_at_once(order)
        through = candle.low if order.is_purchase else candle.high
        if order.name in self.open and limit is not None and better(order.side, limit, through):
            self._fill_waiting(order)

    def _end_at_once(self, order: ReferenceOrder) -> None:
        if order.name in self.open and order.request.time_in_force in _ENDS:
            self.end(order, _ENDS[order.request.time_in_force])

    # -- arriving --------------------------------------------------------------------------------------------------

    def _amend(self, request: AmendRequest) -> None:
        self._amends = True
        super()._amend(request)
        self._amends = False

    def arrive(self, order: ReferenceOrder) -> None:
        """A stop that follows a fill meets the candle that it came of; everything else what is to come."""
        order.asleep = order.trigger is not None and (order.asleep or not self._amends)
        order.rests = order.is_post_only
        told, follows = self.told, {order.request.position_id, order.request.options.closes}
        is_stop = _is_stop(order.request) and order.terms.trail is None
        if told is None or self._amends or not is_stop or not follows & self._filled[1 - order.side]:
            return
        extreme = told.high if order.is_purchase else told.low
        if order.sent_ns <= told.close_time_ns + _ANSWER_NS and order.is_reached(extreme):
            self._fire(order, told.open)

    def filled(self, order: ReferenceOrder, price: int, lots: int) -> None:
        """Nothing guards a sale of coins."""
        request = order.request
        if order.is_purchase or request.leverage > 1 or request.options.close is not None:
            self._filled[order.side].update({order.name, request.position_id or order.name})
        super().filled(order, price, lots)


def _is_stop(request: OrderRequest) -> bool:
    """Whoever waits, or has waited, for a price that is worse for him."""
    return isinstance(request.terms, StopLoss | StopLossLimit | TrailingStop | TrailingStopLimit)


def _since(request: OrderRequest, sent_ns: int, stands_ns: int, length_ns: int) -> int:
    """From when on an order counts: its sending, if it took less than a candle to arrive, and not before its time."""
    counts_ns = stands_ns if stands_ns - sent_ns >= length_ns else sent_ns
    return max(counts_ns, request.options.starts_at_ns or 0)


def _was_there(order: ReferenceOrder, candle: Candle) -> bool:
    """At the open of a candle."""
    since_ns = _since(order.request, order.sent_ns, order.stands_ns, candle.length_ns)
    return since_ns <= candle.open_time_ns + _ANSWER_NS

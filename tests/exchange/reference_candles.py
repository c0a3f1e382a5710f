"""How the reference exchange fills where only candles are known: at the next open, and by candles through a price."""

from __future__ import annotations

from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_tape import ReferenceOnTape

from triplegain.domain.market import Candle, CandleClosed, FeedStatus, MarketEvent
from triplegain.domain.orders import TimeInForce

#: All orders together get this part of a candle's volume.
_SHARE = 10


class ReferenceOnCandles(ReferenceOnTape):
    def on_market(self, event: MarketEvent) -> None:
        if isinstance(event, CandleClosed):
            self._on_candle(event.candle)
        elif isinstance(event, FeedStatus):
            super().on_market(event)

    def _on_candle(self, candle: Candle) -> None:
        """Stops before all else. An order that was sent while the candle was open is passed over, except stops."""
        self._room = candle.volume // _SHARE
        if self.is_matched:
            for order in [order for order in self.open.values() if order.trigger is not None]:
                self._guard(order, candle)
            for order in [order for order in self.open.values() if order.trigger is None]:
                if order.sent_ns <= candle.open_time_ns:
                    self._offer(order, candle)
        self.book.last = candle.close

    def _guard(self, order: ReferenceOrder, candle: Candle) -> None:
        """At the worse of trigger and open, plus slippage; what there was no volume for goes at the next open."""
        assert order.trigger is not None
        worse = candle.open
        if order.asleep:
            extreme = candle.high if order.is_purchase else candle.low
            if not order.is_reached(extreme):
                return
            order.asleep = False
            worse = max(order.trigger, candle.open) if order.is_purchase else min(order.trigger, candle.open)
            self.tell("triggered", order.name, order.trigger, worse)
        self._take(order, self.slipped(order.side, worse), self._share(order, whole=False))

    def _offer(self, order: ReferenceOrder, candle: Candle) -> None:
        if not order.rests:
            slipped = self.slipped(order.side, candle.open)
            if order.limit is None or not better(order.side, slipped, order.limit):
                self._take(order, slipped, self._share(order, whole=False))
            order.rests = order.limit is not None
        through = candle.low if order.is_purchase else candle.high
        if order.name in self.open and order.limit is not None and better(order.side, order.limit, through):
            self._fill_waiting(order)
        if order.name in self.open and order.request.time_in_force is TimeInForce.IOC:
            self.end(order, "immediate")

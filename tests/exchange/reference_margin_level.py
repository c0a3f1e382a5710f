"""The margin level of the reference exchange: calls, and positions that are sold because it is too low."""

from __future__ import annotations

from fractions import Fraction

from tests.exchange.reference_agenda import Placed
from tests.exchange.reference_candles import ReferenceOnCandles
from tests.exchange.reference_margin import CALL, LIQUIDATION, RESTORED
from tests.exchange.reference_margin_settling import ReferenceSettling
from tests.exchange.reference_matching import ReferenceWithBook
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_tape import ReferenceOnTape
from tests.exchange.reference_terms import trailed

from triplegain.domain.market import Candle, CandleClosed, MarketEvent, PublicTrade
from triplegain.domain.orders import OrderOptions, OrderRequest, SelfTradePrevention, Side
from triplegain.domain.terms import Market

_SIDES = (Side.BUY, Side.SELL)


class ReferenceMargin(ReferenceSettling):
    _called = False
    _liquidates = False
    _liquidations = 0

    def on_event(self, event: MarketEvent) -> None:
        """The level is looked at when all else of that moment has come about."""
        super().on_event(event)
        if isinstance(event, PublicTrade) or self._liquidates or self.book.last is None:
            self.watch(self.mark)

    def watch(self, price: Fraction | None) -> None:
        """The level at a price: a call is told once until it is above, and again where positions begin to be sold."""
        level = None if price is None else self.level(price)
        begins = level is not None and level < LIQUIDATION and not self._liquidates
        self._liquidates = self._liquidates or begins
        is_called = level is not None and level < CALL
        if begins or (is_called and not self._called):
            self.tell("margin_call", "", self._liquidates)
        if price is not None:
            self._called = is_called
        if begins:
            self._end_openers()
        if self._liquidates and price is not None:
            self._sell(price)

    def _end_openers(self) -> None:
        orders = [o for o in self.open.values() if self.is_lent(o) and not self.only_reduces(o) and o.reached is None]
        for order in sorted(orders, key=lambda order: order.number):
            self.end(order, "liquidation")

    def _sell(self, price: Fraction) -> None:
        """The oldest first, each whole, until the level is restored; what nobody takes is tried again."""
        while (level := self.level(price)) is not None and level < RESTORED:
            oldest = self.lent[0]
            if not self.is_matched or not self.can_sell(1 - oldest.side):
                return
            before = oldest.lots
            self._liquidate(oldest.side, oldest.leverage, before, price)
            if oldest.lots == before or self.is_being_sold:
                return
        self._liquidates = False

    @property
    def is_being_sold(self) -> bool:
        return any(order.request.purpose == "liquidation" for order in self.open.values())

    def can_sell(self, side: int) -> bool:
        """Whether anybody would take an order of the exchange of this side now."""
        raise NotImplementedError

    def _liquidate(self, side: int, leverage: int, lots: int, price: Fraction) -> None:
        number = self.next_number()
        request = OrderRequest(
            f"tg-liq-{number}", self.instrument.symbol, _SIDES[1 - side], self.instrument.quantity(lots), Market(),
            leverage=leverage, self_trade=SelfTradePrevention.CANCEL_OLDEST, purpose="liquidation",
            options=OrderOptions(reduce_only=True),
        )  # fmt: skip
        placed = Placed(request, number, self.now_ns)
        self.tell("submitted", request.client_order_id, self.now_ns)
        _, order = self._read(placed)
        assert order is not None
        self._take_in(placed, order)
        self.meet_level(order, price)

    def meet_level(self, order: ReferenceOrder, price: Fraction) -> None:
        """Where the price at which the level was too low is what it gets."""

    def on_accepted(self, order: ReferenceOrder) -> None:
        super().on_accepted(order)
        if self.is_lent(order) and order.request.only_reduces:
            self._cut(order)

    def on_positions(self) -> None:
        """Orders that only reduce are over with the position, and cut to it."""
        for order in sorted(self.open.values(), key=lambda order: order.number):
            if self.is_lent(order) and self.only_reduces(order):
                if self.open_lots(1 - order.side):
                    self._cut(order)
                else:
                    self.end(order, "reduced")

    def _cut(self, order: ReferenceOrder) -> None:
        there = self.open_lots(1 - order.side)
        if there < order.left:
            order.lots = order.filled + there
            self.tell("amended", order.name, order.lots, self._stands_at(order), True)

    def cut_to(self, order: ReferenceOrder, lots: int) -> None:
        if lots:
            order.lots = order.filled + lots
            self.tell("amended", order.name, order.lots, self._stands_at(order), True)
        else:
            self.end(order, "others")

    def _stands_at(self, order: ReferenceOrder) -> int | None:
        """A trigger that trails has followed the trade that is being shared."""
        trail, peak, last = order.terms.trail, order.peak, self.book.last
        if trail is None or not order.asleep or peak is None or last is None:
            return self.price_of(order)
        return trailed(
            trail, min(peak, last) if order.is_purchase else max(peak, last), order.is_purchase, self.instrument
        )


class MarginWithBook(ReferenceMargin, ReferenceWithBook):
    has_book = True

    def near(self, side: int) -> int | None:
        return self.book.best(1 - side)

    def walked(self, side: int, lots: int) -> list[tuple[int, int]]:
        walked = []
        for price in self.book.levels(1 - side):
            some = min(lots, self.available(1 - side, price))
            if some:
                walked.append((price, some))
            lots -= some
        return walked

    def can_sell(self, side: int) -> bool:
        return bool(self.walked(side, 1))


class MarginOnTape(ReferenceMargin, ReferenceOnTape):
    def walked(self, side: int, lots: int) -> list[tuple[int, int]]:
        return []

    def near(self, side: int) -> int | None:
        return None if self.book.last is None else self.slipped(side, self.book.last)

    def can_sell(self, side: int) -> bool:
        return not self.is_being_sold


class MarginOnCandles(MarginOnTape, ReferenceOnCandles):
    def on_event(self, event: MarketEvent) -> None:
        if not isinstance(event, CandleClosed):
            super().on_event(event)
            return
        ReferenceOnCandles.on_event(self, event)
        self._look_at(event.candle)
        self.watch(self.mark)

    def on_stops_met(self, candle: Candle) -> None:
        self._look_at(candle)

    def _look_at(self, candle: Candle) -> None:
        """Like a stop: what is held meets the extreme that is worse for it."""
        while self.lent:
            extreme = Fraction(candle.low if self.lent[0].side == 0 else candle.high)
            level = self.level(extreme)
            if level is not None and LIQUIDATION <= level < CALL and not self._called:
                self._called = True
                self.tell("margin_call", "", False)
            if level is None or level >= LIQUIDATION:
                return
            before = sum(each.lots for each in self.lent)
            self.watch(self._fell_at(candle.open, int(extreme)))
            if self._liquidates or before == sum(each.lots for each in self.lent):
                return

    def _fell_at(self, opened: int, extreme: int) -> Fraction:
        """The first tick from the open on at which the level is too low."""
        for price in range(opened, extreme, 1 if extreme > opened else -1):
            level = self.level(Fraction(price))
            if level is not None and level < LIQUIDATION:
                return Fraction(price)
        return Fraction(extreme)

    def meet_level(self, order: ReferenceOrder, price: Fraction) -> None:
        if self.told is not None:
            self._take_share(order, self.slipped(order.side, int(price)))

"""The margin level watched: a call is told, and what falls too low is sold, oldest position first, each whole.

Kraken (support, "Margin call level and margin liquidation level"): positions are liquidated first in, first out,
regardless of pair and of profit, and once it has begun it is not stopped. Here it ends at the level that is set for it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from msgspec.structs import replace

from triplegain.domain.exchange_events import MarginCalled
from triplegain.domain.ids import Family, own_id
from triplegain.domain.market import CandleClosed, MarketEvent, PublicTrade
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, OrderStatus, SelfTradePrevention, Side
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.margin.account import MarginAccount, Marks
from triplegain.exchange.margin.level import MarginFigures
from triplegain.exchange.margin.position import OpenPosition
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.venue_market import VenueMarket

#: What the record says an order of the exchange's own is for that sells a position.
PURPOSE = "liquidation"
#: Why orders with leverage end that could open something.
CANCELLED = "liquidation: the margin level is too low"


class Seller(Protocol):
    """The exchange, as far as it sells for itself."""

    @property
    def order_count(self) -> int: ...

    def force(self, request: OrderRequest) -> WorkingOrder:
        """An order of the exchange's own is at the exchange, unchecked and told; nothing has met it yet."""
        ...

    def end(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        """An order is taken out of wherever it waits."""
        ...


class Liquidation:
    """`look` after each event, when the market's own orders have been matched; `look_at_candle` also before it meets
    anything but stops."""

    def __init__(
        self,
        margin: MarginAccount,
        markets: dict[str, VenueMarket],
        orders: dict[str, WorkingOrder],
        seller: Seller,
        tell: Callable[[MarginCalled], None],
    ) -> None:
        self._margin = margin
        self._markets = markets
        self._orders = orders
        self._seller = seller
        self._tell = tell

    def look(self, event: MarketEvent, market: VenueMarket) -> None:
        """The level is another one with each trade and each candle; while positions are sold, whatever is told."""
        margin = self._margin
        if not margin.positions:
            if margin.state.called or margin.state.liquidating:
                margin.put_state(replace(margin.state, called=False, liquidating=False))
            return
        if isinstance(event, CandleClosed) and market.simple.told is not None:
            self.look_at_candle(event.symbol, market.simple.told)
        elif not isinstance(event, PublicTrade) and market.last is not None and not margin.state.liquidating:
            return
        self._judge({})
        if margin.state.liquidating:
            self._sell({})

    # -- levels --------------------------------------------------------------------------------------------------

    def _judge(self, marks: Marks) -> None:
        """Tell a call, once until the level is above it again; begin to sell where it is too low."""
        margin, terms = self._margin, self._margin.terms
        figures = margin.figures(marks)
        if figures is None:
            return
        begins = figures.is_below(terms.liquidation) and not margin.state.liquidating
        is_called = figures.is_below(terms.call)
        if begins or (is_called and not margin.state.called):
            self._call(figures, begins)
        if is_called != margin.state.called or begins:
            margin.put_state(replace(margin.state, called=is_called, liquidating=margin.state.liquidating or begins))
        if begins:
            self._cancel_openings()

    def _call(self, figures: MarginFigures, liquidates: bool) -> None:
        level = figures.level
        assert level is not None
        places = Decimal("0.00000001")
        level, equity, used = (each.quantize(places) for each in (level, figures.equity, figures.used))
        stamp = self._margin.answer(next(iter(self._margin.positions.values())).symbol)
        self._tell(MarginCalled(*stamp, level, equity, used, liquidates))

    def _cancel_openings(self) -> None:
        """Nothing new is opened while positions are sold."""
        for order in list(self._orders.values()):
            is_there = order.is_at_exchange and order.request.leverage > 1 and not self._margin.only_reduces(order)
            if is_there and not order.passed:
                self._seller.end(order, OrderStatus.CANCELLED, CANCELLED)

    # -- sales ---------------------------------------------------------------------------------------------------

    def _sell(self, marks: Marks) -> bool:
        """Sell positions until the level is restored; False where one waits for a price or for somebody to take it."""
        margin = self._margin
        while margin.positions:
            figures = margin.figures(marks)
            if figures is None:
                return False
            if not figures.is_below(margin.terms.restored):
                break
            position = self._oldest()
            if position is None or self._is_being_sold():
                return False
            before = position.quantity
            self._sell_one(position, marks)
            left = margin.positions.get(str(position.number))
            if left is not None and (left.quantity == before or self._is_being_sold()):
                return False
        margin.put_state(replace(margin.state, liquidating=False))
        return True

    def _oldest(self) -> OpenPosition | None:
        """Of those whose market is matched, and shows somebody to trade with where there is a book."""
        return next((each for each in self._margin.positions.values() if self._has_market(each)), None)

    def _has_market(self, position: OpenPosition) -> bool:
        market = self._markets[position.symbol]
        if not MODES[market.state].matches:
            return False
        return not market.has_book or any(market.book.walk(position.side.index, None))

    def _is_being_sold(self) -> bool:
        return any(order.request.purpose == PURPOSE for order in self._orders.values())

    def _sell_one(self, position: OpenPosition, marks: Marks) -> None:
        """All of it: into the book, at the next trade of a tape, in a candle where its level fell too low."""
        request = OrderRequest(
            own_id(Family.LIQUIDATION, self._seller.order_count + 1),
            position.symbol,
            position.side.opposite,
            position.quantity,
            Market(),
            leverage=position.leverage,
            # What we have resting is never in the way out.
            self_trade=SelfTradePrevention.CANCEL_OLDEST,
            position_id=position.position_id or None,
            purpose=PURPOSE,
            options=OrderOptions(reduce_only=True),
        )
        market = self._markets[position.symbol]
        order = self._seller.force(request)
        if market.has_own_time and (price := marks.get(position.symbol, market.last)) is not None:
            market.simple.liquidate(order, price)
        else:
            market.admit(order)

    # -- candles -------------------------------------------------------------------------------------------------

    def look_at_candle(self, symbol: str, candle: ToldCandle) -> None:
        """Like a stop: what is held meets the extreme that is worse for it, at the price where the level fell too low,
        or at the open beyond it."""
        margin = self._margin
        while (held := margin.position(symbol)) is not None:
            extreme = candle.low if held.side is Side.BUY else candle.high
            worst = {symbol: extreme}
            self._tell_call_at(worst)
            figures = margin.figures(worst)
            if figures is None or not figures.is_below(margin.terms.liquidation):
                return
            marks = {symbol: self._fell_at(symbol, candle.open, extreme)}
            self._judge(marks)
            if not self._sell(marks):
                return

    def _tell_call_at(self, marks: Marks) -> None:
        """Below the call level and not below the other, at the worst of the candle."""
        figures, terms = self._margin.figures(marks), self._margin.terms
        if figures is None or self._margin.state.called or figures.is_below(terms.liquidation):
            return
        if figures.is_below(terms.call):
            self._call(figures, False)
            self._margin.put_state(replace(self._margin.state, called=True))

    def _fell_at(self, symbol: str, opened: int, extreme: int) -> int:
        """The first tick from the open towards the extreme at which the level is too low; the open if it is there."""
        if self._is_too_low(symbol, opened):
            return opened
        well, low = opened, extreme
        while abs(low - well) > 1:
            middle = (well + low) // 2
            if self._is_too_low(symbol, middle):
                low = middle
            else:
                well = middle
        return low

    def _is_too_low(self, symbol: str, ticks: int) -> bool:
        figures = self._margin.figures({symbol: ticks})
        return figures is not None and figures.is_below(self._margin.terms.liquidation)

"""The orders of the differential test: drawn from a seed, near the touch, and now and then impossible."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import assert_never

import msgspec
from tests.exchange.differential_aim import aimed
from tests.exchange.differential_options import RandomOptions
from tests.exchange.differential_streams import (
    Cancel,
    CancelAllAfter,
    CancelBatch,
    Command,
    PlaceBatch,
    Plan,
    Question,
    Step,
    TrueMarket,
)

from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    FeedState,
    FeedStatus,
    MarketDepth,
)
from triplegain.domain.orders import AmendRequest, OrderRequest, SelfTradePrevention, Side, TimeInForce
from triplegain.domain.price import Offset, Price, Sign
from triplegain.domain.terms import (
    Iceberg,
    Limit,
    Market,
    MarketByCost,
    OrderKind,
    OrderTerms,
    SettlePosition,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)

_SIDES = (Side.BUY, Side.SELL)
#: Limit orders are what most rules are about.
KINDS = (OrderKind.LIMIT,) * 20 + (OrderKind.STOP_LOSS, OrderKind.ICEBERG) * 2 + tuple(OrderKind)
#: What may stand where a quantity or a price is asked for.
_ODD = (Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal(0), Decimal("1e70"), Decimal("0.001"))


@dataclass
class RandomTrader:
    plan: Plan
    draws: random.Random
    sent: int = 0
    prices: dict[str, Decimal] = field(default_factory=dict)
    #: Orders that may still be open: with a price away from the market.
    away: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._options = RandomOptions(self.plan, self.draws)

    def command(self, best: tuple[int, int], now_ns: int) -> Command:
        roll = self.draws.random()
        if self.plan.crowded and self.draws.random() < 0.8:
            return self._order(best, now_ns)
        if self.plan.crowded and roll > 0.34:
            return self._batch(best, now_ns)
        if roll < 0.13:
            return Cancel(self._known())
        if roll < 0.3:
            return self._amendment(best)
        if roll < 0.32:
            return CancelBatch(tuple(self._known() for _ in range(self.draws.randint(2, 4))))
        if roll < 0.34:
            return self._batch(best, now_ns)
        if roll < 0.345:
            return CancelAllAfter(self.draws.choice((0, 1, 2, 5, 20)))
        if roll < 0.36:
            return Question(self._order(best, now_ns))
        return self._order(best, now_ns)

    def _batch(self, best: tuple[int, int], now_ns: int) -> PlaceBatch:
        """Of one pair; none of them takes the place of another."""
        orders = [self._order(best, now_ns, alone=False) for _ in range(self.draws.choice((2, 2, 3, 5)))]
        named = {order.client_order_id: order for order in orders}
        return PlaceBatch(tuple(named.values()))

    def _known(self) -> str:
        if self.away and self.draws.random() < 0.6:
            return self.draws.choice(self.away[-8:])
        number = max(self.sent - self.draws.choice((0, 0, 1, 1, 2, 3, 5, 8)), 0)
        return f"o{number}" if self.draws.random() < 0.95 else f"tg-close-{number}-{self.draws.choice((1, 1, 2))}"

    def _near(self, side: int, best: tuple[int, int]) -> Decimal:
        """Mostly at the best quote of its side, now and then across the spread."""
        offset = self.draws.choice((10, 12, 15, 20) if self.plan.crowded else (-3, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 5))
        return self.plan.instrument.price(max(best[side] - offset if side == 0 else best[side] + offset, 1))

    def _quantity(self, odd: float = 0.02) -> Decimal:
        if self.draws.random() < odd:
            return self.draws.choice(_ODD)
        lots = self.draws.choice((3, 6, 6, 10, 10, 25, 25, self.draws.randint(1, 90)))
        if self.plan.crowded:
            lots = self.draws.choice((7, 7, 7, 8, 20))
        return self.plan.instrument.quantity(lots * self.plan.size)

    def _order(self, best: tuple[int, int], now_ns: int, alone: bool = True) -> OrderRequest:
        draws = self.draws
        known = self._known()
        self.sent += draws.random() > 0.01
        name, side = f"o{self.sent}", draws.randint(0, 1)
        price = self._near(side, best)
        if draws.random() < 0.02:
            price = draws.choice((*_ODD, price + Decimal("0.05")))
        self.prices[name] = price
        force = draws.choice(
            (TimeInForce.GTC,) * (80 if self.plan.crowded else 8) + (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD)
        )
        expires = None
        if force is TimeInForce.GTD:
            expires = now_ns + (self.plan.place_delay + draws.randint(-1, 25)) * self.plan.unit_ns
        quantity = self._quantity()
        terms = self._terms(side, price, quantity, best)
        if isinstance(terms, MarketByCost) and draws.random() < 0.95:
            quantity, side = Decimal(0), 0
        if terms.waits or (terms.limited and price.is_finite() and self._is_away(side, price, best)):
            self.away.append(name)
        symbol = self.plan.instrument.symbol if not alone or draws.random() > 0.003 else "DOGE/USDT"
        options = self._options.options(side, best, now_ns, known)
        if not alone:
            options = msgspec.structs.replace(options, replaces=None)
        return OrderRequest(
            name, symbol, _SIDES[side], quantity, terms, force, expires,
            leverage=draws.choice((1,) * 100 + (0, 2)), self_trade=draws.choice(tuple(SelfTradePrevention)),
            options=options,
        )  # fmt: skip

    def _is_away(self, side: int, price: Decimal, best: tuple[int, int]) -> bool:
        quote = self.plan.instrument.price(best[side])
        return price < quote if side == 0 else price > quote

    def _terms(self, side: int, price: Decimal, quantity: Decimal, best: tuple[int, int]) -> OrderTerms:
        if self.plan.crowded and self.draws.random() < 0.9:
            return Limit(price)
        match self.draws.choice(KINDS):
            case OrderKind.SETTLE_POSITION:
                return SettlePosition()
            case OrderKind.MARKET:
                return Market()
            case OrderKind.MARKET_BY_COST:
                return MarketByCost(price * quantity if price.is_finite() and quantity.is_finite() else quantity)
            case OrderKind.LIMIT:
                return Limit(self._perhaps_relative(price), post_only=self.draws.random() < 0.25)
            case OrderKind.ICEBERG:
                shown = quantity / self.draws.choice((1, 2, 3, 5, 8, 20)) if quantity.is_finite() else quantity
                return Iceberg(self._perhaps_relative(price), shown, post_only=self.draws.random() < 0.1)
            case OrderKind.STOP_LOSS:
                return StopLoss(self._trigger(1 - side, best))
            case OrderKind.STOP_LOSS_LIMIT:
                return StopLossLimit(self._trigger(1 - side, best), self._perhaps_relative(price))
            case OrderKind.TAKE_PROFIT:
                return TakeProfit(self._trigger(side, best))
            case OrderKind.TAKE_PROFIT_LIMIT:
                return TakeProfitLimit(self._trigger(side, best), self._perhaps_relative(price))
            case OrderKind.TRAILING_STOP:
                return TrailingStop(self._offset((Sign.PLUS,)))
            case OrderKind.TRAILING_STOP_LIMIT:
                return TrailingStopLimit(self._offset((Sign.PLUS,)), self._offset((Sign.PLUS, Sign.MINUS)))
            case _ as never:
                assert_never(never)

    def _trigger(self, side: int, best: tuple[int, int]) -> Price:
        """Mostly where the market must come to from the side of the bids (0) or of the asks."""
        away = self.draws.choice((-1, 0, 1, 1, 2, 3))
        return self._perhaps_relative(self.plan.instrument.price(best[1] + away if side == 1 else best[0] - away))

    def _perhaps_relative(self, price: Decimal) -> Price:
        return price if self.draws.random() < 0.9 else self._offset(tuple(Sign))

    def _offset(self, signs: tuple[Sign, ...]) -> Offset:
        amount = self.draws.choice(("0.1", "0.2", "0.05", "0.13", "1", "0.7", "0"))
        return Offset(self.draws.choice(signs), Decimal(amount), self.draws.random() < 0.4)

    def _amendment(self, best: tuple[int, int]) -> AmendRequest:
        draws, name = self.draws, self._known()
        price = draws.choice((None, None, self.prices.get(name), self._near(draws.randint(0, 1), best)))
        return AmendRequest(name, draws.choice((None, self._quantity(odd=0))), price)


def drawn_stream(plan: Plan, depth: MarketDepth = MarketDepth.BOOK) -> list[Step]:
    """Of every ten steps about three are commands; where there is no book the depth is left out."""
    market = TrueMarket(plan)
    trader = RandomTrader(plan, random.Random(plan.seed + 1))
    for _ in range(plan.steps):
        if market.draws.random() < 0.3:
            market.send(trader.command((market.best(0), market.best(1)), market.now_ns))
        else:
            market.move()
    steps = list(market.steps())
    if depth is not MarketDepth.BOOK:
        steps = [told for step in steps if (told := _on_tape(step)) is not None]
    return list(aimed(steps, plan, depth))


def _on_tape(step: Step) -> Step | None:
    """What is told where there is no book: a new one is the end of a gap."""
    match step:
        case BookUpdate(snapshot=True):
            return FeedStatus(step.symbol, step.exchange_time_ns, step.received_at_ns, FeedState.SYNCED)
        case BookUpdate() | BestQuote():
            return None
        case _:
            return step

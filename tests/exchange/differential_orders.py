"""The orders of the differential test: drawn from a seed, near the touch, and now and then impossible."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

from tests.exchange.differential_streams import MIDDLE, SYMBOL, Cancel, Plan, Step, TrueMarket

from triplegain.domain.market import BestQuote, BookUpdate, Candle, CandleClosed, Heartbeat, MarketDepth
from triplegain.domain.orders import (
    AmendRequest,
    Limit,
    Market,
    OrderRequest,
    OrderTerms,
    SelfTradePrevention,
    Side,
    StopLoss,
    TimeInForce,
)

_SIDES = (Side.BUY, Side.SELL)
#: What may stand where a quantity or a price is asked for.
_ODD = (Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal(0), Decimal("1e70"), Decimal("0.001"))


@dataclass
class RandomTrader:
    plan: Plan
    draws: random.Random
    sent: int = 0
    prices: dict[str, Decimal] = field(default_factory=dict)

    def command(self, best: tuple[int, int], now_ns: int) -> Step:
        roll = self.draws.random()
        if roll < 0.15:
            return Cancel(self._known())
        if roll < 0.32:
            return self._amendment(best)
        return self._order(best, now_ns)

    def _known(self) -> str:
        return f"o{max(self.sent - self.draws.choice((0, 0, 1, 1, 2, 3, 5, 8)), 0)}"

    def _near(self, side: int, best: tuple[int, int]) -> Decimal:
        """Mostly at the best quote of its side, now and then across the spread."""
        offset = self.draws.choice((-3, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 5))
        return self.plan.instrument.price(max(best[side] - offset if side == 0 else best[side] + offset, 1))

    def _quantity(self, odd: float = 0.02) -> Decimal:
        if self.draws.random() < odd:
            return self.draws.choice(_ODD)
        lots = self.draws.choice((3, 6, 10, 25, self.draws.randint(1, 90)))
        return self.plan.instrument.quantity(lots * self.plan.size)

    def _order(self, best: tuple[int, int], now_ns: int) -> OrderRequest:
        draws = self.draws
        self.sent += draws.random() > 0.01
        name, side = f"o{self.sent}", draws.randint(0, 1)
        price = self._near(side, best)
        if draws.random() < 0.02:
            price = draws.choice((*_ODD, price + Decimal("0.05")))
        self.prices[name] = price
        force = draws.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.GTD))
        expires = None
        if force is TimeInForce.GTD:
            expires = now_ns + (self.plan.place_delay + draws.randint(-1, 25)) * self.plan.unit_ns
        return OrderRequest(
            name, self.plan.instrument.symbol, _SIDES[side], self._quantity(), self._terms(side, price, best), force,
            expires, leverage=draws.choice((1,) * 100 + (0, 2)), self_trade=draws.choice(tuple(SelfTradePrevention)),
        )  # fmt: skip

    def _terms(self, side: int, price: Decimal, best: tuple[int, int]) -> OrderTerms:
        match self.draws.choice(("limit",) * 6 + ("post", "post", "market", "stop", "stop")):
            case "market":
                return Market()
            case "stop":
                away = self.draws.choice((-1, 0, 1, 1, 2, 3))
                return StopLoss(self.plan.instrument.price(best[1] + away if side == 0 else best[0] - away))
            case kind:
                return Limit(price, post_only=kind == "post")

    def _amendment(self, best: tuple[int, int]) -> AmendRequest:
        draws, name = self.draws, self._known()
        price = draws.choice((None, None, self.prices.get(name), self._near(draws.randint(0, 1), best)))
        return AmendRequest(name, draws.choice((None, self._quantity(odd=0))), price)


def drawn_stream(plan: Plan, depth: MarketDepth = MarketDepth.BOOK) -> list[Step]:
    """Of every ten steps about three are commands; where there is no book the depth is left out."""
    if depth is MarketDepth.CANDLES:
        return drawn_candles(plan)
    market = TrueMarket(plan)
    trader = RandomTrader(plan, random.Random(plan.seed + 1))
    for _ in range(plan.steps):
        if market.draws.random() < 0.3:
            market.send(trader.command((market.best(0), market.best(1)), market.now_ns))
        else:
            market.move()
    hidden = () if depth is MarketDepth.BOOK else (BookUpdate, BestQuote)
    return [step for step in market.steps() if not isinstance(step, hidden)]


def drawn_candles(plan: Plan) -> list[Step]:
    """Candles four units long, some missing, and orders sent at their closes and between them."""
    draws, trader = random.Random(plan.seed), RandomTrader(plan, random.Random(plan.seed + 1))
    length, opens, last = 4 * plan.unit_ns, plan.start_ns, MIDDLE
    steps: list[Step] = []
    for _ in range(plan.steps):
        roll = draws.random()
        if roll < 0.4:
            opened, close = last + draws.choice((-2, -1, 0, 0, 0, 1, 2)), last + draws.randint(-3, 3)
            high, low = max(opened, close) + draws.randint(0, 3), min(opened, close) - draws.randint(0, 3)
            volume = draws.choice((0, 40, 300, 2000, 9000))
            candle = Candle(SYMBOL, opens, length, opened, high, low, close, volume)
            opens += length
            steps.append(CandleClosed(SYMBOL, opens, opens, candle))
            last = min(max(close, MIDDLE - 20), MIDDLE + 20)
        elif roll < 0.43:
            opens += length * draws.randint(1, 3)
        elif roll < 0.5:
            now = opens + draws.randint(0, 3) * plan.unit_ns
            steps.append(Heartbeat(now, now))
        else:
            steps.append(trader.command((last, last + 1), opens))
    return steps

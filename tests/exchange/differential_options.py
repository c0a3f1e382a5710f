"""What random orders ask for beside their terms, and the commands that are about several orders."""

from __future__ import annotations

import random
from decimal import Decimal

from tests.exchange.differential_streams import Plan

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import FeePreference, OrderOptions, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import (
    Iceberg,
    Limit,
    Market,
    MarketByCost,
    OrderTerms,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)

#: After sending, in milliseconds: both ends of what is allowed, and what latencies come to.
_DEADLINES_MS = (499, 500, 1000, 2000, 3000, 4000, 5000, 60_000, 60_001)
_SIDES = (Side.BUY, Side.SELL)


class RandomOptions:
    def __init__(self, plan: Plan, draws: random.Random) -> None:
        self.plan, self.draws = plan, draws

    def options(self, side: int, best: tuple[int, int], now_ns: int, known: str) -> OrderOptions:
        """`known`: an order that it may replace."""
        draws, unit_ns = self.draws, self.plan.unit_ns
        fees = FeePreference.BASE if draws.random() < 0.2 else FeePreference.QUOTE
        deadline = starts = replaces = close = None
        roll = draws.random()
        if roll < 0.05:
            deadline = now_ns + draws.choice(_DEADLINES_MS) * SECOND_NS // 1000
        elif roll < 0.11:
            starts = now_ns + (self.plan.place_delay + draws.randint(-2, 25)) * unit_ns
        elif roll < 0.2:
            close = self._close(1 - side, best)
        elif roll < 0.27:
            replaces = known
        only_reduces = draws.random() < 0.01
        return OrderOptions(only_reduces, close, deadline, starts, replaces, fee_preference=fees)

    def _close(self, side: int, best: tuple[int, int]) -> OrderTerms:
        """Of the other side than the order: mostly a profit or a stop nearby."""
        draws, price = self.draws, self._price
        better, worse = (1, -1) if side == 1 else (-1, 1)
        away = draws.randint(-1, 4)
        match draws.randint(0, 9):
            case 0 | 1 | 2:
                return Limit(price(best[side] + better * away))
            case 3 | 4:
                return StopLoss(price(best[side] + worse * away))
            case 5:
                return StopLossLimit(price(best[side] + worse * away), price(best[side] + worse * (away + 1)))
            case 6:
                return TakeProfit(price(best[side] + better * away))
            case 7:
                return TakeProfitLimit(price(best[side] + better * away), price(best[side] + better * (away - 1)))
            case 8 if draws.random() < 0.5:
                sign, amount = draws.choice(list(Sign)), Decimal(draws.choice(("0", "0.1", "0.3")))
                near = Offset(sign, amount, draws.random() < 0.3)
                return draws.choice((Limit(near), StopLoss(near), StopLossLimit(near, near), TakeProfit(near)))
            case 8:
                trail = Offset(Sign.PLUS, Decimal(draws.choice(("0.1", "0.3", "0"))), draws.random() < 0.3)
                after = Offset(draws.choice((Sign.PLUS, Sign.MINUS)), Decimal(draws.choice(("0", "0.1"))))
                return TrailingStop(trail) if draws.random() < 0.5 else TrailingStopLimit(trail, after)
            case _:
                return self._impossible(price(best[side]))

    def _impossible(self, price: Decimal) -> OrderTerms:
        return self.draws.choice((
            Market(), MarketByCost(price), Iceberg(price, Decimal(1)), Limit(price, post_only=True),
            Limit(Offset(Sign.PLUS, Decimal(1))), Limit(price + Decimal("0.05")), StopLoss(Decimal(-1)),
            StopLossLimit(price, Offset(Sign.MINUS, Decimal(1))), StopLossLimit(price, price + Decimal("0.05")),
        ))  # fmt: skip

    def _price(self, ticks: int) -> Decimal:
        return self.plan.instrument.price(max(ticks, 1))

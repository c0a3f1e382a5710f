"""Markets that move far enough for calls and liquidations, and orders with leverage, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from tests.exchange.differential_streams import SYMBOL, Cancel, Plan, Question, Step, drawn_plan

from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.market import BookUpdate, Candle, CandleClosed, MarketDepth, PublicTrade
from triplegain.domain.orders import AmendRequest, OrderOptions, OrderRequest, SelfTradePrevention, Side, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import (
    Iceberg,
    Limit,
    Market,
    OrderTerms,
    SettlePosition,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
)

_SIDES = (Side.BUY, Side.SELL)
_BEGINS_AT = 1000
_REACH = (700, 1400)
_TRAIL = Offset(Sign.PLUS, Decimal(2), percent=True)


def margin_plan(seed: int, steps: int) -> Plan:
    """An account of a few positions; time is lost on the way by whole steps of the market, if any."""
    draws = random.Random(seed)
    plan = replace(
        drawn_plan(seed, steps), base=Decimal(draws.choice(("0", "0", "1"))),
        quote=Decimal(draws.choice(("100", "1000"))), margin=True, reduces=draws.random() < 0.6,
        spot=draws.random() < 0.4,
    )  # fmt: skip
    place, cancel, answer = draws.choice(((0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 2, 1)))
    return replace(
        plan, unit_ns=20 * MINUTE_NS, place_delay=place, cancel_delay=cancel, response_delay=answer, jitter=0, depth=0
    )


def drawn_margin(plan: Plan, depth: MarketDepth) -> list[Step]:
    return list(islice(_MarginMarket(plan, depth).steps(), plan.steps))


class _MarginMarket:
    def __init__(self, plan: Plan, depth: MarketDepth) -> None:
        self.plan, self.depth = plan, depth
        self.draws = random.Random(plan.seed)
        self.now_ns, self.price = plan.start_ns, _BEGINS_AT
        self.sent = 0

    def steps(self) -> Iterator[Step]:
        yield from self._moved()
        while True:
            if self.draws.random() < 0.45:
                yield from self._moved()
            else:
                yield self._command()

    def _moved(self) -> Iterator[Step]:
        draws, before = self.draws, self.price
        self.now_ns += draws.choice((0, 1, 1, 1, 3)) * self.plan.unit_ns
        far = draws.choice((0.005, 0.01, 0.03, 0.09, 0.2))
        self.price = min(max(int(before * draws.uniform(1 - far, 1 + far)), _REACH[0]), _REACH[1])
        match self.depth:
            case MarketDepth.BOOK:
                yield from self._book()
            case MarketDepth.TAPE:
                yield self._trade(self.price)
            case MarketDepth.CANDLES:
                yield self._candle(before)

    def _book(self) -> Iterator[Step]:
        draws = self.draws
        sizes = draws.choice(((20, 300, 2000), (500, 4000, 9000), (5, 30, 60)))
        if draws.random() < 0.8:
            bids = tuple((self.price - step, size) for step, size in zip((0, 2, 9), sizes, strict=True))
            asks = tuple((self.price + 1 + step, size) for step, size in zip((0, 2, 9), sizes, strict=True))
            yield BookUpdate(SYMBOL, self.now_ns, self.now_ns, bids, asks, True)
        if draws.random() < 0.8:
            yield self._trade(self.price + draws.randint(0, 1))

    def _trade(self, price: int) -> Step:
        side = self.draws.choice(_SIDES)
        return PublicTrade(SYMBOL, self.now_ns, self.now_ns, price, self.draws.choice((1, 10, 200, 3000)), side)

    def _candle(self, before: int) -> Step:
        draws = self.draws
        opened = before + draws.choice((-3, 0, 0, 0, 2))
        high, low = max(opened, self.price) + draws.randint(0, 9), min(opened, self.price) - draws.randint(0, 9)
        length_ns = self.plan.unit_ns
        opens_ns = -(-self.now_ns // length_ns) * length_ns
        self.now_ns = opens_ns + length_ns
        volume = draws.choice((40, 3000, 90_000))
        candle = Candle(SYMBOL, opens_ns, length_ns, opened, high, low, self.price, volume)
        return CandleClosed(SYMBOL, self.now_ns, self.now_ns, candle)

    # -- orders ----------------------------------------------------------------------------------------------------

    def _command(self) -> Step:
        roll, name = self.draws.random(), self._known()
        if roll < 0.12:
            return Cancel(name)
        if roll < 0.2:
            price = self.draws.choice((None, self._near()))
            return AmendRequest(name, self.draws.choice((None, self._quantity())), price)
        order = self._order()
        return Question(order) if roll > 0.95 else order

    def _quantity(self) -> Decimal:
        worth = self.plan.quote * Decimal(self.draws.choice((0.05, 0.3, 1.0, 2.5, 5.0)))
        lots = int(worth / (self.plan.instrument.price(self.price) * self.plan.instrument.lot))
        return self.plan.instrument.quantity(max(lots, 2))

    def _near(self) -> Decimal:
        return self.plan.instrument.price(int(self.price * self.draws.uniform(0.96, 1.04)))

    def _order(self) -> OrderRequest:
        draws = self.draws
        self.sent += 1
        near, other = self._near(), self._near()
        quantity = self._quantity()
        terms: OrderTerms = draws.choice((
            Market(), Market(), Limit(near), Limit(near, post_only=True), StopLoss(near), TakeProfit(near),
            StopLossLimit(near, other), TakeProfitLimit(near, other), Iceberg(near, quantity / 3), TrailingStop(_TRAIL),
            SettlePosition(),
        ))  # fmt: skip
        force = draws.choice((TimeInForce.GTC,) * 8 + (TimeInForce.IOC, TimeInForce.FOK))
        leverage = draws.choice((1, 2, 3, 5, 5, 10, 10, 11) if self.plan.spot else (2, 3, 5, 5, 10, 10, 11))
        only, roll = draws.random() < (0.25 if self.plan.reduces else 0), draws.random()
        close = draws.choice((Limit(near), StopLoss(near), TakeProfit(near))) if roll < 0.06 else None
        replaces = self._known() if 0.06 < roll < 0.12 else None
        return OrderRequest(
            f"o{self.sent}", SYMBOL, draws.choice(_SIDES), quantity, terms, force, leverage=leverage,
            self_trade=draws.choice(tuple(SelfTradePrevention)),
            options=OrderOptions(reduce_only=only, close=close, replaces=replaces),
        )  # fmt: skip

    def _known(self) -> str:
        return f"o{max(self.sent - self.draws.choice((0, 0, 1, 2, 3, 5)), 0)}"

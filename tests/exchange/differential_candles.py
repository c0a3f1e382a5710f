"""Candles of the differential test and orders drawn from a seed: sent at closes, just after them and inside candles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import msgspec
from tests.exchange.differential_orders import RandomTrader, drawn_stream
from tests.exchange.differential_streams import MIDDLE, SYMBOL, Plan, Step

from triplegain.domain.market import Candle, CandleClosed, Heartbeat, MarketDepth
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import StopLoss, StopLossLimit, TrailingStop
from triplegain.feeds.captures.replay import open_replay

#: How far a price may be from where it began, so that it comes back to the orders.
_REACH = 20
_TRAIL = Offset(Sign.PLUS, Decimal("0.2"))


def drawn_for(plan: Plan, depth: MarketDepth) -> list[Step]:
    """A stream for a market of this depth."""
    return drawn_candles(plan) if depth is MarketDepth.CANDLES else drawn_stream(plan, depth)


def drawn_candles(plan: Plan) -> list[Step]:
    """Candles four units long, some missing, and orders sent at their closes and between them."""
    return list(islice(_traded(plan, _candles(plan)), plan.steps))


def captured_candles(path: Path, plan: Plan) -> Iterator[Step]:
    """The candles of a capture with random orders."""
    symbol = plan.instrument.symbol
    events = (event for event in open_replay(path).events() if event.symbol == symbol)
    return _traded(plan, (event.candle for event in events if isinstance(event, CandleClosed)))


def _candles(plan: Plan) -> Iterator[Candle]:
    """One after the other; a stretch without one is a hole, and one without trades stays where the last one was."""
    draws, length_ns, opens_ns, last = random.Random(plan.seed), 4 * plan.unit_ns, plan.start_ns, MIDDLE
    while True:
        volume = draws.choice((0, 7, 40, 300, 2000, 9000))
        opened = close = high = low = last
        if volume:
            opened, close = last + draws.choice((-2, -1, 0, 0, 0, 1, 2)), last + draws.randint(-3, 3)
            high, low = max(opened, close) + draws.randint(0, 3), min(opened, close) - draws.randint(0, 3)
        yield Candle(SYMBOL, opens_ns, length_ns, opened, high, low, close, volume)
        opens_ns += length_ns * (1 if draws.random() < 0.93 else draws.randint(2, 4))
        last = min(max(close, MIDDLE - _REACH), MIDDLE + _REACH)


def _traded(plan: Plan, candles: Iterator[Candle]) -> Iterator[Step]:
    """Each candle with what is sent while it is under way, at its close, and in answer to that."""
    draws, trader = random.Random(plan.seed + 2), RandomTrader(plan, random.Random(plan.seed + 1))
    last, reach = MIDDLE, 0
    bought: list[OrderRequest] = []
    for candle in candles:
        for now_ns in _moments(draws, candle):
            yield Heartbeat(now_ns, now_ns)
            yield from _commands(draws, trader, _around(draws, last, reach), now_ns, bought)
        yield CandleClosed(candle.symbol, candle.close_time_ns, candle.close_time_ns, candle)
        last, reach = candle.close, (candle.high - candle.low) // 2
        followed, bought = bought, []
        for order in followed:
            yield _stop_after(draws, plan, order, _around(draws, last, reach)[0])
        yield from _commands(draws, trader, _around(draws, last, reach), candle.close_time_ns, bought)


def _moments(draws: random.Random, candle: Candle) -> list[int]:
    """Inside of it, mostly none; the first one is that of an answer to the close before."""
    drawn = draws.choices((1, *(candle.length_ns * part // 4 for part in range(4))), k=draws.choice((0, 0, 1, 2)))
    return [candle.open_time_ns + each for each in sorted(drawn)]


def _around(draws: random.Random, last: int, reach: int) -> tuple[int, int]:
    """What stands for the best quotes: often right there, else so far away that a candle may come to it."""
    away = draws.choice((0, 0, draws.randint(0, reach)))
    return max(last - away, 1), last + away + 1


def _commands(
    draws: random.Random, trader: RandomTrader, best: tuple[int, int], now_ns: int, bought: list[OrderRequest]
) -> Iterator[Step]:
    for _ in range(draws.choice((0, 0, 1, 1, 2, 3))):
        command = trader.command(best, now_ns)
        if isinstance(command, OrderRequest) and _may_be_guarded(command) and draws.random() < 0.3:
            command = msgspec.structs.replace(command, position_id=f"p{command.client_order_id}")
            bought.append(command)
        yield command


def _may_be_guarded(order: OrderRequest) -> bool:
    return order.side is Side.BUY and order.options.close is None


def _stop_after(draws: random.Random, plan: Plan, bought: OrderRequest, near: int) -> OrderRequest:
    """The stop that follows a purchase, whether or not that has come about, sometimes of another position."""
    trigger = plan.instrument.price(max(near - draws.choice((0, 1, 2, 3)), 1))
    return OrderRequest(
        f"{bought.client_order_id}s", bought.symbol, Side.SELL, bought.quantity,
        draws.choice((StopLoss(trigger), StopLossLimit(trigger, trigger), TrailingStop(_TRAIL))),
        position_id=bought.position_id if draws.random() < 0.9 else "p0",
    )  # fmt: skip

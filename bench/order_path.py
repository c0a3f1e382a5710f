"""What an order costs the exchange, and on what that depends: microseconds of CPU time, one JSON object.

    python bench/order_path.py [--repeat 5] [--most 10000]

`life` is a limit order step by step: sent, arrived and accepted, its cancel sent, cancelled; `maker_fill` one fill of a
resting order. `depth`: a market order, from sending to its fill, in a book of so many levels a side; `stops` and
`trailing`: a trade among so many waiting ones that it does not reach, and one that reaches the nearest; `resting`:
placing an order among so many, a level of the book that changes meanwhile, and its cancel.

Everything is the least of `--repeat` runs, which take turns; answers are drained as a session drains them.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from engine_triplegain import Trader

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import BookUpdate, MarketEvent, PublicTrade
from triplegain.domain.orders import Limit, Market, OrderTerms, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import TrailingStop

START_NS = 10**18
BID, ASK = 600_000, 600_001
DEPTHS, WAITING, RESTING = (10, 100, 1000, 5000), (0, 5, 225, 2000), (10, 225, 1000, 10_000)


class Scene:
    """A market of so many levels a side, and time that goes on by seconds."""

    def __init__(self, levels: int = 100) -> None:
        self.now_ns = START_NS
        self.trader = Trader(START_NS)
        self.instrument = self.trader.instrument
        bids = tuple((BID - away, 10**9) for away in range(levels))
        asks = tuple((ASK + away, 10**9) for away in range(levels))
        self.tell([BookUpdate(self.instrument.symbol, START_NS, START_NS, bids, asks, True)])

    def tell(self, events: Iterable[MarketEvent]) -> None:
        for event in events:
            self.trader.exchange.on_event(event)

    def pass_on(self) -> None:
        self.now_ns += SECOND_NS
        self.trader.exchange.run_through(self.now_ns)

    def place(self, side: Side, each_terms: Iterable[OrderTerms]) -> list[str]:
        return [self.trader.place(side, terms) for terms in each_terms]

    def cancel(self, names: Iterable[str]) -> None:
        for name in names:
            self.trader.withdraw(name)

    def limits(self, count: int, best: int, width: int) -> list[OrderTerms]:
        return [Limit(self.instrument.price(best - number % width)) for number in range(count)]

    def trade(self, price: int, lots: int, side: Side) -> PublicTrade:
        self.now_ns += 1000
        return PublicTrade(self.instrument.symbol, self.now_ns, self.now_ns, price, lots, side)

    def level(self, price: int, lots: int) -> BookUpdate:
        self.now_ns += 1000
        return BookUpdate(self.instrument.symbol, self.now_ns, self.now_ns, ((price, lots),), ())


def took_us(count: int, doing: Callable[[], object]) -> float:
    """For each of `count`."""
    begun = time.process_time()
    doing()
    return (time.process_time() - begun) / max(count, 1) * 1e6


def life(count: int = 20) -> dict[str, float]:
    scene = Scene()
    named: list[str] = []
    wanted = scene.limits(count, BID - 10, 50)
    figures = {"sent": took_us(count, lambda: named.extend(scene.place(Side.BUY, wanted)))}
    figures["accepted"] = took_us(count, scene.pass_on)
    figures["cancel_sent"] = took_us(count, lambda: scene.cancel(named))
    figures["cancelled"] = took_us(count, scene.pass_on)
    scene.place(Side.BUY, scene.limits(count, BID, 2))
    scene.pass_on()
    through = scene.trade(BID - 1000, 10**13, Side.SELL)
    figures["maker_fill"] = took_us(count, lambda: scene.tell([through]))
    scene.trader.collect()
    assert scene.trader.fills == count
    return figures


def market_order(levels: int, count: int = 20) -> float:
    scene = Scene(levels)

    def orders() -> None:
        for _ in range(count):
            scene.place(Side.BUY, [Market()])
            scene.pass_on()
        scene.trader.collect()

    took = took_us(count, orders)
    assert scene.trader.fills == count
    return took


def far_stops(scene: Scene, count: int) -> list[OrderTerms]:
    return [StopLoss(scene.instrument.price(BID - 100_000 - number)) for number in range(count)]


def far_trails(scene: Scene, count: int) -> list[OrderTerms]:
    return [TrailingStop(Offset(Sign.PLUS, Decimal(10_000 + number))) for number in range(count)]


def trades(waiting: Callable[[Scene, int], list[OrderTerms]], count: int) -> dict[str, float]:
    """A trade among so many that it does not reach, and one that reaches the nearest."""
    scene = Scene()
    scene.tell([scene.trade(ASK, 1000, Side.BUY)])
    scene.place(Side.SELL, waiting(scene, count))
    scene.pass_on()
    scene.trader.collect()
    near = [scene.trade(ASK - number % 2, 1000, Side.BUY) for number in range(500)]
    passing = took_us(len(near), lambda: scene.tell(near))
    reaching = [scene.trade(BID - 100_000, 1000, Side.SELL)]
    return {"passing": passing, "reached": took_us(1, lambda: scene.tell(reaching))}


def resting(count: int) -> dict[str, float]:
    scene = Scene()
    named: list[str] = []
    wanted = scene.limits(count, BID - 1000, 200)

    def placed() -> None:
        named.extend(scene.place(Side.BUY, wanted))
        scene.pass_on()
        scene.trader.collect()

    def cancelled() -> None:
        scene.cancel(named)
        scene.pass_on()
        scene.trader.collect()

    figures = {"placed": took_us(count, placed)}
    levels = [scene.level(BID - 10 - number % 20, 1000 + number) for number in range(1000)]
    return {
        **figures,
        "level": took_us(len(levels), lambda: scene.tell(levels)),
        "cancelled": took_us(count, cancelled),
    }


def measures(most: int) -> dict[str, Callable[[], float | dict[str, float]]]:
    """By the path of the figure."""
    found: dict[str, Callable[[], float | dict[str, float]]] = {"life": life}
    found |= {f"depth.{levels}": partial(market_order, levels) for levels in DEPTHS}
    for name, waiting in (("stops", far_stops), ("trailing", far_trails)):
        for count in WAITING:
            found[f"{name}.{count}"] = partial(trades, waiting, count)
    return found | {f"resting.{count}": partial(resting, count) for count in RESTING if count <= most}


def least(runs: list[float | dict[str, float]]) -> float | dict[str, float]:
    if isinstance(runs[0], dict):
        return {name: round(min(run[name] for run in runs if isinstance(run, dict)), 1) for name in runs[0]}
    return round(min(run for run in runs if not isinstance(run, dict)), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="the least of so many runs (default 5)")
    parser.add_argument("--most", type=int, default=10_000, help="orders that rest (default 10000)")
    asked = parser.parse_args()
    gc.disable()
    doing = measures(asked.most)
    runs: dict[str, list[float | dict[str, float]]] = {name: [] for name in doing}
    for _ in range(asked.repeat):
        for name, measure in doing.items():
            runs[name].append(measure())
            gc.collect()
    print(json.dumps({name: least(each) for name, each in runs.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

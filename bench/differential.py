"""The exchange against its independent reference (tests/exchange/reference.py), answer by answer, as long as is asked.

    python bench/differential.py --events 1000000 --seed 1 [--depth tape|candles] [--margin] [--jobs 2]
    python bench/differential.py --captures FOLDER --seed 1 [--events 300000]

Random markets: streams of 1,000 steps, each with a plan of its own (delays, money, depth, fees). Recorded markets: the
depth and the tape of each capture told 5 to 200 ms against each other, with random orders near the touch, and candles
with orders sent at, after and between their closes. The first
difference of a stream is printed with a stream shrunk to what it needs; exit code 1 if there was any.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.exchange.differential import compare, minimal
from tests.exchange.differential_candles import captured_candles, drawn_for
from tests.exchange.differential_captures import capture_plan, capture_stream
from tests.exchange.differential_margin import drawn_margin, margin_plan
from tests.exchange.differential_streams import plan_of

from triplegain.domain.market import MarketDepth

STEPS = 1_000
#: Folder below --captures, instrument, and one order action every so many events.
CAPTURES = (
    ("binance_spot_l2_trades_btcusdt_2024-08", "BTC/USDT", 12),
    ("kraken_wsv2_btcusd_book", "BTC/USD", 2),
    ("kraken_wsv2_minagbp_book", "MINA/GBP", 2),
    ("kraken_trades_btcusdt_2023-11", "BTC/USDT", 5),
    ("kraken_trades_xrp_2022-05", "XRP/USDT", 5),
    ("binance_ohlcv_1h_2021_2023", "BTC/USDT", 1),
    ("binance_ohlcv_1h_2021_2023", "XRP/USDT", 1),
    ("binance_ohlcv_1m_three_pairs_2021-05", "XRP/BTC", 1),
    ("binance_ohlcv_5m_2024", "BTC/USDT", 1),
    ("xrpbtc_ohlcv_1h_2017_2019", "XRP/BTC", 1),
)


def random_market(depth: MarketDepth, seed: int) -> tuple[int, str | None]:
    """Steps that were compared, and what differed."""
    plan = plan_of(seed, STEPS, depth)
    stream = drawn_for(plan, depth)
    return len(stream), minimal(plan, stream, depth) if compare(plan, stream, depth) is not None else None


def margin_market(depth: MarketDepth, seed: int) -> tuple[int, str | None]:
    """The same of an account on margin."""
    plan = margin_plan(seed, STEPS // 4)
    stream = drawn_margin(plan, depth)
    return len(stream), minimal(plan, stream, depth) if compare(plan, stream, depth) is not None else None


def recorded_market(captures: Path, limit: int, seed: int, which: tuple[str, str, int]) -> tuple[int, str | None]:
    folder, symbol, every = which
    plan, depth = capture_plan(captures / folder, symbol, seed)
    path = captures / folder
    told = captured_candles(path, plan) if depth is MarketDepth.CANDLES else capture_stream(path, plan, depth, every)
    stream = list(islice(told, limit))
    found = compare(plan, stream, depth)
    if found is None:
        return len(stream), None
    return len(stream), f"{folder}\n{minimal(plan, stream[: found.step + 1], depth)}"


def report(results: Iterable[tuple[int, str | None]]) -> int:
    began, steps, streams, different = time.monotonic(), 0, 0, 0
    for count, found in results:
        steps, streams = steps + count, streams + 1
        if found is not None:
            different += 1
            print(found, flush=True)
    seconds = time.monotonic() - began
    print(f"{steps:,} steps in {streams:,} streams, {different} with a difference; {steps / seconds:,.0f} a second")
    return 1 if different else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="steps; of captures: of each (default 1000000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", choices=[each.value for each in MarketDepth], default=MarketDepth.BOOK.value)
    parser.add_argument("--captures", type=Path, help="folder of recorded markets to use instead of random ones")
    parser.add_argument("--margin", action="store_true", help="accounts on margin: streams of 250 steps")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    with ProcessPoolExecutor(asked.jobs) as pool:
        if asked.captures:
            return report(pool.map(partial(recorded_market, asked.captures, asked.events, asked.seed), CAPTURES))
        market, steps = (margin_market, STEPS // 4) if asked.margin else (random_market, STEPS)
        seeds = range(asked.seed * 1_000_000, asked.seed * 1_000_000 + -(-asked.events // steps))
        return report(pool.map(partial(market, MarketDepth(asked.depth)), seeds))


if __name__ == "__main__":
    sys.exit(main())

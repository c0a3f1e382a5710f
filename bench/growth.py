"""What one market event costs a whole session, and whether that grows: with instruments, with rows, with orders.

    python bench/growth.py [--size full] [--repeat 3]

Each cell is a process of its own, in turns: a session as configured (agents by rules, risk, hodl bag, candles,
indicators, the EMA trader on minutes) on the generated market of `workload.py`, played over and over with a snapshot at
the seam, round robin on all instruments. Rows are five milliseconds apart for one instrument, and so much less for more
that are as busy each; in the second comparison always five, so that candles and what is decided at them weigh. Its
orders rest from 1 % below the price. Told are microseconds of CPU a row, making the events not counted, the ratio to
the first of each comparison, and how much memory the process gained after its first lap. There is no database: steps
are made and thrown away. Ends with exit code 1 where a ratio is above its bound. The full size goes to 10 M rows and
10,000 orders and takes half an hour.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from workload import FIRST_LEVELS, MEAN_GAP_NS, START_NS, generate

from triplegain.app.settings import session_settings
from triplegain.config.loader import load_config
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import BookUpdate, MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.domain.quote import QuoteSource
from triplegain.exchange.settings import AccountTier
from triplegain.session.market_floor import MarketFloor
from triplegain.session.trading_session import TradingSession

SEED = 77
LAP_ROWS = 100_000
OPENING_ROWS = 2 * FIRST_LEVELS
#: Messages that a run takes before it lets others have the loop.
BREATH = 256
Levels = tuple[tuple[int, int], ...]
Row = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """`gap_ns` lies between two rows, of whichever instruments."""

    instruments: int = 1
    rows: int = LAP_ROWS
    orders: int = 10
    gap_ns: int = MEAN_GAP_NS


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cells that differ in one thing; none may cost more than `bound` times the first, where there is one."""

    name: str
    bound: float | None
    cells: tuple[Cell, ...]


def comparisons(size: str, looseness: float) -> tuple[Comparison, ...]:
    rows = {"quick": (30_000, 100_000), "usual": (100_000, 1_000_000), "full": (100_000, 1_000_000, 10_000_000)}[size]
    orders = {"quick": (10, 1000), "usual": (10, 100, 1000), "full": (10, 100, 1000, 10_000)}[size]
    instruments = (1, 300) if size == "quick" else (1, 30, 300)
    return (
        # Not the first rows alone: 300 instruments want 10,000 indicators made once.
        Comparison(
            "instruments, each as busy as the one",
            1.5 * looseness,
            tuple(Cell(many, rows[1], gap_ns=MEAN_GAP_NS // many) for many in instruments),
        ),
        Comparison(
            "instruments, together as busy as the one", None, tuple(Cell(many, rows[1]) for many in instruments)
        ),
        Comparison("rows", 1.3 * looseness, tuple(Cell(rows=many) for many in rows)),
        Comparison("orders", 1.3 * looseness, tuple(Cell(orders=many) for many in orders)),
    )


@dataclass(frozen=True, slots=True)
class GeneratedMarket:
    """As a feed introduces itself."""

    instruments: tuple[Instrument, ...]
    source = QuoteSource.REPLAY
    name = "generated"
    span_ns = None

    @property
    def depth(self) -> dict[str, MarketDepth]:
        return {instrument.symbol: MarketDepth.BOOK for instrument in self.instruments}

    @property
    def candle_length_ns(self) -> dict[str, int]:
        return {}


def opened(cell: Cell) -> tuple[MarketFloor, TradingSession]:
    usual = KRAKEN_OFFLINE_DEFAULTS[0]
    market = GeneratedMarket(tuple(replace(usual, symbol=f"C{number}/USDT") for number in range(1, cell.instruments)))
    market = replace(market, instruments=(usual, *market.instruments))
    floor = MarketFloor(dict.fromkeys(market.instruments, MarketDepth.BOOK), market.source)
    settings = session_settings(load_config({}), market, "growth", 0, 1, MINUTE_NS)  # type: ignore[arg-type]
    free = replace(settings.exchange, account_tier=AccountTier.UNLIMITED)
    settings = replace(settings, exchange=free, initial_balances={"USDT": Decimal(10**9)})
    return floor, TradingSession(settings, floor)


def events_of(rows: list[Row], symbols: list[str], first_ns: int, gap_ns: int) -> Iterator[MarketEvent]:
    """One lap: the opening book of every instrument, then each row told of the next instrument in turn."""
    count = len(symbols)
    bids: Levels = tuple((price, size) for kind, price, size in rows[:OPENING_ROWS] if kind == 0)
    asks: Levels = tuple((price, size) for kind, price, size in rows[:OPENING_ROWS] if kind == 1)
    now_ns = first_ns
    for symbol in symbols:
        yield BookUpdate(symbol, now_ns, now_ns, bids, asks, True)
    for number in range((len(rows) - OPENING_ROWS) // count * count):
        kind, price, size = rows[OPENING_ROWS + number // count]
        symbol, now_ns = symbols[number % count], now_ns + gap_ns
        match kind:
            case 0:
                yield BookUpdate(symbol, now_ns, now_ns, ((price, size),), ())
            case 1:
                yield BookUpdate(symbol, now_ns, now_ns, (), ((price, size),))
            case _:
                yield PublicTrade(symbol, now_ns, now_ns, price, size, (Side.BUY, Side.SELL)[kind - 2])


def place(session: TradingSession, symbols: list[str], orders: int) -> None:
    """Purchases from 1 % below the price on, over all instruments."""
    for number in range(orders):
        symbol = symbols[number % len(symbols)]
        quote = session.prices.quote(symbol)
        assert quote is not None and quote.bid is not None
        tick = session.exchange.markets[symbol].instrument.tick
        price = (quote.bid * Decimal("0.99")).quantize(tick) - (number // len(symbols) % 200) * tick
        session.floor.heed(session)
        session.by_hand.place(OrderRequest(f"rest-{number}", symbol, Side.BUY, Decimal("0.001"), Limit(price)))


def play(floor: MarketFloor, events: list[MarketEvent]) -> float:
    """Seconds of CPU of the messages, taken as a hurried run takes them: what concerns nobody goes together."""
    gc.collect()
    began = time.process_time()
    left, waiting = iter(events), None
    while (event := waiting or next(left, None)) is not None:
        floor.on_event(event)
        commit(floor)
        _, waiting = floor.on_stretch(left, BREATH, floor.now_ns + MINUTE_NS)
        commit(floor)
    return time.process_time() - began


def commit(floor: MarketFloor) -> None:
    for heard in floor.heard:
        if heard.must_commit:  # type: ignore[attr-defined]
            heard.take_batch(0, 0)  # type: ignore[attr-defined]


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def measured(cell: Cell) -> dict[str, Any]:
    columns = generate(LAP_ROWS, SEED)
    rows = list(zip(columns.kind, columns.px, columns.qty, strict=True))
    floor, session = opened(cell)
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    for symbol in symbols:
        floor.on_event(BookUpdate(symbol, START_NS, START_NS, ((599_000, 10**9),), ((601_000, 10**9),), True))
    place(session, symbols, cell.orders)
    spent_s, played, first_mb = 0.0, 0, 0.0
    while played < cell.rows:
        lap = rows[: OPENING_ROWS + min(LAP_ROWS, cell.rows - played)]
        events = list(events_of(lap, symbols, floor.now_ns + cell.gap_ns, cell.gap_ns))
        spent_s += play(floor, events)
        played += len(events)
        del events
        first_mb = first_mb or resident_mb()
    return {
        **asdict(cell),
        "us_a_row": spent_s / played * 1e6,
        "gained_mb": resident_mb() - first_mb,
        "resting": len(session.executor.orders.open_orders()),
    }


def in_a_process(cell: Cell) -> dict[str, Any]:
    command = [sys.executable, __file__, "--cell", json.dumps(asdict(cell))]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src")}
    finished = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(finished.stderr[-2000:])
    told: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return told


def compared(comparison: Comparison, repeat: int) -> bool:
    """Prints a table. Returns whether all is within the bound."""
    runs: dict[Cell, list[dict[str, Any]]] = {cell: [] for cell in comparison.cells}
    for _ in range(repeat):
        for cell in comparison.cells:
            runs[cell].append(in_a_process(cell))
    bound = comparison.bound
    print(comparison.name + ("\n" if bound is None else f": at most {bound:.2f} x the first\n"))
    print("| instruments | rows | orders | us a row | ratio | MB gained | rest at the end |")
    print("|---|---|---|---|---|---|---|")
    first, within = 0.0, True
    for cell, told in runs.items():
        cost = median(run["us_a_row"] for run in told)
        first = first or cost
        within = within and (bound is None or cost <= bound * first)
        gained = median(run["gained_mb"] for run in told)
        print(
            f"| {cell.instruments} | {cell.rows:,} | {cell.orders:,} | {cost:.2f} | {cost / first:.2f} "
            f"| {gained:.1f} | {told[0]['resting']:,} |"
        )
    print(flush=True)
    return within


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("quick", "usual", "full"), default="usual")
    parser.add_argument("--looseness", type=float, default=1.0, help="multiplies the bounds, for a busy machine (1)")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("instruments", "rows", "orders"), help="one of the comparisons")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.cell:
        print(json.dumps(measured(Cell(**json.loads(asked.cell)))))
        return 0
    chosen = [
        each for each in comparisons(asked.size, asked.looseness) if not asked.only or each.name.startswith(asked.only)
    ]
    within = [compared(comparison, asked.repeat) for comparison in chosen]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())

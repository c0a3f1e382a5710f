"""Where a workload of bench/run.py goes in our own engine, in steps of the interpreter: the same on every machine.

    python bench/steps.py [--workload R10] [--rows 30000] [--seed 77] [--source FOLDER/src]

Every row is told as an event, by `on_event`. A step is one instruction of Python's byte code; what C does in one is
not seen. Steps are counted per row of the market and sorted by part of the program: whatever a function calls counts as
its own part, up to the next that is one itself.
`--source` is another version of the program, of which the parts may have other names.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from measure import terms
from workload import SEED, Columns, generate

ROW, TRADE, OWN_LEVEL = "a row", "a trade", "a level with own orders"
SENT, ARRIVED, CANCELLED, FILLED = "an order sent", "an order arrived", "a cancel", "a fill"
DRAINED, TRADER = "answers drained", "the trader"
PARTS = {
    "PaperExchange.on_event": ROW,
    "PublicMarket._apply_trade": TRADE,
    "VenueMarket.level_changed": OWN_LEVEL,
    "VenueMarket.match_quotes": OWN_LEVEL,
    "PublicMarket._tell": OWN_LEVEL,
    "VenueMarket.on_trade": TRADE,
    "PaperExchange.place": SENT,
    "PaperExchange.cancel": SENT,
    "PaperExchange.run_through": ARRIVED,
    "Endings.cancel": CANCELLED,
    "PaperExchange.fill": FILLED,
    "Trader.collect": DRAINED,
}


class Counted:
    """Steps by part, while it is entered."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self._parts: dict[FrameType, str] = {}

    def __enter__(self) -> Counted:
        sys.settrace(self._called)
        return self

    def __exit__(self, *failure: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, given: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        caller = self._parts.get(frame.f_back, TRADER) if frame.f_back is not None else TRADER
        self._parts[frame] = PARTS.get(frame.f_code.co_qualname, caller)
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, given: Any) -> Any:
        if event == "opcode":
            self.steps[self._parts[frame]] += 1
        elif event == "return":
            del self._parts[frame]
        return self._stepped


def market_events(columns: Columns, symbol: str) -> list[Any]:
    """The rows as a feed tells them: kind 0 and 1 are levels of bid and ask, 2 and 3 prints of buyers and sellers."""
    from triplegain.domain.market import BookUpdate, PublicTrade
    from triplegain.domain.orders import Side

    events: list[Any] = []
    for time_ns, kind, price, lots in zip(columns.ts, columns.kind, columns.px, columns.qty, strict=True):
        if kind >= 2:
            events.append(PublicTrade(symbol, time_ns, time_ns, price, lots, (Side.BUY, Side.SELL)[kind - 2]))
        else:
            level = ((price, lots),)
            events.append(BookUpdate(symbol, time_ns, time_ns, *((level, ()) if kind == 0 else ((), level))))
    return events


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="R10", help="as those of run.py (R10)")
    parser.add_argument("--rows", type=int, default=30_000, help="of the generated market (30000)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"its seed ({SEED})")
    parser.add_argument("--source", type=Path, help="the sources of another version")
    chosen = parser.parse_args()
    if chosen.source is not None:
        sys.path.insert(0, str(chosen.source))
    from engine_triplegain import trader

    asked, columns = terms(chosen.workload), generate(chosen.rows, chosen.seed)
    ours = trader(asked, columns.ts[0])
    events = market_events(columns, ours.instrument.symbol)
    due = asked.every
    with Counted() as counted:
        for number, event in enumerate(events, start=1):
            ours.exchange.on_event(event)
            if number == due:
                due += asked.every
                ours.decide(event.exchange_time_ns)
        ours.collect()
    total = sum(counted.steps.values())
    print(f"{chosen.workload}, {len(events):,} rows, {ours.orders:,} orders, {ours.fills:,} fills")
    print(f"{total / len(events):6.1f} steps a row")
    for part, steps in counted.steps.most_common():
        print(f"{steps / len(events):6.1f} {steps / total:6.1%}  {part}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Every fault once under a trading session on the local Kraken: what the system did, and how soon it traded again.

    python bench/faults.py CAPTURE [--speed 4] [NAME ...]

Prints a table. Names narrow the faults down (any part of a fault's name). Times are of the wall clock, with the waits
that are configured (market.yaml). Ends with exit code 1 when anything was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.live_faults import FaultCase, FaultRun, fault_cases, run_fault

#: A silence longer than `stale_after_s` and shorter than `reconnect_after_s`.
_LASTING_S, _SILENCE_S = 3.0, 4.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="recorded market to serve, with a book of BTC/USDT")
    parser.add_argument("names", nargs="*", help="only faults with one of these in their name")
    parser.add_argument("--speed", type=float, default=4.0, help="market seconds per second (default 4)")
    return parser.parse_args()


async def main(asked: argparse.Namespace) -> int:
    print("| fault | what was told | traded again | from its end | orders refused meanwhile | lost |")
    print("|---|---|---|---|---|---|")
    lost = 0
    for case in fault_cases(_LASTING_S, _SILENCE_S):
        if asked.names and not any(name in case.name for name in asked.names):
            continue
        try:
            run = await run_fault(case, asked.capture, speed=asked.speed)
        except AssertionError as error:
            print(f"| {case.name} | {error} | | | | |", flush=True)
            lost += 1
            continue
        lost += bool(run.wrong or run.declared)
        print(_row(case, run), flush=True)
    return min(lost, 1)


def _row(case: FaultCase, run: FaultRun) -> str:
    touched = sorted(run.touched())
    times = [time for symbol in touched if (time := run.traded_again_s(symbol)) is not None]
    again = f"{max(times) - run.began_s:.2f} s" if times else "never paused"
    end = f"{max(times) - run.ended_s:.2f} s" if times and run.ended_s is not None else ""
    who = "" if len(touched) != 1 else f"{touched[0]} alone: "
    told = "; ".join(run.conditions()) or "nothing"
    return f"| {case.name} | {who}{told} | {again} | {end} | {_refusals(run)} | {_lost(run)} |"


def _refusals(run: FaultRun) -> str:
    """How many, with the code and the words of each kind; the words of all instruments are alike."""
    counted: Counter[tuple[str, str]] = Counter()
    for (code, words), count in run.refusals().items():
        _, colon, reason = words.partition(": ")
        counted[code, reason if colon else words.partition(" ")[2]] += count
    return "; ".join(f"{count} x `{code}` {words}" for (code, words), count in counted.items()) or "none"


def _lost(run: FaultRun) -> str:
    if run.wrong:
        return "; ".join(run.wrong)
    if run.declared:
        return f"{run.declared} trades declared missed"
    return f"nothing ({run.trades:,} trades, {run.fills} fills)"


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))

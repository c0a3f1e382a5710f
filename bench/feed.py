"""From a book frame on the wire to a verified book: our live stream, and other clients on the same frames in one run.

    python bench/feed.py --captures /path/to/recordings --repeat 3 --depth 100 \\
        --peer ccxt=/path/to/venv/bin/python --peer kraken_sdk=/path/to/venv/bin/python

Every engine is a script `feed_NAME.py FRAMES SYMBOL DEPTH LAPS` beside this one, started as a fresh process in turns.
It prints one JSON line with `engine`, `version`, `python`, `frames`, `mismatches` and `us_per_frame` (CPU time, best
lap, book and checksum kept). FRAMES has one frame a line, the snapshot first; see feed_frames.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from feed_frames import SERVED_SYMBOL, recorded, served

BENCH = Path(__file__).resolve().parent
OURS = "triplegain"
Run = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=Path, default=os.environ.get("TRIPLEGAIN_CAPTURES"), help="the recordings")
    parser.add_argument("--updates", type=int, default=20_000, help="frames of the served book (default 20000)")
    parser.add_argument("--depth", type=int, default=100, help="depth of the served book (default 100)")
    parser.add_argument(
        "--laps", type=int, default=5, help="laps of the served book, ten times as many of the recorded"
    )
    parser.add_argument("--repeat", type=int, default=3, help="processes of each engine (default 3)")
    parser.add_argument("--python", default=sys.executable, help="interpreter for our own engine")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="another engine to run")
    parser.add_argument("--json", action="store_true", help="one line per run instead of the tables")
    chosen = parser.parse_args()
    if not chosen.captures or not Path(chosen.captures).is_dir():
        parser.error("--captures or TRIPLEGAIN_CAPTURES must name the folder of recordings")
    for peer in chosen.peer:
        name, equals, interpreter = peer.partition("=")
        if not equals or not (BENCH / f"feed_{name}.py").exists() or not Path(interpreter).exists():
            parser.error(f"--peer wants NAME=PYTHON with bench/feed_NAME.py and an interpreter, not {peer!r}")
    return chosen


def run_once(name: str, interpreter: str, file: Path, symbol: str, depth: int, laps: int) -> Run | str:
    """One fresh process: its measurements, or the last line of what went wrong."""
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent / "src"), "PYTHONWARNINGS": "ignore"}
    command = [interpreter, str(BENCH / f"feed_{name}.py"), str(file), symbol, str(depth), str(laps)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        return (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
    measured: Run = json.loads(finished.stdout.strip().splitlines()[-1])
    return measured


def table(runs: dict[str, list[Run]]) -> str:
    ours = median(run["us_per_frame"] for run in runs[OURS]) if runs.get(OURS) else 0.0
    lines = [
        "| engine | Python | us per frame | lowest to highest | frames per second | times ours | mismatches |",
        "|---|---|---|---|---|---|---|",
    ]
    for measured in runs.values():
        if measured:
            first, times = measured[0], sorted(run["us_per_frame"] for run in measured)
            middle = median(times)
            lines.append(
                f"| {first['engine']} {first['version']} | {first['python']} | {middle:.2f} "
                f"| {times[0]:.2f} to {times[-1]:.2f} | {1e6 / middle:,.0f} | {middle / ours if ours else 0:.1f} "
                f"| {first['mismatches']} of {first['frames']:,} |"
            )
    if runs.get(OURS):
        best = min(runs[OURS], key=lambda run: float(run["us_per_frame"]))
        parts = ", ".join(f"{name} {value:.2f}" for name, value in best["stages"].items())
        floor = ", ".join(f"{name} {value:.2f}" for name, value in best["floor"].items())
        lines += ["", f"ours, us per frame: {parts}; the floor: {floor}"]
    return "\n".join(lines)


def compare(chosen: argparse.Namespace, title: str, file: Path, symbol: str, depth: int, laps: int) -> bool:
    engines = {OURS: chosen.python} | dict(peer.split("=", 1) for peer in chosen.peer)
    runs: dict[str, list[Run]] = {name: [] for name in engines}
    failed: dict[str, str] = {}
    for _ in range(chosen.repeat):
        for name in [name for name in engines if name not in failed]:
            result = run_once(name, engines[name], file, symbol, depth, laps)
            if isinstance(result, str):
                failed[name] = result
                continue
            runs[name].append(result)
            if chosen.json:
                print(json.dumps({"workload": title} | result), flush=True)
    if not chosen.json:
        print(f"{title}\n\n{table(runs)}\n")
    for name, why in failed.items():
        print(f"{name}: not measured ({why})", file=sys.stderr)
    return not failed


def main() -> int:
    chosen = arguments()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frames"
        file.write_bytes(b"\n".join(recorded(chosen.captures)))
        good = compare(chosen, "Kraken's recorded BTC/USD book, depth 10", file, "BTC/USD", 10, 10 * chosen.laps)
        file.write_bytes(b"\n".join(served(chosen.captures, chosen.depth, chosen.updates)))
        title = f"the served {SERVED_SYMBOL} book, depth {chosen.depth}"
        good = compare(chosen, title, file, SERVED_SYMBOL, chosen.depth, chosen.laps) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

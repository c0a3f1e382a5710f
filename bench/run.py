"""Several engines on one workload, each run in a fresh process, taking turns; a table, and nothing else, comes out.

    python bench/run.py --rows 1000000 --repeat 5 \\
        --peer hftbacktest=/path/to/venv/bin/python --peer nautilus=/path/to/other/bin/python

Figures are events per second of CPU time. Without --workload the market of bench/workload.py is generated.
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

from workload import generate, read, write

BENCH = Path(__file__).resolve().parent
OURS = "triplegain"
PEERS = ("hftbacktest", "nautilus")
Run = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the generated market (default 100000)")
    parser.add_argument("--resting", type=int, default=10, help="orders kept resting, the R of W2-R (default 10)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each engine (default 3)")
    parser.add_argument("--workload", type=Path, help="an .npz with columns ts, kind, px, qty to use instead")
    parser.add_argument("--python", default=sys.executable, help="interpreter for our own engine")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=f"one of {', '.join(PEERS)}")
    parser.add_argument("--json", action="store_true", help="one line per run instead of the table")
    chosen = parser.parse_args()
    if chosen.rows < 1000 or chosen.repeat < 1 or chosen.resting < 2 or chosen.resting % 2:
        parser.error("at least 1000 rows, one repeat, and an even number of resting orders")
    for peer in chosen.peer:
        name, equals, interpreter = peer.partition("=")
        if name not in PEERS or not equals:
            parser.error(f"--peer wants NAME=PYTHON with NAME one of {', '.join(PEERS)}, not {peer!r}")
        if not Path(interpreter).exists():
            parser.error(f"--peer {name}: there is no interpreter at {interpreter}")
    return chosen


def run_once(name: str, interpreter: str, workload: Path, resting: int) -> Run | str:
    """One fresh process: its measurements, or the last line of what went wrong."""
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent / "src"), "PYTHONWARNINGS": "ignore"}
    command = [interpreter, str(BENCH / f"engine_{name}.py"), str(workload), str(resting)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        return (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
    measured: Run = json.loads(finished.stdout.strip().splitlines()[-1])
    return measured


def rate(run: Run) -> float:
    return float(run["events"] / run["cpu_s"])


def table(runs: dict[str, list[Run]]) -> str:
    ours = median(map(rate, runs[OURS])) if runs.get(OURS) else None
    lines = [
        "| engine | Python | runs | events per CPU second | lowest to highest | ratio | peak MB | orders | fills |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for measured in runs.values():
        if not measured:
            continue
        first, rates = measured[0], sorted(map(rate, measured))
        ratio = "" if ours is None else f"{ours / median(rates):.2f}"
        lines.append(
            f"| {first['engine']} {first['version']} | {first['python']} | {len(measured)} | {median(rates):,.0f} "
            f"| {rates[0]:,.0f} to {rates[-1]:,.0f} | {ratio} | {median(run['peak_mb'] for run in measured):,.0f} "
            f"| {first['orders']:,} | {first['fills']:,} |"
        )
    return "\n".join(lines)


def compare(chosen: argparse.Namespace, workload: Path) -> int:
    engines = {OURS: chosen.python} | dict(peer.split("=", 1) for peer in chosen.peer)
    runs: dict[str, list[Run]] = {name: [] for name in engines}
    failed: dict[str, str] = {}
    for _ in range(chosen.repeat):
        for name in [name for name in engines if name not in failed]:
            result = run_once(name, engines[name], workload, chosen.resting)
            if isinstance(result, str):
                failed[name] = result
                continue
            runs[name].append(result)
            if chosen.json:
                print(json.dumps(result), flush=True)
    if not chosen.json:
        print(f"W2-R{chosen.resting}, {len(read(workload)):,} rows; medians; ratio: ours to it\n\n{table(runs)}")
    absent = {peer: "not asked for" for peer in PEERS if peer not in engines}
    for name, why in (absent | failed).items():
        print(f"{name}: not measured ({why})", file=sys.stderr)
    return 1 if failed else 0


def main() -> int:
    chosen = arguments()
    if chosen.workload:
        return compare(chosen, chosen.workload)
    with tempfile.TemporaryDirectory() as folder:
        workload = Path(folder) / "w2.npz"
        write(generate(chosen.rows), workload)
        return compare(chosen, workload)


if __name__ == "__main__":
    sys.exit(main())

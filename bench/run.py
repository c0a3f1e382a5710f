"""Several engines on the same markets and workloads, each run in a fresh process, taking turns; tables come out.

    python bench/run.py --rows 1000000 --seed 77 --repeat 5 --workload W4 R10 R200 --captures FOLDER \\
        --peer hftbacktest=/path/to/venv/bin/python --peer nautilus=/path/to/other/bin/python

Figures are events per second of CPU time. The workloads are those of bench/measure.py, the generated market is that
of bench/workload.py, the recorded one that of bench/recorded_market.py.
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

from measure import terms
from recorded_market import recorded
from workload import SEED, generate, read, write

BENCH = Path(__file__).resolve().parent
OURS = "triplegain"
PEERS = ("hftbacktest", "nautilus")
Run = dict[str, Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", nargs="+", default=["R10"], metavar="NAME", help="W4, R10, R200, ... (R10)")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="rows of the generated market (100000; 0: without it)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help=f"its seed ({SEED})")
    parser.add_argument("--captures", type=Path, help="folder of captures: the recorded market as well")
    parser.add_argument("--market", type=Path, action="append", default=[], metavar="NPZ", help="a market of your own")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each engine (3)")
    parser.add_argument("--python", default=sys.executable, help="interpreter for our own engine")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=f"one of {', '.join(PEERS)}")
    parser.add_argument("--json", action="store_true", help="one line per run instead of the tables")
    chosen = parser.parse_args()
    if 0 < chosen.rows < 1000 or chosen.rows < 0 or chosen.repeat < 1:
        parser.error("at least 1000 rows (or none) and one repeat")
    try:
        for workload in chosen.workload:
            terms(workload)
    except ValueError as error:
        parser.error(str(error))
    for peer in chosen.peer:
        name, equals, interpreter = peer.partition("=")
        if name not in PEERS or not equals:
            parser.error(f"--peer wants NAME=PYTHON with NAME one of {', '.join(PEERS)}, not {peer!r}")
        if not Path(interpreter).exists():
            parser.error(f"--peer {name}: there is no interpreter at {interpreter}")
    return chosen


def run_once(name: str, interpreter: str, market: Path, workload: str) -> Run | str:
    """One fresh process: its measurements, or the last line of what went wrong."""
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent / "src"), "PYTHONWARNINGS": "ignore"}
    command = [interpreter, str(BENCH / f"engine_{name}.py"), str(market), workload]
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
        "| engine | Python | runs | events per CPU second | lowest to highest | ratio | prepared in | peak MB "
        "| orders | fills |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for measured in runs.values():
        if not measured:
            continue
        first, rates = measured[0], sorted(map(rate, measured))
        ratio = "" if ours is None else f"{ours / median(rates):.2f}"
        lines.append(
            f"| {first['engine']} {first['version']} | {first['python']} | {len(measured)} | {median(rates):,.0f} "
            f"| {rates[0]:,.0f} to {rates[-1]:,.0f} | {ratio} | {median(run['prepared_s'] for run in measured):.2f} s "
            f"| {median(run['peak_mb'] for run in measured):,.0f} | {first['orders']:,} | {first['fills']:,} |"
        )
    return "\n".join(lines)


def compare(chosen: argparse.Namespace, market: Path, workload: str) -> dict[str, str]:
    """A table of one workload on one market. Returns the engines that failed, and why."""
    engines = {OURS: chosen.python} | dict(peer.split("=", 1) for peer in chosen.peer)
    runs: dict[str, list[Run]] = {name: [] for name in engines}
    failed: dict[str, str] = {}
    for _ in range(chosen.repeat):
        for name in [name for name in engines if name not in failed]:
            result = run_once(name, engines[name], market, workload)
            if isinstance(result, str):
                failed[name] = result
                continue
            runs[name].append(result)
            if chosen.json:
                print(json.dumps({"market": market.stem, "workload": workload} | result), flush=True)
    if not chosen.json:
        title = f"{workload} on the market {market.stem}, {len(read(market)):,} rows"
        print(f"{title}; medians of CPU time; ratio: ours to it\n\n{table(runs)}\n", flush=True)
    return failed


def main() -> int:
    chosen = arguments()
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        markets = list(chosen.market)
        if chosen.rows:
            markets.append(Path(folder, "generated.npz"))
            write(generate(chosen.rows, chosen.seed), markets[-1])
        if chosen.captures:
            markets.append(Path(folder, "recorded.npz"))
            write(recorded(chosen.captures), markets[-1])
        for market in markets:
            for workload in chosen.workload:
                failed |= compare(chosen, market, workload)
    absent = {peer: "not asked for" for peer in PEERS if not any(asked.startswith(f"{peer}=") for asked in chosen.peer)}
    for name, why in (absent | failed).items():
        print(f"{name}: not measured ({why})", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

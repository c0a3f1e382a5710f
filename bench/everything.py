"""The measures that docs/measurements.md tells of speed, one after the other, as one command.

    python bench/everything.py --captures FOLDER --peers FOLDER [--quick]

`--peers` has a virtual environment each, `hftbacktest`, `nautilus` and `freqtrade`, made as bench/README.md says; one
that is missing is left out and told. It takes about an hour on a quiet machine, `--quick` some minutes: smaller
markets, each engine once. Printed is the date, the commit and, under its command, what each measure prints. The exit
code is the number of those that failed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

BENCH = Path(__file__).resolve().parent
#: Not the default's: what was tuned on one market is measured on another.
SEED = 77
L2 = "binance_spot_l2_trades_btcusdt_2024-08"


def interpreter(peers: Path, name: str) -> Path | None:
    python = peers / name / "bin" / "python"
    if not python.exists():
        print(f"{name} is left out: there is no {python}", file=sys.stderr)
        return None
    return python


def commands(captures: Path, peers: Path, quick: bool) -> Iterator[list[str]]:
    rows, repeat, orders = ("100000", "1", ["W4", "R10"]) if quick else ("1000000", "5", ["W4", "R10", "R200"])
    engines = ["run.py", "--rows", rows, "--repeat", repeat, "--seed", str(SEED), "--captures", str(captures)]
    for name in ("hftbacktest", "nautilus"):
        if (python := interpreter(peers, name)) is not None:
            engines += ["--peer", f"{name}={python}"]
    yield [*engines, "--workload", *orders]
    yield ["capture.py", str(captures / L2), "--repeat", repeat]
    if (python := interpreter(peers, "freqtrade")) is not None:
        candles = ["candles.py", "--captures", str(captures), "--freqtrade", str(python)]
        yield [*candles, "--repeat", "1", "--days", "30"] if quick else candles
    yield ["growth.py", "--size", "quick" if quick else "full", "--repeat", repeat]


def commit() -> str:
    asked = ["git", "-C", str(BENCH), "describe", "--always", "--dirty"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "no commit"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}, {os.cpu_count()} cores, Python {sys.version}")
    failed = 0
    for name, *words in commands(asked.captures.resolve(), asked.peers.resolve(), asked.quick):
        print(f"\n## bench/{name} {shlex.join(words)}\n\nload average {os.getloadavg()[0]:.1f}\n", flush=True)
        failed += subprocess.run([sys.executable, BENCH / name, *words], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""The measures of speed run, small; what they find is told by docs/measurements.md and judged on a quiet machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"

pytestmark = pytest.mark.slow


def told_by(name: str, *words: str) -> str:
    finished = subprocess.run(
        [sys.executable, BENCH / name, *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_engine_does_each_workload_on_each_market(captures: Path) -> None:
    told = told_by(
        "run.py", "--workload", "W4", "R10", "R200", "--rows", "30000", "--seed", "77", "--repeat", "1",
        "--captures", str(captures),
    )  # fmt: skip
    assert [line.split(";")[0] for line in told.splitlines() if "market" in line] == [
        f"{workload} on the market {market}, {rows} rows"
        for market, rows in (("generated", "30,000"), ("recorded", "172,672"))
        for workload in ("W4", "R10", "R200")
    ]
    # At each 10,000 rows of W4 a market order, and one of five replaced: 5 + 1, then 2 at a time.
    orders = [line.split("|")[9].strip() for line in told.splitlines() if line.startswith("| triplegain")]
    assert (orders[0], orders[3]) == ("10", "38")


def test_a_recorded_market_is_replayed_for_the_first_time_and_again(captures: Path) -> None:
    capture = captures / "binance_spot_l2_trades_btcusdt_2024-08"
    told = told_by("capture.py", str(capture), "--duration", "20s", "--repeat", "1").splitlines()
    assert [line.split("|")[1].strip() for line in told[4:]] == ["start-up", "first", "again"]


def test_an_event_costs_no_more_with_instruments_rows_and_orders() -> None:
    """Twice the bounds of a quiet machine: what doubles with ten times as much is linear, and far beyond them."""
    told_by("growth.py", "--size", "quick", "--looseness", "2", "--repeat", "1")

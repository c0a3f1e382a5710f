"""Prints the hashes of a fixed list of replays and demo markets, so that two versions of the program can be compared.

    python bench/replay_hashes.py --captures FOLDER [--program PATH/TO/tg]

Each run is `tg paper --speed max` in a home that is made for this and removed afterwards. One line a run: its name,
events, orders, fills, the fills' hash and the ledger's hash. Two versions with equal lines traded the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

#: A trader that does not rest: on short candles the usual cool-downs would let it sleep through most of a capture.
RISK = """
cooldown_minutes: {trade: 0, loss: 0, losing_streak: 0, long_losing_streak: 0, volatility_spike: 0, unusual_move: 0}
losing_streak: {losses: 3, confidence_add: 0, max_leverage: 2}
long_losing_streak: {losses: 5, confidence_add: 0, max_leverage: 1, next_size_multiplier: 1}
"""
_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
#: Name of the run, the feed below the folder of captures (or a seed of the demo market), how much market time.
RUNS: tuple[tuple[str, str | int, str | None], ...] = (
    ("kraken-book", "kraken_wsv2_btcusd_book", None),
    ("l2-4min", _L2, "4m"),
    ("trades", "kraken_trades_btcusdt_2023-11", "1d"),
    ("candles-15m", "kraken_ohlcv_btcusdt/BTC_USDT-15m.feather", "90d"),
    ("candles-1m-three-pairs", "binance_ohlcv_1m_three_pairs_2021-05", "6d"),
    ("demo-1", 1, "20m"),
    ("demo-3", 3, "20m"),
    ("demo-7", 7, "20m"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captures", type=Path, required=True)
    parser.add_argument("--program", type=Path, default=Path(__file__).resolve().parent.parent / "tg")
    parser.add_argument("--only", nargs="*", help="names of runs")
    asked = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch:
        home, config = Path(scratch, "home"), Path(scratch, "config")
        home.mkdir(mode=0o700)
        config.mkdir()
        (config / "risk.yaml").write_text(RISK)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRIPLEGAIN_", "PG"))}
        environ = clean | {"TRIPLEGAIN_HOME": str(home), "TRIPLEGAIN_CONFIG_DIR": str(config)}
        for name, market, length in RUNS:
            if asked.only and name not in asked.only:
                continue
            feed = f"demo --seed {market}" if isinstance(market, int) else f"replay:{asked.captures.resolve() / market}"
            words = ["paper", "--speed", "max", "--json", "--session", name, "--feed", *feed.split(" ")]
            words += ["--duration", length] if length else []
            done = subprocess.run(
                [asked.program.resolve(), *words], env=environ, capture_output=True, text=True, check=False
            )
            if done.returncode:
                failed += 1
                print(f"{name:<24} exit code {done.returncode}: {done.stdout.strip()} {done.stderr.strip()}"[:400])
            else:
                print(_line(name, json.loads(done.stdout)), flush=True)
    return 1 if failed else 0


def _line(name: str, told: dict[str, Any]) -> str:
    counts = f"{told['events']:>7} events {told['orders']:>5} orders {told['fills']:>5} fills"
    return f"{name:<24} {counts}  fills {told['fills_sha256']}  ledger {told['ledger_sha256']}"


if __name__ == "__main__":
    sys.exit(main())

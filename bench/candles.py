"""What a replay of candles costs whom: `./tg paper --speed max` and freqtrade's backtesting of the same rule, in turns.

    python bench/candles.py --captures FOLDER --freqtrade FOLDER/freqtrade/bin/python [--only year-15m] [--days 30]

The rule is EMA 9 over 21 with a stop 5 % below, on the same files; whatever limits us and not freqtrade is opened,
until both trade as often (within a tenth, or it ends with exit code 1). Told are CPU seconds of the whole command,
database included, and of what is left without start-up, which is the same command on the first day of the same files.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from whole_command import Cost, program_environment, run_whole

BENCH = Path(__file__).resolve().parent
PROGRAM = BENCH.parent / "tg"
WALLET = 100_000

#: freqtrade puts 1,000 on each trade: so do we, and nothing rests, waits, breaks or closes by itself.
CONFIG = {
    "agents.yaml": """
trader: ema
baseline_ema: {confidence: 1, stop_atr_multiple: 0.000001, stop_min_pct: 5, target_stop_multiple: 15}
""",
    "execution.yaml": f"""
paper_trading: {{fill_delay_ms: 0, initial_balance: {{USDT: {WALLET}, BTC: 0, XRP: 0}}, simulated_slippage_pct: 0}}
positions: {{max_per_symbol: 1, max_open: 5, max_holding_hours: 100000}}
""",
    "risk.yaml": """
stop_loss: {max_pct: 10, per_symbol_max_pct: {BTC/USDT: 10, XRP/USDT: 10, XRP/BTC: 10}}
min_confidence: 0
max_position_pct: 1
cooldown_minutes: {trade: 0, loss: 0, losing_streak: 0, long_losing_streak: 0, volatility_spike: 0, unusual_move: 0}
losing_streak: {losses: 3, confidence_add: 0, max_leverage: 2}
long_losing_streak: {losses: 5, confidence_add: 0, max_leverage: 1, next_size_multiplier: 1}
volatility: {spike_size_multiplier: 1}
""",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Files of one folder, one a pair, with candles of one length, as freqtrade names them."""

    folder: str
    pairs: tuple[str, ...]
    candle: str
    ending: str
    first: date

    def files(self) -> list[str]:
        return [f"{pair.replace('/', '_')}-{self.candle}.{self.ending}" for pair in self.pairs]


CASES = {
    "year-15m": Case("kraken_ohlcv_btcusdt", ("BTC/USDT",), "15m", "feather", date(2023, 3, 11)),
    "month-1m": Case("binance_ohlcv_1m_three_pairs_2021-05", ("BTC/USDT", "XRP/USDT"), "1m", "json", date(2021, 4, 20)),
}


@dataclass(frozen=True, slots=True)
class Run:
    cost: Cost
    trades: int
    candles: int = 0


def run_ours(case: Case, scratch: Path, market: Path, days: int, number: int) -> Run:
    """A session of its own each time, in a home whose database is there. 0 days: the whole."""
    words = ["--speed", "max", "--json", "--candle", case.candle, "--session", f"run-{number}"]
    words += ["--duration", f"{days}d"] if days else []
    feed = market / case.files()[0] if len(case.pairs) == 1 else market
    environ = program_environment(scratch / "home", scratch / "config")
    cost = run_whole([PROGRAM, "paper", "--feed", f"replay:{feed}", *words], environ)
    told = json.loads(cost.stdout)
    return Run(cost, told["fills"] // 2, told["events"])


def run_freqtrade(case: Case, scratch: Path, python: Path, days: int) -> Run:
    end = f"{case.first + timedelta(days):%Y%m%d}" if days else ""
    words = ["backtesting", "-c", "config.json", "--userdir", "user_data", "-s", "Ema", "--timeframe", case.candle]
    words += ["--fee", "0.004", "--cache", "none", "--export", "none", "--timerange", f"{case.first:%Y%m%d}-{end}"]
    command = [python, BENCH / "engine_freqtrade.py", *case.pairs, "--", *words]
    cost = run_whole(command, program_environment(scratch / "home"), scratch)
    trades = re.search(r'^\{"trades": (\d+)\}$', cost.stderr, re.MULTILINE)
    return Run(cost, int(trades[1]) if trades else 0)


def prepare(case: Case, captures: Path, scratch: Path) -> Path:
    """The folder with both programs' files; returns where the candles are."""
    market = scratch / "user_data" / "data" / "kraken"
    strategies = scratch / "user_data" / "strategies"
    for folder in (market, strategies, scratch / "config"):
        folder.mkdir(parents=True)
    (scratch / "home").mkdir(mode=0o700)
    for name in case.files():
        shutil.copy(captures / case.folder / name, market / name)
    shutil.copy(BENCH / "freqtrade_ema.py", strategies)
    for name, text in CONFIG.items():
        (scratch / "config" / name).write_text(text)
    (scratch / "config.json").write_text(json.dumps(freqtrade_config(case)))
    return market


def freqtrade_config(case: Case) -> dict[str, Any]:
    return {
        "max_open_trades": len(case.pairs),
        "stake_currency": "USDT",
        "stake_amount": WALLET // 100,
        "dry_run": True,
        "dry_run_wallet": WALLET,
        "trading_mode": "spot",
        "exchange": {"name": "kraken", "key": "", "secret": "", "pair_whitelist": case.pairs, "pair_blacklist": []},
        "entry_pricing": {"price_side": "same", "use_order_book": False},
        "exit_pricing": {"price_side": "same", "use_order_book": False},
        "pairlists": [{"method": "StaticPairList"}],
        "dataformat_ohlcv": case.ending,
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """Of one program: medians of the CPU seconds of all and of the first day alone, and what it did."""

    whole_s: float
    start_s: float
    trades: int
    candles: int

    @classmethod
    def of(cls, starts: list[Run], wholes: list[Run]) -> Totals:
        return cls(
            median(run.cost.cpu_s for run in wholes),
            median(run.cost.cpu_s for run in starts),
            wholes[0].trades,
            wholes[0].candles,
        )

    def row(self, name: str, candles: int) -> str:
        rest_s = self.whole_s - self.start_s
        return (
            f"| {name} | {self.whole_s:.2f} | {rest_s:.2f} | {candles:,} | {self.trades:,} "
            f"| {rest_s / candles * 1e6:.1f} | {rest_s / max(self.trades, 1) * 1e3:.2f} |"
        )


def measure(name: str, asked: argparse.Namespace) -> bool:
    """A table of one case. Returns whether both traded as often."""
    case = CASES[name]
    runs: tuple[list[Run], ...] = ([], [], [], [])
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        scratch = Path(folder)
        market = prepare(case, asked.captures, scratch)
        run_ours(case, scratch, market, 1, 0)
        for number in range(asked.repeat):
            runs[0].append(run_ours(case, scratch, market, 1, 2 * number + 1))
            runs[1].append(run_freqtrade(case, scratch, asked.freqtrade, 1))
            runs[2].append(run_ours(case, scratch, market, asked.days, 2 * number + 2))
            runs[3].append(run_freqtrade(case, scratch, asked.freqtrade, asked.days))
    ours, theirs = Totals.of(runs[0], runs[2]), Totals.of(runs[1], runs[3])
    candles = ours.candles - runs[0][0].candles
    print(f"{name}: medians of {asked.repeat}; seconds of CPU; candles without the first day's\n")
    print("| program | whole command | without start-up | candles | trades | us a candle | ms a trade |")
    print("|---|---|---|---|---|---|---|")
    print(ours.row("triplegain", candles))
    print(theirs.row("freqtrade", candles))
    whole, rest = ours.whole_s / theirs.whole_s, (ours.whole_s - ours.start_s) / (theirs.whole_s - theirs.start_s)
    print(f"\nours to theirs: {whole:.2f} whole, {rest:.2f} without start-up\n", flush=True)
    return 0.9 * theirs.trades <= ours.trades <= 1.1 * theirs.trades


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=Path, required=True)
    parser.add_argument("--freqtrade", type=Path, required=True, help="interpreter that has freqtrade")
    parser.add_argument("--only", choices=tuple(CASES), action="append")
    parser.add_argument("--days", type=int, default=0, help="so much of each market, from 2 on (all)")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    if asked.days == 1 or asked.days < 0 or asked.repeat < 1:
        parser.error("at least two days, one repeat")
    agree = [measure(name, asked) for name in asked.only or CASES]
    if not all(agree):
        print("the two do not trade as often: the ratios say little", file=sys.stderr)
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The product on a live feed for long, with faults of every kind at random and its database killed every minute.

    python bench/soak.py CAPTURE --minutes 30 --find-speed
    python bench/soak.py CAPTURE --minutes 20 --speed 10 --kills-every 0

`--find-speed` looks for the speed first: stretches without faults at rising speeds, until two in a row do not pass; the
highest that passed is taken. It passes where the p99 of how late the event loop is stays under 100 ms, the market keeps
its pace and nothing of the book is left out; how long a message waits from its receipt until the session is through
with it is shown beside it (`lag`). Half a minute after each kill (first process, a process that serves us,
checkpointer) the database hangs for three seconds.

Prints a line per sample and the outcome at the end, growth of the database by table before and after a round of
housekeeping included, for which all of the session is old; `packed_bytes` is what is left then without free room.
Ends with exit code 1 when anything was lost or wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.live_audit import LagTable
from tests.app.live_soak import soak
from tests.app.soak_figures import Sample, Size, Soak, SoakPlan

_SPEEDS = (2, 5, 7.5, 10, 12.5, 15, 17.5, 20, 25, 30, 40, 60)
_LAG_MAX_S = 0.1
#: Less of the speed asked for is a server or a session that cannot keep it.
_PACE_MIN = 0.95
_DAY_S = 86_400


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "capture", type=lambda path: Path(path).resolve(), help="recorded market to serve, with a book of BTC/USDT"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="default 30")
    parser.add_argument("--speed", default="10", help="market seconds per second, or max (default 10)")
    parser.add_argument("--find-speed", action="store_true", help="look for the highest that passes, and take it")
    parser.add_argument("--stretch", type=float, default=40.0, help="seconds at each speed that is tried (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="of faults, blows and orders (default 1)")
    parser.add_argument("--faults-every", type=float, default=5.0, help="seconds on average (default 5); 0: none")
    parser.add_argument("--kills-every", type=float, default=60.0, help="seconds (default 60); 0: none")
    parser.add_argument("--sample-every", type=float, default=10.0, help="seconds (default 10)")
    return parser.parse_args()


def found_speed(asked: argparse.Namespace) -> str:
    best, failed = "", 0
    print("speed market_s_per_s left_out loop_p99_ms lag_p99_ms passes")
    for speed in _SPEEDS:
        plan = SoakPlan(asked.stretch, f"{speed:g}", asked.seed, faults_every_s=0, kills_every_s=0, sample_every_s=2.0)
        outcome = soak(asked.capture, plan)
        # The first samples are those of a start.
        settled = outcome.samples[len(outcome.samples) // 4 :]
        wall_s = settled[-1].at_s - settled[0].at_s
        pace = (settled[-1].market_s - settled[0].market_s) / wall_s
        loop_s, lag_s = outcome.loop_lags.share(0.99), outcome.lags.share(0.99)
        left_out = sum(one.dropped for one in outcome.samples)
        passes = loop_s < _LAG_MAX_S and pace >= _PACE_MIN * speed and not left_out and not outcome.wrong
        told = f"{speed:g} {pace:.2f} {left_out} {loop_s * 1e3:.1f} {lag_s * 1e3:.1f} {passes}"
        print(told, *outcome.wrong, flush=True)
        best, failed = (f"{speed:g}", 0) if passes else (best, failed + 1)
        if failed == 2:
            break
    return best


def show(sample: Sample) -> None:
    values = [getattr(sample, one.name) for one in fields(sample)]
    print(" ".join(f"{value:.1f}" if isinstance(value, float) else str(value) for value in values), flush=True)


def _ms(lags: LagTable) -> dict[str, float]:
    shares = {f"p{share * 100:g}": round(lags.share(share) * 1e3, 1) for share in (0.5, 0.99)}
    return {**shares, "max": round(lags.most_ns / 1e6, 1)}


def _grown(outcome: Soak) -> dict[str, Any]:
    """Bytes and rows that each table grew by, and what that is in a day; tables that did not grow are left out."""
    begun, ended, cleaned, packed = outcome.sizes
    told: dict[str, Any] = {}
    for name, end in sorted(ended.items(), key=lambda each: -each[1].bytes):
        first, after = begun.get(name, Size(0, 0)), cleaned[name]
        if (end.bytes, end.rows) != (first.bytes, first.rows):
            grown = Size(end.bytes - first.bytes, end.rows - first.rows)
            told[name] = {
                "grown": asdict(grown),
                "a_market_day": _a_day(grown, outcome.market_s),
                "a_wall_day": _a_day(grown, outcome.wall_s),
                "packed_bytes": packed[name].bytes,
                "after_housekeeping": {
                    **asdict(after),
                    "a_market_day": _a_day(Size(after.bytes - first.bytes, after.rows - first.rows), outcome.market_s),
                },
            }
    return told


def _a_day(grown: Size, seconds: float) -> dict[str, float]:
    factor = _DAY_S / max(seconds, 1.0)
    return {"mb": round(grown.bytes * factor / 1e6, 1), "rows": round(grown.rows * factor)}


def summary(plan: SoakPlan, outcome: Soak) -> dict[str, Any]:
    """Memory and handles after the first tenth, when everything has been used once, in the middle and at the end."""
    samples = outcome.samples
    marks = [samples[len(samples) // 10], samples[len(samples) // 2], samples[-1]]
    frames, cpu_s = sum(one.frames for one in samples), sum(one.cpu_s for one in samples)
    return {
        "speed": plan.speed,
        "wall_s": round(outcome.wall_s),
        "market_s": round(outcome.market_s),
        "frames": frames,
        "frames_per_cpu_s": round(frames / cpu_s),
        **{name: [round(getattr(one, name)) for one in marks] for name in ("rss_mb", "handles", "tasks", "threads")},
        "rss_mb_max": round(max(one.rss_mb for one in samples)),
        "queue_longest": samples[-1].queue_longest,
        "loop_lag_ms": _ms(outcome.loop_lags),
        "lag_ms": _ms(outcome.lags),
        "fill_lag_ms": _ms(outcome.fill_lags),
        "faults": dict(outcome.faults.most_common()),
        "kills": {
            victim: {"count": len(seconds), "first_order_s": sorted(round(each, 2) for each in seconds)}
            for victim, seconds in outcome.toll.seconds.items()
        },
        "hangs": outcome.hangs,
        "told_away": outcome.told_away,
        "orders": len(outcome.toll.told),
        "answers": outcome.toll.answers,
        "fills": sum(one.fills for one in samples),
        "trades": outcome.trades,
        "declared": outcome.declared,
        "counters": outcome.counters,
        "housekeeping": outcome.cleaned,
        "database_mb": [round(sum(size.bytes for size in each.values()) / 1e6, 1) for each in outcome.sizes],
        "tables": _grown(outcome),
        "wrong": outcome.wrong,
    }


def main() -> int:
    asked = arguments()
    speed = found_speed(asked) if asked.find_speed else asked.speed
    if not speed:
        print("no speed passes")
        return 1
    plan = SoakPlan(asked.minutes * 60, speed, asked.seed, asked.faults_every, asked.kills_every, asked.sample_every)
    print(" ".join(one.name for one in fields(Sample)))
    outcome = soak(asked.capture, plan, show)
    print(json.dumps(summary(plan, outcome), indent=1))
    return bool(outcome.wrong)


if __name__ == "__main__":
    sys.exit(main())

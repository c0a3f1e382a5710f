"""A live session on the local Kraken for long, with faults at random: figures of memory, handles, lag, trading.

    python bench/soak.py CAPTURE --minutes 20 --speed 20 --seed 1

Prints a line per sample and the outcome at the end. Ends with exit code 1 when anything was lost or wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.live_soak import Sample, Soak, SoakPlan, soak


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="recorded market to serve, with a book of BTC/USDT")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--speed", default="20", help="market seconds per second, or max (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (default 1)")
    parser.add_argument("--faults-every", type=float, default=5.0, help="seconds on average (default 5); 0: none")
    parser.add_argument("--sample-every", type=float, default=10.0, help="seconds (default 10)")
    return parser.parse_args()


def show(sample: Sample) -> None:
    values = [getattr(sample, one.name) for one in fields(sample)]
    print(" ".join(f"{value:.1f}" if isinstance(value, float) else str(value) for value in values), flush=True)


def summary(outcome: Soak) -> dict[str, object]:
    """Memory and handles after the first tenth, when everything has been used once, and at the end."""
    samples = outcome.samples
    settled, end = samples[len(samples) // 10], samples[-1]
    frames, cpu_s = sum(one.frames for one in samples), sum(one.cpu_s for one in samples)
    return {
        "wall_s": end.at_s,
        "market_s": round(end.market_s),
        "frames": frames,
        "frames_per_cpu_s": round(frames / cpu_s),
        "rss_mb": [round(one.rss_mb) for one in (settled, samples[len(samples) // 2], end)],
        "rss_mb_max": round(max(one.rss_mb for one in samples)),
        "handles": [settled.handles, max(one.handles for one in samples), end.handles],
        "tasks": [settled.tasks, max(one.tasks for one in samples), end.tasks],
        "queue_longest": end.queue_longest,
        "lag_ms": [round(x * 1e3, 1) for x in (outcome.lags.share(0.5), outcome.lags.share(0.99))]
        + [round(outcome.lags.most_ns / 1e6, 1)],
        "fill_lag_ms": [round(outcome.fill_lags.share(share) * 1e3, 1) for share in (0.5, 0.99)],
        "faults": sum(outcome.faults.values()),
        "by_kind": dict(outcome.faults.most_common()),
        "longest_pause_s": round(outcome.longest_pause_s, 1),
        "refusals": dict(outcome.refusals),
        **{name: value for name, value in asdict(outcome).items() if name in ("trades", "declared", "orders", "fills")},
        "counters": outcome.counters,
        "wrong": outcome.wrong,
    }


def main() -> int:
    asked = arguments()
    plan = SoakPlan(asked.minutes * 60, asked.speed, asked.seed, asked.faults_every, asked.sample_every)
    print(" ".join(one.name for one in fields(Sample)))
    outcome = asyncio.run(soak(asked.capture, plan, show))
    print(json.dumps(summary(outcome), indent=1))
    return bool(outcome.wrong)


if __name__ == "__main__":
    sys.exit(main())

"""What every engine of the benchmark does and how it reports: one JSON line.

R10, R200, any even number: so many orders of 0.01 BTC rest near the touch, half bids and half asks on successive ticks;
every 500 events (500 x R/10 for more than ten) all are cancelled and placed anew. It is what a market maker does.

W4, an agent's day: two buys and two sales rest 1 % away and a stop-loss 2 % below; every 10,000 events there is one
market order of 0.01 BTC, in turns a sale and a purchase, and one of the five is cancelled and placed anew.

Commands take 50 ms. Fees 0.25 % maker, 0.40 % taker.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from dataclasses import dataclass

ORDER_LOTS = 1_000_000
LATENCY_NS = 50_000_000
MAKER, TAKER = 0.0025, 0.0040
AGENT = "W4"


@dataclass(frozen=True, slots=True)
class Terms:
    """A decision every so many events. `pairs` rest near the touch; None: what the agent of W4 does."""

    every: int
    pairs: int | None = None


def terms(workload: str) -> Terms:
    """Raises ValueError for a name that is no workload's."""
    if workload == AGENT:
        return Terms(10_000)
    resting = re.fullmatch(r"R([1-9][0-9]*)", workload)
    if resting is None or int(resting[1]) % 2:
        raise ValueError(f"a workload is {AGENT} or R with an even number of orders, as R10, not {workload!r}")
    return Terms(500 * max(1, int(resting[1]) // 10), int(resting[1]) // 2)


class Stopwatch:
    """CPU and wall seconds of this process between making it and `stop`. `prepared_s`: what made the events cost."""

    def __init__(self, prepared_s: float = 0.0) -> None:
        self._prepared_s = prepared_s
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def stop(self) -> None:
        self._cpu = time.process_time() - self._cpu
        self._wall = time.perf_counter() - self._wall

    def report(self, engine: str, version: str, events: int, orders: int, fills: int) -> None:
        """Print the line the driver reads. Memory is the peak of the whole process, loading included."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            json.dumps(
                {
                    "engine": engine,
                    "version": version,
                    "python": sys.version.split()[0],
                    "events": events,
                    "orders": orders,
                    "fills": fills,
                    "cpu_s": self._cpu,
                    "wall_s": self._wall,
                    "prepared_s": self._prepared_s,
                    "peak_mb": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
                }
            )
        )

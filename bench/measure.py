"""What every engine of the benchmark does and how it reports: one JSON line.

W2-R: R orders of 0.01 BTC rest near the touch, half bids and half asks on successive ticks; every 500 events
(500 x R/10 for more than ten) all are cancelled and placed anew. Commands take 50 ms. Fees 0.25 % maker, 0.40 % taker.
"""

from __future__ import annotations

import json
import resource
import sys
import time

ORDER_LOTS = 1_000_000
LATENCY_NS = 50_000_000
MAKER, TAKER = 0.0025, 0.0040


def renewal_every(resting: int) -> int:
    return 500 * max(1, resting // 10)


class Stopwatch:
    """CPU and wall seconds of this process between making it and `stop`."""

    def __init__(self) -> None:
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
                    "peak_mb": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
                }
            )
        )

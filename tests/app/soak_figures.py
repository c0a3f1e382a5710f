"""What a soak is told to do, and what comes of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.app.database_kills import Toll
from tests.app.live_audit import LagTable
from tests.app.paper_process import Running


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """`speed` as the command takes it; `faults_every_s` on average, `kills_every_s` to the second; 0: none."""

    duration_s: float
    speed: str = "20"
    seed: int = 1
    faults_every_s: float = 5.0
    kills_every_s: float = 60.0
    sample_every_s: float = 10.0
    pace_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment; lags in milliseconds and counts since the sample before it.

    `loop`: how late the event loop was; `lag`: from a message's receipt until the session was through with it.
    """

    at_s: float
    rss_mb: float
    handles: int
    tasks: int
    threads: int
    queue_longest: int
    frames: int
    loop_p99: float
    loop_max: float
    lag_p50: float
    lag_p99: float
    lag_max: float
    market_s: float
    fills: int
    reconnects: int
    dropped: int
    cpu_s: float


@dataclass(slots=True)
class Size:
    bytes: int
    rows: int


@dataclass(slots=True)
class Soak:
    """What came of it. `wrong` is what must not be, in words."""

    samples: list[Sample] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    lags: LagTable = field(default_factory=LagTable)
    loop_lags: LagTable = field(default_factory=LagTable)
    fill_lags: LagTable = field(default_factory=LagTable)
    wrong: list[str] = field(default_factory=list)
    toll: Toll = field(default_factory=Toll)
    #: When a blow fell on the database, or it hung, wall time.
    blows: list[float] = field(default_factory=list)
    hangs: int = 0
    counters: dict[str, Any] = field(default_factory=dict)
    trades: int = 0
    declared: int = 0
    told_away: int = 0
    #: Tables when the market had begun, at the end, after a round of housekeeping, and packed.
    sizes: list[dict[str, Size]] = field(default_factory=list)
    cleaned: dict[str, int] = field(default_factory=dict)
    market_s: float = 0.0
    wall_s: float = 0.0


class Figures:
    """What the watched process writes of itself."""

    def __init__(self, file: Path, running: Running) -> None:
        self._file = file
        self.running = running
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        """Whole lines that came since the last time."""
        if not self._file.exists() or self._file.stat().st_size == self._read:
            return []
        with self._file.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]


def lag_table(told: dict[str, Any]) -> LagTable:
    counts = Counter({int(number): count for number, count in told["counts"].items()})
    return LagTable(counts, told["most_ns"], told["total"])

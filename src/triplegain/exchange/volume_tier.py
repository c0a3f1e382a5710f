"""The fee tier: USD volume of the last 30 days, in buckets of an hour, so that memory stays flat."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.money import ATOMS_PER_UNIT, atoms

_BUCKET_NS = 3600 * SECOND_NS
_WINDOW_BUCKETS = 30 * 24


class VolumeTier:
    """Rolling volume in atoms of USD. The opening volume counts as traded at the first moment the window sees."""

    __slots__ = ("_buckets", "_opening_usd", "_total")

    def __init__(self, opening_usd: Decimal) -> None:
        self._opening_usd = opening_usd
        self._buckets: deque[tuple[int, int]] = deque()
        self._total: int = 0

    def add(self, time_ns: int, usd_atoms: int) -> None:
        bucket = time_ns // _BUCKET_NS
        if not self._buckets:
            self._buckets.append((bucket, atoms(self._opening_usd)))
            self._total = self._buckets[0][1]
        if self._buckets and self._buckets[-1][0] == bucket:
            self._buckets[-1] = (bucket, self._buckets[-1][1] + usd_atoms)
        else:
            self._buckets.append((bucket, usd_atoms))
        self._total += usd_atoms

    def volume_usd(self, time_ns: int) -> int:
        """Whole USD traded in the 30 days up to `time_ns`."""
        if not self._buckets:
            return int(self._opening_usd)
        oldest = time_ns // _BUCKET_NS - _WINDOW_BUCKETS
        while self._buckets and self._buckets[0][0] <= oldest:
            self._total -= self._buckets.popleft()[1]
        if not self._buckets:
            # The window has begun: the opening volume does not come back when it has run empty.
            self._buckets.append((oldest + _WINDOW_BUCKETS, 0))
        whole: int = self._total // ATOMS_PER_UNIT
        return whole

    def tier(self, schedule: FeeSchedule, time_ns: int) -> FeeTier:
        return schedule.tier(self.volume_usd(time_ns))

    def state(self) -> list[list[Any]]:
        return [[bucket, str(volume)] for bucket, volume in self._buckets]

    def restore(self, state: list[list[Any]]) -> None:
        self._buckets = deque((bucket, int(volume)) for bucket, volume in state)
        self._total = sum(volume for _, volume in self._buckets)

"""The fee tier: USD volume of the last 30 days, in buckets of an hour, so that memory stays flat."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.money import ATOMS_PER_UNIT, atoms, from_atoms
from triplegain.domain.parts import Parts, Touch, nobody

_BUCKET_NS = HOUR_NS
_WINDOW_BUCKETS = 30 * 24


class VolumeTier:
    """Rolling volume in atoms of USD. The opening volume counts as traded at the first moment the window sees."""

    def __init__(self, opening_usd: Decimal) -> None:
        self._opening_usd = opening_usd
        #: Number of the hour -> atoms of USD, oldest first.
        self._buckets: dict[int, int] = {}
        self._total: int = 0
        self._touch: Touch = nobody

    def add(self, time_ns: int, usd_atoms: int) -> None:
        bucket = time_ns // _BUCKET_NS
        if not self._buckets:
            self._put(bucket, atoms(self._opening_usd))
        self._put(bucket, usd_atoms)

    def _put(self, bucket: int, usd_atoms: int) -> None:
        self._buckets[bucket] = self._buckets.get(bucket, 0) + usd_atoms
        self._total += usd_atoms
        self._touch(str(bucket))

    def volume_usd(self, time_ns: int) -> int:
        """Whole USD traded in the 30 days up to `time_ns`."""
        if not self._buckets:
            return int(self._opening_usd)
        oldest = time_ns // _BUCKET_NS - _WINDOW_BUCKETS
        while self._buckets and (first := next(iter(self._buckets))) <= oldest:
            self._total -= self._buckets.pop(first)
            self._touch(str(first))
        if not self._buckets:
            # The window has begun: the opening volume does not come back when it has run empty.
            self._put(oldest + _WINDOW_BUCKETS, 0)
        whole: int = self._total // ATOMS_PER_UNIT
        return whole

    def tier(self, schedule: FeeSchedule, time_ns: int) -> FeeTier:
        return schedule.tier(self.volume_usd(time_ns))

    def register(self, parts: Parts) -> None:
        self._touch = parts.keyed(
            "exchange.volume", Decimal, self._volume, self._restore, lambda: map(str, self._buckets)
        )

    def _volume(self, key: str) -> Decimal | None:
        usd_atoms = self._buckets.get(int(key))
        return None if usd_atoms is None else from_atoms(usd_atoms)

    def _restore(self, stored: dict[str, Decimal]) -> None:
        self._buckets = {int(key): atoms(stored[key]) for key in sorted(stored, key=int)}
        self._total = sum(self._buckets.values())

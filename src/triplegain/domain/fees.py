"""Fee schedule of an instrument: maker and taker rate by 30-day USD volume (Kraken `AssetPairs`, recorded 2025-11)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError

#: Fee rates are integers: millionths of the notional. 0.40 % is 4000.
RATE_UNIT = 1_000_000


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From `volume_usd` of 30-day volume on, these rates hold (millionths of the notional)."""

    volume_usd: int
    maker_ppm: int
    taker_ppm: int


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Tiers in rising order of volume; the first starts at 0."""

    tiers: tuple[FeeTier, ...]

    def __post_init__(self) -> None:
        volumes = [tier.volume_usd for tier in self.tiers]
        if not volumes or volumes[0] != 0 or volumes != sorted(set(volumes)):
            raise InvalidValueError(f"fee tiers must start at volume 0 and rise: {volumes}")

    def tier(self, volume_usd: Decimal | int) -> FeeTier:
        """The tier in force at this 30-day volume."""
        found = self.tiers[0]
        for tier in self.tiers:
            if volume_usd >= tier.volume_usd:
                found = tier
        return found


def _schedule(*rows: tuple[int, int, int]) -> FeeSchedule:
    return FeeSchedule(tuple(FeeTier(volume, maker, taker) for volume, maker, taker in rows))


KRAKEN_SPOT_FEES = _schedule(
    (0, 2500, 4000),
    (10_000, 2000, 3500),
    (50_000, 1400, 2400),
    (100_000, 1200, 2200),
    (250_000, 1000, 2000),
    (500_000, 800, 1800),
    (1_000_000, 600, 1600),
    (2_500_000, 400, 1400),
    (5_000_000, 200, 1200),
    (10_000_000, 0, 1000),
)

"""Fee schedule of an instrument: maker and taker rate by 30-day USD volume (Kraken `AssetPairs`, recorded 2025-11)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
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
    #: Where each begins.
    _volumes: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        volumes = [tier.volume_usd for tier in self.tiers]
        if not volumes or volumes[0] != 0 or volumes != sorted(set(volumes)):
            raise InvalidValueError(f"fee tiers must start at volume 0 and rise: {volumes}")
        object.__setattr__(self, "_volumes", volumes)

    def tier(self, volume_usd: Decimal | int) -> FeeTier:
        """The tier in force at this 30-day volume."""
        return self.tiers[bisect_right(self._volumes, volume_usd, 1) - 1]


KRAKEN_SPOT_FEES = FeeSchedule(
    (
        FeeTier(0, 2500, 4000),
        FeeTier(10_000, 2000, 3500),
        FeeTier(50_000, 1400, 2400),
        FeeTier(100_000, 1200, 2200),
        FeeTier(250_000, 1000, 2000),
        FeeTier(500_000, 800, 1800),
        FeeTier(1_000_000, 600, 1600),
        FeeTier(2_500_000, 400, 1400),
        FeeTier(5_000_000, 200, 1200),
        FeeTier(10_000_000, 0, 1000),
    )
)

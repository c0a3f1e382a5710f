"""What a snapshot shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.market.candles.timeframe import DAY_NS, TIMEFRAMES, timeframe

_LOOK_BACK = MappingProxyType({"1m": 60, "5m": 48, "15m": 32, "1h": 220, "4h": 60, "1d": 60})


@dataclass(frozen=True, slots=True)
class SnapshotSettings:
    """`look_back` is timeframe to candles shown; `depth_pcts` are distances from the middle of the book.

    Between `history_candles` and twice as many are kept of each timeframe: the indicators are computed from them.
    """

    look_back: Mapping[str, int] = field(default_factory=lambda: _LOOK_BACK)
    primary: str = "1h"
    depth_pcts: tuple[Decimal, ...] = (Decimal("0.5"), Decimal(1), Decimal(2))
    token_budget: int = 8000
    #: A candle that closed this long ago and has no successor yet is late.
    late_after_ns: int = 10 * SECOND_NS
    history_candles: int = 2048

    def __post_init__(self) -> None:
        for name in self.look_back:
            timeframe(name)
        if self.primary not in self.look_back:
            raise InvalidValueError(f"the primary timeframe {self.primary} is none of {', '.join(self.look_back)}")
        finest = min((TIMEFRAMES[name].length_ns for name in self.look_back), default=DAY_NS)
        least = max(*self.look_back.values(), DAY_NS // finest)
        if self.history_candles < least:
            raise InvalidValueError(f"{self.history_candles} candles of history are too few: {least} are looked at")
        if list(self.depth_pcts) != sorted(set(self.depth_pcts)) or not self.depth_pcts or self.depth_pcts[0] <= 0:
            raise InvalidValueError("the distances from the middle of the book must rise from above zero")

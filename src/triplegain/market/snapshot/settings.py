"""What a snapshot shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.clock import DAY_NS, SECOND_NS
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.values import FrozenMapping
from triplegain.domain.written import exact, integer, listing, table, text
from triplegain.market.candles.timeframe import TIMEFRAMES, timeframe

_TIMEFRAME = text().where(lambda name: timeframe(name).name)


def _shortest_first(look_back: Mapping[str, int]) -> Mapping[str, int]:
    """A stored table has lost the order in which it was written."""
    return FrozenMapping({name: look_back[name] for name in sorted(look_back, key=lambda n: TIMEFRAMES[n].length_ns)})


@dataclass(frozen=True, slots=True)
class SnapshotSettings:
    """`look_back` is timeframe to candles shown; `depth_pcts` are distances from the middle of the book.

    Between `history_candles` and twice as many are kept of each timeframe: the indicators are computed from them.
    """

    look_back: Mapping[str, int] = key(
        "look_back", {"1m": 60, "5m": 48, "15m": 32, "1h": 220, "4h": 60, "1d": 60},
        table(_TIMEFRAME, integer(ge=1, le=1000), least=1).where(_shortest_first),
        "timeframes (1m, 5m, 15m, 30m, 1h, 4h, 12h, 1d, 1w) and how many closed candles of each",
    )  # fmt: skip
    primary: str = key("primary", "1h", _TIMEFRAME, "the timeframe decisions are made on")
    depth_pcts: tuple[Decimal, ...] = key(
        "depth_pct", ("0.5", 1, 2), listing(exact(gt=0, le=100), least=1),
        "distances from the middle of the book within which its depth is summed up, in percent",
    )  # fmt: skip
    token_budget: int = key(
        "token_budget", 8000, integer(ge=500),
        "most tokens of the compact rendering, counted for the model that needs most",
    )  # fmt: skip
    #: A candle that closed this long ago and has no successor yet is late.
    late_after_ns: int = key(
        "late_after_s", 10, integer(SECOND_NS, ge=0, le=3600), "a candle that is this late is said to be"
    )
    history_candles: int = key(
        "history_candles", 2048, integer(ge=1440, le=100_000),
        "candles of each timeframe the indicators are computed from, at least (twice as many at most)",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in self.look_back:
            timeframe(name)
        if self.primary not in self.look_back:
            raise AtOddsError(f"primary is {self.primary}, which is not in look_back ({', '.join(self.look_back)})")
        finest = min((TIMEFRAMES[name].length_ns for name in self.look_back), default=DAY_NS)
        least = max(*self.look_back.values(), DAY_NS // finest)
        if self.history_candles < least:
            raise AtOddsError(f"{self.history_candles} candles of history are too few: {least} are looked at")
        if list(self.depth_pcts) != sorted(set(self.depth_pcts)) or not self.depth_pcts or self.depth_pcts[0] <= 0:
            raise AtOddsError("depth_pct must rise")

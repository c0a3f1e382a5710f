"""A look at a market for those who need a few figures every minute and nothing written: agents that go by rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from triplegain.market.snapshot.snapshot import SnapshotPrice

if TYPE_CHECKING:
    # Frames bring the indicators' libraries; whoever only says what an agent looks at does not need them.
    from triplegain.market.snapshot.frame import ClosedFrame


class MarketSeen(Protocol):
    """What rules look at, of a snapshot or of a glance."""

    @property
    def symbol(self) -> str: ...

    @property
    def price(self) -> SnapshotPrice: ...

    @property
    def primary(self) -> str:
        """The timeframe decisions are made on."""
        ...

    @property
    def primary_frame(self) -> ClosedFrame | None:
        """Its closed candles; None before the first."""
        ...

    @property
    def alignment(self) -> float | None:
        """-1..1, None with fewer than two known trends."""
        ...


@dataclass(frozen=True, slots=True)
class Glance:
    """The same figures as in a snapshot of the same moment; only the primary timeframe is written out, and no hash."""

    symbol: str
    time_ns: int
    price: SnapshotPrice
    primary: str
    primary_frame: ClosedFrame | None
    alignment: float | None

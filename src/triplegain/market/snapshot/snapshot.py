"""The snapshot itself: immutable, with its canonical JSON and the hash of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from triplegain.domain.quote import QuoteSource
from triplegain.market.snapshot.book_features import BookFeatures

if TYPE_CHECKING:
    # Frames bring the indicators' libraries; whoever only says what an agent looks at does not need them.
    from triplegain.market.snapshot.frame import ClosedFrame, FrameFigures, FrameSnapshot

    Frame: TypeAlias = ClosedFrame | FrameFigures


@dataclass(frozen=True, slots=True)
class SnapshotPrice:
    """From the session's fresh quote. `mark` is the middle of bid and ask, else the last trade; `time_ns` its time."""

    mark: Decimal
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    source: QuoteSource
    time_ns: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The last 24 hours: change in percent to the present price, extremes, volume in base."""

    change_pct: float
    high: Decimal
    low: Decimal
    volume: Decimal
    #: Whose candles it was taken from.
    timeframe: str


@dataclass(frozen=True, slots=True)
class Glance:
    """What rules look at: a few figures of one market at one moment.

    `primary` is the timeframe decisions are made on, `primary_frame` its closed candles, None before the first;
    `alignment` is -1..1, None with fewer than two known trends.
    """

    symbol: str
    time_ns: int
    price: SnapshotPrice
    primary: str
    primary_frame: Frame | None
    alignment: float | None


@dataclass(frozen=True, slots=True)
class Snapshot(Glance):
    """All of it. All agents of one decision are given the same object, and see the same `hash`.

    `timeframes` holds those with at least one closed candle, in the order of the configuration; `flags` say what is
    missing, late or doubtful. `json` is canonical: keys sorted, no blanks, money as exact text, other numbers rounded
    and without exponent.
    """

    primary_frame: ClosedFrame | None
    day: DayFigures | None
    timeframes: Mapping[str, FrameSnapshot]
    book: BookFeatures | None
    flags: tuple[str, ...]
    json: str
    #: SHA-256 of `json` in UTF-8, as hexadecimal digits.
    hash: str


@dataclass(frozen=True, slots=True)
class NoSnapshot:
    """Why there is none: `code` is `no_price` or `no_candles`, `reason` says it to a user."""

    symbol: str
    time_ns: int
    code: str
    reason: str

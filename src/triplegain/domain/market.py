"""What a feed says. Prices are ticks, quantities lots of the instrument; times integer nanoseconds UTC.

`exchange_time_ns` is the moment that an event speaks of, by the exchange's own clock: channels overtake one another, so
it may run back from one event to the next. What a feed says of time itself (heartbeats, its own conditions) does not.
`received_at_ns` is when we learnt of it. Order of processing is order of receipt.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from triplegain.domain.orders import Side

#: (price in ticks, quantity in lots); quantity 0 removes the level.
Level = tuple[int, int]


class FeedState(StrEnum):
    """Condition of one instrument's feed."""

    SYNCED = "synced"
    GAP = "gap"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    CROSSED = "crossed"
    STALE = "stale"
    MAINTENANCE = "maintenance"
    #: A pair that is not traded yet, and one that is not traded any more: closed like a maintenance.
    WORK_IN_PROGRESS = "work_in_progress"
    DELISTED = "delisted"
    CANCEL_ONLY = "cancel_only"
    REDUCE_ONLY = "reduce_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    #: Between two runs: the trades of the time away are told, and only resting orders meet them.
    CATCH_UP = "catch_up"
    #: The trades of the time away cannot be had; nothing is filled for it.
    MISSED = "missed"
    #: The exchange counts in other steps of price or quantity now than whoever listens.
    STEPS_CHANGED = "steps_changed"


#: The exchange may take fewer orders in them, but its book and its prices are right.
PRICED_STATES = (
    FeedState.SYNCED,
    FeedState.CANCEL_ONLY,
    FeedState.REDUCE_ONLY,
    FeedState.POST_ONLY,
    FeedState.LIMIT_ONLY,
)

#: The exchange itself has closed the market: it takes neither orders nor cancels.
CLOSED_STATES = (FeedState.MAINTENANCE, FeedState.WORK_IN_PROGRESS, FeedState.DELISTED)


class _OfSymbol(Struct, frozen=True):
    symbol: str
    exchange_time_ns: int
    received_at_ns: int


class BookUpdate(_OfSymbol, frozen=True):
    """Levels set to new absolute sizes; a snapshot replaces the whole book of `depth` levels a side (0: unlimited)."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    snapshot: bool = False
    depth: int = 0


class BestQuote(_OfSymbol, frozen=True):
    """Best bid and ask, newer than the depth book: it trims the book to itself."""

    bid: Level
    ask: Level


class PublicTrade(_OfSymbol, frozen=True):
    """One line of the public tape. `side` is the taker's."""

    price: int
    quantity: int
    side: Side
    trade_id: str = ""


class Candle(Struct, frozen=True):
    """Open, high, low, close in ticks and volume in lots over [open_time_ns, open_time_ns + length_ns)."""

    symbol: str
    open_time_ns: int
    length_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int = 0

    @property
    def close_time_ns(self) -> int:
        return self.open_time_ns + self.length_ns


class CandleClosed(_OfSymbol, frozen=True):
    """A finished candle as a market event, when candles are all a feed has."""

    candle: Candle


class FeedStatus(_OfSymbol, frozen=True):
    """The feed of one instrument became usable or unusable; matching stops unless `state` is SYNCED."""

    state: FeedState
    reason: str = ""


class Heartbeat(Struct, frozen=True):
    """The feed is alive though nothing happened. `symbol` is empty: it speaks for the whole feed."""

    exchange_time_ns: int
    received_at_ns: int
    symbol: str = ""


class TimePassed(Struct, frozen=True):
    """Nothing was said for a while, and it is this late by our clock. No sign of life. `symbol` is empty."""

    exchange_time_ns: int
    received_at_ns: int
    symbol: str = ""


class PastCandles(_OfSymbol, frozen=True):
    """Closed candles from before the feed began, oldest first, and the one still open (None: not known).

    They warm indicators up and fill no order.
    """

    candles: tuple[Candle, ...]
    unfinished: Candle | None = None


MarketEvent = BookUpdate | BestQuote | PublicTrade | CandleClosed | FeedStatus | Heartbeat | TimePassed | PastCandles


class MarketDepth(StrEnum):
    """The richest thing a feed offers for an instrument; it selects the fill model."""

    BOOK = "book"
    TAPE = "tape"
    CANDLES = "candles"

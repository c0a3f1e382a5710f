"""What is missing, late or doubtful in a snapshot, in words that are always the same: `code` or `code:where:detail`."""

from __future__ import annotations

from collections.abc import Mapping

from triplegain.domain.market import FeedState
from triplegain.domain.quote import QuoteSource
from triplegain.market.snapshot.book_features import BookFeatures
from triplegain.market.snapshot.day import Day
from triplegain.market.snapshot.figures import fixed
from triplegain.market.snapshot.frame import FrameSnapshot, FrameWriter
from triplegain.market.snapshot.settings import SnapshotSettings

_LIVE_ENOUGH = (QuoteSource.LIVE, QuoteSource.REPLAY, QuoteSource.DEMO)


def price_flags(source: QuoteSource, synthetic: bool, state: FeedState, from_candles: bool) -> list[str]:
    """`synthetic`: no real market; `price_source`: not from the session's feed; `feed`: its state, unless synced;

    `price_is_close`: the feed has candles only, so that the price is the close of the last one.
    """
    flags = []
    if synthetic:
        flags.append("synthetic")
    if source not in _LIVE_ENOUGH:
        flags.append(f"price_source:{source.value}")
    if state is not FeedState.SYNCED:
        flags.append(f"feed:{state.value}")
    if from_candles:
        flags.append("price_is_close")
    return flags


def book_flags(book: BookFeatures | None, settings: SnapshotSettings) -> list[str]:
    """`no_book`; `book_reach`: the book is seen to so many percent only, less than the greatest distance asked for."""
    if book is None:
        return ["no_book"]
    reach = min(book.bids_reach_pct, book.asks_reach_pct)
    return [f"book_reach:{fixed(reach)}"] if reach < settings.depth_pcts[-1] else []


def day_flags(day: Day | None) -> list[str]:
    """`no_day`: there are no candles of the last 24 hours."""
    return ["no_day"] if day is None else []


def frame_flags(
    writers: Mapping[str, FrameWriter],
    frames: Mapping[str, FrameSnapshot],
    now_ns: int,
    settings: SnapshotSettings,
    candles_needed: int,
    quiet_after: int,
) -> list[str]:
    """Per timeframe: `missing`: no candle; `few`: so many of those wanted; `late`: the next candle should be there;

    `doubtful`: so many of those shown may lack trades; `quiet`: so many of the latest have no trade.
    """
    flags = []
    for name, writer in writers.items():
        frame = frames.get(name)
        if frame is None:
            flags.append(f"missing:{name}")
            continue
        closed, length = frame.closed, writer.series.timeframe.length_ns
        wanted = max(candles_needed, writer.look_back)
        if closed.history_candles < wanted:
            flags.append(f"few:{name}:{closed.history_candles}/{wanted}")
        if now_ns - closed.close_time_ns >= length + settings.late_after_ns:
            flags.append(f"late:{name}")
        if doubtful := writer.series.doubtful(writer.look_back):
            flags.append(f"doubtful:{name}:{doubtful}")
        if closed.quiet_candles >= quiet_after:
            flags.append(f"quiet:{name}:{closed.quiet_candles}")
    return flags

"""Candle histories page by page: what is stored of a long one is written once, and only its last page again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.candles.candle_series import CandleSeries

#: Candles of a page; pages are counted from 1970, whenever we began.
_PAGE = 64


class CandlePage(msgspec.Struct, frozen=True):
    """Contiguous candles: open time of the first, and the columns of `CandleHistory`."""

    open_ns: int
    columns: tuple[list[int], ...]


class SeriesSeen(msgspec.Struct, frozen=True):
    """Where a series begins and ends, and when trades may be missing in it; its candles stand in pages. `keep` is that
    of `CandleHistory`: another one forgets others."""

    keep: int
    first_open_ns: int
    end_ns: int
    doubts: list[tuple[int, int]]
    doubtful_since_ns: int | None


def series_seen(series: CandleSeries) -> SeriesSeen:
    history = series.history
    return SeriesSeen(
        history.keep, history.first_open_ns, history.end_ns, list(series.doubts), series.doubtful_since_ns
    )


def see_series(series: CandleSeries, seen: SeriesSeen, pages: Iterable[CandlePage]) -> None:
    """Put an empty series where another one was; its indicators follow from its candles.

    Raises InvalidValueError where the pages, in order, do not hold all candles that were there.
    """
    history = series.history
    if history.keep != seen.keep:
        raise InvalidValueError(f"{history.keep} candles are kept now, and were {seen.keep}")
    for page in pages:
        history.extend(page.open_ns, page.columns)
    is_empty = not len(history) and seen.first_open_ns == seen.end_ns
    if not is_empty and (history.first_open_ns, history.end_ns) != (seen.first_open_ns, seen.end_ns):
        raise InvalidValueError(f"candles of {history.symbol} {series.timeframe.name} are missing")
    series.doubts, series.doubtful_since_ns = list(seen.doubts), seen.doubtful_since_ns


class PageTally:
    """What is stored of one series, so that only what is new has to be."""

    def __init__(self, series: CandleSeries) -> None:
        self._series = series
        self._edition = -1
        self._end_ns = 0
        self._stored: set[int] = set()

    def changes(self) -> Mapping[int, CandlePage | None]:
        """Pages to be stored since the last call, by number; None for one that is gone."""
        series, history = self._series, self._series.history
        if self._edition == series.edition:
            if self._end_ns == history.end_ns:
                return {}
            # Before the first candle its end is no time.
            since_ns, gone = max(self._end_ns, history.first_open_ns), set[int]()
        else:
            since_ns, gone = history.first_open_ns, self._stored
        first = _number(history, since_ns)
        pages: dict[int, CandlePage | None] = {}
        if len(history):
            for number in range(first, _number(history, history.end_ns - 1) + 1):
                pages[number] = _page(history, number)
        self._edition, self._end_ns = series.edition, history.end_ns
        left = dict.fromkeys(sorted(gone - pages.keys()))
        self._stored = self._stored - left.keys() | pages.keys()
        return {**left, **pages}


def _page_ns(history: CandleHistory) -> int:
    return _PAGE * history.timeframe.length_ns


def _number(history: CandleHistory, time_ns: int) -> int:
    return (time_ns - history.timeframe.offset_ns) // _page_ns(history)


def _page(history: CandleHistory, number: int) -> CandlePage:
    start_ns = number * _page_ns(history) + history.timeframe.offset_ns
    open_ns = max(start_ns, history.first_open_ns)
    return CandlePage(open_ns, history.rows(open_ns, start_ns + _page_ns(history)))

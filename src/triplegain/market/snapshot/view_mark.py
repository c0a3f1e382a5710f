"""What a market view has learnt, written down: a small state, and the pages of its candles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import FeedState
from triplegain.market.candles.candle_pages import CandlePage, PageTally, SeriesSeen, see_series, series_seen
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.symbol_candles import UnfinishedSeen
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.symbol_view import SymbolView

#: Symbol, timeframe and number of a page.
PageKey = tuple[str, str, int]


class SymbolSeen(msgspec.Struct, frozen=True):
    """One market's candles by timeframe, and the condition of its feed."""

    series: dict[str, SeriesSeen]
    unfinished: dict[str, UnfinishedSeen]
    fed_with_candles: bool
    feed_state: FeedState
    fed_to_ns: int | None = None


class ViewSeen(msgspec.Struct, frozen=True):
    """All of a view but its pages. `heard_ns` and `next_close_ns` are its own times."""

    symbols: dict[str, SymbolSeen]
    heard_ns: int
    next_close_ns: int


def view_seen(view: MarketView) -> ViewSeen:
    heard_ns, next_close_ns = view.times
    return ViewSeen({name: _symbol_seen(each) for name, each in view.views.items()}, heard_ns, next_close_ns)


def _symbol_seen(view: SymbolView) -> SymbolSeen:
    candles = view.candles
    return SymbolSeen(
        {name: series_seen(each) for name, each in candles.series.items()},
        {name: each.seen() for name, each in candles.unfinished.items()},
        candles.fed_with_candles,
        view.feed_state,
        candles.fed_to_ns,
    )


def see_view(view: MarketView, seen: ViewSeen, pages: Mapping[PageKey, CandlePage]) -> None:
    """Put a new view where another one was. Raises InvalidValueError where it has other markets or timeframes, or
    pages are missing."""
    if view.views.keys() != seen.symbols.keys():
        raise InvalidValueError("other markets are watched now")
    ordered = sorted(pages.items())
    for symbol, each in view.views.items():
        told, candles = seen.symbols[symbol], each.candles
        if not candles.series.keys() == told.series.keys() == told.unfinished.keys():
            raise InvalidValueError("other timeframes are looked at now")
        for name, series in candles.series.items():
            see_series(series, told.series[name], [page for key, page in ordered if key[:2] == (symbol, name)])
            candles.unfinished[name].see(told.unfinished[name])
        candles.fed_with_candles, each.feed_state = told.fed_with_candles, told.feed_state
        candles.fed_to_ns = told.fed_to_ns
    view.times = seen.heard_ns, seen.next_close_ns


class ViewPages:
    """The pages of a view, of which only those that have changed are stored again."""

    def __init__(self, view: MarketView) -> None:
        self._tallies = {(symbol, series.timeframe.name): PageTally(series) for symbol, series in _series(view)}

    def changes(self) -> dict[PageKey, CandlePage | None]:
        """Since the last call; None for a page that is gone."""
        return {
            (*key, number): page for key, tally in self._tallies.items() for number, page in tally.changes().items()
        }


def _series(view: MarketView) -> Iterator[tuple[str, CandleSeries]]:
    for symbol, each in view.views.items():
        yield from ((symbol, series) for series in each.candles.series.values())

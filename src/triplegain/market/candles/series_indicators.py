"""The indicators of one timeframe's closed candles, each computed when somebody asks for it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.indicators.indicator import Bar, CandleColumns, Stream
from triplegain.market.indicators.suite import IndicatorSuite, Reading

#: With more candles than this to catch up with, opening a stream anew is quicker.
_STEPS_MAX = 48


class _Opened:
    """A stream, and the end of the candles it has seen."""

    __slots__ = ("seen_ns", "stream")

    def __init__(self, stream: Stream, seen_ns: int) -> None:
        self.stream, self.seen_ns = stream, seen_ns


class SeriesIndicators:
    """From `history` and nothing else: candle by candle where only few came since an indicator was asked for, and on
    the whole history else. Both give the same bits. An indicator that nobody asks for costs nothing."""

    def __init__(self, history: CandleHistory, suite: IndicatorSuite) -> None:
        self._history = history
        self._suite = suite
        #: By place in the suite.
        self._streams: dict[int, _Opened] = {}
        #: The latest bars, and from when to when: most that go on do so by the same.
        self._bars: tuple[int, int, list[Bar]] = (0, 0, [])

    def anew(self) -> None:
        """Candles were replaced or forgotten."""
        self._streams.clear()
        self._bars = 0, 0, []

    def reading(self, names: Iterable[str] | None = None, end_ns: int | None = None) -> Reading:
        """The indicators of these names, None: all there are, at the last closed candle; all None without one.

        `end_ns`: at the candle that closed then. An earlier candle after a later one takes
        long.
        """
        suite, history = self._suite, self._history
        wanted = suite.names if names is None else names
        if not len(history):
            return dict.fromkeys(wanted)
        end_ns = history.end_ns if end_ns is None else end_ns
        streams, columns = self._streams, list[CandleColumns]()
        found: Reading = {}
        for name in wanted:
            place, number = suite.places[name]
            opened = streams.get(place)
            if opened is None or opened.seen_ns != end_ns:
                opened = streams[place] = self._caught_up(place, opened, end_ns, columns)
            value = opened.stream.values[number]
            found[name] = value if math.isfinite(value) else None
        return found

    def _caught_up(self, place: int, opened: _Opened | None, end_ns: int, columns: list[CandleColumns]) -> _Opened:
        """That has seen every candle up to then; `columns` are made once for all that are opened together."""
        history = self._history
        new = 0 if opened is None else (end_ns - opened.seen_ns) // history.timeframe.length_ns
        if opened is None or not 0 <= new <= _STEPS_MAX:
            if not columns:
                columns.append(history.columns(end_ns))
            return _Opened(self._suite.indicators[place].open(columns[0]), end_ns)
        update = opened.stream.update
        for bar in self._since(opened.seen_ns, end_ns):
            update(bar)
        opened.seen_ns = end_ns
        return opened

    def _since(self, seen_ns: int, end_ns: int) -> list[Bar]:
        if self._bars[:2] != (seen_ns, end_ns):
            self._bars = seen_ns, end_ns, self._history.bars(seen_ns, end_ns)
        return self._bars[2]

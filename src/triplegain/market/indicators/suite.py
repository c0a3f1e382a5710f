"""All indicators together: over a whole history, or going on candle by candle."""

from __future__ import annotations

import math

from triplegain.market.indicators.catalogue import catalogue
from triplegain.market.indicators.indicator import Array, Bar, CandleColumns, Stream, Unit
from triplegain.market.indicators.settings import IndicatorSettings

#: Values at one candle by name, in ticks, lots and plain numbers; None is not known.
Reading = dict[str, float | None]


class IndicatorSuite:
    """Every indicator with one set of settings. It holds no candles and may be shared."""

    def __init__(self, settings: IndicatorSettings) -> None:
        self.settings = settings
        self._indicators = catalogue(settings)
        self.units: dict[str, Unit] = {
            name: unit for each in self._indicators for name, unit in zip(each.names, each.units, strict=True)
        }
        self.names = tuple(self.units)
        #: Candles before every indicator is known.
        self.candles_needed = max(each.candles for each in self._indicators)

    def table(self, columns: CandleColumns) -> dict[str, Array]:
        """One array per name with a value for every candle, NaN where there is none."""
        arrays: dict[str, Array] = {}
        for each in self._indicators:
            arrays.update(zip(each.names, each.table(columns), strict=True))
        return arrays

    def open(self, columns: CandleColumns) -> IndicatorStream:
        """A stream that has seen the columns (at least one candle), and goes on with the next one."""
        streams, values = zip(*(each.open(columns) for each in self._indicators), strict=True)
        return IndicatorStream(self.names, list(streams), [value for each in values for value in each])


class IndicatorStream:
    """The indicators of one series of candles. It depends on the first candle it saw: averages never forget quite."""

    def __init__(self, names: tuple[str, ...], streams: list[Stream], values: list[float]) -> None:
        self._names = names
        self._streams = streams
        self._values = values

    def update(self, bar: Bar) -> None:
        """Take the next closed candle."""
        values: list[float] = []
        for stream in self._streams:
            values += stream.update(bar)
        self._values = values

    def reading(self) -> Reading:
        """Values at the last candle."""
        values = zip(self._names, self._values, strict=True)
        return {name: value if math.isfinite(value) else None for name, value in values}

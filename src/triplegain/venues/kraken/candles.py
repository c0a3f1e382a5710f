"""Candles of Kraken's REST interface from before a feed began."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle
from triplegain.market.candles.candles import empty_candles
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.rest import CandleRow, Candles

#: Lengths in minutes that can be asked for.
KRAKEN_INTERVALS = (1, 5, 15, 30, 60, 240, 1440)

_MINUTE_NS = 60 * SECOND_NS


def interval_for(length_ns: int) -> int | None:
    """The longest of Kraken's intervals that adds up to this length; None where none does."""
    fitting = [minutes for minutes in KRAKEN_INTERVALS if length_ns % (minutes * _MINUTE_NS) == 0]
    return max(fitting, default=None)


def past_candles(
    told: Candles, instrument: Instrument, interval: int, length_ns: int
) -> tuple[tuple[Candle, ...], Candle | None]:
    """Closed candles of `length_ns`, oldest first, and the open one, from rows of `interval` minutes.

    Intervals without trades are flat. Raises InvalidValueError for rows that cannot be.
    """
    step_ns = interval * _MINUTE_NS
    if length_ns % step_ns:
        raise InvalidValueError(f"candles of {interval} min do not add up to {length_ns // SECOND_NS} s")
    price, quantity = Scale(instrument.tick), Scale(instrument.lot)
    rows = [_candle(row, instrument.symbol, step_ns, price, quantity) for row in told.rows]
    if not rows:
        return (), None
    candles = [_whole(part, length_ns) for part in _grouped(_without_gaps(rows), length_ns)]
    # The first one is whole only if the rows begin with it, the last one is still open.
    if rows[0].open_time_ns % length_ns:
        del candles[0]
    return tuple(candles[:-1]), candles[-1] if candles else None


def _candle(row: CandleRow, symbol: str, length_ns: int, price: Scale, quantity: Scale) -> Candle:
    opened, high, low, close = map(price.nearest, (row.open, row.high, row.low, row.close))
    open_ns = row.time * SECOND_NS
    if not (opened and high and low and close) or open_ns % length_ns:
        raise InvalidValueError(f"a candle of {symbol} at {row.time} cannot be")
    return Candle(symbol, open_ns, length_ns, opened, high, low, close, quantity.nearest(row.volume), row.count)


def _without_gaps(rows: list[Candle]) -> list[Candle]:
    whole = rows[:1]
    for row in rows[1:]:
        if row.open_time_ns < whole[-1].close_time_ns:
            raise InvalidValueError(f"candles of {row.symbol} do not follow each other")
        whole += [*empty_candles(whole[-1], row.open_time_ns), row]
    return whole


def _grouped(rows: list[Candle], length_ns: int) -> Iterable[list[Candle]]:
    return (list(part) for _, part in groupby(rows, lambda row: row.open_time_ns // length_ns))


def _whole(part: list[Candle], length_ns: int) -> Candle:
    first = part[0]
    return Candle(
        first.symbol,
        first.open_time_ns - first.open_time_ns % length_ns,
        length_ns,
        first.open,
        max(row.high for row in part),
        min(row.low for row in part),
        part[-1].close,
        sum(row.volume for row in part),
        sum(row.trades for row in part),
    )

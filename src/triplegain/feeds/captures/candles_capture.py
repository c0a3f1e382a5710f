"""Recorded candles: freqtrade JSON and feather, Kraken's OHLCVT and CryptoDataDownload's CSV layouts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, CandleClosed, MarketDepth, MarketEvent
from triplegain.feeds.captures.candle_rows import (
    CSV_HEADER,
    KRAKEN_CSV,
    CandleRow,
    csv_rows,
    csv_symbol,
    feather_rows,
    json_rows,
    kraken_csv_rows,
)
from triplegain.feeds.captures.capture import Capture, VerifyReport
from triplegain.feeds.captures.feather import MAGIC, column_names
from triplegain.feeds.captures.instruments import SAMPLE, capture_instrument
from triplegain.feeds.captures.names import symbol_in_name, venue_in_name
from triplegain.market.candles.candle_length import candle_length_text
from triplegain.market.candles.candles import empty_candles
from triplegain.market.feed import CaptureError
from triplegain.market.scaling import Scale

_READERS = {
    "candles-json": json_rows,
    "candles-feather": feather_rows,
    "candles-csv": csv_rows,
    "candles-kraken-csv": kraken_csv_rows,
}


class CandlesCapture:
    """Candles of one instrument and one length, told at their close.

    An interval that is missing had no trade: it becomes a flat candle without volume, unless more than a day is
    missing at once, which is a hole in the recording and stays one.
    """

    depth = MarketDepth.CANDLES

    def __init__(self, path: Path, format: str, symbol: str) -> None:
        self.paths = (path,)
        self.format = format
        self._symbol = symbol

    @cached_property
    def instrument(self) -> Instrument:
        prices = [row.close for row in islice(self._rows(), SAMPLE)]
        try:
            return capture_instrument(self._symbol, venue_in_name(self.paths[0]), prices)
        except InvalidValueError as error:
            raise CaptureError(self.paths[0], str(error)) from error

    @property
    def candle_length_ns(self) -> int:
        return self._extent[3]

    @property
    def rows(self) -> int:
        return self._extent[0]

    @property
    def span_ns(self) -> tuple[int, int]:
        """Close of the first and of the last candle."""
        _, first, last, length = self._extent
        return first + length, last + length

    @cached_property
    def _extent(self) -> tuple[int, int, int, int]:
        """Number of candles, first and last open time, length: the shortest distance between two."""
        count, first, last, length = 0, 0, 0, 0
        for row in self._rows():
            time = row.open_time_ns
            if count:
                length = min(length or time - last, time - last)
            else:
                first = time
            count, last = count + 1, time
        if count < 2:
            raise CaptureError(self.paths[0], "holds fewer than two candles, so their length is not known")
        return count, first, last, self._named_length_ns(length) or length

    def _named_length_ns(self, distance_ns: int) -> int:
        """Kraken's archive tells the minutes in its name, `XRPXBT_1.csv`: so thin a market may never trade in two
        minutes that follow each other. 0 where the name tells none, or one that the candles contradict."""
        named = re.search(r"_(\d{1,5})$", self.paths[0].stem)
        if self.format != "candles-kraken-csv" or named is None:
            return 0
        length = int(named[1]) * 60 * SECOND_NS
        return length if length and distance_ns % length == 0 else 0

    def events(self) -> Iterator[MarketEvent]:
        before: Candle | None = None
        for candle in self.recorded():
            if before is not None:
                for empty in empty_candles(before, candle.open_time_ns):
                    yield _closed(empty)
            yield _closed(candle)
            before = candle

    def recorded(self) -> Iterator[Candle]:
        """The candles of the file and no others. Raises CaptureError for a price or volume that cannot be."""
        price, quantity = Scale(self.instrument.tick).nearest, Scale(self.instrument.lot).floor
        length = self.candle_length_ns
        for number, row in enumerate(self._rows(), 1):
            try:
                prices = price(row.open), price(row.high), price(row.low), price(row.close)
                candle = Candle(self._symbol, row.open_time_ns, length, *prices, quantity(row.volume), row.trades)
                _check(candle)
            except InvalidValueError as error:
                raise CaptureError(self.paths[0], str(error), number) from error
            yield candle

    def verify(self) -> VerifyReport:
        """Updates are candles; a gap is more than a day without one."""
        count, gaps = 0, 0
        before: Candle | None = None
        for candle in self.recorded():
            count += 1
            if before is not None and candle.open_time_ns > before.close_time_ns:
                gaps += not empty_candles(before, candle.open_time_ns)
            before = candle
        return VerifyReport(count, 0, gaps)

    def _rows(self) -> Iterator[CandleRow]:
        return _READERS[self.format](self.paths[0])


def _check(candle: Candle) -> None:
    if not 0 < candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
        raise InvalidValueError("open and close must lie between low and high, and all above zero")
    if candle.open_time_ns % candle.length_ns:
        raise InvalidValueError(f"its time does not fall on a {candle_length_text(candle.length_ns)} boundary")


def _closed(candle: Candle) -> CandleClosed:
    return CandleClosed(candle.symbol, candle.close_time_ns, candle.close_time_ns, candle)


def recognise_candles(path: Path, head: bytes) -> Capture | None:
    """A capture if the file begins like candles; its symbol is in a column or in the file's name."""
    if head.startswith(MAGIC):
        if not {"date", "open", "high", "low", "close", "volume"} <= set(column_names(path)):
            return None
        return CandlesCapture(path, "candles-feather", symbol_in_name(path))
    start = b"".join(head[:200].split())
    if start.startswith(b"[[") and b'"' not in start and start.partition(b"]")[0].count(b",") == 5:
        return CandlesCapture(path, "candles-json", symbol_in_name(path))
    if KRAKEN_CSV.match(head):
        return CandlesCapture(path, "candles-kraken-csv", symbol_in_name(path))
    if CSV_HEADER.match(head):
        return CandlesCapture(path, "candles-csv", csv_symbol(head) or symbol_in_name(path))
    return None

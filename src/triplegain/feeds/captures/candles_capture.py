"""Recorded candles: freqtrade JSON and feather, Kraken's OHLCVT and CryptoDataDownload's CSV layouts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, CandleClosed, MarketDepth, MarketEvent
from triplegain.domain.values import INTEGER_MAX, count_within, usable_time
from triplegain.feeds.captures.capture import Capture, FileCapture, VerifyReport
from triplegain.feeds.captures.instruments import symbol_in_name, symbol_of
from triplegain.feeds.captures.rows import MAGIC, JsonRows, column_names, csv_rows, read_columns
from triplegain.market.candles.candles import empty_candles
from triplegain.market.candles.holes import longest_quiet
from triplegain.market.candles.timeframe import candle_length_text
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.market.scaling import Scale
from triplegain.market.timestamps import csv_time_ns

CSV_HEADER = re.compile(rb"(?i)(date|datetime|time|timestamp|unix),(\w+,)*open,high,low,close,volume")

#: Kraken's own archive has no header: time (s), open, high, low, close, volume, number of trades.
KRAKEN_CSV = re.compile(rb"\d{9,10}(,[\d.]+){5},\d+\r?\n")

#: What a price rises by within one candle, at most: even the crash that left out every bid in between was far below.
_RISE_MAX = 1_000_000

_JsonRow = tuple[int, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw]
_json_rows = JsonRows[_JsonRow](_JsonRow)


class RecordedCandle(NamedTuple):
    """One recorded candle, at its open."""

    open_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    trades: int = 0

    @classmethod
    def of(cls, open_time_ns: int, numbers: Sequence[str], trades: int = 0) -> RecordedCandle:
        """From open, high, low, close and volume in this order."""
        opened, high, low, close, volume = numbers
        return cls(open_time_ns, opened, high, low, close, volume, trades)


def json_rows(path: Path) -> Iterator[RecordedCandle]:
    """freqtrade: `[[open_time_ms, open, high, low, close, base_volume], ...]`, plain or .gz."""
    return in_order(
        path,
        (
            RecordedCandle.of(time * MILLISECOND_NS, [bytes(number).decode() for number in numbers])
            for time, *numbers in _json_rows.read(path)
        ),
    )


def feather_rows(path: Path) -> Iterator[RecordedCandle]:
    """freqtrade: columns date, open, high, low, close, volume."""
    return in_order(
        path,
        (
            RecordedCandle.of(time, [repr(number) for number in numbers])
            for columns in read_columns(path, ("date", "open", "high", "low", "close", "volume"))
            for time, *numbers in zip(*columns, strict=True)
        ),
    )


def header_rows(path: Path) -> Iterator[RecordedCandle]:
    """A header, then one candle a line, oldest or newest first."""
    width, columns, trades = next(csv_rows(path, _header))

    def row(line: list[str]) -> RecordedCandle:
        if len(line) != width:
            raise InvalidValueError(f"it has {len(line)} columns instead of {width}")
        count = int(line[trades]) if trades is not None else 0
        return RecordedCandle.of(csv_time_ns(line[0]), [line[column] for column in columns], count)

    first = list(islice(csv_rows(path, row, 1), 2))
    if len(first) == 2 and first[1].open_time_ns < first[0].open_time_ns:
        return in_order(path, reversed(list(csv_rows(path, row, 1))))
    return in_order(path, csv_rows(path, row, 1))


def _header(line: list[str]) -> tuple[int, list[int], int | None]:
    """How many columns there are, where the figures stand, and where the number of trades does."""
    names = [name.strip().lower() for name in line]
    figures = [names.index(name) for name in ("open", "high", "low", "close", "volume")]
    return len(names), figures, names.index("trades") if "trades" in names else None


def kraken_csv_rows(path: Path) -> Iterator[RecordedCandle]:
    """Kraken's OHLCVT archive: no header, oldest first."""

    def row(line: list[str]) -> RecordedCandle:
        time, *numbers, trades = line
        return RecordedCandle.of(csv_time_ns(time), numbers, int(trades))

    return in_order(path, csv_rows(path, row))


def csv_symbol(head: bytes) -> str | None:
    """The pair named in a column of the first row, if there is such a column."""
    lines = head.decode(errors="replace").splitlines()
    if len(lines) < 2:
        return None
    row = dict(zip(lines[0].lower().split(","), lines[1].split(","), strict=False))
    name = row.get("symbol") or row.get("ticker")
    return symbol_of(name) if name else None


def in_order(path: Path, rows: Iterator[RecordedCandle]) -> Iterator[RecordedCandle]:
    """The rows, each later than the one before and before the year 2201. Raises CaptureError otherwise."""
    before = -1
    for number, row in enumerate(rows, 1):
        if row.open_time_ns <= before:
            raise CaptureError(path, "is not later than the candle before it", number)
        try:
            before = usable_time(row.open_time_ns)
        except InvalidValueError as error:
            raise CaptureError(path, str(error), number) from error
        yield row


_READERS = {
    "candles-json": json_rows,
    "candles-feather": feather_rows,
    "candles-csv": header_rows,
    "candles-kraken-csv": kraken_csv_rows,
}


class _CandlePlace(msgspec.Struct, frozen=True):
    """After so many rows, the last of which was this candle. Rows are read over: to know a file they all are anyway."""

    rows: int
    before: Candle | None


class CandlesCapture(FileCapture):
    """Candles of one instrument and one length, told at their close.

    An interval that is missing had no trade: it becomes a flat candle without volume, unless more are missing at once
    than the quiet of this market explains, which is a hole in the recording and stays one.
    """

    depth = MarketDepth.CANDLES

    @cached_property
    def instrument(self) -> Instrument:
        return self._instrument(row.close for row in self._rows())

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
    def longest_quiet(self) -> int:
        """The most candles missing in a row that are no hole."""
        count, first, last, length = self._extent
        return longest_quiet(count, (last - first) // length + 1)

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

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks = marks or unmarked()
        return self._told(marks.place(_CandlePlace) or _CandlePlace(0, None), marks)

    def _told(self, begun: _CandlePlace, marks: FeedMarks) -> Iterator[MarketEvent]:
        before, position = begun.before, marks.position
        for rows, candle in enumerate(self.recorded(begun.rows), begun.rows):
            if before is not None:
                if before.close_time_ns >= marks.due_ns:
                    marks.put(position, _CandlePlace(rows, before), before.close_time_ns)
                for empty in empty_candles(before, candle.open_time_ns, self.longest_quiet):
                    position += 1
                    yield _closed(empty)
            position += 1
            yield _closed(candle)
            before = candle

    def recorded(self, after: int = 0) -> Iterator[Candle]:
        """The candles of the file and no others, those after so many. Raises CaptureError for a price or volume that
        cannot be."""
        price, quantity = Scale(self.instrument.tick, least=1).nearest, Scale(self.instrument.lot).floor
        length = self.candle_length_ns
        for number, row in enumerate(islice(self._rows(), after, None), after + 1):
            try:
                prices = price(row.open), price(row.high), price(row.low), price(row.close)
                if count_within(row.trades, INTEGER_MAX) is None:
                    raise InvalidValueError("more trades than can be kept")
                candle = Candle(self._symbol, row.open_time_ns, length, *prices, quantity(row.volume), row.trades)
                _check(candle)
            except InvalidValueError as error:
                raise CaptureError(self.paths[0], str(error), number) from error
            yield candle

    def verify(self) -> VerifyReport:
        """Updates are candles; a gap is a hole that the market's own quiet does not explain."""
        count, gaps = 0, 0
        before: Candle | None = None
        for candle in self.recorded():
            count += 1
            if before is not None and candle.open_time_ns > before.close_time_ns:
                gaps += not empty_candles(before, candle.open_time_ns, self.longest_quiet)
            before = candle
        return VerifyReport(count, 0, gaps)

    def _rows(self) -> Iterator[RecordedCandle]:
        return _READERS[self.format](self.paths[0])


def _check(candle: Candle) -> None:
    if not 0 < candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high:
        raise InvalidValueError("open and close must lie between low and high, and all above zero")
    if candle.high > _RISE_MAX * candle.low:
        raise InvalidValueError(f"its high is more than {_RISE_MAX:,} times its low")
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

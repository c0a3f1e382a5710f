"""Rows of candle files as they are written: times in nanoseconds, numbers still text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.values import TIME_NS_MAX
from triplegain.feeds.captures.feather import read_columns
from triplegain.feeds.captures.instruments import symbol_of
from triplegain.feeds.captures.json_rows import JsonRows
from triplegain.market.feed import CaptureError
from triplegain.market.timestamps import csv_time_ns

CSV_HEADER = re.compile(rb"(?i)(date|datetime|time|timestamp|unix),(\w+,)*open,high,low,close,volume")

#: Kraken's own archive has no header: time (s), open, high, low, close, volume, number of trades.
KRAKEN_CSV = re.compile(rb"\d{9,10}(,[\d.]+){5},\d+\r?\n")

_JsonRow = tuple[int, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw]
_json_rows = JsonRows[_JsonRow](_JsonRow)


class CandleRow(NamedTuple):
    """One recorded candle, at its open."""

    open_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    trades: int = 0

    @classmethod
    def of(cls, open_time_ns: int, numbers: Sequence[str], trades: int = 0) -> CandleRow:
        """From open, high, low, close and volume in this order."""
        opened, high, low, close, volume = numbers
        return cls(open_time_ns, opened, high, low, close, volume, trades)


def json_rows(path: Path) -> Iterator[CandleRow]:
    """freqtrade: `[[open_time_ms, open, high, low, close, base_volume], ...]`, plain or .gz."""
    return in_order(
        path,
        (
            CandleRow.of(time * MILLISECOND_NS, [bytes(number).decode() for number in numbers])
            for time, *numbers in _json_rows.read(path)
        ),
    )


def feather_rows(path: Path) -> Iterator[CandleRow]:
    """freqtrade: columns date, open, high, low, close, volume."""
    return in_order(
        path,
        (
            CandleRow.of(time, [repr(number) for number in numbers])
            for columns in read_columns(path, ("date", "open", "high", "low", "close", "volume"))
            for time, *numbers in zip(*columns, strict=True)
        ),
    )


def csv_rows(path: Path) -> Iterator[CandleRow]:
    """A header, then one candle a line, oldest or newest first."""
    rows = _csv_rows(path)
    first, second = next(rows, None), next(rows, None)
    if first is None or second is None:
        return iter(() if first is None else (first,))
    if second.open_time_ns < first.open_time_ns:
        return in_order(path, iter([first, second, *rows][::-1]))
    return in_order(path, _csv_rows(path))


def kraken_csv_rows(path: Path) -> Iterator[CandleRow]:
    """Kraken's OHLCVT archive: no header, oldest first."""
    return in_order(path, _kraken_csv_rows(path))


def _kraken_csv_rows(path: Path) -> Iterator[CandleRow]:
    number = 0
    try:
        with path.open(newline="", encoding="ascii") as file:
            for line in csv.reader(file):
                number += 1
                time, *numbers, trades = line
                yield CandleRow.of(csv_time_ns(time), numbers, int(trades))
    except (OSError, UnicodeDecodeError, csv.Error, InvalidValueError, ValueError) as error:
        raise CaptureError(path, f"is cut off or damaged ({error})", number) from error


def csv_symbol(head: bytes) -> str | None:
    """The pair named in a column of the first row, if there is such a column."""
    lines = head.decode(errors="replace").splitlines()
    if len(lines) < 2:
        return None
    row = dict(zip(lines[0].lower().split(","), lines[1].split(","), strict=False))
    name = row.get("symbol") or row.get("ticker")
    return symbol_of(name) if name else None


def _csv_rows(path: Path) -> Iterator[CandleRow]:
    number = 1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file)
            header = [name.strip().lower() for name in next(lines)]
            columns = [header.index(name) for name in ("open", "high", "low", "close", "volume")]
            trades = header.index("trades") if "trades" in header else None
            for line in lines:
                number += 1
                if len(line) != len(header):
                    problem = f"has {len(line)} columns instead of {len(header)}: is it cut off?"
                    raise CaptureError(path, problem, number)
                count = int(line[trades]) if trades is not None else 0
                yield CandleRow.of(csv_time_ns(line[0]), [line[column] for column in columns], count)
    except (OSError, UnicodeDecodeError, csv.Error, InvalidValueError, ValueError) as error:
        raise CaptureError(path, f"cannot be read here ({error})", number) from error


def in_order(path: Path, rows: Iterator[CandleRow]) -> Iterator[CandleRow]:
    """The rows, each later than the one before and before the year 2201. Raises CaptureError otherwise."""
    before = -1
    for number, row in enumerate(rows, 1):
        if row.open_time_ns <= before:
            raise CaptureError(path, "is not later than the candle before it", number)
        if row.open_time_ns > TIME_NS_MAX:
            raise CaptureError(path, "lies after the year 2200: is its time in another unit?", number)
        before = row.open_time_ns
        yield row

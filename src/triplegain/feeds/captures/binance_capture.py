"""Recorded Binance spot market: depth snapshot and diffs, best quotes and trades, in one or more .gz parts."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.feeds.captures.binance_book import BinanceBook
from triplegain.feeds.captures.binance_messages import BinanceMessage, decode_line, exchange_time_ns
from triplegain.feeds.captures.capture import Capture, VerifyReport, clock_offset_ns
from triplegain.feeds.captures.instruments import capture_instrument, symbol_of
from triplegain.market.feed import CaptureError

FORMAT = "binance-l2"


class BinanceCapture:
    """One recording; `paths` are its parts in the order of their first line."""

    format = FORMAT
    depth = MarketDepth.BOOK
    candle_length_ns = None

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths

    @cached_property
    def instrument(self) -> Instrument:
        for path, number, line in self._lines():
            _, name, _ = self._decode(path, number, line)
            if name:
                symbol = symbol_of(name)
                if symbol is None:
                    raise CaptureError(path, f"{name!r} is no known pair", number)
                return capture_instrument(symbol, "binance")
        raise CaptureError(self.paths[0], "holds no message of a stream")

    @property
    def rows(self) -> int:
        return self._extent[0]

    @property
    def span_ns(self) -> tuple[int, int]:
        _, first, last = self._extent
        return first + self._clock_offset_ns, last + self._clock_offset_ns

    @cached_property
    def first_line_ns(self) -> int:
        """Recorder's time of the first line: it orders the parts."""
        path, number, line = next(self._lines(), (self.paths[0], 0, b""))
        return self._decode(path, number, line)[0]

    @property
    def last_line_ns(self) -> int:
        return self._extent[2]

    def joined(self, later: BinanceCapture) -> BinanceCapture:
        """One recording made of two parts."""
        return BinanceCapture(self.paths + later.paths)

    def events(self) -> Iterator[MarketEvent]:
        return self._follow(BinanceBook(self.instrument))

    def verify(self) -> VerifyReport:
        book = BinanceBook(self.instrument)
        for _ in self._follow(book):
            pass
        return VerifyReport(book.updates, book.mismatches, book.gaps)

    def _follow(self, book: BinanceBook) -> Iterator[MarketEvent]:
        offset = self._clock_offset_ns
        for path, number, line in self._lines():
            try:
                clock, _, message = decode_line(line)
                events = book.on_message(message, clock + offset) if message is not None else []
            except ValueError as error:
                raise CaptureError(path, str(error), number) from error
            yield from events
        if not book.has_snapshot:
            raise CaptureError(self.paths[0], "holds no book snapshot: open the folder that holds the first part too")

    @cached_property
    def _clock_offset_ns(self) -> int:
        return clock_offset_ns(self._exchange_times())

    def _exchange_times(self) -> Iterator[tuple[int, int]]:
        for path, number, line in self._lines():
            clock, _, message = self._decode(path, number, line)
            exchange = exchange_time_ns(message)
            if exchange:
                yield exchange, clock

    @cached_property
    def _extent(self) -> tuple[int, int, int]:
        """Number of lines, recorder's time of the first and the last."""
        count, last = 0, (self.paths[0], 0, b"")
        for line in self._lines():
            count, last = count + 1, line
        return count, self.first_line_ns, self._decode(*last)[0]

    def _decode(self, path: Path, number: int, line: bytes) -> tuple[int, str, BinanceMessage | None]:
        try:
            return decode_line(line)
        except ValueError as error:
            raise CaptureError(path, f"is damaged here ({error})", number) from error

    def _lines(self) -> Iterator[tuple[Path, int, bytes]]:
        for path in self.paths:
            number = 0
            try:
                with gzip.open(path) as lines:
                    for line in lines:
                        number += 1
                        yield path, number, line
            except (EOFError, OSError, zlib.error) as error:
                problem = f"the compressed file is cut off or damaged after this line ({error}); get it again"
                raise CaptureError(path, problem, number) from error


def recognise_binance(path: Path, head: bytes) -> Capture | None:
    """A capture if a line begins with a time and a message of a stream."""
    clock, _, text = head.partition(b" ")
    if clock.isdigit() and text.startswith((b'{"stream":', b'{"lastUpdateId":')):
        return BinanceCapture((path,))
    return None

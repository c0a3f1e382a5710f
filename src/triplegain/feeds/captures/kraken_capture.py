"""Recorded Kraken WebSocket v2 books: `{"init", "updates"}` JSON, and one verbatim frame a line."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, MarketDepth, MarketEvent
from triplegain.feeds.captures.capture import Capture, VerifyReport, clock_offset_ns
from triplegain.feeds.captures.instruments import capture_instrument
from triplegain.market.feed import CaptureError
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.frames import KrakenFrameDecoder
from triplegain.venues.kraken.pairs import instruments_of, pairs_of

JSON_FORMAT = "kraken-v2-json"
FRAMES_FORMAT = "kraken-v2-frames"
_ASSET_PAIRS = "/0/public/AssetPairs"

#: Lines read to compare the recorder's clock with the exchange's.
_OFFSET_LINES = 1000


class _Document(msgspec.Struct):
    init: msgspec.Raw
    updates: list[msgspec.Raw]


class _Line(msgspec.Struct):
    frame: msgspec.Raw = msgspec.Raw(b"")
    rx_ns: int = 0
    dir: str = "rx"
    path: str = ""
    reply: msgspec.Raw = msgspec.Raw(b"")


class _Timed(msgspec.Struct):
    timestamp: str = ""


class _TimedFrame(msgspec.Struct):
    """The times an exchange writes into its frames; a snapshot's is that of its last change, so it does not count."""

    type: str = ""
    time_out: str = ""
    data: list[_Timed] = []

    @property
    def exchange_time_ns(self) -> int:
        text = self.time_out or (self.data[-1].timestamp if self.data and self.type == "update" else "")
        return rfc3339_ns(text) if text else 0


_document = msgspec.json.Decoder(_Document)
_line = msgspec.json.Decoder(_Line)
_timed = msgspec.json.Decoder(_TimedFrame)

#: (record number, frame, recorder's clock in nanoseconds or None)
_Record = tuple[int, bytes, int | None]


class KrakenCapture:
    """One instrument's recorded v2 frames."""

    depth = MarketDepth.BOOK
    candle_length_ns = None

    def __init__(self, path: Path, format: str) -> None:
        self.paths = (path,)
        self.format = format

    @cached_property
    def instrument(self) -> Instrument:
        return self._instrument_of(self._first_update.symbol)

    @cached_property
    def rows(self) -> int:
        return sum(1 for _ in self._records())

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        last = self._first_update.exchange_time_ns
        for event in self.events():
            last = event.exchange_time_ns
        return self._first_update.exchange_time_ns, last

    @cached_property
    def _first_update(self) -> BookUpdate:
        for event in self.events():
            if isinstance(event, BookUpdate):
                return event
        raise CaptureError(self.paths[0], "holds no book snapshot whose checksum is right")

    def events(self) -> Iterator[MarketEvent]:
        return self._decode(self._decoder())

    def verify(self) -> VerifyReport:
        decoder = self._decoder()
        for _ in self._decode(decoder):
            pass
        return VerifyReport(decoder.updates, decoder.mismatches, decoder.gaps)

    def _decoder(self) -> KrakenFrameDecoder:
        seen: dict[str, Instrument] = {}

        def only_one(symbol: str) -> Instrument:
            seen[symbol] = self._instrument_of(symbol)
            if len(seen) > 1:
                raise InvalidValueError(f"holds {' and '.join(seen)}; a capture file has one instrument: split it")
            return seen[symbol]

        times = self._exchange_times
        return KrakenFrameDecoder(only_one, times[0][0] if times else 0)

    def _decode(self, decoder: KrakenFrameDecoder) -> Iterator[MarketEvent]:
        # The recorder's clock may be a counter since its own start.
        offset = clock_offset_ns(self._exchange_times)
        started = False
        for number, frame, clock in self._records():
            try:
                events = decoder.decode(frame, None if clock is None else clock + offset)
            except ValueError as error:
                raise CaptureError(self.paths[0], str(error), number) from error
            # Heartbeats before the first snapshot speak of nothing yet.
            started = started or any(isinstance(event, BookUpdate) for event in events)
            if started:
                yield from events

    @cached_property
    def _exchange_times(self) -> list[tuple[int, int]]:
        """(exchange, recorder) time of the first frames that say both; 0 where the recorder says none."""
        times = []
        for number, frame, clock in self._records():
            if number > _OFFSET_LINES:
                break
            try:
                exchange = _timed.decode(frame).exchange_time_ns
            except (msgspec.DecodeError, InvalidValueError):
                continue
            if exchange:
                times.append((exchange, clock or 0))
        return times

    def _instrument_of(self, symbol: str) -> Instrument:
        return self._named.get(symbol) or capture_instrument(symbol)

    @cached_property
    def _named(self) -> dict[str, Instrument]:
        """Instruments from a reply to AssetPairs among the first lines: the rules of the time."""
        if self.format == JSON_FORMAT:
            return {}
        for line in islice(self._lines(), _OFFSET_LINES):
            if line.path.startswith(_ASSET_PAIRS) and line.reply:
                reply = bytes(line.reply)
                return instruments_of(reply, pairs_of(reply))
        return {}

    def _records(self) -> Iterator[_Record]:
        return self._document_records() if self.format == JSON_FORMAT else self._line_records()

    def _document_records(self) -> Iterator[_Record]:
        try:
            document = _document.decode(self.paths[0].read_bytes())
        except msgspec.DecodeError as error:
            raise CaptureError(self.paths[0], f"is not whole JSON ({error}); get the file again") from error
        yield 1, bytes(document.init), None
        for number, frame in enumerate(document.updates, 2):
            yield number, bytes(frame), None

    def _line_records(self) -> Iterator[_Record]:
        for number, line in enumerate(self._lines(), 1):
            if line.dir == "rx" and line.frame:
                yield number, bytes(line.frame), line.rx_ns or None

    def _lines(self) -> Iterator[_Line]:
        path = self.paths[0]
        number = 0
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
                for text in lines:
                    number += 1
                    yield _line.decode(text)
        except (msgspec.DecodeError, EOFError, OSError) as error:
            raise CaptureError(path, f"is cut off or damaged here ({error})", number) from error


def recognise_kraken(path: Path, head: bytes) -> Capture | None:
    """A capture if the file begins like one of the two formats."""
    if re.match(rb'\s*\{\s*"init"\s*:\s*\{\s*"channel"\s*:\s*"book"', head):
        return KrakenCapture(path, JSON_FORMAT)
    first, _, rest = head.partition(b"\n")
    if first.startswith(b"{") and b'"frame"' in first + rest[:400] and b"rx_ns" in first + rest[:400]:
        return KrakenCapture(path, FRAMES_FORMAT)
    return None

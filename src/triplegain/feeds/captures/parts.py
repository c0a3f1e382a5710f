"""Several files of one instrument and kind become one capture: parts are chained, equal duplicates merge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import zip_longest
from pathlib import Path

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import CandleClosed, MarketDepth, MarketEvent
from triplegain.feeds.captures.binance_capture import BinanceCapture
from triplegain.feeds.captures.capture import Capture, VerifyReport
from triplegain.market.feed import CaptureError


class CaptureParts:
    """Two captures one after the other; where they overlap they have been found equal."""

    def __init__(self, first: Capture, second: Capture) -> None:
        self._first = first
        self._second = second

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._first.paths + self._second.paths

    @property
    def format(self) -> str:
        return self._first.format

    @property
    def instrument(self) -> Instrument:
        return self._first.instrument

    @property
    def depth(self) -> MarketDepth:
        return self._first.depth

    @property
    def candle_length_ns(self) -> int | None:
        return self._first.candle_length_ns

    @property
    def rows(self) -> int:
        return self._first.rows + self._second.rows

    @property
    def span_ns(self) -> tuple[int, int]:
        return self._first.span_ns[0], max(self._first.span_ns[1], self._second.span_ns[1])

    def events(self) -> Iterator[MarketEvent]:
        end = self._first.span_ns[1]
        yield from self._first.events()
        for event in self._second.events():
            if event.exchange_time_ns > end:
                yield event

    def verify(self) -> VerifyReport:
        one, two = self._first.verify(), self._second.verify()
        return VerifyReport(one.updates + two.updates, one.mismatches + two.mismatches, one.gaps + two.gaps)


def joined(captures: list[Capture]) -> Capture:
    """One capture of many files of an instrument. Raises CaptureError where they contradict each other."""
    different: dict[str, Capture] = {}
    for capture in captures:
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in capture.paths)).hexdigest()
        different.setdefault(digest, capture)
    parts = list(different.values())
    if len(parts) == 1:
        return parts[0]
    recordings = [part for part in parts if isinstance(part, BinanceCapture)]
    if len(recordings) == len(parts):
        return reduce(_join_recordings, sorted(recordings, key=lambda part: part.first_line_ns))
    return reduce(_join, sorted(parts, key=lambda part: part.span_ns))


def _join_recordings(earlier: BinanceCapture, later: BinanceCapture) -> BinanceCapture:
    if later.first_line_ns < earlier.last_line_ns:
        _refuse(earlier, later)
    return earlier.joined(later)


def _join(earlier: Capture, later: Capture) -> Capture:
    if earlier.instrument != later.instrument:
        _refuse(earlier, later)
    if later.span_ns[0] > earlier.span_ns[1]:
        return CaptureParts(earlier, later)
    if earlier.depth is MarketDepth.BOOK:
        _refuse(earlier, later)
    start, end = later.span_ns[0], min(earlier.span_ns[1], later.span_ns[1])
    ours, theirs = _between(earlier, start, end), _between(later, start, end)
    if any(one != other for one, other in zip_longest(ours, theirs)):
        _refuse(earlier, later)
    return CaptureParts(earlier, later) if later.span_ns[1] > earlier.span_ns[1] else earlier


def _between(capture: Capture, start: int, end: int) -> Iterator[MarketEvent]:
    """Events of a period; the number of trades in a candle is left out, not every format has it."""
    for event in capture.events():
        if event.exchange_time_ns > end:
            return
        if event.exchange_time_ns >= start:
            yield replace(event, candle=replace(event.candle, trades=0)) if isinstance(event, CandleClosed) else event


def _refuse(one: Capture, other: Capture) -> None:
    symbol = one.instrument.symbol
    names = " and ".join(str(path) for path in (one.paths[-1], other.paths[0]))
    raise CaptureError(one.paths[0].parent, f"two different recordings of {symbol} overlap: {names}; keep one of them")

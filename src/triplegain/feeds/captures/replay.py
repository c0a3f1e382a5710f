"""A recorded market as a feed: whatever a file or folder holds, the richest of it per instrument."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.captures.capture import Capture
from triplegain.feeds.captures.formats import KNOWN_FORMATS, recognise
from triplegain.feeds.captures.parts import joined
from triplegain.feeds.captures.period import within
from triplegain.feeds.recording.folder import is_recording
from triplegain.feeds.recording.recording import RecordedFeed, open_recording, recording_at
from triplegain.market.feed import CaptureError

_RICHEST_FIRST = (MarketDepth.BOOK, MarketDepth.TAPE, MarketDepth.CANDLES)


@dataclass(frozen=True, slots=True)
class ReplayFeed:
    """Captures of different instruments, merged by exchange time over the period they share."""

    name: str
    captures: tuple[Capture, ...]
    span_ns: tuple[int, int]
    source: QuoteSource = QuoteSource.REPLAY
    synthetic: bool = False

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(capture.instrument for capture in self.captures)

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        return {capture.instrument.symbol: capture.depth for capture in self.captures}

    @property
    def candle_length_ns(self) -> Mapping[str, int]:
        """Symbol to the length of its recorded candles, where candles are all there is."""
        return {
            capture.instrument.symbol: capture.candle_length_ns
            for capture in self.captures
            if capture.candle_length_ns is not None
        }

    def events(self) -> Iterator[MarketEvent]:
        """Market events; at equal times in the order of the instruments' names, then as recorded."""
        if len(self.captures) == 1:
            return self.captures[0].events()
        streams = [within(capture.events(), self.span_ns) for capture in self.captures]
        return heapq.merge(*streams, key=lambda event: event.exchange_time_ns)


def open_replay(path: Path) -> ReplayFeed | RecordedFeed:
    """The feed of a recording, of a capture file, or of a folder: its capture files, else the one recording in it.

    Of captures the book is taken per instrument, else the trades, else the finest candles. Raises CaptureError when
    there is nothing to replay, when two files contradict each other and when the instruments share no period.
    """
    recording = find_recording(path)
    if recording is not None:
        return open_recording(recording, f"replay:{path}")
    found: dict[str, list[Capture]] = {}
    for capture in find_captures(path):
        found.setdefault(capture.instrument.symbol, []).append(capture)
    if not found:
        raise CaptureError(path, f"holds no recorded market; looked for {KNOWN_FORMATS}")
    chosen = tuple(joined(_richest(found[symbol])) for symbol in sorted(found))
    start = max(capture.span_ns[0] for capture in chosen)
    end = min(capture.span_ns[1] for capture in chosen)
    if start > end:
        names = ", ".join(sorted(found))
        raise CaptureError(path, f"{names} have no period in common: replay them one by one")
    return ReplayFeed(f"replay:{path}", chosen, (start, end))


def find_recording(path: Path) -> Path | None:
    """The recording that `path` means: its folder, one file of it, or a folder with nothing but one recording.

    None where captures are meant. Raises CaptureError for a folder with several recordings.
    """
    recording = recording_at(path)
    if recording is not None or not path.is_dir():
        return recording
    inside = sorted(folder for folder in path.iterdir() if is_recording(folder))
    if not inside or find_captures(path):
        return None
    if len(inside) > 1:
        names = ", ".join(folder.name for folder in inside)
        raise CaptureError(path, f"holds {len(inside)} recordings, name one of them: {names}")
    return inside[0]


def find_captures(path: Path) -> list[Capture]:
    """Every capture in a file or directly in a folder, by file name; other files are passed over."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    elif path.is_file():
        files = [path]
    else:
        raise CaptureError(path, "does not exist")
    return [capture for file in files if (capture := recognise(file)) is not None]


def _richest(captures: list[Capture]) -> list[Capture]:
    """Those of the best kind; of candles only the finest length."""
    best = min(_RICHEST_FIRST.index(capture.depth) for capture in captures)
    captures = [capture for capture in captures if _RICHEST_FIRST.index(capture.depth) == best]
    finest = min(capture.candle_length_ns or 0 for capture in captures)
    return [capture for capture in captures if (capture.candle_length_ns or 0) == finest]

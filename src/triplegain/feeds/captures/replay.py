"""A recorded market as a feed: whatever a file or folder holds, the richest of it per instrument."""

from __future__ import annotations

import hashlib
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice, takewhile, zip_longest
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    CandleClosed,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
)
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.captures.binance_capture import BinanceCapture, recognise_binance
from triplegain.feeds.captures.candles_capture import recognise_candles
from triplegain.feeds.captures.capture import Capture, Recogniser, VerifyReport, identity_of
from triplegain.feeds.captures.decoded_capture import DecodedCapture
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.feeds.captures.kraken_capture import recognise_kraken
from triplegain.feeds.captures.rows import GZIP_MAGIC
from triplegain.feeds.captures.trades_capture import recognise_trades
from triplegain.feeds.recording.folder import is_being_recorded, is_recording
from triplegain.feeds.recording.recording import (
    RecordedFeed,
    is_plain_log,
    manifest_at,
    open_recording,
    recording_at,
    verify_recording,
)
from triplegain.market.depth_book import DepthBook
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMark, FeedMarks, unmarked
from triplegain.market.lanes import LaneMarks, merged

#: Events behind the period that several captures share, which are decoded so that one of them can be kept: a second.
_BEHIND_MAX = 65_536


def _lane(capture: Capture, span_ns: tuple[int, int], marks: LaneMarks) -> Iterator[MarketEvent]:
    """What `within` says of a capture, or its rest: places are wanted from the start of the period on."""
    if marks.start is not None:
        return takewhile(lambda event: event.exchange_time_ns <= span_ns[1], capture.events(marks))
    marks.due_ns = max(marks.due_ns, span_ns[0])
    return _whole_lane(capture, span_ns, marks)


def _whole_lane(capture: Capture, span_ns: tuple[int, int], marks: LaneMarks) -> Iterator[MarketEvent]:
    events = capture.events(marks)
    yield from within(events, span_ns)
    if isinstance(capture, DecodedCapture) and not capture.is_kept:
        # Only a whole capture is kept, and the others end a little earlier. What is wrong behind their end concerns
        # nobody, and much more than that is not waited for.
        with suppress(CaptureError):
            deque(islice(events, _BEHIND_MAX), maxlen=0)


def within(events: Iterator[MarketEvent], span_ns: tuple[int, int]) -> Iterator[MarketEvent]:
    """Events of one instrument from `span_ns[0]` to `span_ns[1]`, both included.

    A book that was there before comes in as a snapshot at the start, with the state of the feed as it stood then;
    earlier trades and candles are left out.
    """
    start, end = span_ns
    before = _Before()
    opened = False
    for event in events:
        if event.exchange_time_ns > end:
            break
        if not opened:
            if event.exchange_time_ns < start:
                before.take(event)
                continue
            opened = True
            yield from before.told_at(start)
        yield event
    if not opened:
        yield from before.told_at(start)


class _Before:
    """What is known of an instrument when the period begins."""

    def __init__(self) -> None:
        self._book: DepthBook | None = None
        self._symbol = ""
        self._status: FeedStatus | None = None

    def take(self, event: MarketEvent) -> None:
        if isinstance(event, BookUpdate) or (isinstance(event, BestQuote) and self._book is not None):
            self._book = self._book or DepthBook()
            self._symbol = event.symbol
            self._book.take(event)
        elif isinstance(event, FeedStatus):
            self._status = event

    def told_at(self, time_ns: int) -> Iterator[MarketEvent]:
        if self._book is not None:
            bids, asks = self._book.levels()
            yield BookUpdate(self._symbol, time_ns, time_ns, bids, asks, True, self._book.depth)
        if self._status is not None and self._status.state is not FeedState.SYNCED:
            yield replace(self._status, exchange_time_ns=time_ns, received_at_ns=time_ns)


class _PartPlace(msgspec.Struct, frozen=True):
    """In which of two captures, and where in it."""

    is_second: bool
    mark: FeedMark | None
    left_out: int


class _MarkAt(msgspec.Struct, frozen=True):
    position: int
    place: Any


class _PartAt(msgspec.Struct, frozen=True):
    """The same, not written down yet."""

    is_second: bool
    mark: _MarkAt
    left_out: int


def _at(marks: FeedMarks) -> _MarkAt:
    assert marks.latest_place is not None
    return _MarkAt(*marks.latest_place)


class CaptureParts:
    """Two captures one after the other; where they overlap they have been found equal."""

    def __init__(self, first: Capture, second: Capture) -> None:
        self._first = first
        self._second = second
        self.paths = first.paths + second.paths
        self.format, self.instrument, self.depth = first.format, first.instrument, first.depth
        self.candle_length_ns = first.candle_length_ns

    @property
    def rows(self) -> int:
        return self._first.rows + self._second.rows

    @property
    def span_ns(self) -> tuple[int, int]:
        return self._first.span_ns[0], max(self._first.span_ns[1], self._second.span_ns[1])

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks = marks or unmarked()
        begun = marks.place(_PartPlace) or _PartPlace(False, None, 0)
        return self._told(begun, marks)

    def _told(self, begun: _PartPlace, marks: FeedMarks) -> Iterator[MarketEvent]:
        end, told = self._first.span_ns[1], marks.position
        if not begun.is_second:
            own = FeedMarks(begun.mark, marks.every_ns)
            for event in self._first.events(own):
                if event.exchange_time_ns >= marks.due_ns and own.latest_place is not None:
                    marks.put(own.latest_place[0], _PartAt(False, _at(own), 0), event.exchange_time_ns)
                yield event
                told += 1
        own = FeedMarks(begun.mark if begun.is_second else None, marks.every_ns)
        own.due_ns = max(own.due_ns, end + 1)
        #: Events of the second that stand in the first, too, less those of the first.
        left_out = begun.left_out if begun.is_second else -told
        for event in self._second.events(own):
            if event.exchange_time_ns <= end:
                left_out += 1
                continue
            if event.exchange_time_ns >= marks.due_ns and own.latest_place is not None:
                at = own.latest_place[0] - left_out
                marks.put(at, _PartAt(True, _at(own), left_out), event.exchange_time_ns)
            yield event

    def verify(self) -> VerifyReport:
        return self._first.verify() + self._second.verify()


def joined(captures: list[Capture]) -> Capture:
    """One capture of many files of an instrument. Raises CaptureError where they contradict each other."""
    if len(captures) == 1:
        return captures[0]
    different: dict[tuple[str, ...], Capture] = {}
    for capture in captures:
        different.setdefault(tuple(_digest(path) for path in capture.paths), capture)
    parts = list(different.values())
    if len(parts) == 1:
        return parts[0]
    recordings = [part for part in parts if isinstance(part, BinanceCapture)]
    if len(recordings) == len(parts):
        return reduce(_join_recordings, sorted(recordings, key=lambda part: part.first_line_ns))
    return reduce(_join, sorted(parts, key=lambda part: part.span_ns))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """Events of a period. Left out are the number of trades in a candle, which not every format has, and candles
    without a trade, which some files hold and others do not."""
    for event in capture.events():
        if event.exchange_time_ns > end:
            return
        if event.exchange_time_ns < start:
            continue
        if not isinstance(event, CandleClosed):
            yield event
        elif event.candle.volume:
            yield replace(event, candle=replace(event.candle, trades=0))


def _refuse(one: Capture, other: Capture) -> None:
    symbol = one.instrument.symbol
    names = " and ".join(str(path) for path in (one.paths[-1], other.paths[0]))
    raise CaptureError(one.paths[0].parent, f"two different recordings of {symbol} overlap: {names}; keep one of them")


#: What is looked for, as told to somebody whose file is none of these.
KNOWN_FORMATS = (
    "Kraken WebSocket v2 books (JSON or one frame a line), Binance depth, best quotes and trades (.gz), "
    "trades (feather, freqtrade JSON), candles (feather, freqtrade JSON, CSV)"
)

_RECOGNISERS: tuple[Recogniser, ...] = (recognise_kraken, recognise_binance, recognise_trades, recognise_candles)
_HEAD_BYTES = 65_536


def recognise(path: Path) -> Capture | None:
    """The capture in a file, or None if it holds none. Raises CaptureError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(GZIP_MAGIC):
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _HEAD_BYTES)
    except (OSError, zlib.error) as error:
        raise CaptureError(path, f"cannot be read ({error})") from error
    for recogniser in _RECOGNISERS:
        capture = recogniser(path, head)
        if capture is not None:
            return capture
    return None


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

    @property
    def identity(self) -> str:
        return identity_of(path for capture in self.captures for path in capture.paths)

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """Market events; at equal times in the order of the instruments' names, then as recorded."""
        marks = marks or unmarked()
        if len(self.captures) == 1:
            return self.captures[0].events(marks)
        return merged([partial(_lane, capture, self.span_ns) for capture in self.captures], marks)


def open_replay(path: Path, decoded: DecodedFolder | None = None) -> ReplayFeed | RecordedFeed:
    """The feed of a recording, of a capture file, or of a folder: its capture files, else the one recording in it.

    Of captures the book is taken per instrument, else the trades, else the finest candles; in the folder `decoded` they
    are kept decoded, and taken from there. Raises CaptureError when there is nothing to replay, when two files
    contradict each other and when the instruments share no period.
    """
    recording = find_recording(path)
    if recording is not None:
        return open_recording(recording, f"replay:{path}")
    found: dict[str, list[Capture]] = {}
    for capture in find_captures(path):
        found.setdefault(capture.instrument.symbol, []).append(capture)
    if not found:
        raise CaptureError(path, f"holds no recorded market; looked for {KNOWN_FORMATS}")
    chosen = tuple(_whole(_richest(found[symbol]), decoded) for symbol in sorted(found))
    start = max(capture.span_ns[0] for capture in chosen)
    end = min(capture.span_ns[1] for capture in chosen)
    if start > end:
        names = ", ".join(sorted(found))
        raise CaptureError(path, f"{names} have no period in common: replay them one by one")
    return ReplayFeed(f"replay:{path}", chosen, (start, end))


def _whole(captures: list[Capture], decoded: DecodedFolder | None) -> Capture:
    if decoded is None or not decoded.bytes_max:
        return joined(captures)
    try:
        return DecodedCapture(captures, joined, decoded)
    except OSError as error:
        raise CaptureError(captures[0].paths[0], f"cannot be read ({error})") from error


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


RECORDING_FORMAT = "recording"


@dataclass(frozen=True, slots=True)
class CaptureSummary:
    """One recorded file, or a recording's folder with all its instruments in `symbol`.

    `problem` says why nothing more could be read; the rest is then empty. `note` is worth knowing, no more.
    """

    path: Path
    format: str = ""
    symbol: str = ""
    depth: MarketDepth | None = None
    start_ns: int = 0
    end_ns: int = 0
    rows: int = 0
    candle_length_ns: int | None = None
    problem: str = ""
    note: str = ""


def list_captures(root: Path) -> list[CaptureSummary]:
    """Every capture in a file or below a folder, by path. Raises CaptureError if there is nothing at `root`."""
    if not root.exists():
        raise CaptureError(root, "does not exist")
    paths = sorted([root, *root.rglob("*")]) if root.is_dir() else [root]
    recordings = {path for path in paths if path.is_dir() and is_recording(path)}
    files = [path for path in paths if path in recordings or (path.is_file() and path.parent not in recordings)]
    summaries = (
        _recording_summary(path) if path in recordings or is_plain_log(path) else _summary(path) for path in files
    )
    return [summary for summary in summaries if summary is not None]


def _recording_summary(folder: Path) -> CaptureSummary:
    try:
        _, manifest = manifest_at(folder)
    except CaptureError as error:
        return CaptureSummary(folder, problem=error.problem)
    start, end = manifest.span_ns or (0, 0)
    notes = [f"run {file.run} was {file.cut}" for file in manifest.files if file.cut]
    if is_being_recorded(folder):
        notes = ["being recorded"]
    if manifest.removed:
        notes.append(f"{len(manifest.removed)} older files made room")
    symbols = ", ".join(manifest.symbols)
    return CaptureSummary(
        folder, RECORDING_FORMAT, symbols, MarketDepth.BOOK, start, end, manifest.lines, note="; ".join(notes)
    )


def _summary(path: Path) -> CaptureSummary | None:
    try:
        capture = recognise(path)
        if capture is None:
            return None
        symbol, length_ns = capture.instrument.symbol, capture.candle_length_ns
        return CaptureSummary(path, capture.format, symbol, capture.depth, *capture.span_ns, capture.rows, length_ns)
    except CaptureError as error:
        return CaptureSummary(path, problem=error.problem)


def verify_capture(path: Path) -> VerifyReport:
    """Reads a recording, a file, or every capture directly in a folder, to its end and adds up what was found.

    Raises CaptureError where a file is damaged or holds nothing that can be verified.
    """
    place = find_recording(path)
    if place is not None:
        return verify_recording(place).summary
    captures = find_captures(path)
    if not captures:
        raise CaptureError(path, f"holds no recorded market; looked for {KNOWN_FORMATS}")
    recordings: list[Capture] = [capture for capture in captures if isinstance(capture, BinanceCapture)]
    others = [capture for capture in captures if not isinstance(capture, BinanceCapture)]
    # The parts of a recording continue one book; alone the later ones mean nothing.
    by_symbol: dict[str, list[Capture]] = {}
    for recording in recordings:
        by_symbol.setdefault(recording.instrument.symbol, []).append(recording)
    reports = (capture.verify() for capture in [*others, *map(joined, by_symbol.values())])
    return sum(reports, VerifyReport(0, 0, 0))

"""A recording of a live feed as a feed again: the same lines through the same stream, so the same events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.captures.capture import VerifyReport, identity_of
from triplegain.feeds.recording.folder import (
    MISSING,
    is_being_recorded,
    is_recording,
    load_manifest,
    recorded_instruments,
    with_files,
)
from triplegain.feeds.recording.manifest import Manifest, RecordedFile, Run, file_number, is_file_name, read_manifest
from triplegain.feeds.recording.recorded_file import FileReader, LineTally, hashed, read_header
from triplegain.market.feed import CaptureError, FeedError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.venues.kraken.feed_line import LINE_BYTES_MAX, DownLine, FeedLine, ReplyLine, read_line
from triplegain.venues.kraken.pairs import pairs_of
from triplegain.venues.kraken.stream import KrakenStream, StreamSeen, StreamSettings

ASSET_PAIRS = "/0/public/AssetPairs"

_START = b'{"rx_ns":'

#: Lines among which the reply to AssetPairs must be, and what they may weigh.
_OPENING_LINES = 100

#: Where the file does not say: the stream learns the depth of a book from its subscription.
_BOOK_DEPTH = 10
_STALE_AFTER_NS = 3_000_000_000


def is_plain_log(path: Path) -> bool:
    """Whether a file begins with lines of a feed, the exchange's list of pairs among them."""
    return _pairs_reply(path) is not None


def plain_manifest(path: Path) -> Manifest:
    """What the file holds; reads it to its end. Raises CaptureError where it is damaged."""
    pairs = _pairs_reply(path)
    if pairs is None:
        raise CaptureError(path, "is no log of a feed: the exchange's list of pairs (AssetPairs) is missing")
    tally, reader, number = LineTally(path.name, 1), FileReader(path), 0
    for texts in reader.blocks():
        for text in texts:
            number += 1
            try:
                tally.add(read_line(text))
            except (ValueError, RecursionError) as error:
                raise CaptureError(path, f"is no line of a feed ({error})", number) from error
    file = tally.closed(reader.plain_bytes, path.stat().st_size, "", reader.cut)
    counts = file.counts
    symbols = tuple(symbol for symbol in pairs_of(pairs.reply) if symbol in counts and counts[symbol].book_updates)
    run = Run(1, file.first_rx_ns, symbols, _BOOK_DEPTH, _STALE_AFTER_NS, "")
    return with_files(Manifest(instruments=recorded_instruments(pairs.reply, symbols), runs=(run,)), [file])


def _pairs_reply(path: Path) -> ReplyLine | None:
    for text in islice(_first_lines(path), _OPENING_LINES):
        try:
            line = read_line(text)
        except (ValueError, RecursionError):
            return None
        if isinstance(line, ReplyLine) and line.path.startswith(ASSET_PAIRS):
            try:
                return line if pairs_of(line.reply) else None
            except FeedError:
                return None
    return None


def _first_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while file.read(len(_START)) == _START:
                yield _START + file.readline(LINE_BYTES_MAX)
    except OSError as error:
        raise CaptureError(path, f"cannot be read ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class RecordedLines:
    """Reads one file after the other; nothing is kept.

    What is cut off at the end of a run ends that run. Raises CaptureError where something is wrong before that.
    """

    folder: Path
    manifest: Manifest

    def of_run(self, run: int) -> RunLines:
        """From the first line that is still there. Where older files were removed, a preamble stands for them."""
        return RunLines(self.folder, [file for file in self.manifest.files if file.run == run])


class LinePlace(msgspec.Struct, frozen=True):
    """After so many lines of a file, and the byte from which they are read on, with the lines before that."""

    file: str
    number: int
    byte: int
    before: int


class RunLines:
    """The lines of one run, file by file; those `after` a place in it where one is given."""

    def __init__(self, folder: Path, files: Sequence[RecordedFile], after: LinePlace | None = None) -> None:
        self._folder = folder
        self._files = files
        self._after = after
        self._name = ""
        self._number = 0
        self._reader: FileReader | None = None

    def after(self, place: LinePlace) -> RunLines:
        """Raises InvalidValueError where its file is no longer there."""
        if place.file not in (file.name for file in self._files):
            raise InvalidValueError(f"{place.file} is no longer there")
        return RunLines(self._folder, self._files, place)

    @property
    def place(self) -> LinePlace:
        """After the last line told, of which there is one."""
        assert self._reader is not None
        return LinePlace(self._name, self._number, *self._reader.begins(self._number))

    def __iter__(self) -> Iterator[FeedLine]:
        files, after = self._files, self._after
        first = 0 if after is None else [file.name for file in files].index(after.file)
        for position, file in enumerate(files[first:], first):
            if position and file_number(file.name) != file_number(files[position - 1].name) + 1:
                raise CaptureError(
                    self._folder, f"a file between {files[position - 1].name} and {file.name} is missing"
                )
            # The line that says what the file is; a plain log has none.
            skipped = int(is_file_name(file.name)) + (file.preamble if position else 0)
            yield from self._of_file(file, skipped, is_last=file is files[-1])

    def _of_file(self, file: RecordedFile, skipped: int, *, is_last: bool) -> Iterator[FeedLine]:
        path = self._folder / file.name
        if file.cut == MISSING:
            raise CaptureError(path, f"{MISSING}: put it back")
        ends_early = bool(file.cut) and is_last
        reader = FileReader(path)
        if self._after is not None and self._after.file == file.name:
            reader, skipped = FileReader(path, self._after.byte, self._after.before), self._after.number
        self._reader, self._name = reader, file.name
        for texts in reader.blocks():
            number = reader.lines - len(texts)
            for text in texts:
                number += 1
                if number <= skipped:
                    continue
                self._number = number
                try:
                    line = read_line(text)
                except (ValueError, RecursionError) as error:
                    if ends_early:
                        return
                    raise CaptureError(path, f"is no line of a feed ({error})", number) from error
                yield line
        if reader.cut and not ends_early:
            raise CaptureError(path, f"is {reader.cut}: get the file again")


class RecordingPlace(msgspec.Struct, frozen=True):
    """In which run, after which line, at what market time, and how the stream stands there."""

    run: int
    after: LinePlace
    time_ns: int
    stream: StreamSeen


@dataclass(frozen=True, slots=True)
class RecordedFeed:
    """All instruments of a recording in one stream, all its runs one after the other, from the first line kept."""

    name: str
    folder: Path
    manifest: Manifest
    instruments: tuple[Instrument, ...]
    source: QuoteSource = QuoteSource.REPLAY
    synthetic: bool = False

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        return {instrument.symbol: MarketDepth.BOOK for instrument in self.instruments}

    @property
    def candle_length_ns(self) -> Mapping[str, int]:
        """Nothing: it has better than candles."""
        return {}

    @property
    def span_ns(self) -> tuple[int, int] | None:
        return self.manifest.span_ns

    @property
    def identity(self) -> str:
        return identity_of(self.folder / file.name for file in self.manifest.files)

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """As the live feed told them. Raises CaptureError where a file is damaged or missing."""
        marks = marks or unmarked()
        lines, runs = RecordedLines(self.folder, self.manifest), kept_runs(self.manifest)
        begun = marks.place(RecordingPlace)
        if begun is None:
            return self._told([(run, stream_of(run), lines.of_run(run.run)) for run in runs], 0, marks)
        [first, *later] = [run for run in runs if run.run >= begun.run] or runs
        stream, source = stream_of(first), lines.of_run(first.run)
        _instruments_of(self.folder, source, first, stream)
        stream.see(begun.stream)
        rest = [(run, stream_of(run), lines.of_run(run.run)) for run in later]
        return self._told([(first, stream, source.after(begun.after)), *rest], begun.time_ns, marks)

    def _told(
        self, runs: Sequence[tuple[Run, KrakenStream, RunLines]], time_ns: int, marks: FeedMarks
    ) -> Iterator[MarketEvent]:
        position = marks.position
        is_within = time_ns > 0
        for run, stream, lines in runs:
            if time_ns and not is_within:
                # What a session does when it is taken up again: nobody knows the market before the stream says so.
                for symbol in run.symbols:
                    yield FeedStatus(symbol, time_ns, time_ns, FeedState.GAP, "waiting for the order book")
                position += len(run.symbols)
            is_within = False
            for line in lines:
                events = stream.on_line(line)
                if events:
                    time_ns = events[-1].exchange_time_ns
                    yield from events
                    position += len(events)
                    if time_ns >= marks.due_ns and (seen := stream.seen()) is not None:
                        marks.put(position, RecordingPlace(run.run, lines.place, time_ns, seen), time_ns)


def stream_of(run: Run) -> KrakenStream:
    """The stream a run was recorded from."""
    return KrakenStream(run.symbols, StreamSettings(run.book_depth, run.stale_after_ns))


def kept_runs(manifest: Manifest) -> list[Run]:
    """Runs of which there are still files."""
    kept = {file.run for file in manifest.files}
    return [run for run in manifest.runs if run.run in kept]


def recording_at(path: Path) -> Path | None:
    """`path` if it is a recording's folder, one file of a recording, or a plain log of a feed; else None."""
    if path.is_file():
        known = read_header(path) is not None if is_file_name(path.name) else is_plain_log(path)
        return path if known else None
    return path if is_recording(path) else None


def open_recording(path: Path, name: str) -> RecordedFeed:
    """The feed of a recording, or of one file of it. Raises CaptureError where it does not begin like one."""
    folder, manifest = manifest_at(path)
    if not any(file.lines for file in manifest.files):
        raise CaptureError(path, "is a recording without a line" + (": all were removed" if manifest.removed else ""))
    gone = [file for file in manifest.files if file.cut == MISSING]
    if gone:
        raise CaptureError(folder / gone[0].name, f"{MISSING}: put it back")
    lines = RecordedLines(folder, manifest)
    by_run = [(run, _instruments(folder, lines, run)) for run in kept_runs(manifest)]
    first = by_run[0][1]
    for run, instruments in by_run[1:]:
        for before, now in zip(first, instruments, strict=False):
            if (before.tick, before.lot) != (now.tick, now.lot):
                raise CaptureError(folder, f"tick or lot of {now.symbol} is another from run {run.run} on")
    return RecordedFeed(name, folder, manifest, first)


def manifest_at(path: Path) -> tuple[Path, Manifest]:
    """Folder and manifest of a recording; of a single file one that lists nothing else."""
    if path.is_dir():
        return path, load_manifest(path)
    if not is_file_name(path.name):
        return path.parent, plain_manifest(path)
    manifest = load_manifest(path.parent)
    only = tuple(file for file in manifest.files if file.name == path.name)
    return path.parent, replace(manifest, files=only, counts=only[0].counts if only else {}, removed=())


def _instruments(folder: Path, lines: RecordedLines, run: Run) -> tuple[Instrument, ...]:
    return _instruments_of(folder, lines.of_run(run.run), run, stream_of(run))


def _instruments_of(folder: Path, lines: RunLines, run: Run, stream: KrakenStream) -> tuple[Instrument, ...]:
    """The stream takes the first lines, until it knows them."""
    for number, line in enumerate(lines):
        if number >= _OPENING_LINES:
            break
        stream.on_line(line)
        known = stream.instruments
        if all(symbol in known for symbol in run.symbols):
            return tuple(known[symbol] for symbol in run.symbols)
    raise CaptureError(folder, f"run {run.run} does not begin with the exchange's list of pairs (AssetPairs)")


@dataclass(slots=True)
class RecordingReport:
    """What was found. `mismatches` are wrong checksums of books, `trade_gaps` holes in the numbers of trades.

    `damaged` names what is wrong with files, `cut_off` the runs whose last lines are missing.
    """

    runs: int = 0
    lines: int = 0
    updates: int = 0
    trades: int = 0
    mismatches: int = 0
    trade_gaps: int = 0
    disconnects: int = 0
    overruns: int = 0
    dropped: int = 0
    removed_files: int = 0
    cut_off: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def gaps(self) -> int:
        """Places where something is missing."""
        return self.trade_gaps + self.disconnects + self.overruns

    @property
    def summary(self) -> VerifyReport:
        return VerifyReport(self.updates, self.mismatches, self.gaps)


def verify_recording(path: Path) -> RecordingReport:
    """Reads everything. Raises CaptureError only where the recording cannot be opened at all."""
    folder, manifest = manifest_at(path)
    report = RecordingReport(removed_files=len(manifest.removed))
    _check_files(folder, manifest, report)
    lines = RecordedLines(folder, manifest)
    for run in kept_runs(manifest):
        report.runs += 1
        stream = stream_of(run)
        try:
            for line in lines.of_run(run.run):
                report.lines += 1
                stream.on_line(line)
                report.disconnects += isinstance(line, DownLine)
        except CaptureError as error:
            if str(error) not in report.damaged:
                report.damaged.append(str(error))
        report.updates += stream.counters.book_updates
        report.trades += stream.counters.trades
        report.overruns += stream.counters.overruns
        report.dropped += stream.counters.dropped
        report.mismatches += stream.counters.mismatches
        report.trade_gaps += stream.counters.gaps
    return report


def _check_files(folder: Path, manifest: Manifest, report: RecordingReport) -> None:
    written = read_manifest(folder)
    listed = {file.name: file for file in written.files} if written else {}
    last = manifest.files[-1].name if manifest.files else ""
    for file in manifest.files:
        path = folder / file.name
        if file.cut == MISSING:
            report.damaged.append(f"{path}: {MISSING}")
        elif file.name in listed and hashed(path)[1] != listed[file.name].sha256:
            report.damaged.append(f"{path}: its SHA-256 is not the manifest's ({file.cut or 'changed'})")
        elif file.cut and not (file.name == last and is_being_recorded(folder)):
            report.cut_off.append(f"{path}: {file.cut}")

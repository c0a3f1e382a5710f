"""A recording of a live feed as a feed again: the same lines through the same stream, so the same events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.recording.folder import MISSING, is_recording, load_manifest
from triplegain.feeds.recording.lines import RecordedLines
from triplegain.feeds.recording.manifest import Manifest, Run, is_file_name
from triplegain.feeds.recording.plain import is_plain_log, plain_manifest
from triplegain.feeds.recording.reader import read_header
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings

#: Lines among which the reply to AssetPairs must be.
_OPENING_LINES = 100


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

    def events(self) -> Iterator[MarketEvent]:
        """As the live feed told them. Raises CaptureError where a file is damaged or missing."""
        lines = RecordedLines(self.folder, self.manifest)
        time_ns = 0
        for run in kept_runs(self.manifest):
            stream = stream_of(run)
            if time_ns:
                # What a session does when it is taken up again: nobody knows the market before the stream says so.
                for symbol in run.symbols:
                    yield FeedStatus(symbol, time_ns, time_ns, FeedState.GAP, "waiting for the order book")
            for line in lines.of_run(run.run):
                events = stream.on_line(line)
                if events:
                    time_ns = events[-1].exchange_time_ns
                    yield from events


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
    stream = stream_of(run)
    for number, line in enumerate(lines.of_run(run.run)):
        if number >= _OPENING_LINES:
            break
        stream.on_line(line)
        known = stream.instruments
        if all(symbol in known for symbol in run.symbols):
            return tuple(known[symbol] for symbol in run.symbols)
    raise CaptureError(folder, f"run {run.run} does not begin with the exchange's list of pairs (AssetPairs)")

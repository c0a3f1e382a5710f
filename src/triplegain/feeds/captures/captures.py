"""What captures and recordings there are, and whether they hold together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triplegain.domain.market import MarketDepth
from triplegain.feeds.captures.binance_capture import BinanceCapture
from triplegain.feeds.captures.capture import Capture, VerifyReport
from triplegain.feeds.captures.replay import KNOWN_FORMATS, find_captures, find_recording, joined, recognise
from triplegain.feeds.recording.folder import is_being_recorded, is_recording
from triplegain.feeds.recording.plain import is_plain_log
from triplegain.feeds.recording.recording import manifest_at, verify_recording
from triplegain.market.feed import CaptureError

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
        start, end = capture.span_ns
        return CaptureSummary(
            path,
            capture.format,
            capture.instrument.symbol,
            capture.depth,
            start,
            end,
            capture.rows,
            capture.candle_length_ns,
        )
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
    reports = [capture.verify() for capture in [*others, *map(joined, by_symbol.values())]]
    return VerifyReport(
        sum(report.updates for report in reports),
        sum(report.mismatches for report in reports),
        sum(report.gaps for report in reports),
    )

"""Whether a recording holds together: its files against the manifest, its books against their checksums."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from triplegain.feeds.captures.capture import VerifyReport
from triplegain.feeds.recording.folder import MISSING, is_being_recorded
from triplegain.feeds.recording.lines import RecordedLines
from triplegain.feeds.recording.manifest import Manifest, read_manifest
from triplegain.feeds.recording.recording import kept_runs, manifest_at, stream_of
from triplegain.feeds.recording.scan import hashed
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import DownLine, OverrunLine


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
                if isinstance(line, DownLine):
                    report.disconnects += 1
                elif isinstance(line, OverrunLine):
                    report.overruns += 1
                    report.dropped += line.dropped
        except CaptureError as error:
            if str(error) not in report.damaged:
                report.damaged.append(str(error))
        report.updates += stream.counters.book_updates
        report.trades += stream.counters.trades
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

"""What a recording says about itself in `manifest.json`: its runs, its files, what is missing and what was removed."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass, field
from pathlib import Path

import msgspec

from triplegain.market.feed import CaptureError

FORMAT = "triplegain-recording"
VERSION = 1
MANIFEST_NAME = "manifest.json"


@dataclass(slots=True)
class Counts:
    """What was told of one instrument: messages of its book, trades; updates that a slow session left out."""

    book_updates: int = 0
    trades: int = 0
    overruns: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """A connection ended; `rx_ns` is by the recorder's clock."""

    rx_ns: int
    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class Overrun:
    """The session was too slow: so many book updates of an instrument were left out."""

    rx_ns: int
    symbol: str
    dropped: int


@dataclass(frozen=True, slots=True)
class SeekPoint:
    """A place where reading can begin: byte of the file and the lines before it.

    `rx_ns` is when its first line was received, `exchange_ns` the latest exchange time told before it (0: none).
    """

    rx_ns: int
    exchange_ns: int
    byte: int
    lines: int


@dataclass(slots=True)
class RecordedFile:
    """One file. `lines` leaves out its first line and the `preamble` lines after that; times are 0 where none was told.

    `gaps` and `overruns` are the first of them, `disconnects` and `counts` are all. `cut` says why the last lines are
    missing; it is empty for a file that was closed.
    """

    name: str
    run: int
    preamble: int = 0
    lines: int = 0
    size_bytes: int = 0
    plain_bytes: int = 0
    sha256: str = ""
    first_rx_ns: int = 0
    last_rx_ns: int = 0
    first_exchange_ns: int = 0
    last_exchange_ns: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    disconnects: int = 0
    gaps: list[Gap] = field(default_factory=list)
    overruns: list[Overrun] = field(default_factory=list)
    seek: list[SeekPoint] = field(default_factory=list)
    cut: str = ""


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """A file that made room for newer ones."""

    name: str
    run: int
    lines: int
    size_bytes: int
    first_rx_ns: int
    last_rx_ns: int
    removed_at_ns: int
    counts: dict[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One session of recording: a stream that begins with the reply to AssetPairs.

    `mismatches` are wrong checksums by instrument as the session counted them; None where it was killed.
    """

    run: int
    started_at_ns: int
    symbols: tuple[str, ...]
    book_depth: int
    stale_after_ns: int
    recorder: str
    mismatches: dict[str, int] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RecordedInstrument:
    """The steps of one pair as the exchange gave them at the time. Numbers are text: they are exact."""

    symbol: str
    tick: str
    lot: str
    quantity_min: str
    cost_min: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`counts` are over all files, removed ones too. A file not listed is being written or was never closed."""

    format: str = FORMAT
    version: int = VERSION
    instruments: tuple[RecordedInstrument, ...] = ()
    runs: tuple[Run, ...] = ()
    files: tuple[RecordedFile, ...] = ()
    counts: dict[str, Counts] = field(default_factory=dict)
    removed: tuple[RemovedFile, ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.runs[-1].symbols if self.runs else ()

    @property
    def lines(self) -> int:
        return sum(file.lines for file in self.files)

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last exchange time told, removed files left out; None where none was."""
        firsts = [file.first_exchange_ns for file in self.files if file.first_exchange_ns]
        return (min(firsts), max(file.last_exchange_ns for file in self.files)) if firsts else None


def added(*all_counts: dict[str, Counts]) -> dict[str, Counts]:
    """Counts of several files together, by symbol."""
    total: dict[str, Counts] = {}
    for counts in all_counts:
        for symbol, one in counts.items():
            so_far = total.get(symbol, Counts())
            total[symbol] = Counts(*map(sum, zip(astuple(so_far), astuple(one), strict=True)))
    return dict(sorted(total.items()))


_decoder = msgspec.json.Decoder(Manifest)
_encoder = msgspec.json.Encoder()


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none yet, or only half of one. Raises CaptureError for one this version cannot read."""
    path = folder / MANIFEST_NAME
    try:
        text = path.read_bytes()
        manifest = _decoder.decode(text)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise CaptureError(path, f"cannot be read ({error.strerror})") from error
    if manifest.format != FORMAT:
        return None
    if manifest.version > VERSION:
        raise CaptureError(path, f"is of format version {manifest.version}; this program reads up to {VERSION}")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the file as a whole: a reader sees the old one or the new one. Raises OSError."""
    path = folder / MANIFEST_NAME
    written = path.with_name(f"{MANIFEST_NAME}.tmp")
    with written.open("wb") as file:
        file.write(msgspec.json.format(_encoder.encode(manifest), indent=1))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


def file_names(folder: Path) -> list[str]:
    """The recorded files that are there, in order."""
    return sorted(path.name for path in folder.glob("[0-9]*.jsonl.zst") if is_file_name(path.name))


def is_file_name(name: str) -> bool:
    return name.removesuffix(".jsonl.zst").isdigit() and name.endswith(".jsonl.zst")


def file_name(number: int) -> str:
    return f"{number:06}.jsonl.zst"


def file_number(name: str) -> int:
    return int(name.removesuffix(".jsonl.zst"))

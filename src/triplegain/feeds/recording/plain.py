"""A plain file of a feed's lines, as a local Kraken logs what it sends: a recording of one run without a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from triplegain.feeds.recording.folder import recorded_instruments, with_files
from triplegain.feeds.recording.manifest import Manifest, RecordedFile, Run
from triplegain.feeds.recording.reader import PlainReader
from triplegain.feeds.recording.tally import LineTally
from triplegain.market.feed import CaptureError, FeedError
from triplegain.venues.kraken.feed_line import ReplyLine, read_line
from triplegain.venues.kraken.pairs import pairs_of

ASSET_PAIRS = "/0/public/AssetPairs"

_START = b'{"rx_ns":'

#: Lines among which the reply to AssetPairs must be, and what they may weigh.
_OPENING_LINES = 100
_LINE_BYTES_MAX = 16 * 2**20

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
    tally, reader, number = LineTally(), PlainReader(path), 0
    for texts in reader.blocks():
        for text in texts:
            number += 1
            try:
                tally.add(read_line(text))
            except (ValueError, RecursionError) as error:
                raise CaptureError(path, f"is no line of a feed ({error})", number) from error
    counts = tally.counts
    symbols = tuple(symbol for symbol in pairs_of(pairs.reply) if symbol in counts and counts[symbol].book_updates)
    file = RecordedFile(
        path.name,
        1,
        lines=tally.lines,
        size_bytes=path.stat().st_size,
        plain_bytes=reader.plain_bytes,
        first_rx_ns=tally.first_rx_ns,
        last_rx_ns=tally.last_rx_ns,
        first_exchange_ns=tally.first_exchange_ns,
        last_exchange_ns=tally.last_exchange_ns,
        counts=counts,
        disconnects=tally.disconnects,
        cut=reader.cut,
    )
    run = Run(1, tally.first_rx_ns, symbols, _BOOK_DEPTH, _STALE_AFTER_NS, "")
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
                yield _START + file.readline(_LINE_BYTES_MAX)
    except OSError as error:
        raise CaptureError(path, f"cannot be read ({error.strerror})") from error

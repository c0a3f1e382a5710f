"""Our live stream on the frames of a file: `feed_triplegain.py FRAMES SYMBOL DEPTH LAPS`, one JSON line comes out.

Microseconds of CPU time per frame, the best lap counting: from the bytes of a frame to the market event, book and
checksum kept. `stages` are parts of that measured alone, `floor` what no Python program can leave out.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import triplegain
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.book import KrakenBook
from triplegain.venues.kraken.feed_line import FrameLine, ReplyLine
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings
from triplegain.venues.kraken.wire.frames import read_book_frame
from triplegain.venues.kraken.wire.rest import AssetPair, write_pairs

START_NS = 1_700_000_000_000_000_000
STALE_NS = 3_000_000_000


def best_lap(laps: int, frames: int, lap: Callable[[], object]) -> float:
    """Microseconds per frame."""
    best = float("inf")
    for _ in range(laps):
        start = time.process_time()
        lap()
        best = min(best, time.process_time() - start)
    return best / frames * 1e6


def exhaust(iterator: Iterable[object]) -> None:
    """Take everything and keep nothing."""
    deque(iterator, maxlen=0)


def pairs(symbol: str, places: int) -> ReplyLine:
    base, quote = symbol.split("/")
    row = AssetPair(base + quote, base, quote, places, 8, wsname=symbol, tick_size=f"{Decimal(1).scaleb(-places):f}")
    return ReplyLine(START_NS, "/0/public/AssetPairs", write_pairs({symbol: row}))


def whole(frames: list[bytes], symbol: str, depth: int, places: int, laps: int) -> tuple[float, KrakenStream]:
    lines = [FrameLine(START_NS + 1000 * number, 0, frame) for number, frame in enumerate(frames)]
    best, stream = float("inf"), None
    for _ in range(laps):
        # A new stream each time: the frames begin with their snapshot.
        stream = KrakenStream((symbol,), StreamSettings(depth, STALE_NS))
        stream.on_line(pairs(symbol, places))
        on_line = stream.on_line
        start = time.process_time()
        for line in lines:
            on_line(line)
        best = min(best, time.process_time() - start)
    assert stream is not None
    return best / len(frames) * 1e6, stream


def stages(frames: list[bytes], instrument: Instrument, depth: int, laps: int) -> dict[str, float]:
    count = len(frames)
    messages = [read_book_frame(frame).data[0] for frame in frames]
    book = KrakenBook(instrument, depth)
    levels = [(book.read(message.bids), book.read(message.asks)) for message in messages]

    def follow(with_checksum: bool) -> None:
        book.replace(*levels[0])
        for bids, asks in levels[1:]:
            book.apply(bids, asks)
            if with_checksum:
                book.checksum()

    alone = best_lap(laps, count, lambda: follow(False))
    return {
        "msgspec": best_lap(laps, count, lambda: exhaust(read_book_frame(frame) for frame in frames)),
        "numbers": best_lap(laps, count, lambda: exhaust((book.read(m.bids), book.read(m.asks)) for m in messages)),
        "time": best_lap(laps, count, lambda: exhaust(rfc3339_ns(m.timestamp) for m in messages)),
        "book": alone,
        "checksum": best_lap(laps, count, lambda: follow(True)) - alone,
        "event": best_lap(
            laps, count, lambda: exhaust(BookUpdate(instrument.symbol, 1, 1, b, a, False, depth) for b, a in levels)
        ),
    }


def main() -> None:
    file, symbol, depth, laps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    frames = file.read_bytes().splitlines()
    first = read_book_frame(frames[0]).data[0]
    places = len(str(first.bids[0].price).partition(".")[2])
    instrument = Instrument(symbol, Decimal(1).scaleb(-places), Decimal("1e-8"), Decimal("0.0001"), Decimal("0.5"))
    best, stream = whole(frames, symbol, depth, places, laps)
    text = b"29430218967538" * 20
    parts = stages(frames, instrument, depth, laps)
    print(
        json.dumps(
            {
                "engine": "triplegain",
                "version": triplegain.__version__,
                "python": sys.version.split()[0],
                "frames": len(frames),
                "mismatches": stream.counters.mismatches,
                "us_per_frame": best,
                "stages": parts,
                "floor": {
                    "msgspec": parts["msgspec"],
                    "crc32": best_lap(laps, len(frames), lambda: exhaust(crc32(text) for _ in frames)),
                },
            }
        )
    )


if __name__ == "__main__":
    main()

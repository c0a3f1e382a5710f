"""Which format a file is: decided by what it begins with."""

from __future__ import annotations

import zlib
from pathlib import Path

from triplegain.feeds.captures.binance_capture import recognise_binance
from triplegain.feeds.captures.candles_capture import recognise_candles
from triplegain.feeds.captures.capture import Capture, Recogniser
from triplegain.feeds.captures.kraken_capture import recognise_kraken
from triplegain.feeds.captures.trades_capture import recognise_trades
from triplegain.market.feed import CaptureError

#: What is looked for, as told to somebody whose file is none of these.
KNOWN_FORMATS = (
    "Kraken WebSocket v2 books (JSON or one frame a line), Binance depth, best quotes and trades (.gz), "
    "trades (feather, freqtrade JSON), candles (feather, freqtrade JSON, CSV)"
)

_RECOGNISERS: tuple[Recogniser, ...] = (recognise_kraken, recognise_binance, recognise_trades, recognise_candles)
_HEAD_BYTES = 65_536
_GZIP_MAGIC = b"\x1f\x8b"


def recognise(path: Path) -> Capture | None:
    """The capture in a file, or None if it holds none. Raises CaptureError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(_GZIP_MAGIC):
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _HEAD_BYTES)
    except (OSError, zlib.error) as error:
        raise CaptureError(path, f"cannot be read ({error})") from error
    for recogniser in _RECOGNISERS:
        capture = recogniser(path, head)
        if capture is not None:
            return capture
    return None

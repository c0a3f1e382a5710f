"""ccxt.pro's Kraken order book on the frames of a file: `feed_ccxt.py FRAMES SYMBOL DEPTH LAPS`.

From the text of a frame to its own book, its own checksum checked. The check is off in the client as it comes
(feed_ccxt_unchecked.py measures that) and needs the digits as they were sent, which its JSON reader drops: numbers
then reach it as text, as in tests/conformance/ccxt_client.py.
"""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import ccxt
import ccxt.pro

wire = importlib.import_module("ccxt.async_support.base.ws.client")


class Number(float):
    """A number that remembers how it was written."""

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def split(self, mark: str) -> list[str]:
        return self.text.split(mark)


async def main(file: Path, symbol: str, depth: int, laps: int, checked: bool) -> None:
    if checked:
        dumps = wire.json_parser.dumps
        wire.json_parser = SimpleNamespace(loads=lambda text: json.loads(text, parse_float=str), dumps=dumps)
    frames = [frame.decode() for frame in file.read_bytes().splitlines()]
    exchange = ccxt.pro.kraken({"options": {"watchOrderBook": {"checksum": checked}}})
    if checked:
        exchange.number = Number
    client = exchange.client("ws://127.0.0.1/")
    name = exchange.get_message_hash("orderbook", None, symbol)
    best, mismatches = float("inf"), 0
    for _ in range(laps):
        client.subscriptions[name] = {"limit": depth}
        take = client.handle_text_or_binary_message
        start = time.process_time()
        for frame in frames:
            take(frame)
        best = min(best, time.process_time() - start)
        # After a wrong checksum the client drops the book.
        mismatches += symbol not in exchange.orderbooks
    print(
        json.dumps(
            {
                "engine": "ccxt.pro" if checked else "ccxt.pro, checksum off",
                "version": ccxt.__version__,
                "python": sys.version.split()[0],
                "frames": len(frames),
                "mismatches": mismatches,
                "us_per_frame": best / len(frames) * 1e6,
            }
        )
    )
    await exchange.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), checked=True))

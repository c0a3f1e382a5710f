"""python-kraken-sdk's order book client on the frames of a file: `feed_kraken_sdk.py FRAMES SYMBOL DEPTH LAPS`.

From the text of a frame to its own book with its own checksum. The pair's decimals, which it asks Kraken for, are told.
"""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from kraken.spot import Market, SpotOrderBookClient


class OfflineBook(SpotOrderBookClient):
    """The client as it is; what it would send is counted."""

    mismatches = 0

    async def remove_book(self, pairs: list[str]) -> None:
        type(self).mismatches += 1

    async def add_book(self, pairs: list[str]) -> None:
        return


async def main(file: Path, symbol: str, depth: int, laps: int) -> None:
    frames = [frame.decode() for frame in file.read_bytes().splitlines()]
    price = json.loads(frames[0], parse_float=str)["data"][0]["bids"][0]["price"]
    places = len(price.partition(".")[2])
    Market.get_asset_pairs = lambda self, pair: {pair: {"pair_decimals": places, "lot_decimals": 8}}
    best = float("inf")
    for _ in range(laps):
        client = OfflineBook(depth=depth, callback=lambda pair, message: None)
        take, read = client.on_message, json.loads
        start = time.process_time()
        for frame in frames:
            await take(read(frame))
        best = min(best, time.process_time() - start)
    print(
        json.dumps(
            {
                "engine": "python-kraken-sdk",
                "version": version("python-kraken-sdk"),
                "python": sys.version.split()[0],
                "frames": len(frames),
                "mismatches": OfflineBook.mismatches,
                "us_per_frame": best / len(frames) * 1e6,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))

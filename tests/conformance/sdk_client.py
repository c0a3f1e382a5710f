"""python-kraken-sdk's order book client against the local Kraken; run by the Python of .venv-conformance.

    sdk_client.py PORT SYMBOL DEPTH UPDATES

Ends after so many updates, or at the first mismatch, and prints what it holds:
`{"updates", "mismatches", "seconds", "bids", "asks"}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import kraken.base_api
from kraken.spot import SpotOrderBookClient

PORT, SYMBOL, DEPTH, UPDATES = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


class LocalBook(SpotOrderBookClient):  # type: ignore[misc]
    """The client as it is, but for where it connects."""

    WS_URL = f"ws://127.0.0.1:{PORT}"


async def main() -> None:
    # The client builds a REST client of its own; only the class attribute reaches that one.
    kraken.base_api.SpotClient.URL = f"http://127.0.0.1:{PORT}"
    seen = {"updates": 0, "mismatches": 0}
    began = ended = 0.0
    done = asyncio.Event()

    def on_book(pair: str, message: dict[str, Any]) -> None:
        nonlocal began, ended
        if "error" in message:
            seen["mismatches"] += 1
            done.set()
        elif message["type"] == "snapshot":
            began = time.monotonic()
        else:
            seen["updates"] += 1
            if seen["updates"] == UPDATES:
                ended = time.monotonic()
                done.set()

    client = LocalBook(depth=DEPTH, callback=on_book)
    await client.start()
    await client.add_book([SYMBOL])
    if UPDATES:
        await asyncio.wait_for(done.wait(), 600)
    book = client.get(SYMBOL)
    prices = {"bids": sorted(book["bid"], key=float, reverse=True), "asks": sorted(book["ask"], key=float)}
    levels = {side: [[price, book[side[:-1]][price][0]] for price in best[:10]] for side, best in prices.items()}
    sys.stdout.write(json.dumps({**seen, "seconds": round(ended - began, 3), **levels}) + "\n")
    await client.close()


asyncio.run(main())

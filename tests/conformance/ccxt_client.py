"""ccxt.pro's Kraken order book against the local Kraken; run by the Python of .venv-conformance.

    ccxt_client.py PORT SYMBOL DEPTH UPDATES

Ends after so many updates, or at the first mismatch, and prints what it holds:
`{"updates", "mismatches", "seconds", "bids", "asks"}`.

ccxt.pro checks no checksum unless told to, and then needs the digits as they were sent, which its JSON reader drops.
So its check is switched on, and numbers reach it as the text they were; the book and the checksum are its own.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import ccxt.pro

PORT, SYMBOL, DEPTH, UPDATES = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
REST, WEBSOCKET = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}/v2"

wire = importlib.import_module("ccxt.async_support.base.ws.client")
wire.json_parser = SimpleNamespace(  # type: ignore[attr-defined]
    loads=lambda text: json.loads(text, parse_float=str), dumps=wire.json_parser.dumps
)


class Number(float):
    """A number that remembers how it was written."""

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def split(self, mark: str) -> list[str]:
        return self.text.split(mark)


class CountingKraken(ccxt.pro.kraken):  # type: ignore[misc]
    """The client as it is; counts what its own check says."""

    updates = mismatches = 0
    began = ended = 0.0

    def handle_order_book(self, client: Any, message: dict[str, Any]) -> None:
        self.number = Number
        super().handle_order_book(client, message)
        if message["data"][0]["symbol"] not in self.orderbooks:
            self.mismatches += 1
            done.set()
        elif message["type"] == "snapshot":
            self.began = time.monotonic()
        else:
            self.updates += 1
            self.ended = time.monotonic()
        if self.updates == UPDATES:
            done.set()


done = asyncio.Event()


async def main() -> None:
    exchange = CountingKraken(
        {
            "urls": {
                "api": {
                    "public": REST,
                    "private": REST,
                    "ws": {"public": WEBSOCKET, "private": WEBSOCKET, "publicV2": WEBSOCKET, "privateV2": WEBSOCKET},
                }
            },
            "options": {"watchOrderBook": {"checksum": True}},
        }
    )
    book = await exchange.watch_order_book(SYMBOL, DEPTH)
    await asyncio.wait_for(done.wait(), 600)
    levels = {side: [[price.text, size.text] for price, size in book[side][:10]] for side in ("bids", "asks")}
    seen = {"updates": exchange.updates, "mismatches": exchange.mismatches}
    sys.stdout.write(json.dumps({**seen, "seconds": round(exchange.ended - exchange.began, 3), **levels}) + "\n")
    await exchange.close()


asyncio.run(main())

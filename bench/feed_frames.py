"""The frames of the feed benchmark, one a line, so that every engine reads the same bytes.

recorded  Kraken's own BTC/USD book of 2023-07-30, depth 10: a snapshot and 509 updates; the zeros the file has lost
          are written again (every checksum is right then)
served    the local Kraken's BTC/USDT book out of the Binance recording of 2024-08-08, at the depth asked for
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

RECORDED = Path("kraken_wsv2_btcusd_book") / "orderbook-v2.json"
SERVED = Path("binance_spot_l2_trades_btcusdt_2024-08")
SERVED_SYMBOL = "BTC/USDT"


def recorded(captures: Path) -> Iterator[bytes]:
    document = json.loads((captures / RECORDED).read_text(), parse_float=str)
    for message in (document["init"], *document["updates"]):
        (one,) = message["data"]
        # The snapshot of the file says no time; clients want one.
        time = one.get("timestamp", "2023-07-30T15:29:58.000000Z")
        yield (
            f'{{"channel":"book","type":"{message["type"]}","data":[{{"symbol":"{one["symbol"]}",'
            f'"bids":[{_levels(one["bids"])}],"asks":[{_levels(one["asks"])}],'
            f'"checksum":{one["checksum"]},"timestamp":"{time}"}}]}}'
        ).encode()


def _levels(levels: list[dict[str, str]]) -> str:
    return ",".join([f'{{"price":{level["price"]},"qty":{_padded(level["qty"])}}}' for level in levels])


def _padded(quantity: str) -> str:
    whole, _, fraction = quantity.partition(".")
    return f"{whole}.{fraction:0<8}"


def served(captures: Path, depth: int, updates: int) -> Iterator[bytes]:
    from triplegain.feeds.captures.replay import open_replay
    from triplegain.gateway.venue import Venue

    venue = Venue(open_replay(captures / SERVED), derive_xrp=False)
    market = venue.markets[SERVED_SYMBOL]
    topic = ("book", SERVED_SYMBOL, depth)
    market.listen(topic)
    yield market.book_snapshot(depth)
    while updates:
        for one, frame in venue.step():
            if one == topic and updates:
                updates -= 1
                yield frame
        if venue.next_ns is None:
            return

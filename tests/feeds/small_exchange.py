"""A market of one instrument that writes Kraken's frames and replies: what a test feeds to a stream.

Prices are tenths, sizes 1e-8, times microseconds after a fixed moment. Written without the project's own writer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tests.plain_checksum import book_checksum

from triplegain.domain.market import Level
from triplegain.market.depth_book import DepthBook
from triplegain.venues.kraken.feed_line import FrameLine, ReplyLine

SECOND = 10**9
MICROSECOND = 1000
LOT = 10**8
#: 2024-01-01 00:00:00 UTC
START = 1_704_067_200 * SECOND

_ALTNAMES = {"BTC/USD": "XBTUSD", "ETH/USD": "ETHUSD"}


def stamp(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // SECOND, UTC) + timedelta(microseconds=time_ns % SECOND // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def tenths(price: int) -> str:
    return f"{price // 10}.{price % 10}"


def lots(size: int) -> str:
    return f"{size // LOT}.{size % LOT:08}"


def pair_row(symbol: str, *, status: str = "online", tick: str = "0.1") -> dict[str, object]:
    base, quote = symbol.split("/")
    name = {"BTC": "XBT"}.get(base, base)
    return {
        "altname": f"{name}{quote}",
        "wsname": f"{name}/{quote}",
        "base": f"X{name}",
        "quote": f"Z{quote}",
        "pair_decimals": len(tick) - 2,
        "lot_decimals": 8,
        "cost_decimals": 5,
        "fees": [[0, 0.4], [10000, 0.35]],
        "fees_maker": [[0, 0.25], [10000, 0.2]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": tick,
        "status": status,
    }


def reply(result: object, received_ns: int = START, path: str = "/0/public/AssetPairs") -> ReplyLine:
    return ReplyLine(received_ns, path, json.dumps({"error": [], "result": result}).encode())


def pairs_line(*symbols: str) -> ReplyLine:
    return reply({_ALTNAMES[symbol]: pair_row(symbol) for symbol in symbols})


def time_line(time_ns: int = START, received_ns: int = START) -> ReplyLine:
    return reply({"unixtime": time_ns // SECOND, "rfc1123": ""}, received_ns, "/0/public/Time")


class SmallExchange:
    """Its clock moves a microsecond with every message unless it is told to move on."""

    def __init__(self, symbol: str = "BTC/USD", depth: int = 10) -> None:
        self.symbol = symbol
        self.depth = depth
        self.book = DepthBook(depth)
        self.time_ns = START
        self.trades: list[tuple[int, int, int, int, str]] = []

    def open(self, mid: int = 1000, levels: int = 10, size: int = LOT) -> bytes:
        """A book of `levels` a side around `mid`: bids from mid - 1 down, asks from mid + 1 up."""
        bids = [(mid - step, size * step) for step in range(1, levels + 1)]
        asks = [(mid + step, size * step) for step in range(1, levels + 1)]
        self.book.replace(bids, asks)
        return self.snapshot()

    def snapshot(self) -> bytes:
        bids, asks = self.book.levels()
        return self._frame("snapshot", bids, asks)

    def update(self, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> bytes:
        bids, asks = tuple(bids), tuple(asks)
        self.book.apply(bids, asks)
        self.time_ns += MICROSECOND
        return self._frame("update", bids, asks)

    def _frame(self, kind: str, bids: Iterable[Level], asks: Iterable[Level]) -> bytes:
        return book_frame(self.symbol, kind, bids, asks, book_checksum(self.book), self.time_ns)

    def trade(self, price: int = 1000, size: int = LOT, side: str = "buy") -> bytes:
        return self.trade_frame(self.trade_row(price, size, side))

    def trade_row(self, price: int = 1000, size: int = LOT, side: str = "buy") -> tuple[int, int, int, int, str]:
        self.time_ns += MICROSECOND
        row = (len(self.trades) + 1, self.time_ns, price, size, side)
        self.trades.append(row)
        return row

    def trade_frame(self, *rows: tuple[int, int, int, int, str], kind: str = "update") -> bytes:
        told = ",".join(
            f'{{"symbol":"{self.symbol}","side":"{side}","price":{tenths(price)},"qty":{lots(size)},'
            f'"ord_type":"market","trade_id":{number},"timestamp":"{stamp(time_ns)}"}}'
            for number, time_ns, price, size, side in rows
        )
        return f'{{"channel":"trade","type":"{kind}","data":[{told}]}}'.encode()

    def trade_snapshot(self, count: int = 50) -> bytes:
        return self.trade_frame(*self.trades[-count:], kind="snapshot")

    def trades_line(self, since_ns: int, received_ns: int, count: int = 1000) -> ReplyLine:
        """The reply to Trades as Kraken gives it: those after `since_ns`."""
        rows = [row for row in self.trades if row[1] > since_ns][:count]
        told = [
            [tenths(price), lots(size), time_ns / SECOND, side[0], "m", "", number]
            for number, time_ns, price, size, side in rows
        ]
        last = str(rows[-1][1] if rows else since_ns)
        path = f"/0/public/Trades?pair={_ALTNAMES[self.symbol]}&since={since_ns}&count={count}"
        return reply({_ALTNAMES[self.symbol]: told, "last": last}, received_ns, path)

    def no_trades_line(self, since_ns: int, why: str, received_ns: int) -> ReplyLine:
        path = f"/0/public/Trades?pair={_ALTNAMES[self.symbol]}&since={since_ns}"
        return ReplyLine(received_ns, path, json.dumps({"error": [why]}).encode())


def book_frame(
    symbol: str, kind: str, bids: Iterable[Level], asks: Iterable[Level], checksum: int, time_ns: int
) -> bytes:
    def told(levels: Iterable[Level]) -> str:
        return ",".join(f'{{"price":{tenths(price)},"qty":{lots(size)}}}' for price, size in levels)

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{told(bids)}],'
        f'"asks":[{told(asks)}],"checksum":{checksum},"timestamp":"{stamp(time_ns)}"}}]}}'
    ).encode()


def ack(channel: str, symbol: str = "BTC/USD", depth: int = 10) -> bytes:
    result = {"channel": channel, "symbol": symbol, "snapshot": True} | ({"depth": depth} if channel == "book" else {})
    return json.dumps({"method": "subscribe", "result": result, "success": True}).encode()


def status(word: str) -> bytes:
    return f'{{"channel":"status","type":"update","data":[{{"system":"{word}"}}]}}'.encode()


def pair_status(symbol: str, word: str, tick: str = "0.1", lot: str = "0.00000001") -> bytes:
    return (
        f'{{"channel":"instrument","type":"update","data":{{"assets":[],"pairs":[{{"symbol":"{symbol}",'
        f'"status":"{word}","price_increment":{tick},"qty_increment":{lot}}}]}}}}'
    ).encode()


HEARTBEAT = b'{"channel":"heartbeat"}'


def line(frame: bytes, received_ns: int, connection: int = 0) -> FrameLine:
    return FrameLine(received_ns, connection, frame)

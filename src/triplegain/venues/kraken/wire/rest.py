"""Replies of Kraken's public REST interface as typed messages, read and written. Prices and volumes stay text.

A reply is `{"error": [...], "result": ...}`. Results of one pair have the pair's name as key and `last` beside it; the
name is the one asked for when that had a slash, else Kraken's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.orders import Side
from triplegain.domain.values import Count, Seconds

#: REST and WebSocket v1 say XBT and XDG; WebSocket v2 and we say BTC and DOGE.
_TO_OURS = {"XBT": "BTC", "XDG": "DOGE", "XXBT": "BTC", "XXRP": "XRP", "XETH": "ETH", "ZUSD": "USD", "ZEUR": "EUR"}
_TO_KRAKEN = {"BTC": "XBT", "DOGE": "XDG"}

#: Assets of the first years have four letters inside Kraken.
_ASSET_IDS = {
    **{name: f"X{name}" for name in ("ETC", "ETH", "LTC", "MLN", "REP", "XLM", "XMR", "XRP", "ZEC")},
    **{name: f"Z{name}" for name in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")},
    "BTC": "XXBT",
    "DOGE": "XXDG",
}


def our_asset(name: str) -> str:
    """`XXBT` and `XBT` are BTC."""
    return _TO_OURS.get(name, name)


def our_symbol(wsname: str) -> str:
    """The symbol of an AssetPairs `wsname`: XBT/USDT is BTC/USDT."""
    base, _, quote = wsname.partition("/")
    return f"{our_asset(base)}/{our_asset(quote)}"


def kraken_symbol(symbol: str) -> str:
    """The `wsname` of our symbol: BTC/USDT is XBT/USDT."""
    base, _, quote = symbol.partition("/")
    return f"{_TO_KRAKEN.get(base, base)}/{_TO_KRAKEN.get(quote, quote)}"


def kraken_altname(symbol: str) -> str:
    """The `altname` of our symbol: BTC/USDT is XBTUSDT."""
    return kraken_symbol(symbol).replace("/", "")


def asset_id(asset: str) -> str:
    """REST's name of our asset: BTC is XXBT, USD is ZUSD, USDT is USDT."""
    return _ASSET_IDS.get(asset, asset)


def pair_id(symbol: str) -> str:
    """REST's key of our symbol: XRP/BTC is XXRPXXBT; the altname where one side is of later years, BTC/USDT XBTUSDT."""
    base, _, quote = symbol.partition("/")
    if base in _ASSET_IDS and quote in _ASSET_IDS:
        return _ASSET_IDS[base] + _ASSET_IDS[quote]
    return kraken_altname(symbol)


class Reply(msgspec.Struct):
    """The outside of every reply; `result` is missing when there are errors."""

    error: list[str] = []
    result: msgspec.Raw = msgspec.Raw(b"null")


class FeeRow(msgspec.Struct, array_like=True):
    """From this 30-day volume on, this rate in percent."""

    volume: Decimal
    percent: Decimal


class AssetPair(msgspec.Struct):
    """One pair of AssetPairs. `base` and `quote` are Kraken's asset names, `wsname` reads XBT/USDT."""

    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    wsname: str = ""
    cost_decimals: int = 10
    fees: list[FeeRow] = []
    fees_maker: list[FeeRow] = []
    ordermin: str = "0"
    costmin: str = "0"
    tick_size: str = ""
    status: str = "online"
    aclass_base: str = ""
    aclass_quote: str = ""
    lot: str = ""
    lot_multiplier: int = 0
    leverage_buy: list[int] = []
    leverage_sell: list[int] = []
    fee_volume_currency: str = ""
    margin_call: int = 0
    margin_stop: int = 0
    execution_venue: str = ""
    long_position_limit: Decimal = Decimal(0)
    short_position_limit: Decimal = Decimal(0)


#: Words for who took, of REST and of WebSocket.
TAKERS = {"b": Side.BUY, "s": Side.SELL, "buy": Side.BUY, "sell": Side.SELL}


class TradeRow(msgspec.Struct, array_like=True):
    """One public trade. `time` is in seconds, `side` b or s is the taker's, `order_type` m or l."""

    price: str
    volume: str
    time: Decimal
    side: str
    order_type: str = ""
    misc: str = ""
    trade_id: Count = 0


class CandleRow(msgspec.Struct, array_like=True):
    """One row of OHLC; `time` is its opening in seconds, `count` the trades in it."""

    time: Seconds
    open: str
    high: str
    low: str
    close: str
    vwap: str
    volume: str
    count: Count


class SystemStatus(msgspec.Struct):
    """online, maintenance, cancel_only or post_only."""

    status: str
    timestamp: str = ""


class ServerTime(msgspec.Struct):
    """The exchange's clock, in whole seconds."""

    unixtime: Seconds
    rfc1123: str = ""


class Trades(msgspec.Struct):
    """Trades of one pair, oldest first; `last` (nanoseconds) is the `since` that goes on after them."""

    pair: str
    rows: list[TradeRow]
    last: str


class Candles(msgspec.Struct):
    """Candles of one pair, oldest first; the last row is still open, `last` is the opening of the one before it."""

    pair: str
    rows: list[CandleRow]
    last: int


read_reply = msgspec.json.Decoder(Reply).decode
read_pairs = msgspec.json.Decoder(dict[str, AssetPair]).decode
read_system_status = msgspec.json.Decoder(SystemStatus).decode
read_server_time = msgspec.json.Decoder(ServerTime).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_trade_rows = msgspec.json.Decoder(list[TradeRow]).decode
_read_candle_rows = msgspec.json.Decoder(list[CandleRow]).decode
_read_last = msgspec.json.Decoder(str | int).decode

# Rates and times are JSON numbers, written with the digits they have.
_encoder = msgspec.json.Encoder(decimal_format="number")


def read_trade_page(result: bytes | msgspec.Raw) -> Trades:
    """The `result` of Trades. Raises msgspec.DecodeError if it is none."""
    pair, rows, last = _of_one_pair(result)
    return Trades(pair, _read_trade_rows(rows), str(last))


def read_candles(result: bytes | msgspec.Raw) -> Candles:
    """The `result` of OHLC. Raises msgspec.DecodeError if it is none."""
    pair, rows, last = _of_one_pair(result)
    return Candles(pair, _read_candle_rows(rows), int(last))


def _of_one_pair(result: bytes | msgspec.Raw) -> tuple[str, msgspec.Raw, str | int]:
    fields = _read_fields(result)
    last = _read_last(fields.pop("last", b"0"))
    if len(fields) != 1:
        raise msgspec.DecodeError(f"a result of one pair is expected, this has {len(fields)}")
    pair, rows = fields.popitem()
    return pair, rows, last


def write_reply(result: Any) -> bytes:
    """A good reply around a result: a mapping or one of the types above."""
    return _encoder.encode({"error": [], "result": _shape(result)})


def write_errors(errors: Sequence[str]) -> bytes:
    """A reply that only has errors, such as `EQuery:Unknown asset pair`."""
    return _encoder.encode({"error": list(errors)})


def write_pairs(pairs: Mapping[str, AssetPair]) -> bytes:
    """AssetPairs by the names they were asked for."""
    return write_reply(dict(pairs))


def _shape(result: Any) -> Any:
    if isinstance(result, Trades | Candles):
        return {result.pair: result.rows, "last": result.last}
    return result

"""WebSocket v2 frames as typed messages. Numbers stay the text they were sent as: checksums need every zero."""

from __future__ import annotations

import msgspec


class RawLevel(msgspec.Struct):
    """One level of a book; quantity 0 removes it."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookMessage(msgspec.Struct):
    """`data[0]` of the book channel. A snapshot replaces the book; an update sets absolute sizes, in order."""

    symbol: str
    checksum: int
    bids: list[RawLevel] = []
    asks: list[RawLevel] = []
    timestamp: str = ""


class TradeMessage(msgspec.Struct):
    """One trade of the trade channel; `side` is the taker's, `trade_id` counts up per instrument."""

    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: int
    timestamp: str
    ord_type: str = ""


class TickerMessage(msgspec.Struct):
    """`data[0]` of the ticker channel."""

    symbol: str
    bid: msgspec.Raw
    bid_qty: msgspec.Raw
    ask: msgspec.Raw
    ask_qty: msgspec.Raw
    last: msgspec.Raw
    volume: msgspec.Raw
    timestamp: str = ""


class PairMessage(msgspec.Struct):
    """One pair of the instrument channel: its rules and its `status` (online, cancel_only, post_only, ...)."""

    symbol: str
    base: str
    quote: str
    status: str
    price_increment: msgspec.Raw
    qty_increment: msgspec.Raw
    qty_min: msgspec.Raw
    cost_min: msgspec.Raw
    price_precision: int
    qty_precision: int
    cost_precision: int = 0


class InstrumentMessage(msgspec.Struct):
    """`data` of the instrument channel: an object, not a list."""

    pairs: list[PairMessage] = []


class StatusMessage(msgspec.Struct):
    """`data[0]` of the status channel: online, cancel_only, maintenance or post_only."""

    system: str


class Frame(msgspec.Struct):
    """The outside of every frame: a channel's data, or the reply to a request."""

    channel: str = ""
    type: str = ""
    method: str = ""
    success: bool = True
    error: str = ""
    symbol: str = ""
    req_id: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"[]")
    result: msgspec.Raw = msgspec.Raw(b"null")
    time_in: str = ""
    time_out: str = ""


class Subscribed(msgspec.Struct):
    """`result` of a subscription's acknowledgement: one for each symbol."""

    channel: str = ""
    symbol: str = ""
    depth: int = 0
    snapshot: bool = False


read_frame = msgspec.json.Decoder(Frame).decode
read_book = msgspec.json.Decoder(list[BookMessage]).decode
read_trades = msgspec.json.Decoder(list[TradeMessage]).decode
read_ticker = msgspec.json.Decoder(list[TickerMessage]).decode
read_instruments = msgspec.json.Decoder(InstrumentMessage).decode
read_status = msgspec.json.Decoder(list[StatusMessage]).decode
read_subscribed = msgspec.json.Decoder(Subscribed | None).decode

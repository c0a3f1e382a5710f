"""WebSocket v2 frames as typed messages. Numbers stay the text they were sent as: checksums need every zero.

A price or size is the text of a JSON number; of one without a point it is the whole number.
"""

from __future__ import annotations

from typing import Any

import msgspec

from triplegain.domain.values import Count


class WireLevel(msgspec.Struct, gc=False):
    """One level of a book; quantity 0 removes it."""

    price: Any
    qty: Any


class BookMessage(msgspec.Struct):
    """`data[0]` of the book channel. A snapshot replaces the book; an update sets absolute sizes, in order."""

    symbol: str
    checksum: int
    bids: list[WireLevel] = []
    asks: list[WireLevel] = []
    timestamp: str = ""


class TradeMessage(msgspec.Struct):
    """One trade of the trade channel; `side` is the taker's, `trade_id` counts up per instrument."""

    symbol: str
    side: str
    price: Any
    qty: Any
    trade_id: Count
    timestamp: str
    ord_type: str = ""


class PairState(msgspec.Struct):
    """What can change about a pair while it is traded."""

    symbol: str
    status: str
    price_increment: Any = None
    qty_increment: Any = None


class PairStates(msgspec.Struct):
    """`data` of the instrument channel as far as a running feed needs it."""

    pairs: list[PairState] = []


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


class BookFrame(msgspec.Struct):
    """A whole frame of the book channel."""

    channel: str
    type: str
    data: list[BookMessage]


class TradeFrame(msgspec.Struct):
    """A whole frame of the trade channel."""

    channel: str
    type: str
    data: list[TradeMessage]


class OutlineRow(msgspec.Struct):
    symbol: str = ""
    timestamp: str = ""


class Outline(msgspec.Struct):
    """Of whom a frame speaks, and the times the exchange wrote into it."""

    channel: str = ""
    type: str = ""
    time_out: str = ""
    data: list[OutlineRow] = []

    @property
    def time_text(self) -> str:
        """When it happened, empty where it does not say; a snapshot's is that of its last change, so it does not."""
        return self.time_out or (self.data[-1].timestamp if self.data and self.type == "update" else "")


class Subscribed(msgspec.Struct):
    """`result` of a subscription's acknowledgement: one for each symbol."""

    channel: str = ""
    symbol: str = ""
    depth: int = 0
    snapshot: bool = False


#: How frames of the two busy channels begin: those are read in one go.
BOOK_START = b'{"channel":"book"'
TRADE_START = b'{"channel":"trade"'

read_outline = msgspec.json.Decoder(Outline).decode
read_frame = msgspec.json.Decoder(Frame).decode
read_book_frame = msgspec.json.Decoder(BookFrame, float_hook=str).decode
read_trade_frame = msgspec.json.Decoder(TradeFrame, float_hook=str).decode
read_pair_states = msgspec.json.Decoder(PairStates, float_hook=str).decode
read_status = msgspec.json.Decoder(list[StatusMessage]).decode
read_subscribed = msgspec.json.Decoder(Subscribed | None).decode


class Params(msgspec.Struct, omit_defaults=True):
    """Parameters of subscribe and unsubscribe; `None` leaves the exchange's default."""

    channel: str = ""
    symbol: list[str] | None = None
    depth: int | None = None
    snapshot: bool | None = None
    interval: int | None = None
    event_trigger: str | None = None
    token: str | None = None


class Request(msgspec.Struct, omit_defaults=True):
    """`method` is subscribe, unsubscribe, ping, or one of the trading requests; empty `params` were not sent."""

    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"")
    req_id: int | None = None


read_request = msgspec.json.Decoder(Request).decode
read_params = msgspec.json.Decoder(Params).decode
_encoder = msgspec.json.Encoder()


def write_request(method: str, params: Params | None = None, req_id: int | None = None) -> bytes:
    """One request as it goes on the wire."""
    body: dict[str, Any] = {"method": method}
    if params is not None:
        body["params"] = params
    if req_id is not None:
        body["req_id"] = req_id
    return _encoder.encode(body)

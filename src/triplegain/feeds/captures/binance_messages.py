"""The messages of a recorded Binance spot market, a line each: the time of receipt and what came on a stream."""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from triplegain.domain.values import Count, Milliseconds

MILLION = 1_000_000


class DepthDiff(msgspec.Struct):
    """Absolute sizes changed between the update ids `first` and `last`, at `time_ms` of the exchange."""

    time_ms: Milliseconds = msgspec.field(name="E")
    first: Count = msgspec.field(name="U")
    last: Count = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class BookTicker(msgspec.Struct):
    """Best bid and ask after update id `last`; it carries no time."""

    last: Count = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")


class BinanceTrade(msgspec.Struct):
    """One trade. `buyer_is_maker` means that the taker sold."""

    number: Count = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time_ms: Milliseconds = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class DepthSnapshot(msgspec.Struct):
    """The book as REST gave it, complete to 1000 levels a side, after update id `last`."""

    last: Count = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


BinanceMessage = DepthDiff | BookTicker | BinanceTrade | DepthSnapshot


_Data = TypeVar("_Data", DepthDiff, BookTicker, BinanceTrade)


class _Told(msgspec.Struct, Generic[_Data]):
    stream: str
    data: _Data


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_Decoder = (
    msgspec.json.Decoder[_Told[DepthDiff]]
    | msgspec.json.Decoder[_Told[BookTicker]]
    | msgspec.json.Decoder[_Told[BinanceTrade]]
)

_envelope = msgspec.json.Decoder(_Envelope)
_depth_snapshot = msgspec.json.Decoder(DepthSnapshot)
_streams: dict[str, _Decoder] = {
    "depth": msgspec.json.Decoder(_Told[DepthDiff]),
    "bookTicker": msgspec.json.Decoder(_Told[BookTicker]),
    "trade": msgspec.json.Decoder(_Told[BinanceTrade]),
}
_BEGIN = b'{"stream":"'
#: Within so many bytes the name of a usual stream ends: what is remembered is no longer.
_BEGIN_MAX = 100


def decode_line(line: bytes) -> tuple[int, str, BinanceMessage | None]:
    """Receive time (ns), venue symbol (empty for a snapshot) and message; None for a stream that is not used.

    Raises msgspec.DecodeError or ValueError for a line that is damaged.
    """
    clock, _, text = line.partition(b" ")
    # What the line begins with says how to read the whole of it at once.
    end = text.find(b'"', len(_BEGIN), _BEGIN_MAX)
    known = _known(text[:end]) if end > 0 else None
    if known is not None:
        stream, symbol, decoder = known
        told = decoder.decode(text)
        if told.stream == stream:
            return int(clock), symbol, told.data
    received_ns, envelope = int(clock), _envelope.decode(text)
    if not envelope.stream:
        return received_ns, "", _depth_snapshot.decode(text)
    symbol, used = _stream(envelope.stream)
    return received_ns, symbol, used.decode(text).data if used is not None else None


@lru_cache(maxsize=1024)
def _known(begin: bytes) -> tuple[str, str, _Decoder] | None:
    """The stream of a line that begins so, its symbol and decoder; None where that must be looked for."""
    if not begin.startswith(_BEGIN) or b"\\" in begin:
        return None
    name = begin.removeprefix(_BEGIN).decode()
    symbol, decoder = _stream(name)
    return None if decoder is None else (name, symbol, decoder)


def _stream(name: str) -> tuple[str, _Decoder | None]:
    symbol, _, kind = name.partition("@")
    return symbol, _streams.get(kind.partition("@")[0])


def exchange_time_ns(message: BinanceMessage | None) -> int:
    """The exchange's own time; 0 where the message has none."""
    return message.time_ms * MILLION if isinstance(message, (DepthDiff, BinanceTrade)) else 0

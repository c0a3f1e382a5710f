"""Messages of a Binance spot recording: `receive_time_ns {"stream", "data"}` a line, and one REST snapshot."""

from __future__ import annotations

import msgspec

from triplegain.domain.market import Level
from triplegain.market.scaling import Scale

MILLION = 1_000_000


class DepthDiff(msgspec.Struct):
    """Absolute sizes changed between the update ids `first` and `last`, at `time_ms` of the exchange."""

    time_ms: int = msgspec.field(name="E")
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class BookTicker(msgspec.Struct):
    """Best bid and ask after update id `last`; it carries no time."""

    last: int = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")


class TradeMessage(msgspec.Struct):
    """One trade. `buyer_is_maker` means that the taker sold."""

    number: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time_ms: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class DepthSnapshot(msgspec.Struct):
    """The book as REST gave it, complete to 1000 levels a side, after update id `last`."""

    last: int = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


BinanceMessage = DepthDiff | BookTicker | TradeMessage | DepthSnapshot


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_envelope = msgspec.json.Decoder(_Envelope)
_snapshot = msgspec.json.Decoder(DepthSnapshot)
_streams: dict[
    str, msgspec.json.Decoder[DepthDiff] | msgspec.json.Decoder[BookTicker] | msgspec.json.Decoder[TradeMessage]
] = {
    "depth": msgspec.json.Decoder(DepthDiff),
    "bookTicker": msgspec.json.Decoder(BookTicker),
    "trade": msgspec.json.Decoder(TradeMessage),
}


def decode_line(line: bytes) -> tuple[int, str, BinanceMessage | None]:
    """Receive time (ns), venue symbol (empty for a snapshot) and message; None for a stream that is not used.

    Raises msgspec.DecodeError or ValueError for a line that is damaged.
    """
    clock, _, text = line.partition(b" ")
    envelope = _envelope.decode(text)
    if not envelope.stream:
        return int(clock), "", _snapshot.decode(text)
    symbol, _, stream = envelope.stream.partition("@")
    decoder = _streams.get(stream.partition("@")[0])
    return int(clock), symbol, decoder.decode(envelope.data) if decoder else None


def exchange_time_ns(message: BinanceMessage | None) -> int:
    """The exchange's own time; 0 where the message has none."""
    return message.time_ms * MILLION if isinstance(message, (DepthDiff, TradeMessage)) else 0


def scaled(levels: list[tuple[str, str]], price: Scale, quantity: Scale) -> tuple[Level, ...]:
    """Levels in ticks and lots."""
    ticks, lots = price.exact, quantity.exact
    return tuple([(ticks(one), lots(size)) for one, size in levels])

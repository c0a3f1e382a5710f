"""Kraken WebSocket v2 frames as market events, with the checksum verified on every book message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BookUpdate,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.orders import Side
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.book import KrakenBook, depth_of_snapshot, number_text
from triplegain.venues.kraken.wire.frames import (
    BookMessage,
    StatusMessage,
    TradeMessage,
    read_book,
    read_frame,
    read_status,
    read_subscribed,
    read_trades,
)

_SYSTEM_STATES = {
    "online": FeedState.SYNCED,
    "maintenance": FeedState.MAINTENANCE,
    "cancel_only": FeedState.CANCEL_ONLY,
    "post_only": FeedState.POST_ONLY,
}


@dataclass(slots=True)
class _SymbolBook:
    """One instrument while its frames are decoded."""

    book: KrakenBook
    state: FeedState = FeedState.GAP
    last_trade_id: int = 0


class KrakenFrameDecoder:
    """Frames in, market events out, with what was counted on the way.

    `start_ns` is the time of messages that say none, before the first that does.
    After a wrong checksum nothing of that book is passed on until the next snapshot. Raises InvalidValueError or
    msgspec.DecodeError for a frame that cannot be right, among them a crossed book whose checksum is right.
    """

    def __init__(self, instrument_of: Callable[[str], Instrument], start_ns: int = 0) -> None:
        self._instrument_of = instrument_of
        self._symbols: dict[str, _SymbolBook] = {}
        self._depths: dict[str, int] = {}
        self._time_ns = start_ns
        self._system = FeedState.SYNCED
        self.updates = 0
        self.mismatches = 0
        self.gaps = 0

    def decode(self, frame: bytes, received_at_ns: int | None) -> list[MarketEvent]:
        """Events of one frame. Without a time of receipt the exchange's own stands for it."""
        message = read_frame(frame)
        if message.channel == "book":
            books = read_book(message.data)
            return [event for one in books for event in self._on_book(one, message.type, received_at_ns)]
        if message.channel == "trade":
            return self._on_trades(read_trades(message.data), message.type, received_at_ns)
        if message.channel == "heartbeat" and (received_at_ns or self._time_ns):
            received = received_at_ns or self._time_ns
            return [Heartbeat(self._advance(received), received)]
        if message.channel == "status":
            return self._on_system(read_status(message.data), received_at_ns)
        if message.method == "subscribe" and (ack := read_subscribed(message.result)) and ack.channel == "book":
            self._depths[ack.symbol] = ack.depth
        return []

    def _advance(self, time_ns: int) -> int:
        self._time_ns = max(self._time_ns, time_ns)
        return self._time_ns

    def _of(self, symbol: str) -> _SymbolBook:
        found = self._symbols.get(symbol)
        if found is None:
            found = self._symbols[symbol] = _SymbolBook(KrakenBook(self._instrument_of(symbol)))
        return found

    def _on_book(self, message: BookMessage, kind: str, received_at_ns: int | None) -> list[MarketEvent]:
        one = self._of(message.symbol)
        book = one.book
        bids, asks = book.read(message.bids), book.read(message.asks)
        time_ns = self._advance(rfc3339_ns(message.timestamp) if message.timestamp else received_at_ns or self._time_ns)
        received = max(received_at_ns or time_ns, time_ns)
        self.updates += 1
        snapshot = kind == "snapshot"
        if snapshot:
            book.depth = self._depths.get(message.symbol) or depth_of_snapshot(max(len(bids), len(asks)))
            book.replace(bids, asks)
        else:
            book.apply(bids, asks)
        was = one.state
        if book.checksum() != message.checksum:
            self.mismatches += 1
            one.state = FeedState.CHECKSUM_MISMATCH
            if was is one.state and not snapshot:
                return []
            reason = f"the book does not agree with the exchange's checksum {message.checksum}"
            return [FeedStatus(message.symbol, time_ns, received, one.state, reason)]
        if snapshot:
            one.state = FeedState.SYNCED
        if one.state is not FeedState.SYNCED:
            return []
        if book.is_crossed:
            raise InvalidValueError(f"the {message.symbol} book is crossed: {book.best_words()}")
        update = BookUpdate(message.symbol, time_ns, received, bids, asks, snapshot, book.depth)
        if snapshot and was is FeedState.CHECKSUM_MISMATCH:
            return [update, FeedStatus(message.symbol, time_ns, received, FeedState.SYNCED, "new snapshot")]
        return [update]

    def _on_trades(self, messages: list[TradeMessage], kind: str, received_at_ns: int | None) -> list[MarketEvent]:
        """New trades. The first snapshot only says where the tape stands: its trades happened before we listened."""
        if kind == "snapshot" and messages and not self._of(messages[0].symbol).last_trade_id:
            self._of(messages[0].symbol).last_trade_id = max(message.trade_id for message in messages)
            return []
        return [event for message in messages for event in self._on_trade(message, received_at_ns)]

    def _on_trade(self, message: TradeMessage, received_at_ns: int | None) -> list[MarketEvent]:
        one = self._of(message.symbol)
        if one.last_trade_id and message.trade_id <= one.last_trade_id:
            return []
        self.gaps += bool(one.last_trade_id) and message.trade_id != one.last_trade_id + 1
        one.last_trade_id = message.trade_id
        time_ns = self._advance(rfc3339_ns(message.timestamp))
        return [
            PublicTrade(
                message.symbol,
                time_ns,
                max(received_at_ns or time_ns, time_ns),
                one.book.price.exact(number_text(message.price)),
                one.book.quantity.exact(number_text(message.qty)),
                Side.parse(message.side),
                str(message.trade_id),
            )
        ]

    def _on_system(self, messages: list[StatusMessage], received_at_ns: int | None) -> list[MarketEvent]:
        """The exchange's own state, told for every instrument seen so far when it changes."""
        events: list[MarketEvent] = []
        for message in messages:
            state = _SYSTEM_STATES.get(message.system, FeedState.MAINTENANCE)
            if state is self._system:
                continue
            self._system = state
            received = received_at_ns or self._time_ns
            time_ns = self._advance(received)
            events += [
                FeedStatus(symbol, time_ns, received, one.state if state is FeedState.SYNCED else state, message.system)
                for symbol, one in self._symbols.items()
            ]
        return events

"""Recorded Binance spot market: depth snapshot and diffs, best quotes and trades, in one or more .gz parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    FeedState,
    FeedStatus,
    Level,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.orders import Side
from triplegain.domain.values import Count, Milliseconds, usable_time
from triplegain.feeds.captures.capture import Capture, VerifyReport, clock_offset_ns
from triplegain.feeds.captures.instruments import capture_instrument, symbol_of
from triplegain.feeds.captures.rows import LinePlace, Lines, lines
from triplegain.market.clock_offset import Bucket, ClockOffset
from triplegain.market.depth_book import DepthBook
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.market.scaling import Scale

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


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_envelope = msgspec.json.Decoder(_Envelope)
_depth_snapshot = msgspec.json.Decoder(DepthSnapshot)
_streams: dict[
    str, msgspec.json.Decoder[DepthDiff] | msgspec.json.Decoder[BookTicker] | msgspec.json.Decoder[BinanceTrade]
] = {
    "depth": msgspec.json.Decoder(DepthDiff),
    "bookTicker": msgspec.json.Decoder(BookTicker),
    "trade": msgspec.json.Decoder(BinanceTrade),
}


def decode_line(line: bytes) -> tuple[int, str, BinanceMessage | None]:
    """Receive time (ns), venue symbol (empty for a snapshot) and message; None for a stream that is not used.

    Raises msgspec.DecodeError or ValueError for a line that is damaged.
    """
    clock, _, text = line.partition(b" ")
    received_ns, envelope = int(clock), _envelope.decode(text)
    if not envelope.stream:
        return received_ns, "", _depth_snapshot.decode(text)
    symbol, _, stream = envelope.stream.partition("@")
    decoder = _streams.get(stream.partition("@")[0])
    return received_ns, symbol, decoder.decode(envelope.data) if decoder else None


def exchange_time_ns(message: BinanceMessage | None) -> int:
    """The exchange's own time; 0 where the message has none."""
    return message.time_ms * MILLION if isinstance(message, (DepthDiff, BinanceTrade)) else 0


def _times(message: DepthDiff | BinanceTrade, received_at_ns: int) -> tuple[int, int]:
    """The exchange's own time, and a time of receipt that is not before it."""
    moment_ns = message.time_ms * MILLION
    return moment_ns, max(received_at_ns, moment_ns)


def scaled(levels: list[tuple[str, str]], price: Scale, quantity: Scale) -> tuple[Level, ...]:
    """Levels in ticks and lots."""
    ticks, lots = price.exact, quantity.exact
    return tuple([(ticks(one), lots(size)) for one, size in levels])


_Best = tuple[int, Level, Level]


class BinanceSeen(msgspec.Struct, frozen=True):
    """How a `BinanceBook` stands; what it has counted is left out."""

    levels: tuple[dict[int, int], dict[int, int]]
    waiting: list[DepthDiff]
    state: FeedState | None
    last: int
    last_trade: int
    best: _Best
    ahead: dict[int, tuple[Level, Level]]


class BinanceBook:
    """Messages in order of receipt in, market events out.

    Diffs are kept until a snapshot bridges them. A best quote newer than the depth book trims it, and a later diff
    that is older than that quote may not bring trimmed levels back. Raises InvalidValueError for a crossed book.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._symbol = instrument.symbol
        self._instrument = instrument
        self._price = Scale(instrument.tick, least=1)
        self._quantity = Scale(instrument.lot)
        self._book = DepthBook()
        self._waiting: list[DepthDiff] = []
        self._state: FeedState | None = None
        self._last = 0
        self._last_trade = 0
        self._best: _Best = (0, (0, 0), (0, 0))
        #: Best quotes the depth book has not reached, by update id.
        self._ahead: dict[int, tuple[Level, Level]] = {}
        self.updates = 0
        #: Best quotes whose update id the depth book has reached too, and those of them that differ.
        self.compared = 0
        self.mismatches = 0
        self.gaps = 0

    def seen(self) -> BinanceSeen:
        book = self._book
        levels = dict(book.bids), dict(book.asks)
        told = self._last, self._last_trade, self._best
        return BinanceSeen(levels, list(self._waiting), self._state, *told, dict(self._ahead))

    def see(self, seen: BinanceSeen) -> None:
        """Go on as another one stood."""
        bids, asks = seen.levels
        self._book.replace(tuple(bids.items()), tuple(asks.items()))
        self._waiting, self._state = list(seen.waiting), seen.state
        self._last, self._last_trade, self._best, self._ahead = seen.last, seen.last_trade, seen.best, dict(seen.ahead)

    @property
    def has_snapshot(self) -> bool:
        return self._state is not None

    def on_message(self, message: BinanceMessage, received_at_ns: int) -> list[MarketEvent]:
        """`received_at_ns` on the exchange's clock, which is also the time of messages that say none."""
        match message:
            case BookTicker():
                return self._on_best(message, received_at_ns)
            case BinanceTrade():
                return self._on_trade(message, received_at_ns)
            case DepthSnapshot():
                return self._on_snapshot(message, received_at_ns)
            case DepthDiff():
                self.updates += 1
                return self._on_diff(message, received_at_ns)

    def _on_best(self, message: BookTicker, received_at_ns: int) -> list[MarketEvent]:
        if message.last <= self._best[0]:
            return []
        bid = (self._price.exact(message.bid), self._quantity.exact(message.bid_quantity))
        ask = (self._price.exact(message.ask), self._quantity.exact(message.ask_quantity))
        if bid[0] >= ask[0]:
            raise InvalidValueError(f"best bid {message.bid} is not below best ask {message.ask}")
        self._best = (message.last, bid, ask)
        self._ahead[message.last] = (bid, ask)
        if message.last <= self._last or self._state is not FeedState.SYNCED:
            return []
        return [BestQuote(self._symbol, received_at_ns, received_at_ns, bid, ask)]

    def _on_trade(self, message: BinanceTrade, received_at_ns: int) -> list[MarketEvent]:
        if message.number <= self._last_trade:
            return []
        self.gaps += bool(self._last_trade) and message.number != self._last_trade + 1
        self._last_trade = message.number
        return [
            PublicTrade(
                self._symbol,
                *_times(message, received_at_ns),
                self._price.exact(message.price),
                self._quantity.exact(message.quantity),
                Side.SELL if message.buyer_is_maker else Side.BUY,
                str(message.number),
            )
        ]

    def _on_snapshot(self, message: DepthSnapshot, received_at_ns: int) -> list[MarketEvent]:
        if self._state is FeedState.SYNCED and message.last <= self._last:
            return []
        bids = scaled(message.bids, self._price, self._quantity)
        asks = scaled(message.asks, self._price, self._quantity)
        self._book.replace(bids, asks)
        self._check_crossed()
        resync = self._state is FeedState.GAP
        self._last = message.last
        self._state = FeedState.SYNCED
        times = received_at_ns, received_at_ns
        events: list[MarketEvent] = [BookUpdate(self._symbol, *times, *self._trimmed(bids, asks), snapshot=True)]
        if resync:
            events.append(FeedStatus(self._symbol, *times, FeedState.SYNCED, "new snapshot"))
        waiting, self._waiting = self._waiting, []
        for diff in waiting:
            events += self._on_diff(diff, received_at_ns)
        newest, bid, ask = self._best
        if newest > self._last and self._state is FeedState.SYNCED:
            events.append(BestQuote(self._symbol, *times, bid, ask))
        return events

    def _on_diff(self, message: DepthDiff, received_at_ns: int) -> list[MarketEvent]:
        if self._state is not FeedState.SYNCED:
            self._waiting.append(message)
            return []
        if message.last <= self._last:
            return []
        times = _times(message, received_at_ns)
        # The diff that bridges a snapshot may begin before it; every other begins where the last one ended.
        if message.first > self._last + 1:
            self.gaps += 1
            self._state = FeedState.GAP
            self._waiting.append(message)
            reason = f"book updates {self._last + 1} to {message.first - 1} are missing"
            return [FeedStatus(self._symbol, *times, FeedState.GAP, reason)]
        bids = scaled(message.bids, self._price, self._quantity)
        asks = scaled(message.asks, self._price, self._quantity)
        self._book.apply(bids, asks)
        self._check_crossed()
        self._last = message.last
        self._compare()
        return [BookUpdate(self._symbol, *times, *self._trimmed(bids, asks))]

    def _trimmed(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Levels as they stand after the newest best quote: nothing beyond it, and its own size at it."""
        newest, (bid, bid_quantity), (ask, ask_quantity) = self._best
        if newest <= self._last:
            return bids, asks
        if bids and max(bids)[0] >= bid:
            bids = tuple([(p, q) if p < bid else (p, bid_quantity if p == bid else 0) for p, q in bids])
        if asks and min(asks)[0] <= ask:
            asks = tuple([(p, q) if p > ask else (p, ask_quantity if p == ask else 0) for p, q in asks])
        return bids, asks

    def _check_crossed(self) -> None:
        if self._book.is_crossed:
            bid, ask = self._instrument.price(self._book.best_bid), self._instrument.price(self._book.best_ask)
            raise InvalidValueError(f"the {self._symbol} book is crossed: bid {bid}, ask {ask}")

    def _compare(self) -> None:
        """The depth book and the best quote of the same update id must agree."""
        quote = self._ahead.get(self._last)
        if quote is not None:
            book = self._book
            own_bid = (book.best_bid, book.bids.get(book.best_bid, 0))
            own_ask = (book.best_ask, book.asks.get(book.best_ask, 0))
            self.compared += 1
            self.mismatches += (own_bid, own_ask) != quote
        if self._ahead:
            self._ahead = {last: quote for last, quote in self._ahead.items() if last > self._last}


FORMAT = "binance-l2"


class BinancePlace(msgspec.Struct, frozen=True):
    """Number of the part, and where in it; the book there."""

    part: int
    lines: LinePlace
    book: BinanceSeen
    offset: tuple[Bucket, ...]


class BinanceCapture:
    """One recording; `paths` are its parts in the order of their first line."""

    format = FORMAT
    depth = MarketDepth.BOOK
    candle_length_ns = None

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths

    @cached_property
    def instrument(self) -> Instrument:
        for path, number, _, name, _ in self._messages():
            if name:
                symbol = symbol_of(name)
                if symbol is None:
                    raise CaptureError(path, f"{name!r} is no known pair", number)
                return capture_instrument(symbol, "binance")
        raise CaptureError(self.paths[0], "holds no message of a stream")

    @property
    def rows(self) -> int:
        return self._extent[0]

    @property
    def span_ns(self) -> tuple[int, int]:
        _, first, last = self._extent
        return first + self._clock_offset_ns, last + self._clock_offset_ns

    @cached_property
    def first_line_ns(self) -> int:
        """Recorder's time of the first line: it orders the parts."""
        return next(self._messages())[2]

    @property
    def last_line_ns(self) -> int:
        return self._extent[2]

    def joined(self, later: BinanceCapture) -> BinanceCapture:
        """One recording made of two parts."""
        return BinanceCapture(self.paths + later.paths)

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks, book = marks or unmarked(), BinanceBook(self.instrument)
        begun = marks.place(BinancePlace)
        if begun is not None:
            book.see(begun.book)
        return self._follow(book, marks, begun)

    def verify(self) -> VerifyReport:
        book = BinanceBook(self.instrument)
        for _ in self._follow(book, unmarked()):
            pass
        return VerifyReport(book.updates, book.mismatches, book.gaps)

    def _follow(self, book: BinanceBook, marks: FeedMarks, begun: BinancePlace | None = None) -> Iterator[MarketEvent]:
        offset = ClockOffset(self._clock_offset_ns, () if begun is None else begun.offset)
        position = marks.position
        first, after = (begun.part, begun.lines) if begun is not None else (0, None)
        for part, path in enumerate(self.paths[first:], first):
            text = Lines(path, after if part == first else None)
            for number, line in text:
                clock, _, message = _decoded(path, number, line)
                if told_ns := exchange_time_ns(message):
                    offset.learn(told_ns, clock)
                try:
                    events = book.on_message(message, usable_time(clock + offset.value)) if message is not None else []
                except ValueError as error:
                    raise CaptureError(path, str(error), number) from error
                yield from events
                position += len(events)
                if events and (time_ns := events[-1].exchange_time_ns) >= marks.due_ns:
                    marks.put(position, BinancePlace(part, text.place, book.seen(), offset.buckets), time_ns)
        if not book.has_snapshot:
            raise CaptureError(self.paths[0], "holds no book snapshot: open the folder that holds the first part too")

    @cached_property
    def _clock_offset_ns(self) -> int:
        both = ((exchange_time_ns(message), clock) for _, _, clock, _, message in self._messages())
        return clock_offset_ns((exchange, clock) for exchange, clock in both if exchange)

    @cached_property
    def _extent(self) -> tuple[int, int, int]:
        """Number of lines, recorder's time of the first and the last."""
        (last,) = deque(enumerate(self._lines(), 1), maxlen=1) or [(0, (self.paths[0], 0, b""))]
        return last[0], self.first_line_ns, _decoded(*last[1])[0]

    def _messages(self) -> Iterator[tuple[Path, int, int, str, BinanceMessage | None]]:
        """File and line, and what stands in it; see `decode_line`."""
        return ((path, number, *_decoded(path, number, line)) for path, number, line in self._lines())

    def _lines(self) -> Iterator[tuple[Path, int, bytes]]:
        return ((path, number, line) for path in self.paths for number, line in lines(path))


def _decoded(path: Path, number: int, line: bytes) -> tuple[int, str, BinanceMessage | None]:
    try:
        return decode_line(line)
    except (ValueError, RecursionError) as error:
        raise CaptureError(path, f"is damaged here ({error})", number) from error


def recognise_binance(path: Path, head: bytes) -> Capture | None:
    """A capture if a line begins with a time and a message of a stream."""
    clock, _, text = head.partition(b" ")
    if clock.isdigit() and text.startswith((b'{"stream":', b'{"lastUpdateId":')):
        return BinanceCapture((path,))
    return None

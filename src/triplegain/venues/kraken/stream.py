"""A live market as a function of its feed lines: lines in, market events out, and its state as lines again.

Nothing here reads a clock or waits, so that a recording of the lines gives the same events again. What the connection
has to do about it stands in `take_requests`. No line stops a stream: what cannot be read is counted, and the
instrument it concerns waits for a new book.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import msgspec

from triplegain.domain.clock import NEVER, SECOND_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, Heartbeat, MarketEvent, TimePassed
from triplegain.domain.outside import tame
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, OverrunLine, ReplyLine, TickLine
from triplegain.venues.kraken.history import KrakenHistory
from triplegain.venues.kraken.market import SYSTEM_STATES, KrakenMarket, KrakenMarketSeen, Mode, exchange_state
from triplegain.venues.kraken.pairs import instrument_of, instruments_of, pairs_of, symbol_of_pair
from triplegain.venues.kraken.stream_clock import ClockSeen, StatesWanted, StreamClock, StreamCounters, StreamRequest
from triplegain.venues.kraken.wire.frames import (
    BOOK_START,
    TRADE_START,
    BookFrame,
    TradeFrame,
    TradeMessage,
    read_book_frame,
    read_frame,
    read_pair_states,
    read_status,
    read_subscribed,
    read_trade_frame,
)
from triplegain.venues.kraken.wire.rest import (
    AssetPair,
    kraken_altname,
    read_pairs,
    read_reply,
    read_server_time,
    read_system_status,
)
from triplegain.venues.kraken.wire.writer import PairWriter, acknowledgement, instruments, status

#: Words of the exchange for states that are not its usual one.
_WORDS: dict[FeedState, str] = {
    state: word for word, state in reversed(SYSTEM_STATES.items()) if state is not FeedState.SYNCED
}


def state_lines(markets: Iterable[KrakenMarket], received_at_ns: int) -> list[FeedLine]:
    """Frames after which a new stream has these books: what the exchange allows, then every book that is in sync.

    The newest book comes first, for it says what time it is.
    """
    known = [market for market in markets if market.connection is not None]
    told = [(market.connection or 0, frame) for market in known for frame in _conditions(market)]
    for market in sorted(known, key=lambda one: -one.book_time_ns):
        if market.is_synced:
            told += [(market.connection or 0, frame) for frame in _book(market, received_at_ns)]
    return [FrameLine(received_at_ns, connection, frame) for connection, frame in told]


def _conditions(market: KrakenMarket) -> Iterable[bytes]:
    system, pair = market.condition.system, market.condition.pair
    if system.is_known and system.state in _WORDS:
        yield status(_WORDS[system.state])
    word = _WORDS.get(pair.state, "") if pair.is_known else ""
    if word or market.condition.steps:
        yield instruments("update", [(replace(market.instrument, tick=market.tick), word or "online")])


def _book(market: KrakenMarket, received_at_ns: int) -> Iterable[bytes]:
    book = market.book
    time = iso(received_at_ns)
    result = {"channel": "book", "depth": market.depth, "snapshot": True, "symbol": market.symbol}
    yield acknowledgement("subscribe", result, None, time, time)
    bids, asks = book.levels()
    writer = PairWriter(market.symbol, book.price.places, book.quantity.places)
    yield writer.book("snapshot", bids, asks, book.checksum(), market.book_time_ns)


#: Instruments a message that cannot be read speaks of.
_SYMBOL = re.compile(rb'"symbol"\s*:\s*"([A-Z0-9./]{3,30})"')

_CHANNEL_START = b'{"channel":"'

#: A book of a thousand levels a side is half of it.
_BUSY_BYTES_MAX = 256 * 1024

#: Errors of one answer that are told.
_ERRORS_MAX = 10

#: How often a state that nobody knows is asked for.
_ASK_AGAIN_NS = 30 * SECOND_NS

#: What reading a message may raise; nothing has changed then.
_UNREADABLE = (ValueError, ArithmeticError, TypeError, RecursionError, msgspec.DecodeError)


def _of_size(frame: bytes) -> bytes:
    """A frame of any channel but that of the rules. Raises InvalidValueError for one that is none by its length."""
    if len(frame) > _BUSY_BYTES_MAX:
        raise InvalidValueError(f"{len(frame):,} bytes in one message")
    return frame


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """`stale_after_ns`: silence of a connection after which its instruments are stale."""

    book_depth: int
    stale_after_ns: int


class StreamSeen(msgspec.Struct, frozen=True):
    """See `KrakenStream`; links are when they were heard, whether they are silent, and what they expect."""

    clock: ClockSeen
    markets: dict[str, KrakenMarketSeen]
    links: dict[int, tuple[int, bool, list[str]]]
    judge_ns: int
    ask_ns: int
    system: Mode


@dataclass(slots=True)
class _Link:
    """A connection as its lines show it."""

    heard_ns: int
    is_silent: bool = False
    #: Instruments whose snapshot of trades is still to come, in order of their acknowledgements.
    expected: list[str] = field(default_factory=list)


class KrakenStream:
    """One exchange, any number of connections. The first line is the reply to AssetPairs, or `watch` comes before."""

    def __init__(self, symbols: Sequence[str], settings: StreamSettings) -> None:
        self.symbols = tuple(symbols)
        #: What was counted so far.
        self.counters = StreamCounters()
        self._settings = settings
        self._clock = StreamClock(self.counters)
        self._requests: list[StreamRequest] = []
        self._markets: dict[str, KrakenMarket] = {}
        self._history = KrakenHistory(self._clock, self._markets)
        self._links: dict[int, _Link] = {}
        #: Earliest time of receipt at which a connection can count as silent.
        self._judge_ns = NEVER
        #: And at which states that nobody knows are asked for again.
        self._ask_ns = NEVER
        self._system = exchange_state("online", "Kraken")

    def seen(self) -> StreamSeen | None:
        """None while the first replies are gathered."""
        if self._history.is_gathering:
            return None
        links = {number: (link.heard_ns, link.is_silent, list(link.expected)) for number, link in self._links.items()}
        markets = {symbol: market.seen() for symbol, market in self._markets.items()}
        return StreamSeen(self._clock.seen(), markets, links, self._judge_ns, self._ask_ns, self._system)

    def see(self, seen: StreamSeen) -> None:
        """Go on as another one stood; knowing its instruments. Raises InvalidValueError where they are others."""
        if self._markets.keys() != seen.markets.keys():
            raise InvalidValueError("other instruments are recorded now")
        self._clock.see(seen.clock)
        for symbol, market in self._markets.items():
            market.see(seen.markets[symbol])
        self._links = {number: _Link(*link) for number, link in seen.links.items()}
        self._judge_ns, self._ask_ns = seen.judge_ns, seen.ask_ns
        online = exchange_state("online", "Kraken")
        self._system = online if seen.system == online else seen.system
        self._history.is_told()
        self._requests.clear()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """By symbol; empty before the first line."""
        return {symbol: market.instrument for symbol, market in self._markets.items()}

    @property
    def markets(self) -> Collection[KrakenMarket]:
        return self._markets.values()

    def is_waiting(self, symbol: str) -> bool:
        """Whether its book is not in sync."""
        return symbol in self._markets and not self._markets[symbol].is_synced

    def take_requests(self) -> list[StreamRequest]:
        """What the connection has to do, since this was asked last."""
        taken, self._requests[:] = list(self._requests), []
        return taken

    def on_line(self, line: FeedLine) -> list[MarketEvent]:
        """Events of one line, in order. Raises FeedError only for an AssetPairs reply that cannot be used."""
        received_ns = line.received_at_ns
        if isinstance(line, FrameLine):
            events = self._on_frame(line)
            if received_ns < self._judge_ns:
                return events
        elif isinstance(line, TickLine):
            events = []
        elif isinstance(line, ReplyLine):
            events = self._on_reply(line)
        elif isinstance(line, DownLine):
            events = self._on_down(line)
        else:
            events = self._on_overrun(line)
        if received_ns >= self._judge_ns:
            events += self._judge(received_ns)
        if isinstance(line, TickLine) and self._clock.is_known and not self._history.is_holding:
            events.append(TimePassed(self._clock.now(received_ns), received_ns))
        return events

    # -- frames --------------------------------------------------------------------------------------------------

    def _on_frame(self, line: FrameLine) -> list[MarketEvent]:
        self.counters.frames += 1
        frame = line.frame
        events: list[MarketEvent] = []
        try:
            if frame.startswith(BOOK_START):
                events = self._heard(line.connection, line.received_at_ns)
                told = self._on_books(read_book_frame(_of_size(frame)), line)
            elif frame.startswith(TRADE_START):
                events = self._heard(line.connection, line.received_at_ns)
                told = self._on_trades(read_trade_frame(_of_size(frame)), line)
            else:
                # A subscribed connection says something every second: the answer to a ping alone is no sign of life.
                if b'"pong"' not in frame[:200] or frame.startswith(_CHANNEL_START):
                    events = self._heard(line.connection, line.received_at_ns)
                told = self._on_other(line)
        except _UNREADABLE as error:
            self.counters.count_garbage(error)
            told = self._on_garbage(line, str(error))
        return events + told if events else told

    def _on_books(self, frame: BookFrame, line: FrameLine) -> list[MarketEvent]:
        events = self._begin(line)
        is_snapshot = frame.type == "snapshot"
        for message in frame.data:
            market = self._markets.get(message.symbol)
            if market is None:
                self.counters.unknown += 1
                continue
            market.connection = line.connection
            try:
                events += market.on_book(message, is_snapshot, line.received_at_ns)
            except _UNREADABLE as error:
                self.counters.count_garbage(error)
                events += market.on_unreadable(str(error), line.received_at_ns)
        return events

    def _on_trades(self, frame: TradeFrame, line: FrameLine) -> list[MarketEvent]:
        events = self._begin(line)
        by_symbol: dict[str, list[TradeMessage]] = {}
        for message in frame.data:
            by_symbol.setdefault(message.symbol, []).append(message)
        link = self._links.get(line.connection)
        if frame.type == "snapshot" and link is not None:
            expected = link.expected
            if not by_symbol and expected:
                # Nothing was ever traded there; the message does not say where.
                by_symbol[expected[0]] = []
            for symbol in by_symbol.keys() & set(expected):
                expected.remove(symbol)
        for symbol, messages in by_symbol.items():
            market = self._markets.get(symbol)
            if market is None:
                self.counters.unknown += 1
                continue
            market.connection = line.connection
            try:
                trades = market.read_trades(messages)
            except _UNREADABLE as error:
                self.counters.count_garbage(error)
                events += market.on_unreadable(str(error), line.received_at_ns)
                continue
            events += market.on_trades(trades, frame.type == "snapshot", line.received_at_ns)
        return events

    def _on_other(self, line: FrameLine) -> list[MarketEvent]:
        """Everything that is rare, and busy channels written with their fields in another order."""
        message = read_frame(line.frame)
        received_ns = line.received_at_ns
        if message.channel == "heartbeat":
            if not self._clock.is_known or self._history.is_holding:
                return []
            time_ns = self._clock.now(received_ns)
            return [Heartbeat(time_ns, max(received_ns, time_ns))]
        if message.channel == "book":
            return self._on_books(read_book_frame(_of_size(line.frame)), line)
        if message.channel == "trade":
            return self._on_trades(read_trade_frame(_of_size(line.frame)), line)
        if message.channel == "status":
            # What counts is the last word.
            _of_size(line.frame)
            told = read_status(message.data)
            return self._on_system(told[-1].system, received_ns) if told else []
        if message.channel == "instrument":
            events: list[MarketEvent] = []
            last = {pair.symbol: pair for pair in read_pair_states(message.data).pairs if pair.symbol in self._markets}
            for symbol, pair in last.items():
                events += self._markets[symbol].on_pair(pair, received_ns)
            self._ask_for_unknown(received_ns)
            return events
        if message.method == "subscribe":
            return self._on_subscribed(message.success, message.result, message.symbol, message.error, line)
        if message.channel or message.method not in ("pong", "ping", "unsubscribe"):
            self.counters.unknown += 1
        return []

    def _on_subscribed(
        self, success: bool, result: msgspec.Raw, symbol: str, error: str, line: FrameLine
    ) -> list[MarketEvent]:
        ack = read_subscribed(result) if success else None
        events = self._begin(line)
        if not success:
            self.counters.refusals += 1
            named = self._markets.get(symbol)
            # One that names none of ours may be about each that waits on this connection, or has none yet.
            waiting = [one for one in self._markets.values() if one.connection in (None, line.connection)]
            for one in waiting if named is None else [named]:
                events += one.on_refused(error, line.received_at_ns, is_named=named is not None)
            return events
        market = self._markets.get(ack.symbol) if ack else None
        if ack and market:
            market.connection = line.connection
            if ack.channel == "book" and ack.depth:
                market.depth = ack.depth
            elif ack.channel == "trade" and ack.snapshot and line.connection in self._links:
                self._links[line.connection].expected.append(ack.symbol)
        return events

    def _on_garbage(self, line: FrameLine, why: str) -> list[MarketEvent]:
        """A message that cannot be read at all: the instruments it names cannot be trusted any more."""
        named = {found.decode() for found in _SYMBOL.findall(line.frame)}
        events: list[MarketEvent] = []
        for symbol in sorted(named & self._markets.keys()):
            events += self._markets[symbol].on_unreadable(why, line.received_at_ns)
        return events

    def _on_system(self, word: str, received_ns: int) -> list[MarketEvent]:
        """The exchange's own state, told for every instrument when it changes."""
        state = exchange_state(word, "Kraken")
        if state == self._system:
            return []
        self._system = state
        events: list[MarketEvent] = []
        for market in self._markets.values():
            market.condition.system = state
            events += market.tell(received_ns)
        self._ask_for_unknown(received_ns)
        return events

    def _ask_for_unknown(self, received_ns: int) -> None:
        """Ask for the states that nobody here knows, and again after a while, until all are known."""
        if not any(market.condition.is_unknown for market in self._markets.values()):
            self._ask_ns = NEVER
        elif received_ns >= self._ask_ns or self._ask_ns == NEVER:
            self._requests.append(StatesWanted())
            self._ask_ns = received_ns + _ASK_AGAIN_NS
            self._judge_ns = min(self._judge_ns, self._ask_ns)

    # -- connections ---------------------------------------------------------------------------------------------

    def _heard(self, connection: int, received_ns: int) -> list[MarketEvent]:
        """A connection is alive; what was stale by its silence is fresh again, for nothing was lost on it."""
        link = self._links.get(connection)
        if link is None:
            self._links[connection] = _Link(received_ns)
            self._judge_ns = min(self._judge_ns, received_ns + self._settings.stale_after_ns)
            return []
        link.heard_ns = received_ns
        if not link.is_silent:
            return []
        link.is_silent = False
        self._judge_ns = min(self._judge_ns, received_ns + self._settings.stale_after_ns)
        return self._set_silent(connection, "", received_ns)

    def _judge(self, received_ns: int) -> list[MarketEvent]:
        """What has not been heard of for too long."""
        if received_ns >= self._ask_ns:
            self._ask_for_unknown(received_ns)
        stale_ns = self._settings.stale_after_ns
        events: list[MarketEvent] = []
        for number, link in self._links.items():
            if not link.is_silent and received_ns - link.heard_ns >= stale_ns:
                link.is_silent = True
                self.counters.silences += 1
                words = f"nothing was heard from Kraken for {stale_ns / SECOND_NS:g} s"
                events += self._set_silent(number, words, received_ns)
        heard = [link.heard_ns for link in self._links.values() if not link.is_silent]
        self._judge_ns = min(min(heard) + stale_ns if heard else NEVER, self._ask_ns)
        return events

    def _set_silent(self, connection: int, words: str, received_ns: int) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for market in self._markets.values():
            if market.connection == connection:
                market.condition.silent = words
                if market.is_synced:
                    events += market.tell(received_ns)
        return events

    def _on_down(self, line: DownLine) -> list[MarketEvent]:
        self.counters.reconnects += self._links.pop(line.connection, None) is not None
        events: list[MarketEvent] = []
        for market in self._markets.values():
            if market.connection == line.connection:
                events += market.on_down(line.reason, line.received_at_ns)
        return events

    def _on_overrun(self, line: OverrunLine) -> list[MarketEvent]:
        self.counters.overruns += 1
        self.counters.dropped += line.dropped
        market = self._markets.get(line.symbol)
        return market.on_overrun(line.dropped, line.received_at_ns) if market else []

    # -- replies -------------------------------------------------------------------------------------------------

    def _on_reply(self, line: ReplyLine) -> list[MarketEvent]:
        path = urlsplit(line.path)
        if path.path.endswith("/AssetPairs") and not self._markets:
            self._on_pairs(line.reply)
            self._ask_for_unknown(line.received_at_ns)
            return []
        try:
            reply = read_reply(line.reply)
            why = tame("; ".join(reply.error[:_ERRORS_MAX]))
            if path.path.endswith("/Time") and not why:
                self._clock.set(read_server_time(reply.result).unixtime * SECOND_NS, line.received_at_ns)
            elif path.path.endswith("/SystemStatus") and not why:
                return self._on_system(read_system_status(reply.result).status, line.received_at_ns)
            elif path.path.endswith(("/OHLC", "/Trades")):
                query = {name: values[-1] for name, values in parse_qs(path.query).items()}
                asked = query | {"length": path.fragment}
                return self._history.on_reply(path.path, asked, reply.result, why, line.received_at_ns)
            elif path.path.endswith("/AssetPairs") and not why:
                return self._on_states(read_pairs(reply.result), line.received_at_ns)
        except _UNREADABLE as error:
            self.counters.count_garbage(error)
            return self._history.on_unreadable(line.path, str(error), line.received_at_ns)
        return []

    def _on_pairs(self, reply: bytes) -> None:
        """The rules of all instruments, once: nobody can change them under a running session."""
        rows = pairs_of(reply)
        instruments_of(reply, self.symbols)
        for symbol in self.symbols:
            row = rows[symbol]
            market = self._add(instrument_of(row), row.pair_decimals)
            market.condition.pair = exchange_state(row.status, symbol)
            self._history.name(symbol, (row.altname, row.wsname, symbol, kraken_altname(symbol)))

    def _on_states(self, rows: Mapping[str, AssetPair], received_ns: int) -> list[MarketEvent]:
        """What was asked for because the last word about a pair was one that nobody knows."""
        events: list[MarketEvent] = []
        for row in rows.values():
            market = self._markets.get(symbol_of_pair(row))
            if market is not None and market.condition.is_unknown:
                market.condition.pair = exchange_state(row.status, market.symbol)
                events += market.tell(received_ns)
        self._ask_for_unknown(received_ns)
        return events

    def watch(self, instrument: Instrument, time_ns: int) -> None:
        """Instead of the reply to AssetPairs, where nobody kept it; the lines begin at that time of the exchange."""
        self._add(instrument, 0)
        self._clock.set(time_ns, time_ns)
        self._clock.now(time_ns)

    def _add(self, instrument: Instrument, price_places: int) -> KrakenMarket:
        market = KrakenMarket(
            instrument, self._settings.book_depth, price_places, self._clock, self.counters, self._requests
        )
        market.condition.system = self._system
        self._markets[instrument.symbol] = market
        return market

    def _begin(self, line: FrameLine) -> list[MarketEvent]:
        """The first message of a subscription: the time away is over, and its trades come first."""
        return self._history.begin(line.received_at_ns) if self._history.is_gathering else []

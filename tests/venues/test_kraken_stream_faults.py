"""Whatever a connection does to the messages, the stream goes on and never calls a wrong book right."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.feeds.small_exchange import (
    HEARTBEAT,
    LOT,
    SECOND,
    START,
    SmallExchange,
    ack,
    line,
    pairs_line,
    time_line,
)

from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, Level, MarketEvent, PublicTrade, TimePassed
from triplegain.market.depth_book import DepthBook
from triplegain.venues.kraken.feed_line import (
    DownLine,
    FeedLine,
    OverrunLine,
    ReplyLine,
    TickLine,
    read_line,
    write_line,
)
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings
from triplegain.venues.kraken.stream_clock import BookWanted, TradesWanted

SYMBOL = "BTC/USD"
MS = 10**6
Levels = tuple[tuple[Level, ...], tuple[Level, ...]]

_STEPS = st.one_of(
    st.tuples(st.just("book"), st.integers(1, 14), st.integers(0, 3)),
    st.tuples(st.just("trade"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 5), st.just(0)),
)
_FATES = st.sampled_from(
    ["well"] * 12
    + ["lost", "twice", "later", "much later", "torn", "flipped", "wrong sum", "cut", "garbage", "overrun"]
)


class Line:
    """A bad line between an exchange and a stream, and a consumer who believes the stream."""

    def __init__(self) -> None:
        self.exchange = SmallExchange()
        self.stream = KrakenStream((SYMBOL,), StreamSettings(10, 3 * SECOND))
        self.received_ns = START
        self.lines: list[FeedLine] = []
        self.events: list[MarketEvent] = []
        self.latest_ns = 0
        self.book = DepthBook(10)
        self.state = FeedState.GAP
        self.told: list[int] = []
        #: What the book really was, by the time in the message.
        self.was: dict[int, Levels] = {}
        self.later: deque[tuple[int, bytes]] = deque()
        self.exchange.trade_row()
        self.exchange.open()
        self.remember()
        self.put(pairs_line(SYMBOL))
        self.put(time_line())
        self.connect()

    def remember(self) -> None:
        self.was[self.exchange.time_ns] = self.exchange.book.levels()

    def put(self, one: FeedLine) -> None:
        self.lines.append(one)
        for event in self.stream.on_line(one):
            # Of books and trades it is the moment they speak of; the feed's own time never runs back.
            assert isinstance(event, BookUpdate | PublicTrade) or self.latest_ns <= event.exchange_time_ns
            self.latest_ns = max(self.latest_ns, event.exchange_time_ns)
            self.events.append(event)
            self.believe(event)

    def believe(self, event: MarketEvent) -> None:
        if isinstance(event, FeedStatus):
            self.state = event.state
        elif isinstance(event, PublicTrade):
            self.told.append(int(event.trade_id))
        elif isinstance(event, BookUpdate):
            if event.snapshot:
                self.book.replace(event.bids, event.asks)
                self.state = FeedState.SYNCED
            else:
                self.book.apply(event.bids, event.asks)
            assert self.state is FeedState.SYNCED
            assert self.book.levels() in self.was.values()

    def frame(self, frame: bytes) -> None:
        self.received_ns += MS
        self.put(line(frame, self.received_ns))

    def connect(self) -> None:
        self.frame(ack("trade"))
        self.frame(self.exchange.trade_snapshot())

    def serve(self) -> None:
        """What the stream asks for comes."""
        for request in self.stream.take_requests():
            if isinstance(request, BookWanted):
                self.frame(ack("book"))
                self.exchange.time_ns += 1000
                self.remember()
                self.frame(self.exchange.snapshot())
            elif isinstance(request, TradesWanted):
                self.put(self.exchange.trades_line(request.since_ns, self.received_ns))

    def carry(self, frame: bytes, fate: str) -> None:
        self.later = deque((left - 1, one) for left, one in self.later)
        match fate:
            case "twice":
                self.frame(frame)
                self.frame(frame)
            case "later":
                self.later.append((1, frame))
            case "much later":
                self.later.append((5, frame))
            case "torn":
                self.frame(frame[: len(frame) // 2])
            case "flipped":
                self.frame(frame.replace(b".", b",", 1))
            case "wrong sum":
                self.frame(frame.replace(b'"checksum":', b'"checksum":1'))
            case "cut":
                self.received_ns += MS
                self.put(DownLine(self.received_ns, 0, "cut"))
                self.later.clear()
                self.connect()
            case "garbage":
                self.frame(b'{"channel":"book","type":"upd\x7f')
                self.frame(frame)
            case "overrun":
                self.put(OverrunLine(self.received_ns, SYMBOL, 3))
            case "well":
                self.frame(frame)
        while self.later and self.later[0][0] <= 0:
            self.frame(self.later.popleft()[1])

    def step(self, kind: str, first: int, second: int, fate: str) -> None:
        exchange = self.exchange
        if kind == "wait":
            for _ in range(first):
                self.received_ns += SECOND
                self.put(TickLine(self.received_ns))
            exchange.time_ns = max(exchange.time_ns, self.received_ns)
            self.frame(HEARTBEAT)
        elif kind == "trade":
            self.carry(exchange.trade_frame(*[exchange.trade_row() for _ in range(first)]), fate)
        else:
            # A bid or an ask moves in, changes or goes away; best quotes never meet.
            price = 1000 - first if second % 2 else 1000 + first
            size = 0 if second > 1 and len(exchange.book.bids) > 2 < len(exchange.book.asks) else LOT * (first + second)
            level = [(price, size)]
            frame = exchange.update(bids=level) if second % 2 else exchange.update(asks=level)
            self.remember()
            self.carry(frame, fate)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_STEPS, _FATES, st.booleans()), max_size=60))
def test_no_fault_raises_and_none_leaves_a_wrong_book_in_sync(
    steps: list[tuple[tuple[str, int, int], str, bool]],
) -> None:
    bad = Line()
    bad.serve()
    first = len(bad.exchange.trades) + 1
    for (kind, one, two), fate, is_served in steps:
        bad.step(kind, one, two, fate)
        if is_served:
            bad.serve()
    # The line is good again: everything heals, and no trade was lost or told twice.
    for _ in range(8):
        bad.step("book", 3, 1, "well")
        bad.step("trade", 1, 0, "well")
        bad.serve()
    assert bad.state is FeedState.SYNCED and not bad.stream.is_waiting(SYMBOL)
    assert bad.book.levels() == bad.exchange.book.levels()
    assert sorted(bad.told) == list(range(first, len(bad.exchange.trades) + 1))
    assert bad.stream.counters.lost_trades == 0
    # The written lines say the same again.
    again = KrakenStream((SYMBOL,), StreamSettings(10, 3 * SECOND))
    replayed = [event for one in bad.lines for event in again.on_line(read_line(write_line(one)))]
    assert replayed == bad.events


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from([b'{"channel":"book","data":[{}]}', b'{"method":"subscribe","success":true}', HEARTBEAT]),
            st.text(max_size=80).map(str.encode),
        ),
        max_size=30,
    ),
    st.text(max_size=60),
)
def test_bytes_from_nowhere_touch_nothing(frames: list[bytes], path: str) -> None:
    good = Line()
    good.serve()
    for frame in frames:
        good.frame(frame)
    good.put(ReplyLine(good.received_ns, path, b"".join(frames)))
    good.put(ReplyLine(good.received_ns, "/0/public/Trades?pair=XBTUSD&since=x", b"".join(frames)))
    assert good.state is FeedState.SYNCED
    good.step("book", 2, 1, "well")
    assert isinstance(good.events[-1], BookUpdate)
    good.received_ns += SECOND
    good.put(TickLine(good.received_ns))
    assert isinstance(good.events[-1], TimePassed)

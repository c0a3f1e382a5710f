"""One instrument as it is served: its book, its trades, its candles, and the frames these become."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never
from zlib import crc32

from triplegain.domain.clock import DAY_NS, MINUTE_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, Level, PublicTrade
from triplegain.domain.orders import Side
from triplegain.gateway.served_book import ServedBook, SideChange
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.writer import CandleFigures, PairWriter, TapeTrade, TickerFigures, fixed

#: Levels a side.
LEVELS = 25

#: The distance between two levels is this share of the first price: half a basis point.
_STEPS_IN_PRICE = 20_000

#: A level is worth one to eight times this many minimum costs.
_COST_MINIMA = 1000


class ThinBook:
    """Levels on a fixed grid of prices, whose sizes depend on the price alone; the trade stands at its own side's best.

    A trade that bought took the best ask, so the best ask is its price; one that sold makes the best bid.
    """

    def __init__(self, instrument: Instrument, first_price: int) -> None:
        self._step = max(1, first_price // _STEPS_IN_PRICE)
        cost = instrument.cost_min * _COST_MINIMA
        self._size = max(1, int(cost / (instrument.price(first_price) * instrument.lot)))

    def around(self, price: int, *, bought: bool) -> tuple[list[Level], list[Level]]:
        """Bids from high to low and asks from low to high."""
        step = self._step
        below = (price - 1) // step * step
        above = (price // step + 1) * step
        bids = [below - step * number for number in range(LEVELS)]
        asks = [above + step * number for number in range(LEVELS)]
        if bought:
            asks = [price, *asks[:-1]]
        else:
            bids = [price, *bids[:-1]]
        return [self._level(one) for one in bids if one > 0], [self._level(one) for one in asks]

    def _level(self, price: int) -> Level:
        return price, self._size * (1 + crc32(b"%d" % price) % 8)


class ServedTape:
    """Numbers trades without holes and gives each a nanosecond of its own, as Kraken does.

    Only the first lap is kept: a later one is the same trades, later. `lap_ns` is the length of a lap, known once the
    first has ended.
    """

    def __init__(self) -> None:
        self._first_number = 0
        self._times: list[int] = []
        self._rows: list[tuple[int, int, Side]] = []
        self._lap_ns = 0
        #: Trades so far.
        self.count = 0

    def add(self, trade: PublicTrade) -> TapeTrade:
        """The next recorded trade as it is told."""
        number = int(trade.trade_id) if trade.trade_id.isdecimal() else 1
        return self.take(TapeTrade(number, trade.exchange_time_ns, trade.price, trade.quantity, trade.side))

    def take(self, trade: TapeTrade) -> TapeTrade:
        """The next trade with its own number and time."""
        if not self._lap_ns:
            if not self._times:
                self._first_number = trade.number
            self._times.append(max(trade.time_ns, self._times[-1] + 1 if self._times else 0))
            self._rows.append((trade.price, trade.quantity, trade.side))
        self.count += 1
        return self[self.count - 1]

    def close_lap(self, lap_ns: int) -> None:
        """The recording starts again, `lap_ns` after its last start."""
        if not self._lap_ns and self._times:
            self._lap_ns = lap_ns

    def __getitem__(self, index: int) -> TapeTrade:
        """The trade of this index, counted from the first of all."""
        lap, place = divmod(index, len(self._times))
        price, quantity, side = self._rows[place]
        time_ns = self._times[place] + lap * self._lap_ns
        return TapeTrade(self._first_number + index, time_ns, price, quantity, side)

    def last(self, count: int) -> list[TapeTrade]:
        """The newest trades, oldest first."""
        return [self[index] for index in range(max(0, self.count - count), self.count)]

    def after(self, since_ns: int, count: int) -> list[TapeTrade]:
        """Trades later than a time, oldest first, as many as a page holds."""
        if not self.count:
            return []
        laps = max(0, (since_ns - self._times[0]) // self._lap_ns) if self._lap_ns else 0
        first = laps * len(self._times) + bisect_right(self._times, since_ns - laps * self._lap_ns)
        return [self[index] for index in range(first, min(first + count, self.count))]


#: Minutes of a candle that Kraken offers.
INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)

#: Closed candles that one reply holds at most.
ROWS = 720


class ServedCandles:
    """Candles of one interval that had trades, the newest 721."""

    __slots__ = ("_candles", "length_ns")

    def __init__(self, minutes: int) -> None:
        self.length_ns = minutes * MINUTE_NS
        self._candles: deque[CandleFigures] = deque(maxlen=ROWS + 1)

    def add(self, trade: TapeTrade) -> CandleFigures:
        """The candle the trade belongs to."""
        start = trade.time_ns // self.length_ns * self.length_ns
        if not self._candles or self._candles[-1].time_ns != start:
            price = trade.price
            self._candles.append(CandleFigures(start, price, price, price, price))
        self._candles[-1].add(trade)
        return self._candles[-1]

    def rows(self, now_ns: int) -> list[CandleFigures]:
        """Up to 720 closed candles without holes and the open one, oldest first."""
        open_ns = now_ns // self.length_ns * self.length_ns
        oldest = open_ns - ROWS * self.length_ns
        return [candle for candle in self._filled(open_ns) if candle.time_ns >= oldest]

    def _filled(self, open_ns: int) -> Iterator[CandleFigures]:
        close, wanted = 0, 0
        for candle in self._candles:
            wanted = max(wanted, open_ns - ROWS * self.length_ns)
            while wanted and close and wanted < candle.time_ns:
                yield CandleFigures(wanted, close, close, close, close)
                wanted += self.length_ns
            yield replace(candle)
            close, wanted = candle.close, candle.time_ns + self.length_ns
        wanted = max(wanted, open_ns - ROWS * self.length_ns)
        while close and wanted <= open_ns:
            yield CandleFigures(wanted, close, close, close, close)
            wanted += self.length_ns


class ServedDay:
    """The last 24 hours by the minute: volume, cost, number of trades, extremes, first price."""

    def __init__(self) -> None:
        self._minutes: deque[CandleFigures] = deque()
        self.volume = 0
        self.cost = 0
        self.trades = 0
        self.low = 0
        self.high = 0

    @property
    def open(self) -> int:
        """Price 24 hours ago, or the first there is."""
        return self._minutes[0].open if self._minutes else 0

    @property
    def vwap(self) -> int:
        return self.cost // self.volume if self.volume else 0

    def add(self, trade: TapeTrade) -> None:
        minute = trade.time_ns // MINUTE_NS * MINUTE_NS
        if not self._minutes or self._minutes[-1].time_ns != minute:
            self._turn(minute, trade.price)
        self._minutes[-1].add(trade)
        self.volume += trade.quantity
        self.cost += trade.price * trade.quantity
        self.trades += 1
        self.low = min(self.low, trade.price)
        self.high = max(self.high, trade.price)

    def _turn(self, minute: int, price: int) -> None:
        while self._minutes and self._minutes[0].time_ns <= minute - DAY_NS:
            gone = self._minutes.popleft()
            self.volume -= gone.volume
            self.cost -= gone.cost
            self.trades -= gone.trades
        self._minutes.append(CandleFigures(minute, price, price, price, price))
        self.low = min(one.low for one in self._minutes)
        self.high = max(one.high for one in self._minutes)


#: What a subscription listens to: channel, symbol, and depth, interval or trigger where the channel has one.
Topic = tuple[str, str, int | str]

#: A frame and who is to get it.
Outgoing = tuple[Topic, bytes]

#: Trades in the snapshot of the trade channel.
TRADES_IN_SNAPSHOT = 50


class ServedMarket:
    """`only_trades`: the recording has no book, so one is made up around the trades.

    Frames are written only for topics somebody listens to (`listen`, `leave`).
    """

    def __init__(self, instrument: Instrument, *, only_trades: bool) -> None:
        self.instrument = instrument
        self.only_trades = only_trades
        self.price_places = Scale(instrument.tick).places
        self.quantity_places = Scale(instrument.lot).places
        self.writer = PairWriter(instrument.symbol, self.price_places, self.quantity_places)
        self.book = ServedBook()
        self.tape = ServedTape()
        self.day = ServedDay()
        self.candles = {minutes: ServedCandles(minutes) for minutes in INTERVALS}
        self.status = "online"
        self._thin: ThinBook | None = None
        self._topics: set[Topic] = set()
        self._time_ns = 0
        #: Price of the last trade in ticks, 0 before the first.
        self.last_price = 0

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def listen(self, topic: Topic) -> None:
        self._topics.add(topic)
        if topic[0] == "book":
            self.book.watch(int(topic[2]))

    def leave(self, topic: Topic) -> None:
        self._topics.discard(topic)
        if topic[0] == "book":
            self.book.unwatch(int(topic[2]))

    def on_event(
        self, event: BookUpdate | BestQuote | PublicTrade, time_ns: int
    ) -> Iterator[tuple[SideChange | TapeTrade, list[Outgoing]]]:
        """What a recorded event changes at `time_ns` of the market, and the frames that say so."""
        self._time_ns = time_ns
        match event:
            case BookUpdate():
                changes = self.book.on_update(event)
            case BestQuote():
                changes = self.book.on_best(event)
            case PublicTrade():
                if self.only_trades:
                    bought = event.side is Side.BUY
                    self._thin = self._thin or ThinBook(self.instrument, event.price)
                    for change in self.book.become(*self._thin.around(event.price, bought=bought)):
                        yield change, self.on_change(change, self._time_ns)
                trade = self.tape.add(event)
                yield trade, self.on_trade(trade)
                return
            case _:
                assert_never(event)
        for change in changes:
            yield change, self.on_change(change, self._time_ns)

    def on_change(self, change: SideChange, time_ns: int) -> list[Outgoing]:
        """Frames of a change that the book has taken."""
        self._time_ns = time_ns
        symbol, write, sum_ = self.symbol, self.writer.book, change.checksum
        frames: list[Outgoing] = [
            (
                ("book", symbol, depth),
                write("update", levels, (), sum_, time_ns)
                if change.bids
                else write("update", (), levels, sum_, time_ns),
            )
            for depth, levels in change.told.items()
        ]
        bbo: Topic = ("ticker", symbol, "bbo")
        if bbo in self._topics and self._touches_best(change):
            frames.append((bbo, self.ticker("update")))
        return frames

    def _touches_best(self, change: SideChange) -> bool:
        """Whether the best level of the changed side was removed, changed or beaten."""
        side = self.book.bids if change.bids else self.book.asks
        sign = -1 if change.bids else 1
        return any(sign * price <= sign * side.best for price, _ in change.moves)

    def on_trade(self, trade: TapeTrade) -> list[Outgoing]:
        """Frames of a trade that the tape has taken."""
        symbol, topics = self.symbol, self._topics
        self._time_ns = trade.time_ns
        self.last_price = trade.price
        self.day.add(trade)
        frames: list[Outgoing] = []
        topic: Topic = ("trade", symbol, "")
        if topic in topics:
            frames.append((topic, self.writer.trades("update", (trade,))))
        for minutes, candles in self.candles.items():
            candle = candles.add(trade)
            topic = ("ohlc", symbol, minutes)
            if topic in topics:
                frames.append((topic, self.writer.candles("update", minutes, [candle], trade.time_ns)))
        topic = ("ticker", symbol, "trades")
        if topic in topics:
            frames.append((topic, self.ticker("update")))
        return frames

    def book_snapshot(self, depth: int) -> bytes:
        book = self.book
        return self.writer.book("snapshot", book.bids.top(depth), book.asks.top(depth), book.checksum, self._time_ns)

    def trade_snapshot(self) -> bytes:
        return self.writer.trades("snapshot", self.tape.last(TRADES_IN_SNAPSHOT))

    def candle_snapshot(self, minutes: int, now_ns: int) -> bytes:
        rows = self.candles[minutes].rows(now_ns)
        return self.writer.candles("snapshot", minutes, rows, now_ns)

    def ticker(self, kind: str) -> bytes:
        return self.writer.ticker(kind, self.figures(), self._time_ns)

    def figures(self) -> TickerFigures:
        """Those of now; before the first trade the middle of the book stands for the last price."""
        book, day = self.book, self.day
        bid, ask = book.bids.top(1)[0], book.asks.top(1)[0]
        last = self.last_price or (bid[0] + ask[0]) // 2
        change = last - (day.open or last)
        percent = abs(change) * 10_000 // (day.open or last) * (1 if change >= 0 else -1)
        return TickerFigures(
            bid, ask, last, day.volume, day.vwap, day.low or last, day.high or last, change, fixed(percent, 2)
        )

"""One instrument as it is served: its book, its trades, its candles, and the frames these become."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, PublicTrade
from triplegain.domain.orders import Side
from triplegain.gateway.past_candles import INTERVALS, DayFigures, OpenCandle, PastCandles
from triplegain.gateway.served_book import ServedBook, SideChange
from triplegain.gateway.tape import Tape
from triplegain.gateway.thin_book import ThinBook
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.writer import CandleFigures, PairWriter, TapeTrade, TickerFigures, fixed

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
        self.tape = Tape()
        self.day = DayFigures()
        self.candles = {minutes: PastCandles(minutes) for minutes in INTERVALS}
        self.status = "online"
        self._thin: ThinBook | None = None
        self._topics: set[Topic] = set()
        self._time_ns = 0
        self._last_price = 0

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_ready(self) -> bool:
        """There is a book to take a snapshot of."""
        return self.book.is_ready

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
        self._last_price = trade.price
        self.day.add(trade)
        frames: list[Outgoing] = []
        topic: Topic = ("trade", symbol, "")
        if topic in topics:
            frames.append((topic, self.writer.trades("update", (trade,))))
        for minutes, candles in self.candles.items():
            candle = candles.add(trade)
            topic = ("ohlc", symbol, minutes)
            if topic in topics:
                frames.append((topic, self.writer.candles("update", minutes, [self._figures(candle)], trade.time_ns)))
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
        return self.writer.candles("snapshot", minutes, [self._figures(one) for one in rows], now_ns)

    def _figures(self, candle: OpenCandle) -> CandleFigures:
        return CandleFigures(
            candle.time_ns,
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.trades,
            candle.volume,
            candle.vwap,
        )

    def ticker(self, kind: str) -> bytes:
        """The ticker of now; before the first trade the middle of the book stands for the last price."""
        book, day = self.book, self.day
        bid, ask = book.bids.top(1)[0], book.asks.top(1)[0]
        last = self._last_price or (bid[0] + ask[0]) // 2
        change = last - (day.open or last)
        percent = abs(change) * 10_000 // (day.open or last) * (1 if change >= 0 else -1)
        figures = TickerFigures(
            bid, ask, last, day.volume, day.vwap, day.low or last, day.high or last, change, fixed(percent, 2)
        )
        return self.writer.ticker(kind, figures, self._time_ns)

    @property
    def last_price(self) -> int:
        """Price of the last trade in ticks, 0 before the first."""
        return self._last_price

"""The book of a recorded Binance spot market: messages in, market events out."""

from __future__ import annotations

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, Level, MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.captures.binance_messages import (
    MILLION,
    BinanceMessage,
    BinanceTrade,
    BookTicker,
    DepthDiff,
    DepthSnapshot,
)
from triplegain.market.depth_book import DepthBook
from triplegain.market.scaling import Scale


def _times(message: DepthDiff | BinanceTrade, received_at_ns: int) -> tuple[int, int]:
    """The exchange's own time, and a time of receipt that is not before it."""
    moment_ns = message.time_ms * MILLION
    return moment_ns, max(received_at_ns, moment_ns)


def scaled(levels: list[tuple[str, str]], price: Scale, quantity: Scale) -> tuple[Level, ...]:
    """Levels in ticks and lots."""
    ticks, lots = price.known, quantity.known
    return tuple([(ticks[one], lots[size]) for one, size in levels])


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
        ticks, lots = self._price.known, self._quantity.known
        bid, ask = (ticks[message.bid], lots[message.bid_quantity]), (ticks[message.ask], lots[message.ask_quantity])
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
                self._price.known[message.price],
                self._quantity.known[message.quantity],
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

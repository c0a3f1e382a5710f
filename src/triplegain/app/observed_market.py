"""A recorded or demo market looked at without trading: what the agents would see of it at some moment."""

from __future__ import annotations

from triplegain.app.feeds import UNITS_S
from triplegain.config import Config
from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    CandleClosed,
    Heartbeat,
    Level,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.quote import Quote
from triplegain.market.depth_book import DepthBook
from triplegain.market.feed import Feed, FeedError
from triplegain.market.prices.price_source import PaperPriceSource
from triplegain.market.snapshot.book_features import BookLevels
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot
from triplegain.market.timestamps import csv_time_ns


class NoSnapshotError(FeedError):
    """There is nothing to show; the message says why."""

    code = "no_snapshot"


def snapshot_of_feed(config: Config, feed: Feed, symbol: str, at: str | None) -> Snapshot:
    """The snapshot of one instrument at a time, see `moment_ns`. Raises InvalidValueError and NoSnapshotError."""
    instruments = {each.symbol: each for each in feed.instruments}
    instrument = instruments.get(symbol.strip().upper())
    if instrument is None:
        raise InvalidValueError(f"{feed.name} has {', '.join(instruments)}, not {symbol}")
    market = ObservedMarket(config, feed, instrument)
    until_ns = moment_ns(at, feed)
    market.watch(until_ns)
    found = market.snapshot(until_ns or market.now_ns)
    if isinstance(found, NoSnapshot):
        raise NoSnapshotError(f"no snapshot of {symbol} at {iso(found.time_ns)}: {found.reason}")
    return found


def moment_ns(at: str | None, feed: Feed) -> int | None:
    """`2021-05-19 13:00` (UTC), Unix seconds, or `15m` after the beginning; None is the end of the recording."""
    span = feed.span_ns
    if at is None:
        if span is None:
            raise InvalidValueError(f"{feed.name} has no end: say when, like --at 15m")
        return None
    text = at.strip()
    number, unit = text[:-1], text[-1:]
    if unit in UNITS_S and number.isascii() and number.isdecimal():
        start = span[0] if span is not None else None
        if start is None:
            start = next(iter(feed.events())).exchange_time_ns
        return start + int(number) * UNITS_S[unit] * SECOND_NS
    return csv_time_ns(text)


class ObservedMarket:
    """The view of all instruments, with price and book of one of them."""

    def __init__(self, config: Config, feed: Feed, instrument: Instrument) -> None:
        self.view = MarketView(feed.instruments, config.snapshot, config.indicators, feed.synthetic)
        self.now_ns = 0
        self._feed = feed
        self._instrument = instrument
        self._prices = PaperPriceSource(
            feed.source,
            feed.depth,
            feed.candle_length_ns,
            lone_price_ns=config.paper.quote_stale_ns,
        )
        self._book = DepthBook()
        self._has_book = feed.depth[instrument.symbol] is MarketDepth.BOOK
        self._last: int | None = None
        self._priced_ns = 0

    def watch(self, until_ns: int | None) -> None:
        """Take the feed's events up to that time, it included; all of them if None."""
        for event in self._feed.events():
            if until_ns is not None and event.exchange_time_ns > until_ns:
                # The recording goes on, so nothing more happened until then.
                self.view.on_event(Heartbeat(until_ns, until_ns))
                break
            self.now_ns = event.exchange_time_ns
            self.view.on_event(event)
            self._prices.observe(event)
            if event.symbol == self._instrument.symbol:
                self._take(event)

    def snapshot(self, now_ns: int) -> Snapshot | NoSnapshot:
        symbol, levels = self._instrument.symbol, self._levels()
        self._price(levels)
        return self.view.snapshot(symbol, now_ns, self._prices.quote(symbol, now_ns), levels)

    def _take(self, event: MarketEvent) -> None:
        match event:
            case BookUpdate() | BestQuote():
                self._book.take(event)
            case PublicTrade():
                self._last = event.price
            case CandleClosed():
                self._last = event.candle.close
            case _:
                return
        self._priced_ns = event.exchange_time_ns

    def _levels(self) -> BookLevels | None:
        return self._book.levels() if self._has_book else None

    def _price(self, levels: BookLevels | None) -> None:
        """What stands in the book and on the tape, for the rules of freshness."""
        at, quantity = self._instrument.price, self._instrument.quantity
        bid: Level | None = levels[0][0] if levels and levels[0] else None
        ask: Level | None = levels[1][0] if levels and levels[1] else None
        if self._priced_ns and (bid or ask or self._last is not None):
            quote = Quote(
                self._instrument.symbol,
                at(bid[0]) if bid else None,
                at(ask[0]) if ask else None,
                None if self._last is None else at(self._last),
                quantity(bid[1]) if bid else None,
                quantity(ask[1]) if ask else None,
                self._priced_ns,
                self._priced_ns,
                self._feed.source,
            )
            self._prices.update_price(quote)

"""The part of a recorded market that lies in a period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from triplegain.domain.market import BestQuote, BookUpdate, FeedState, FeedStatus, MarketEvent
from triplegain.market.depth_book import DepthBook


def within(events: Iterator[MarketEvent], span_ns: tuple[int, int]) -> Iterator[MarketEvent]:
    """Events of one instrument from `span_ns[0]` to `span_ns[1]`, both included.

    A book that was there before comes in as a snapshot at the start, with the state of the feed as it stood then;
    earlier trades and candles are left out.
    """
    start, end = span_ns
    before = _Before()
    opened = False
    for event in events:
        if event.exchange_time_ns > end:
            break
        if not opened:
            if event.exchange_time_ns < start:
                before.take(event)
                continue
            opened = True
            yield from before.told_at(start)
        yield event
    if not opened:
        yield from before.told_at(start)


class _Before:
    """What is known of an instrument when the period begins."""

    def __init__(self) -> None:
        self._book: DepthBook | None = None
        self._symbol = ""
        self._status: FeedStatus | None = None

    def take(self, event: MarketEvent) -> None:
        if isinstance(event, BookUpdate):
            if self._book is None:
                self._book = DepthBook()
            self._symbol = event.symbol
            self._book.depth = event.depth
            if event.snapshot:
                self._book.replace(event.bids, event.asks)
            else:
                self._book.apply(event.bids, event.asks)
        elif isinstance(event, BestQuote) and self._book is not None:
            self._book.trim(event.bid, event.ask)
        elif isinstance(event, FeedStatus):
            self._status = event

    def told_at(self, time_ns: int) -> Iterator[MarketEvent]:
        if self._book is not None:
            bids, asks = self._book.levels()
            yield BookUpdate(self._symbol, time_ns, time_ns, bids, asks, True, self._book.depth)
        if self._status is not None and self._status.state is not FeedState.SYNCED:
            yield replace(self._status, exchange_time_ns=time_ns, received_at_ns=time_ns)

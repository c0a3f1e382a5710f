"""`python -m tests.app.soaked WORDS`: the product on a live feed, with figures of itself every SOAKED_EVERY_S.

A line of JSON each in SOAKED_FILE: what the process holds, how late its event loop and its messages were since the line
before, and which trades have been told. SIGUSR1 asks for a line with the books at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.app.live_audit import LagTable, TapeAudit, book_levels

from triplegain.domain.market import Candle, FeedState, FeedStatus, MarketEvent, PublicTrade
from triplegain.session.trading_session import TradingSession
from triplegain.venues.kraken.feed import KrakenFeed

#: Between two looks how late the event loop is.
_LOOK_S = 0.01


class Watch:
    """What is known of the one feed and the session that now is on it."""

    def __init__(self, told: Path, every_s: float) -> None:
        self._told = told
        self._every_s = every_s
        self._began_s = time.monotonic()
        self._feed: KrakenFeed | None = None
        self._session: TradingSession | None = None
        self._tapes: dict[str, TapeAudit] = {}
        #: Since the last line: of the loop's own turns, and from a message's receipt until the session is through.
        self._loop_lags, self._lags, self._fill_lags = LagTable(), LagTable(), LagTable()
        self._fill = 0
        #: When trades were declared as not to be had, wall time.
        self._missed_at: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    def install(self) -> None:
        """Looks over the shoulder of every feed and session of this process."""
        watch, batches, on_event = self, KrakenFeed.batches, TradingSession.on_event

        async def watched(feed: KrakenFeed, **more: Any) -> AsyncGenerator[list[MarketEvent], None]:
            watch._begin(feed)
            async for events in batches(feed, **more):
                watch._take(events)
                yield events

        def timed(
            session: TradingSession, event: MarketEvent, told: Sequence[Candle] | None = None
        ) -> Sequence[Candle]:
            closed = on_event(session, event, told)
            watch._was_through(session, event)
            return closed

        KrakenFeed.batches = watched  # type: ignore[method-assign, assignment]
        TradingSession.on_event = timed  # type: ignore[method-assign, assignment]

    def _begin(self, feed: KrakenFeed) -> None:
        self._feed = feed
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._write(with_books=True))
        self._tasks += [loop.create_task(self._look()), loop.create_task(self._tell())]

    def _take(self, events: list[MarketEvent]) -> None:
        for event in events:
            if isinstance(event, PublicTrade):
                self._tape(event.symbol).told(int(event.trade_id))
            elif isinstance(event, FeedStatus):
                self._tape(event.symbol).status(event.state)
                if event.state is FeedState.MISSED:
                    self._missed_at.append(time.time())

    def _tape(self, symbol: str) -> TapeAudit:
        return self._tapes.setdefault(symbol, TapeAudit())

    def _was_through(self, session: TradingSession, event: MarketEvent) -> None:
        self._session = session
        late_ns = time.time_ns() - event.received_at_ns
        self._lags.add(late_ns)
        fills = session.executor.last_fills
        if fills and fills[-1].fill_number != self._fill:
            self._fill = fills[-1].fill_number
            self._fill_lags.add(late_ns)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            self._loop_lags.add(int(max(0.0, loop.time() - due_s) * 1e9))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._write(with_books=False)

    def _write(self, with_books: bool) -> None:
        line = self._figures() | ({"books": self._books()} if with_books else {})
        with self._told.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _figures(self) -> dict[str, Any]:
        feed, session = self._feed, self._session
        assert feed is not None
        lags, self._lags = self._lags, LagTable()
        loop_lags, self._loop_lags = self._loop_lags, LagTable()
        fill_lags, self._fill_lags = self._fill_lags, LagTable()
        return {
            "at_s": round(time.monotonic() - self._began_s, 1),
            "rss_mb": int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6,
            "handles": len(os.listdir("/proc/self/fd")),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "queue_longest": feed.queue_longest,
            "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
            "market_ns": session.now_ns if session else 0,
            "fills": self._fill,
            "counters": {name: count for name, count in asdict(feed.counters).items() if isinstance(count, int)},
            "lags": _told(lags),
            "loop_lags": _told(loop_lags),
            "fill_lags": _told(fill_lags),
            "missed_at": self._missed_at,
            "tapes": {
                symbol: {
                    "last": tape.last,
                    "count": tape.count,
                    "missing": len(tape.missing),
                    "doubled": len(tape.doubled),
                    "declared": len(tape.declared),
                }
                for symbol, tape in self._tapes.items()
            },
        }

    def _books(self) -> dict[str, list[dict[str, str]]]:
        """Quantities by price of bids and asks, as Kraken writes both."""
        session, depth = self._session, int(os.environ["SOAKED_DEPTH"])
        found: dict[str, list[dict[str, str]]] = {}
        if session is not None:
            for symbol, market in session.exchange.markets.items():
                price, quantity = market.instrument.price, market.instrument.quantity
                found[symbol] = [
                    {str(price(ticks)): str(quantity(lots)) for ticks, lots in side.items()}
                    for side in book_levels(session, symbol, depth)
                ]
        return found


def _told(lags: LagTable) -> dict[str, Any]:
    return {"counts": dict(lags.counts), "most_ns": lags.most_ns, "total": lags.total}


if __name__ == "__main__":
    Watch(Path(os.environ["SOAKED_FILE"]), float(os.environ["SOAKED_EVERY_S"])).install()
    sys.argv[0] = "triplegain"
    with contextlib.suppress(KeyboardInterrupt):
        runpy.run_module("triplegain", run_name="__main__", alter_sys=True)

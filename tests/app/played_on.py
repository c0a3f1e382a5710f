"""A session that is killed and started again, in memory: what a database would hold of it, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.session.sessions import settings_for
from tests.session.stored_parts import stored_by

from triplegain.app.play_on import PlayedOn, begun
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.records import CommitBatch, OpenRows, SessionRecord, SessionStatus
from triplegain.market.feed import MarketSource
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession
from triplegain.storage.session_store import StoredSession

#: What a step tells of a session, wherever the steps are cut.
_RECORDS = ("events", "orders", "fills", "entries", "decisions", "portfolio_snapshots", "risk", "alerts")


class SlowClock:
    """A fifth of a second from look to look."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += SECOND_NS // 5
        return self._now_ns


class Killed(Exception):
    """The process is gone, and what it had not stored with it."""


@dataclass
class Kept:
    """What is stored; `kill_after` so many more steps nothing is."""

    batches: list[CommitBatch] = field(default_factory=list)
    mark: dict[str, bytes] = field(default_factory=dict)
    marked: int = 0
    kill_after: int | None = None

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if self.kill_after == 0:
            raise Killed
        self.kill_after = None if self.kill_after is None else self.kill_after - 1
        self.batches.append(batch)
        if (change := batch.mark) is not None:
            self.marked += 1
            kept = {} if change.is_first else self.mark
            self.mark = {key: state for key, state in kept.items() if key not in change.gone} | dict(change.put)

    def stored(self, *, mark: dict[str, bytes] | None = None) -> StoredSession:
        record = SessionRecord("test", SessionStatus.ACTIVE, "replay:test", 0, 0, 0, {}, {}, 0, None)
        position, time_ns = 0, 0
        if self.batches:
            position, time_ns = self.batches[-1].feed_position, self.batches[-1].market_time_ns
        parts = stored_by(self.batches)
        return StoredSession(record, 3, parts, position, time_ns, OpenRows({}, {}, {}, {}), mark or {})

    @property
    def records(self) -> dict[str, list[Any]]:
        return {kind: [row for batch in self.batches for row in getattr(batch, kind)] for kind in _RECORDS}


@dataclass
class Life:
    """One session on one feed. `words` is what the owner was told at its starts, `played` what each of them cost."""

    feed: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    words: list[str] = field(default_factory=list)
    played: list[int] = field(default_factory=list)

    def _build(self, feed: MarketSource) -> TradingSession:
        session = TradingSession(settings_for(feed, **self.settings))
        observe = session.observe
        self.played.append(0)

        def counted(event: Any) -> None:
            self.played[-1] += 1
            observe(event)

        session.observe = counted  # type: ignore[method-assign]
        return session

    async def run(self, kill_after: int | None = None, *, by_mark: bool = True) -> TradingSession | None:
        """From where it was stored to the end of the feed, or until it is killed (None)."""
        feed, clock = self.feed(), SlowClock()
        if self.kept.batches:
            stored = self.kept.stored(mark=self.kept.mark if by_mark else None)
            playing = PlayedOn(lambda: self._build(feed), feed, clock, self.words.append)
            session, events, marks = await playing.up_to(stored)
            session.restore(stored.parts)
        else:
            session = self._build(feed)
            events, marks = await begun(session, feed)
        position = self.kept.batches[-1].feed_position if self.kept.batches else 0
        self.kept.kill_after = kill_after
        runner = SessionRunner(session, events, self.kept, clock, position=position, marks=marks)
        try:
            await runner.run()
        except Killed:
            return None
        return session


def market_of(session: TradingSession) -> list[Any]:
    """All that a session knows of its market, with what agents are shown of it."""
    markets = session.floor.markets
    return [
        {symbol: market.seen() for symbol, market in markets.items()},
        session.prices.chain.health.seen(),
        session.market_view.times,
        *[
            (name, symbol, list(series.history), series.reading(), series.doubts, candles.unfinished[name].seen())
            for symbol, candles in ((symbol, view.candles) for symbol, view in session.market_view.views.items())
            for name, series in candles.series.items()
        ],
        *[session.snapshot(symbol) for symbol in markets],
    ]


def whole(feed: Callable[[], Any], **settings: Any) -> tuple[Life, TradingSession]:
    """A life that nothing happens to."""
    life = Life(feed, settings)
    session = asyncio.run(life.run())
    assert session is not None
    return life, session


def killed_often(feed: Callable[[], Any], seed: int, *, by_mark: bool, **settings: Any) -> tuple[Life, TradingSession]:
    """The same life with kills at steps by chance, so many apart that some lie between marks."""
    life, chance = Life(feed, settings), Random(seed)

    async def lived() -> TradingSession:
        while (session := await life.run(chance.randrange(1, 8), by_mark=by_mark)) is None:
            pass
        return session

    return life, asyncio.run(lived())

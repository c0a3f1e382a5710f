"""A feed that was opened for a session, with its messages and what must be closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from triplegain.app.feeds import open_feed
from triplegain.app.history_feed import load_history_feed
from triplegain.app.live_market import open_live_feed
from triplegain.app.session_recording import recorder_for_session
from triplegain.config import Config
from triplegain.domain.clock import Clock
from triplegain.feeds.recording.recorder import Recorder
from triplegain.market.feed import Feed, MarketSource
from triplegain.session.runner import MarketEvents
from triplegain.storage.database import Database
from triplegain.venues.kraken.feed import KrakenFeed
from triplegain.venues.kraken.feed_line import FeedLine
from triplegain.venues.kraken.stream_state import state_lines

LIVE = "live"
HISTORY = "history:"


class LineTap:
    """Keeps a live feed's lines until somebody records them, or nobody will."""

    def __init__(self) -> None:
        self._early: list[FeedLine] | None = []
        self.recorder: Recorder | None = None

    def take(self, line: FeedLine) -> None:
        if self.recorder is not None:
            self.recorder.take(line)
        elif self._early is not None:
            self._early.append(line)

    def attach(self, recorder: Recorder | None) -> None:
        """From here on to `recorder`, first what came before it; None: nobody listens."""
        early, self._early, self.recorder = self._early or [], None, recorder
        for line in early:
            self.take(line)


class OpenedFeed(Protocol):
    """What a session needs of a feed, whatever stands behind it."""

    @property
    def source(self) -> MarketSource: ...

    def events(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> MarketEvents:
        """Messages from the beginning, or on a live feed from now: after the trades since those times, by symbol.

        A live feed also tells candles of these lengths from before, the first ones first.
        """
        ...

    def record(self, config: Config, home: Path, session_id: str, clock: Clock, wanted: bool) -> None:
        """Record a live session where that is wanted."""
        ...

    def notes(self) -> str:
        """How a live connection is doing, in a few words; empty for other feeds."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A market that is known already, or made up: nothing to record and nothing to close."""

    source: Feed

    def events(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> MarketEvents:
        return self.source.events()

    def record(self, config: Config, home: Path, session_id: str, clock: Clock, wanted: bool) -> None: ...

    def notes(self) -> str:
        return ""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenedLive:
    """Kraken's market, its lines kept by `tap` where they are recorded."""

    source: KrakenFeed
    tap: LineTap

    def events(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> MarketEvents:
        return self.source.batches(since_ns=since_ns, candle_lengths_ns=candle_lengths_ns)

    def record(self, config: Config, home: Path, session_id: str, clock: Clock, wanted: bool) -> None:
        recorder = None
        if wanted:
            symbols = [instrument.symbol for instrument in self.source.instruments]
            recorder = recorder_for_session(config, home, session_id, clock, symbols)
            recorder.state_lines = lambda received_at_ns: state_lines(self.source.markets, received_at_ns)
        self.tap.attach(recorder)

    def notes(self) -> str:
        notes = [self.source.counters.words()]
        if self.tap.recorder is not None:
            notes.append(self.tap.recorder.problem or "recording")
        return ", ".join(notes)

    async def aclose(self) -> None:
        await self.source.aclose()
        if self.tap.recorder is not None:
            await asyncio.to_thread(self.tap.recorder.close)


async def open_session_feed(
    config: Config, home: Path, database: Database, spec: str, seed: int, symbols: tuple[str, ...]
) -> OpenedFeed:
    """`symbols` are the instruments of a live feed; the others bring their own. Raises FeedError."""
    if spec.startswith(HISTORY):
        return OpenedRecord(await load_history_feed(spec, database))
    if spec != LIVE:
        return OpenedRecord(open_feed(spec, seed))
    tap = LineTap()
    return OpenedLive(await open_live_feed(config, home, symbols, tap.take), tap)

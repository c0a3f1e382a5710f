"""Kraken's live market for a session: does it answer, and its feed with what was configured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from triplegain.app.opened_feed import OpenedFeed
from triplegain.app.session_recording import recorder_for_session
from triplegain.config import Config
from triplegain.domain.clock import Clock, SteadyClock
from triplegain.feeds.recording.recorder import Recorder
from triplegain.market.feed import FeedError
from triplegain.session.runner import MarketEvents
from triplegain.venues.kraken.feed import KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.feed_line import FeedLine
from triplegain.venues.kraken.rest import KrakenRest
from triplegain.venues.kraken.settings import FeedSettings
from triplegain.venues.kraken.stream import state_lines

#: Seconds the exchange has to answer when nobody asked for it by name.
_PROBE_S = 3.0


def feed_settings(config: Config, home: Path, symbols: tuple[str, ...]) -> FeedSettings:
    return replace(config.market, symbols=symbols, cache_dir=home / "kraken")


async def why_away(config: Config) -> str:
    """Why Kraken cannot be traded on at the moment, in one sentence; empty when it answers."""
    market = config.market
    try:
        async with KrakenRest(market.rest_url, min(market.answer_within_s, _PROBE_S)) as rest:
            await rest.get("/0/public/SystemStatus")
    except FeedError as error:
        return str(error)
    return ""


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


@dataclass(frozen=True)
class OpenedLive(OpenedFeed):
    """Kraken's market, its lines kept by `tap` where they are recorded."""

    source: KrakenFeed
    tap: LineTap

    @classmethod
    async def open(cls, config: Config, home: Path, symbols: tuple[str, ...]) -> OpenedLive:
        """The market of these instruments. Raises FeedError when neither Kraken nor the cache knows them."""
        tap = LineTap()
        return cls(await open_kraken_feed(feed_settings(config, home, symbols), SteadyClock(), tap.take), tap)

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

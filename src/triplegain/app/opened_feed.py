"""A feed that was opened for a session, with its messages and what must be closed at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from triplegain.app.off_loop import off_the_loop
from triplegain.config import Config
from triplegain.domain.clock import Clock
from triplegain.market.feed import MarkedFeed, MarketSource
from triplegain.session.runner import MarketEvents
from triplegain.storage.database import Database

LIVE = "live"
DEMO = "demo"
HISTORY = "history:"


@dataclass(frozen=True)
class OpenedFeed:
    """What a session needs of a feed, whatever stands behind it."""

    source: MarketSource

    def events(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> MarketEvents:
        """Messages from the beginning, or on a live feed from now: after the trades since those times, by symbol.

        A live feed also tells candles of these lengths from before, the first ones first.
        """
        raise NotImplementedError

    def record(self, config: Config, home: Path, session_id: str, clock: Clock, wanted: bool) -> None:
        """Record a live session where that is wanted."""

    def notes(self) -> str:
        """How a live connection is doing, in a few words; empty for other feeds."""
        return ""

    async def aclose(self) -> None:
        """Nothing but a live connection has something to close."""


@dataclass(frozen=True)
class OpenedRecord(OpenedFeed):
    """A market that is known already, or made up."""

    source: MarkedFeed

    def events(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> MarketEvents:
        return self.source.events()


async def open_session_feed(
    config: Config, home: Path, database: Database, spec: str, seed: int, symbols: tuple[str, ...]
) -> OpenedFeed:
    """`symbols` are the instruments of a live feed; the others bring their own. Raises FeedError."""
    # Each feed loads what it is made of; the live one brings an HTTP client.
    if spec.startswith(HISTORY):
        from triplegain.app.history_feed import load_history_feed

        return OpenedRecord(await load_history_feed(spec, database))
    if spec != LIVE:
        from triplegain.app.feeds import REPLAY, open_feed

        decoded = None
        if spec.startswith(REPLAY):
            from triplegain.feeds.captures.decoded_folder import FOLDER, DecodedFolder

            decoded = DecodedFolder(home / FOLDER, config.decoded_bytes_max)
        return OpenedRecord(await off_the_loop(lambda: open_feed(spec, seed, decoded)))
    from triplegain.app.live_market import OpenedLive

    return await OpenedLive.open(config, home, symbols)

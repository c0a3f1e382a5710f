"""Kraken's live market for a session: does it answer, and its feed with what was configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from triplegain.config import Config
from triplegain.domain.clock import SteadyClock
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed import FeedSettings, KrakenFeed, open_kraken_feed
from triplegain.venues.kraken.feed_line import FeedLine
from triplegain.venues.kraken.rest import KrakenRest

#: Seconds the exchange has to answer when nobody asked for it by name.
_PROBE_S = 3.0


def feed_settings(config: Config, home: Path, symbols: tuple[str, ...]) -> FeedSettings:
    kraken = config.market.kraken
    return FeedSettings(
        symbols=symbols,
        rest_url=kraken.rest_url,
        websocket_url=kraken.websocket_url,
        book_depth=int(kraken.book_depth),
        symbols_per_connection=kraken.symbols_per_connection,
        answer_within_s=float(kraken.answer_within_s),
        stale_after_s=float(kraken.stale_after_s),
        reconnect_after_s=float(kraken.reconnect_after_s),
        queue_lines_max=kraken.queue_lines_max,
        cache_dir=home / "kraken",
    )


async def why_away(config: Config) -> str:
    """Why Kraken cannot be traded on at the moment, in one sentence; empty when it answers."""
    kraken = config.market.kraken
    try:
        async with KrakenRest(kraken.rest_url, min(float(kraken.answer_within_s), _PROBE_S)) as rest:
            await rest.system_status()
    except FeedError as error:
        return str(error)
    return ""


async def open_live_feed(
    config: Config, home: Path, symbols: tuple[str, ...], on_line: Callable[[FeedLine], None]
) -> KrakenFeed:
    """The feed of these instruments. Raises FeedError when neither Kraken nor the cache knows them."""
    return await open_kraken_feed(feed_settings(config, home, symbols), SteadyClock(), on_line)

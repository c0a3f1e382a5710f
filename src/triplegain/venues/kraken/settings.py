"""Which of Kraken's markets are watched, from where, and how patiently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

from triplegain.domain.configured import key
from triplegain.domain.written import AT_LEAST_ONE, POSITIVE, SYMBOL, choice, listing, text


class BookDepth(IntEnum):
    """Levels a side that Kraken offers."""

    TEN = 10
    TWENTY_FIVE = 25
    HUNDRED = 100
    FIVE_HUNDRED = 500
    THOUSAND = 1000


def _address(url: str) -> str:
    if not url.startswith(("https://", "wss://", "http://127.0.0.1", "ws://127.0.0.1", "http://[::1]", "ws://[::1]")):
        raise ValueError("must be https:// or wss:// (unencrypted only on 127.0.0.1)")
    return url.rstrip("/")


def watched_symbols() -> Any:
    """The key of the instruments, for whoever watches them."""
    return key(
        "/market.instruments",
        ("BTC/USDT", "XRP/USDT", "XRP/BTC"),
        listing(SYMBOL, least=1),
        "traded on the live feed",
    )


def watched_depth() -> Any:
    """The key of the levels that are watched."""
    return key(
        "/market.kraken.book_depth",
        100,
        choice(BookDepth).into(int),
        "levels a side: 10, 25, 100, 500 or 1000; an order fills within what is seen",
    )


def stale_after(unit: Callable[[Decimal], float]) -> Any:
    """The key of the silence that makes instruments stale, in the unit that `unit` makes of seconds."""
    return key(
        "/market.kraken.stale_after_s",
        3,
        POSITIVE.into(unit),
        "silence (Kraken's heartbeat comes every second) after which instruments are stale",
    )


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """Which instruments, where from, and how patient.

    `cache_dir` holds Kraken's rules for a start without REST; None keeps nothing.
    """

    symbols: tuple[str, ...] = watched_symbols()
    rest_url: str = key(
        "kraken.rest_url", "https://api.kraken.com", text().where(_address), "where its REST interface is",
        template="${TRIPLEGAIN_KRAKEN_REST_URL:-https://api.kraken.com}",
    )  # fmt: skip
    websocket_url: str = key(
        "kraken.websocket_url", "wss://ws.kraken.com/v2", text().where(_address), "where its public WebSocket v2 is",
        template="${TRIPLEGAIN_KRAKEN_WS_URL:-wss://ws.kraken.com/v2}",
    )  # fmt: skip
    book_depth: int = watched_depth()
    symbols_per_connection: int = key(
        "kraken.symbols_per_connection", 100, AT_LEAST_ONE,
        "instruments on one connection, before another is opened",
    )  # fmt: skip
    answer_within_s: float = key(
        "kraken.answer_within_s", 5, POSITIVE.into(float), "a connection or a request that takes longer has failed"
    )
    stale_after_s: float = stale_after(float)
    reconnect_after_s: float = key(
        "kraken.reconnect_after_s", 5, POSITIVE.into(float), "silence after which a connection is given up"
    )
    queue_lines_max: int = key(
        "kraken.queue_lines_max", 20_000, AT_LEAST_ONE,
        "messages that wait for the session at most; beyond it books are dropped and asked for anew",
    )  # fmt: skip
    cache_dir: Path | None = None

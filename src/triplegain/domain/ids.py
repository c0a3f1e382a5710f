"""Names for things, and chance: the only place that draws random names and numbers.

Order ids have Kraken's shape (OXXXXX-XXXXX-XXXXXX) and are a function of session and number, so that the same
session run twice names its orders alike.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b

#: How the client order ids that this program gives begin. Nobody else may use one.
_OWN = "tg-"


class Origin(StrEnum):
    """Who wants an order. What an order is for, and whose money pays for it, is asked of this and never of its id."""

    HAND = "hand"
    AGENT = "agent"
    STRATEGY = "strategy"
    HODL = "hodl"
    REBALANCE = "rebalance"
    PROTECTION = "protection"
    GATEWAY = "gateway"
    MCP = "mcp"


class Family(StrEnum):
    """What our own orders are numbered by."""

    ENTRY = "entry"
    WEIGHT = "weight"
    REBALANCE = "rb"
    STOP = "stop"
    EXIT = "exit"
    CLOSE = "close"
    HODL = "hodl"
    LIQUIDATION = "liq"
    COVER = "cover"


def own_id(family: Family, *numbers: int) -> str:
    """The client order id of an order of ours, for people to read: at most 18 characters, as Kraken takes them."""
    return f"{_OWN}{family}-{'-'.join(map(str, numbers))}"


def is_reserved(client_order_id: str) -> bool:
    """Whether an id that somebody chose is of the kind that only this program gives."""
    return client_order_id.lower().startswith(_OWN)


def _kraken_shape(prefix: str, seed: str) -> str:
    letters = blake2b(seed.encode(), digest_size=8).hexdigest().upper()
    return f"{prefix}{letters[:5]}-{letters[5:10]}-{letters[10:]}"


def order_id(session: str, number: int) -> str:
    return _kraken_shape("O", f"{session}:order:{number}")


def fill_id(session: str, number: int) -> str:
    return _kraken_shape("T", f"{session}:fill:{number}")


def session_id(now_ns: int) -> str:
    """`paper_YYYYmmdd_HHMMSS` of a wall time."""
    moment = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    return f"paper_{moment:%Y%m%d_%H%M%S}"


def api_key() -> str:
    """A new bearer key: 32 random bytes as text."""
    return secrets.token_urlsafe(32)


def request_id() -> str:
    return secrets.token_hex(8)


def jitter(most: float) -> float:
    """A wait between 0 and `most`, so that those who lost a server together do not come back together."""
    return secrets.SystemRandom().uniform(0.0, most)

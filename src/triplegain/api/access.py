"""Who may do what, and out of which budget of requests."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from triplegain.domain.configured import key
from triplegain.domain.written import AT_LEAST_ONE


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it, or is it."""
    if host.strip().casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip()).is_loopback
    except ValueError:
        return False


class Role(IntEnum):
    """What a key may do; each role may do what the ones below it may. PUBLIC needs no key, on this machine only."""

    PUBLIC = 0
    VIEWER = 1
    TRADER = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Role:
        """The role of a stored key. Raises KeyError for a word that is none."""
        return cls[word.upper()]


class Budget(StrEnum):
    """Which limit a request counts against. Closing everything never competes with placing orders."""

    DEFAULT = "default"
    READS = "reads"
    TRADE = "trade"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Requests a minute: of one address before anybody looks at its key, and of one key by budget."""

    address: int = key("address", 600, AT_LEAST_ONE, "all requests of one address, whatever keys it has")
    default: int = key("default", 60, AT_LEAST_ONE, "routes without a limit of their own")
    reads: int = key("reads", 120, AT_LEAST_ONE, "reading")
    trade: int = key("trade", 30, AT_LEAST_ONE, "orders, cancels, closes")
    reset: int = key("reset", 5, AT_LEAST_ONE, "resetting a session")

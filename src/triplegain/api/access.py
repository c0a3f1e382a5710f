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


def sender(host: str) -> str:
    """The one who has this address, by a name that cannot be changed at will: this machine as a whole, and a network of
    IPv6 as whoever has one is given it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_loopback:
        return "loopback"
    return str(mapped) if mapped.version == 4 else str(ipaddress.ip_network((mapped, 64), strict=False))


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
    """Which limit a request of a key counts against. What makes safer has room that placing cannot use up, and what
    stops everything has room that single cancels cannot use up."""

    DEFAULT = "default"
    READS = "reads"
    TRADE = "trade"
    CANCEL = "cancel"
    STOP = "stop"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Requests a minute: of one address that shows no key we know, and of one key by budget, in each session it
    reaches."""

    address: int = key("address", 600, AT_LEAST_ONE, "requests of one address that show no known key")
    wrong_keys: int = key("wrong_keys", 20, AT_LEAST_ONE, "of these, those that needed a key: guesses")
    default: int = key("default", 60, AT_LEAST_ONE, "of one key: routes without a limit of their own")
    reads: int = key("reads", 120, AT_LEAST_ONE, "of one key: reading")
    trade: int = key("trade", 30, AT_LEAST_ONE, "of one key: placing and changing orders")
    cancel: int = key("cancel", 240, AT_LEAST_ONE, "of one key: cancelling an order, closing a position")
    stop: int = key("stop", 60, AT_LEAST_ONE, "of one key: cancel all, flat, emergency, pause")
    reset: int = key("reset", 5, AT_LEAST_ONE, "of one key: resetting a session, or risk")

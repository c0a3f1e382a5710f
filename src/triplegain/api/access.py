"""Who may do what, and out of which budget of requests."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Protocol


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


class RequestLimits(Protocol):
    """Requests a minute of one key, by budget; the configuration's section of this name fits."""

    @property
    def default(self) -> int: ...
    @property
    def reads(self) -> int: ...
    @property
    def trade(self) -> int: ...
    @property
    def reset(self) -> int: ...

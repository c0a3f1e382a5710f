"""What an agent may say."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"
    CLOSE_LONG = "close_long"
    CLOSE_SHORT = "close_short"


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An opinion on one symbol. Stop and target are distances from the entry, as fractions of it.

    `size_fraction` is the wanted share of the size that risk allows, 0..1; None: all of it.
    """

    action: Action
    confidence: Decimal
    reasoning: str
    stop_fraction: Decimal | None = None
    target_fraction: Decimal | None = None
    size_fraction: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Abstain:
    """No opinion, and why. It changes nothing."""

    reason: str


Answer = AgentAnswer | Abstain

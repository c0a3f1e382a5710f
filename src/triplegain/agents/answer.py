"""What an agent may say."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class TargetWeights:
    """How the trading book should be divided: `weights` are shares of its equity by asset, together at most 1.

    An asset that is not named stays as it is. What is nearer to its weight than `band` (a share of equity) is left
    alone. It is no opinion on the next hours: what is bought for it is inventory, without a stop.
    """

    weights: Mapping[str, Decimal]
    reason: str
    band: Decimal = Decimal(0)


Answer = AgentAnswer | Abstain | TargetWeights

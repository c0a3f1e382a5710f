"""Where the protection of one position stands: its stages, and the stop order they speak of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.records import CloseReason


class Leg(StrEnum):
    """An order of ours at the venue, as far as answers tell. Only a LIVE one can be cancelled without a race."""

    SENT = "sent"
    LIVE = "live"
    CANCELLING = "cancelling"
    TRIGGERED = "triggered"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class StopLevel:
    """The trigger of a stop, and the reason a position closes with if it fires there."""

    trigger: Decimal
    reason: CloseReason = CloseReason.STOP_LOSS


@dataclass(frozen=True, slots=True)
class Resize:
    """The stop is to cover `quantity`."""

    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Move:
    """The stop is to stand at `level`."""

    level: StopLevel


#: One thing at a time: a refusal then says which of the two the venue did not want.
Amendment = Resize | Move


@dataclass(frozen=True, slots=True)
class Entering:
    """Nothing has been bought yet, or less than the venue would take a stop for."""


@dataclass(frozen=True, slots=True)
class Unguarded:
    """Bought, and no stop was asked for."""


@dataclass(frozen=True, slots=True)
class Protecting:
    """The stop is on its way for `quantity`, at `level`."""

    stop_id: str
    quantity: Decimal
    level: StopLevel


@dataclass(frozen=True, slots=True)
class Protected:
    """The stop rests for `covered` at `level`; `asked` is under way and not answered."""

    stop_id: str
    covered: Decimal
    level: StopLevel
    asked: Amendment | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """On the way out: waits until entry and stop (None: there is none) are over."""

    reason: CloseReason
    stop_id: str | None
    stop: Leg


@dataclass(frozen=True, slots=True)
class Selling:
    """Nothing else rests: sell what is left, again if needed. `exit_id` None: next try at `retry_at_ns`."""

    reason: CloseReason
    exit_id: str | None
    retry_at_ns: int
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing left to protect."""


Stage = Entering | Unguarded | Protecting | Protected | Leaving | Selling | Closed

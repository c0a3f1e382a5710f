"""The life of one position's protection, as a state machine without any I/O.

    Entering -> Protecting -> Protected -> Leaving -> Selling -> Closed
             -> Unguarded (no stop asked for) -^

A venue with spot coins only lets one sell order stand on the same coins. So the stop rests there, the target is
watched by us, and every way out first takes the stop back, waits until the venue has said so, and only then sells.
Orders that lose a race have filled all the same: the machine looks at what the position still holds, never at what
it had meant to sell. `next_step` names what to do now; answers of the venue are written into the `Protection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from triplegain.domain.records import CloseReason


class Leg(StrEnum):
    """An order of ours at the venue, as far as answers tell. Only a LIVE one can be cancelled without a race."""

    SENT = "sent"
    LIVE = "live"
    CANCELLING = "cancelling"
    TRIGGERED = "triggered"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Entering:
    """Nothing has been bought yet, or less than the venue would take a stop for."""


@dataclass(frozen=True, slots=True)
class Unguarded:
    """Bought, and no stop was asked for."""


@dataclass(frozen=True, slots=True)
class Protecting:
    """The stop is on its way for `quantity`."""

    stop_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Protected:
    """The stop rests for `covered`; `growing_to` is asked for and not answered."""

    stop_id: str
    covered: Decimal
    growing_to: Decimal | None = None


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


@dataclass(frozen=True, slots=True)
class PlaceStop:
    quantity: Decimal
    trigger: Decimal


@dataclass(frozen=True, slots=True)
class GrowStop:
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class GoUnguarded:
    pass


@dataclass(frozen=True, slots=True)
class CancelEntry:
    pass


@dataclass(frozen=True, slots=True)
class CancelStop:
    stop_id: str


@dataclass(frozen=True, slots=True)
class SellRest:
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Finish:
    pass


Step = PlaceStop | GrowStop | GoUnguarded | CancelEntry | CancelStop | SellRest | Finish


@dataclass(slots=True)
class Protection:
    """One position under protection. `ordered` is what the entry asked for; times are market time.

    `unprotected_since_ns`: when the oldest coin without a stop was bought. `cancel_at_ns`: no cancel before this.
    `stops_lost` counts stops that were taken away from outside.
    """

    position_id: str
    symbol: str
    entry_id: str
    ordered: Decimal
    stop: Decimal | None
    target: Decimal | None
    entry: Leg = Leg.SENT
    stage: Stage = Entering()
    opened_at_ns: int | None = None
    unprotected_since_ns: int | None = None
    alarmed: bool = False
    cancel_at_ns: int = 0
    stops_lost: int = 0

    @property
    def is_leaving(self) -> bool:
        return isinstance(self.stage, Leaving | Selling | Closed)

    @property
    def stop_id(self) -> str | None:
        """The stop that is at the venue or on its way there."""
        return self.stage.stop_id if isinstance(self.stage, Protecting | Protected | Leaving) else None

    def leave(self, reason: CloseReason) -> bool:
        """Start the way out. False if it has begun already: the first reason stands."""
        match self.stage:
            case Entering() | Unguarded():
                self.stage = Leaving(reason, None, Leg.OVER)
            case Protecting(stop_id, _):
                self.stage = Leaving(reason, stop_id, Leg.SENT)
            case Protected(stop_id, _, _):
                self.stage = Leaving(reason, stop_id, Leg.LIVE)
            case Leaving() | Selling() | Closed():
                return False
            case _:
                assert_never(self.stage)
        return True


def next_step(protection: Protection, quantity: Decimal, minimum: Decimal, now_ns: int) -> Step | None:
    """What to do now for a position that holds `quantity`; None: wait. `minimum` is the venue's smallest order."""
    stage = protection.stage
    over = protection.entry is Leg.OVER and quantity < minimum
    match stage:
        case Entering():
            if over:
                return Finish()
            if quantity < minimum:
                return None
            return GoUnguarded() if protection.stop is None else PlaceStop(quantity, protection.stop)
        case Unguarded():
            return Finish() if over else None
        case Protecting():
            return None
        case Protected(_, covered, growing_to):
            return GrowStop(quantity) if growing_to is None and quantity > covered else None
        case Leaving():
            return _leave(protection, stage, quantity, minimum, now_ns)
        case Selling(_, exit_id, retry_at_ns, _):
            if exit_id is not None:
                return None
            if quantity < minimum:
                return Finish()
            return SellRest(quantity) if now_ns >= retry_at_ns else None
        case Closed():
            return None
        case _:
            assert_never(stage)


def _leave(protection: Protection, stage: Leaving, quantity: Decimal, minimum: Decimal, now_ns: int) -> Step | None:
    may_cancel = now_ns >= protection.cancel_at_ns
    if protection.entry is Leg.LIVE and may_cancel:
        return CancelEntry()
    if stage.stop_id is not None and stage.stop is Leg.LIVE and may_cancel:
        return CancelStop(stage.stop_id)
    if protection.entry is not Leg.OVER or stage.stop_id is not None:
        return None
    return Finish() if quantity < minimum else SellRest(quantity)

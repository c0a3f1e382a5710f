"""The life of one position's protection, as a state machine without any I/O.

    Entering -> Protecting -> Protected -> Leaving -> Selling -> Closed
             -> Unguarded (no stop asked for) -^

A venue with spot coins only lets one sell order stand on the same coins. So the stop rests there, the target is
watched by us, and every way out first takes the stop back, waits until the venue has said so, and only then sells.
A part is sold the same way: the stop is first cut to what stays. Orders that lose a race have filled all the same:
the machine looks at what the position still holds, never at what it had meant to sell. `next_step` names what to do
now; answers of the venue are written into the `Protection`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

from triplegain.domain.records import CloseReason
from triplegain.execution.protecting.stage import (
    Closed,
    Entering,
    Leaving,
    Leg,
    Protected,
    Protecting,
    Selling,
    Stage,
    StopLevel,
    Unguarded,
)


@dataclass(frozen=True, slots=True)
class Reduction:
    """A part of the position is to be sold; `remaining` is the fraction of `base` that stays.

    `base` is a quantity; None: what is held once the entry buys no more. `keep`: what stays in coins, None until it
    is known. `exit_id` sells at the moment; without it the next try is at `retry_at_ns`, and until then the stop
    covers everything again.
    """

    reason: CloseReason
    remaining: Decimal
    base: Decimal | None = None
    keep: Decimal | None = None
    exit_id: str | None = None
    retry_at_ns: int = 0
    failures: int = 0


@dataclass(slots=True)
class Protection:
    """One position under protection. `ordered` is what the entry asked for; times are market time.

    `wanted` is the stop there should be; the stage tells the one there is. It only ever goes up. A move the venue
    refused is asked for again at `move_at_ns`. `tighten` is a distance from the bid, as a fraction, that waits for a
    price. `unprotected_since_ns`: since when coins have had no stop. `cancel_at_ns`: no cancel before this.
    `stops_lost` counts stops that were taken away from outside. `owing_since_ns`: since when something that was begun
    (a way out, a sale of a part, a higher stop) is not done.
    """

    position_id: str
    symbol: str
    entry_id: str
    ordered: Decimal
    wanted: StopLevel | None
    target: Decimal | None
    entry: Leg = Leg.SENT
    stage: Stage = field(default_factory=Entering)
    buys_no_more: bool = False
    is_trailing: bool = False
    reduction: Reduction | None = None
    tighten: Decimal | None = None
    move_at_ns: int = 0
    move_failures: int = 0
    opened_at_ns: int | None = None
    unprotected_since_ns: int | None = None
    alarmed: bool = False
    cancel_at_ns: int = 0
    stops_lost: int = 0
    owing_since_ns: int | None = None
    overdue: bool = False

    @property
    def is_leaving(self) -> bool:
        return isinstance(self.stage, Leaving | Selling | Closed)

    @property
    def is_held(self) -> bool:
        """Something has been bought, and it is not on its way out."""
        return self.opened_at_ns is not None and not self.is_leaving

    @property
    def stop(self) -> Decimal | None:
        """The trigger there should be."""
        return None if self.wanted is None else self.wanted.trigger

    @property
    def stop_id(self) -> str | None:
        """The stop that is at the venue or on its way there."""
        return self.stage.stop_id if isinstance(self.stage, Protecting | Protected | Leaving) else None

    @property
    def part_exit_id(self) -> str | None:
        """The order that is selling a part."""
        return None if self.reduction is None else self.reduction.exit_id

    @property
    def move_is_due(self) -> bool:
        """The stop at the venue is lower than the one there should be, and nothing is being asked of it."""
        return self._stands_too_low and isinstance(self.stage, Protected) and self.stage.asked is None

    @property
    def waits_to_move(self) -> bool:
        """The venue has refused the last move, and it is to be asked again."""
        return self.move_failures > 0 and self.move_is_due

    @property
    def _stands_too_low(self) -> bool:
        stop = self.stop
        return isinstance(self.stage, Protected) and stop is not None and stop > self.stage.level.trigger

    @property
    def owes(self) -> str:
        """What was begun and is not done, in words; empty where nothing is."""
        if self.is_leaving:
            return "closed"
        if self.reduction is not None:
            return "reduced"
        if self.tighten is not None or self._stands_too_low:
            return "protected by the higher stop"
        return ""

    def leave(self, reason: CloseReason) -> bool:
        """Start the way out. False if it has begun already: the first reason stands."""
        match self.stage:
            case Entering() | Unguarded():
                self.stage = Leaving(reason, None, Leg.OVER)
            case Protecting(stop_id=stop_id):
                self.stage = Leaving(reason, stop_id, Leg.SENT)
            case Protected(stop_id=stop_id):
                self.stage = Leaving(reason, stop_id, Leg.LIVE)
            case Leaving() | Selling() | Closed():
                return False
            case _:
                assert_never(self.stage)
        return True

    def raise_stop(self, level: StopLevel) -> bool:
        """Want a higher stop. False if it is not higher than the one wanted already, or the position is leaving."""
        if self.is_leaving or (self.wanted is not None and level.trigger <= self.wanted.trigger):
            return False
        self.wanted = level
        if isinstance(self.stage, Unguarded):
            self.stage = Entering()
        return True

    def reduce(self, fraction: Decimal, reason: CloseReason) -> bool:
        """Want a fraction of the position, or of what an unfinished reduction leaves of it, sold. The entry ends."""
        if self.is_leaving:
            return False
        self.buys_no_more = True
        remaining, earlier = 1 - fraction, self.reduction
        if earlier is None:
            self.reduction = Reduction(reason, remaining)
        elif earlier.keep is None:
            self.reduction = replace(earlier, reason=reason, remaining=earlier.remaining * remaining)
        else:
            self.reduction = replace(earlier, reason=reason, remaining=remaining, base=earlier.keep, keep=None)
        return True

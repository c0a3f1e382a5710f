"""What to do now for one position: the desk's moves, and when each is made."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, ceil_to, divide, floor_to
from triplegain.execution.protecting.protection import Protection, Reduction
from triplegain.execution.protecting.stage import (
    Closed,
    Entering,
    Leaving,
    Leg,
    Protected,
    Protecting,
    Selling,
    StopLevel,
    Unguarded,
)


@dataclass(frozen=True, slots=True)
class PlaceStop:
    quantity: Decimal
    level: StopLevel


@dataclass(frozen=True, slots=True)
class ResizeStop:
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class MoveStop:
    level: StopLevel


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
class PlanReduction:
    """What stays is known now."""

    keep: Decimal


@dataclass(frozen=True, slots=True)
class CloseInstead:
    """What would stay is too small for the venue: nothing is to stay."""


@dataclass(frozen=True, slots=True)
class EndReduction:
    """`unsold` is what was to be sold and is too small for the venue; None: it is done."""

    unsold: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SellPart:
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class SellRest:
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Finish:
    pass


Step = (
    PlaceStop
    | ResizeStop
    | MoveStop
    | GoUnguarded
    | CancelEntry
    | CancelStop
    | PlanReduction
    | CloseInstead
    | EndReduction
    | SellPart
    | SellRest
    | Finish
)


def next_step(protection: Protection, quantity: Decimal, instrument: Instrument, now_ns: int) -> Step | None:
    """What to do now for a position that holds `quantity`; None: wait for an answer, a price or a time."""
    stage, minimum = protection.stage, instrument.quantity_min
    if isinstance(stage, Leaving):
        return _leave(protection, stage, quantity, minimum, now_ns)
    if protection.buys_no_more and protection.entry is Leg.LIVE and now_ns >= protection.cancel_at_ns:
        return CancelEntry()
    over = protection.entry is Leg.OVER and quantity < minimum and protection.part_exit_id is None
    match stage:
        case Entering():
            if over:
                return Finish()
            # More may come that makes a stop worth its minimum cost; at the end the venue has the last word.
            too_small = minimum if protection.entry is Leg.OVER else _smallest(protection, instrument)
            # While a part is being sold its coins are spoken for: a stop for all of them would be refused.
            if quantity < too_small or protection.part_exit_id is not None:
                return None
            return GoUnguarded() if protection.wanted is None else PlaceStop(quantity, protection.wanted)
        case Unguarded():
            return Finish() if over else _reduce(protection, None, quantity, instrument, now_ns)
        case Protecting():
            return None
        case Protected():
            return _guard(protection, stage, quantity, instrument, now_ns)
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
    if protection.entry is not Leg.OVER or stage.stop_id is not None or protection.part_exit_id is not None:
        return None
    return Finish() if quantity < minimum else SellRest(quantity)


def _guard(
    protection: Protection, stage: Protected, quantity: Decimal, instrument: Instrument, now_ns: int
) -> Step | None:
    """One amendment at a time: first the coins that lack a stop or are to be sold, then where the stop stands."""
    if stage.asked is not None:
        return None
    if protection.reduction is not None and protection.entry is Leg.OVER:
        step = _reduce(protection, stage.covered, quantity, instrument, now_ns)
        if step is not None:
            return step
    if quantity > stage.covered and protection.part_exit_id is None:
        return ResizeStop(quantity)
    if protection.move_is_due and protection.wanted is not None and now_ns >= protection.move_at_ns:
        return MoveStop(protection.wanted)
    return None


def _reduce(
    protection: Protection, covered: Decimal | None, quantity: Decimal, instrument: Instrument, now_ns: int
) -> Step | None:
    """The next step of selling a part. `covered` is what the stop covers, None without a stop."""
    reduction = protection.reduction
    if reduction is None or protection.entry is not Leg.OVER:
        return None
    smallest = _smallest(protection, instrument)
    if reduction.keep is None:
        return _plan(reduction, quantity, smallest, instrument.lot)
    if reduction.exit_id is not None:
        return None
    part = EXACT.subtract(quantity, reduction.keep)
    if part < smallest:
        return EndReduction(part if part > 0 else None)
    if now_ns < reduction.retry_at_ns:
        return None
    if covered is not None and covered != reduction.keep:
        return ResizeStop(reduction.keep)
    return SellPart(part)


def _plan(reduction: Reduction, quantity: Decimal, smallest: Decimal, lot: Decimal) -> Step:
    base = quantity if reduction.base is None else reduction.base
    part = floor_to(EXACT.multiply(base, 1 - reduction.remaining), lot)
    keep = EXACT.subtract(base, part)
    if keep < smallest:
        return CloseInstead()
    if part >= smallest:
        return PlanReduction(keep)
    # Too small to sell. What an earlier reduction had begun is still to be done.
    return EndReduction(part) if reduction.base is None else PlanReduction(base)


def _smallest(protection: Protection, instrument: Instrument) -> Decimal:
    """The smallest order the venue takes, its minimum cost reckoned at the stop: the lowest price that may be had."""
    if protection.stop is None:
        return instrument.quantity_min
    return max(instrument.quantity_min, ceil_to(divide(instrument.cost_min, protection.stop), instrument.lot))

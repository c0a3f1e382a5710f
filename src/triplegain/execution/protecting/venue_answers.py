"""How the venue's answers about entry, stop and exit orders change a `Protection`.

Each function writes one answer into it and returns what a person should be told, or None. What was refused is tried
again after a pause that doubles with every failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
)
from triplegain.domain.money import text
from triplegain.domain.records import CloseReason
from triplegain.execution.protecting.protection import Protection, Reduction
from triplegain.execution.protecting.stage import (
    Amendment,
    Entering,
    Leaving,
    Leg,
    Move,
    Protected,
    Protecting,
    Resize,
    Selling,
    StopLevel,
)

Notice = tuple[AlertKind, str]

#: How often a stop that somebody else took away is placed again before the position is given up.
STOP_REPLACEMENTS_MAX = 3
#: What the venue refuses is tried again ever more slowly, up to this many doublings of the pause.
_DOUBLINGS_MAX = 6
#: A part that sells bit by bit costs two amendments and an order each time: a rhythm the venue's rate counter bears.
_PAUSES_AFTER_PROGRESS = 4


def entry_answered(protection: Protection, event: ExchangeEvent, retry_at_ns: int) -> Notice | None:
    """The order that buys. A refused cancel may be tried again at `retry_at_ns`."""
    match event:
        case OrderAccepted() if protection.entry is Leg.SENT:
            protection.entry = Leg.LIVE
        case OrderFilled():
            if protection.opened_at_ns is None:
                protection.opened_at_ns = event.time_ns
            if protection.stop is not None and protection.unprotected_since_ns is None:
                protection.unprotected_since_ns = event.time_ns
            if event.status.is_final:
                protection.entry = Leg.OVER
        case OrderCancelled() | OrderRejected():
            protection.entry = Leg.OVER
        case CommandRefused(command="cancel") if protection.entry is Leg.CANCELLING:
            protection.entry = Leg.LIVE
            protection.cancel_at_ns = retry_at_ns
        case _:
            pass
    return None


def stop_answered(protection: Protection, event: ExchangeEvent, retry_ns: int, now_ns: int) -> Notice | None:
    """The stop at the venue: accepted, amended, triggered, filled, gone or refused."""
    stage = protection.stage
    match event, stage:
        case OrderAccepted(), Protecting(stop_id, quantity, level):
            protection.stage = Protected(stop_id, quantity, level)
        case OrderAccepted(), Leaving(stop=Leg.SENT):
            protection.stage = replace(stage, stop=Leg.LIVE)
        case OrderAmended(), Protected():
            _amended(protection, stage, event)
        case ((OrderTriggered() | OrderFilled()), (Protecting() | Protected())):
            protection.stage = Leaving(stage.level.reason, stage.stop_id, Leg.TRIGGERED)
            _forget_if_over(protection, event)
        case ((OrderTriggered() | OrderFilled()), Leaving()):
            protection.stage = replace(stage, stop=Leg.TRIGGERED)
            _forget_if_over(protection, event)
        case ((OrderCancelled() | OrderRejected()), Leaving()):
            protection.stage = replace(stage, stop_id=None, stop=Leg.OVER)
        case OrderRejected(), Protecting():
            protection.stage = Leaving(CloseReason.BREAKER, None, Leg.OVER)
            return AlertKind.STOP_REJECTED, f"the stop was rejected ({event.code}); the position is being closed"
        case OrderCancelled(), (Protecting() | Protected()):
            return _stop_lost(protection, event)
        case CommandRefused(command="cancel"), Leaving(stop=Leg.CANCELLING):
            protection.stage = replace(stage, stop=Leg.LIVE)
            protection.cancel_at_ns = now_ns + retry_ns
        case CommandRefused(command="amend"), Protected(asked=asked) if asked is not None and _refuses(event, asked):
            return _not_amended(protection, stage, asked, event.code, retry_ns, now_ns)
        case _:
            pass
    return None


def _amended(protection: Protection, stage: Protected, event: OrderAmended) -> None:
    """What the venue says is so, whether we asked for it or somebody else did."""
    level, asked = stage.level, stage.asked
    match asked:
        case Move(wanted) if wanted.trigger == event.price:
            level, asked = wanted, None
            protection.move_at_ns = protection.move_failures = 0
        case Resize(quantity) if quantity == event.quantity:
            asked = None
        case _:
            pass
    if event.price != level.trigger:
        level = StopLevel(event.price, level.reason)
    if protection.wanted is None or level.trigger > protection.wanted.trigger:
        protection.wanted = level
    protection.stage = replace(stage, covered=event.quantity, level=level, asked=asked)


def _refuses(event: CommandRefused, asked: Amendment) -> bool:
    amend = event.amend
    match asked:
        case Resize(quantity):
            return amend is not None and amend.quantity == quantity
        case Move(level):
            return amend is not None and amend.price == level.trigger
        case _:
            assert_never(asked)


def _not_amended(
    protection: Protection, stage: Protected, asked: Amendment, code: str, retry_ns: int, now_ns: int
) -> Notice:
    """A stop that may not cover more ends the position; where it stands or what it gives up can wait a moment."""
    reduction = protection.reduction
    match asked:
        case Resize(quantity) if quantity > stage.covered:
            protection.leave(CloseReason.BREAKER)
            return AlertKind.STOP_NOT_GROWN, f"the stop could not grow ({code}); the position is being closed"
        case Resize():
            if reduction is not None:
                protection.reduction = _tried_in_vain(reduction, retry_ns, now_ns)
            message = f"the stop could not be cut to what is to stay ({code}); it is tried again"
        case Move(level):
            protection.move_at_ns = now_ns + _pause(retry_ns, protection.move_failures)
            protection.move_failures += 1
            message = f"the stop could not be moved to {text(level.trigger)} ({code}); it is tried again"
        case _:
            assert_never(asked)
    protection.stage = replace(stage, asked=None)
    return AlertKind.STOP_NOT_AMENDED, message


def _pause(retry_ns: int, failures: int) -> int:
    return retry_ns << min(failures, _DOUBLINGS_MAX)


def _tried_in_vain(reduction: Reduction, retry_ns: int, now_ns: int) -> Reduction:
    retry_at_ns = now_ns + _pause(retry_ns, reduction.failures)
    return replace(reduction, exit_id=None, retry_at_ns=retry_at_ns, failures=reduction.failures + 1)


def _forget_if_over(protection: Protection, event: OrderTriggered | OrderFilled) -> None:
    if isinstance(event, OrderFilled) and event.status.is_final and isinstance(protection.stage, Leaving):
        protection.stage = replace(protection.stage, stop_id=None, stop=Leg.OVER)


def _stop_lost(protection: Protection, event: OrderCancelled) -> Notice:
    protection.stops_lost += 1
    protection.unprotected_since_ns = event.time_ns
    if protection.stops_lost > STOP_REPLACEMENTS_MAX:
        protection.stage = Leaving(CloseReason.BREAKER, None, Leg.OVER)
        return AlertKind.STOP_LOST, f"the stop was cancelled again ({event.reason}); the position is being closed"
    protection.stage = Entering()
    return AlertKind.STOP_LOST, f"the stop was cancelled from outside ({event.reason}); it is placed again"


def part_answered(protection: Protection, event: ExchangeEvent, retry_ns: int, now_ns: int) -> Notice | None:
    """The order that sells a part. What it did not sell goes back under the stop and is tried again after a pause."""
    reduction = protection.reduction
    if reduction is None or not isinstance(event, OrderFilled | OrderCancelled | OrderRejected):
        return None
    if isinstance(event, OrderFilled):
        if event.status.is_final:
            protection.reduction = replace(reduction, exit_id=None, retry_at_ns=0)
    elif isinstance(event, OrderRejected) and is_too_small(event):
        protection.reduction = None
        return AlertKind.NOT_REDUCED, f"the part to be sold is too small for the venue ({event.code}); it is kept"
    elif isinstance(event, OrderCancelled) and event.cumulative_quantity:
        retry_at_ns = now_ns + _PAUSES_AFTER_PROGRESS * retry_ns
        protection.reduction = replace(reduction, exit_id=None, retry_at_ns=retry_at_ns, failures=0)
    else:
        protection.reduction = _tried_in_vain(reduction, retry_ns, now_ns)
    if protection.is_leaving and protection.part_exit_id is None:
        protection.reduction = None
        return None
    match event:
        case OrderCancelled():
            return AlertKind.EXIT_INCOMPLETE, f"the market took less than was to be sold ({event.reason}); tried again"
        case OrderRejected():
            return AlertKind.EXIT_REJECTED, f"the sale of a part was rejected ({event.code}); it is tried again"
        case _:
            return None


def is_too_small(event: OrderRejected) -> bool:
    """Whether the venue did not take the order because it is below a minimum."""
    # The venue has a minimum cost as well, which depends on the price: it alone can tell.
    return "minimum not met" in event.code


def exit_answered(protection: Protection, event: ExchangeEvent, now_ns: int, retry_ns: int) -> Notice | None:
    """The order that sells everything. What it did not sell is tried again after a pause."""
    stage = protection.stage
    if not isinstance(stage, Selling):
        return None
    match event:
        case OrderFilled() if event.status.is_final:
            protection.stage = replace(stage, exit_id=None, retry_at_ns=now_ns + retry_ns, failures=0)
        case OrderCancelled():
            protection.stage = replace(stage, exit_id=None, retry_at_ns=now_ns + retry_ns, failures=0)
            return AlertKind.EXIT_INCOMPLETE, f"the market took only a part ({event.reason}); the rest is tried again"
        case OrderRejected():
            retry_at_ns = now_ns + _pause(retry_ns, stage.failures)
            protection.stage = replace(stage, exit_id=None, retry_at_ns=retry_at_ns, failures=stage.failures + 1)
            return AlertKind.EXIT_REJECTED, f"the exit was rejected ({event.code}: {event.reason}); it is tried again"
        case _:
            pass
    return None

"""How the venue's answers about entry, stop and exit orders change a `Protection`.

Each function writes one answer into it and returns what a person should be told, or None.
"""

from __future__ import annotations

from dataclasses import replace

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
from triplegain.domain.records import CloseReason
from triplegain.execution.alert import AlertKind
from triplegain.execution.protection import Entering, Leaving, Leg, Protected, Protecting, Protection, Selling

Notice = tuple[AlertKind, str]

#: How often a stop that somebody else took away is placed again before the position is given up.
STOP_REPLACEMENTS_MAX = 3
#: Rejected exits are tried again ever more slowly, up to this many doublings of the pause.
_DOUBLINGS_MAX = 6


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


def stop_answered(protection: Protection, event: ExchangeEvent, retry_at_ns: int) -> Notice | None:
    """The stop at the venue: accepted, grown, triggered, filled, gone or refused."""
    stage = protection.stage
    match event, stage:
        case OrderAccepted(), Protecting(stop_id, quantity):
            protection.stage = Protected(stop_id, quantity)
        case OrderAccepted(), Leaving(stop=Leg.SENT):
            protection.stage = replace(stage, stop=Leg.LIVE)
        case OrderAmended(), Protected():
            protection.stop = event.price
            growing_to = None if stage.growing_to == event.quantity else stage.growing_to
            protection.stage = replace(stage, covered=event.quantity, growing_to=growing_to)
        case ((OrderTriggered() | OrderFilled()), (Protecting() | Protected())):
            protection.stage = Leaving(CloseReason.STOP_LOSS, stage.stop_id, Leg.TRIGGERED)
            _forget_if_over(protection, event)
        case ((OrderTriggered() | OrderFilled()), Leaving()):
            protection.stage = replace(stage, stop=Leg.TRIGGERED)
            _forget_if_over(protection, event)
        case ((OrderCancelled() | OrderRejected()), Leaving()):
            protection.stage = replace(stage, stop_id=None, stop=Leg.OVER)
        case OrderRejected(), Protecting():
            protection.leave(CloseReason.BREAKER)
            protection.stage = Leaving(CloseReason.BREAKER, None, Leg.OVER)
            return AlertKind.STOP_REJECTED, f"the stop was rejected ({event.code}); the position is being closed"
        case OrderCancelled(), (Protecting() | Protected()):
            return _stop_lost(protection, event)
        case CommandRefused(command="cancel"), Leaving(stop=Leg.CANCELLING):
            protection.stage = replace(stage, stop=Leg.LIVE)
            protection.cancel_at_ns = retry_at_ns
        case CommandRefused(command="amend"), Protected(growing_to=growing_to) if (
            growing_to is not None and event.amend is not None and event.amend.quantity == growing_to
        ):
            protection.leave(CloseReason.BREAKER)
            return AlertKind.STOP_NOT_GROWN, f"the stop could not grow ({event.code}); the position is being closed"
        case _:
            pass
    return None


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


def exit_answered(protection: Protection, event: ExchangeEvent, now_ns: int, retry_ns: int) -> Notice | None:
    """The order that sells. What it did not sell is tried again after a pause."""
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
            pause = retry_ns * 2 ** min(stage.failures, _DOUBLINGS_MAX)
            protection.stage = replace(stage, exit_id=None, retry_at_ns=now_ns + pause, failures=stage.failures + 1)
            return AlertKind.EXIT_REJECTED, f"the exit was rejected ({event.code}: {event.reason}); it is tried again"
        case _:
            pass
    return None

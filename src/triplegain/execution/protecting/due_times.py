"""When a protection wants the timer: time exit, alarms, retries. None: it waits for something else."""

from __future__ import annotations

from collections.abc import Iterator

from triplegain.execution.protecting.protection import Protection
from triplegain.execution.protecting.settings import ProtectionSettings
from triplegain.execution.protecting.stage import Leaving, Leg, Protected, Selling, Unguarded


def time_exit_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When the position has been held for as long as it may be."""
    if protection.is_leaving or protection.opened_at_ns is None:
        return None
    return protection.opened_at_ns + settings.max_holding_ns


def late_alarm_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When coins without a stop are alarmed."""
    if protection.is_leaving or protection.alarmed or protection.unprotected_since_ns is None:
        return None
    return protection.unprotected_since_ns + settings.late_ns


def overdue_alarm_ns(protection: Protection, settings: ProtectionSettings) -> int | None:
    """When something that was begun and is not done is alarmed."""
    if protection.overdue or protection.owing_since_ns is None:
        return None
    return protection.owing_since_ns + settings.overdue_ns


def due_times(protection: Protection, settings: ProtectionSettings) -> Iterator[int]:
    """Every time at which the timer would find something to do."""
    alarms = late_alarm_ns(protection, settings), overdue_alarm_ns(protection, settings)
    for due in (time_exit_ns(protection, settings), *alarms, *_retries(protection)):
        if due is not None:
            yield due


def _retries(protection: Protection) -> Iterator[int | None]:
    if protection.buys_no_more and protection.entry is Leg.LIVE:
        yield protection.cancel_at_ns
    match protection.stage:
        case Selling(exit_id=None, retry_at_ns=retry_at_ns):
            yield retry_at_ns
        case Leaving(stop=stop) if Leg.LIVE in (stop, protection.entry):
            yield protection.cancel_at_ns
        case Protected(asked=None):
            # With something asked the answer comes first: a time that finds nothing to do would ring for ever.
            yield _part_retry_ns(protection)
            if protection.move_is_due:
                yield protection.move_at_ns
        case Unguarded():
            yield _part_retry_ns(protection)
        case _:
            pass


def _part_retry_ns(protection: Protection) -> int | None:
    reduction = protection.reduction
    waits = reduction is not None and reduction.exit_id is None and reduction.retry_at_ns
    return reduction.retry_at_ns if reduction is not None and waits else None

"""A person's commands to a door, as a call that returns what was done."""

from __future__ import annotations

from triplegain.domain.commands import Command, Done, Door, NotDone, R, Stands, Unknown
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, RefusedError


async def by_hand(door: Door, command: Command[R], audit: SecurityEvent) -> R:
    """The record. Raises RefusedError where it was not done, or where nobody knows."""
    match await door.submit(command, Origin.HAND, audit):
        case NotDone(refusal):
            raise RefusedError(refusal.code, refusal.reason)
        case Unknown(where):
            raise RefusedError(Code.OUTCOME_UNKNOWN, where)
        case Stands(_, why):
            raise RefusedError(Code.STANDS, why)
        case Done(record):
            return record

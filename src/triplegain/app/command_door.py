"""The door for commands to one running session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import structs

from triplegain.domain.commands import AnyAnswer, Command, Done, NotDone, PlaceOrder
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.session.commands import Run, SessionCommands
from triplegain.session.store_watch import StoreWatch
from triplegain.storage.session_reader import SessionReader


@dataclass(frozen=True, slots=True)
class CommandDoor:
    """An order whose row is there already is not sent again."""

    _run: Run
    _watch: StoreWatch
    _reader: SessionReader

    async def submit(self, command: Command[Any], origin: Origin, audit: SecurityEvent) -> AnyAnswer:
        if refused := self._watch.refusal:
            return NotDone(refused)
        if isinstance(command, PlaceOrder):
            session_id = self._run.steps.session.settings.session_id
            name = command.request.client_order_id
            if stored := await self._reader.order_named(session_id, name):
                return Done(stored, again=True)
        return await SessionCommands(self._run).submit(command, origin, audit)


def by(audit: SecurityEvent, origin: Origin) -> SecurityEvent:
    """The event with where it came from."""
    return structs.replace(audit, details={**audit.details, "origin": origin.value})

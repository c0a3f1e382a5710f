"""One authenticated request: what it may use, who makes it, and how its commands are carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request

from triplegain.api.access import Role
from triplegain.api.address import SESSION_HEADER
from triplegain.api.control import SessionControl
from triplegain.domain.clock import Clock
from triplegain.domain.commands import Command, Done, NotDone, R, Stands, Unknown
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.views import Moment
from triplegain.storage.session_reader import SessionReader

#: Commands that outlived the request that brought them.
_UNDER_WAY: set[asyncio.Task[Any]] = set()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from where. `actor` is the role and the beginning of the key's hash."""

    role: Role
    actor: str
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Visit:
    """The first four are shared by all requests."""

    control: SessionControl
    reader: SessionReader
    clock: Clock
    command_timeout_s: float
    caller: Caller

    def moment(self) -> Moment:
        return self.control.moment()

    def audit(self, kind: str, details: Mapping[str, Any] | None = None) -> SecurityEvent:
        """The event that is stored together with the act."""
        caller = self.caller
        now_ns = self.clock.now_ns()
        return SecurityEvent(kind, caller.actor, caller.address, caller.request_id, now_ns, dict(details or {}))

    async def carry_out(self, command: Command[R], audit: SecurityEvent, ask: str) -> Done[R]:
        """Wait for a command, but never cut it off: after the time limit it goes on, and `ask` tells where to look.

        Raises RefusedError for what is not done, with OUTCOME_UNKNOWN for what may have been, with STANDS for what
        waits to be sent.
        """
        task = asyncio.ensure_future(self.control.submit(command, Origin.HAND, audit))
        _UNDER_WAY.add(task)
        task.add_done_callback(_over)
        done, _ = await asyncio.wait({task}, timeout=self.command_timeout_s)
        if not done:
            raise RefusedError(Code.OUTCOME_UNKNOWN, f"the command was taken and is still under way: ask {ask}")
        if task.cancelled():
            raise RefusedError(Code.OUTCOME_UNKNOWN, f"the session stopped before it answered; once it runs, ask {ask}")
        match task.result():
            case NotDone(refusal):
                raise RefusedError(refusal.code, refusal.reason)
            case Stands(record, why):
                stands = {} if record is None else msgspec.to_builtins(record, enc_hook=str)
                raise RefusedError(Code.STANDS, f"{why}; it stands, and goes out by itself as soon as it can", stands)
            case Unknown(where):
                raise RefusedError(Code.OUTCOME_UNKNOWN, f"{where}: ask {ask}")
            case answer:
                return answer


def _over(task: asyncio.Task[Any]) -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()


async def _visit(request: Request) -> Visit:
    """Raises RefusedError 404 where the request names another session than the one that runs here."""
    visit: Visit = request.app.state.visit(request.state.caller)
    meant = request.headers.get(SESSION_HEADER)
    if meant is not None and meant != (runs := visit.moment().session_id):
        raise RefusedError(Code.SESSION_NOT_FOUND, f"session {meant} does not run here any more, {runs} does")
    return visit


CurrentVisit = Annotated[Visit, Depends(_visit)]

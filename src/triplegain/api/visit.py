"""One authenticated request: what it may use, who makes it, and how its commands are carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request

from triplegain.api.access import Role
from triplegain.api.control import SessionControl, SessionDirectory, does_not_run
from triplegain.domain.clock import Clock
from triplegain.domain.commands import Answer, Command, Done, NotDone, R, Stands, Unknown
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.views import Moment
from triplegain.storage.session_reader import SessionReader

#: Commands that outlived the request that brought them.
_UNDER_WAY: set[asyncio.Task[Any]] = set()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, from where. `actor` is the role and the beginning of the key's hash. `session` is the one that is
    meant; None: none was named, by one who reaches all. `base` is the part of the path that named it."""

    role: Role
    actor: str
    address: str
    request_id: str
    session: str | None = None
    base: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to one session that runs here."""

    control: SessionControl
    reader: SessionReader
    clock: Clock
    command_timeout_s: float
    caller: Caller

    @property
    def base(self) -> str:
        """Before the paths of the session's resources, as they were asked for."""
        return self.caller.base

    def moment(self) -> Moment:
        return self.control.moment()

    def audit(self, kind: str, details: Mapping[str, Any] | None = None) -> SecurityEvent:
        """The event that is stored together with the act."""
        caller = self.caller
        now_ns = self.clock.now_ns()
        return SecurityEvent(kind, caller.actor, caller.address, caller.request_id, now_ns, dict(details or {}))

    async def carry_out(self, command: Command[R], audit: SecurityEvent, ask: str) -> Done[R]:
        """Wait for a command, but never cut it off: after the time limit it goes on, and `ask` (`GET /path`) tells
        where to look.

        Raises RefusedError for what is not done, with OUTCOME_UNKNOWN for what may have been, with STANDS for what
        waits to be sent.
        """
        ask = ask.replace(" ", f" {self.base}", 1)
        task = asyncio.ensure_future(self._submit(command, audit))
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

    async def _submit(self, command: Command[R], audit: SecurityEvent) -> Answer[R]:
        """Never to a session that has taken the place of the one that is meant since the request came."""
        meant = self.caller.session
        if meant is not None and meant != self.moment().session_id:
            raise does_not_run(meant)
        return await self.control.submit(command, Origin.HAND, audit)


def _over(task: asyncio.Task[Any]) -> None:
    _UNDER_WAY.discard(task)
    if not task.cancelled():
        task.exception()


@dataclass(frozen=True, slots=True)
class Reception:
    """What all requests share, and where each is led to its session."""

    directory: SessionDirectory
    reader: SessionReader
    clock: Clock
    command_timeout_s: float

    def visit(self, caller: Caller) -> Visit:
        """Raises RefusedError 404 where the session that is meant does not run here."""
        return self._at(self.directory.control(caller.session), caller)

    def everywhere(self, caller: Caller) -> dict[str, Visit]:
        """By session: the one that is meant, or all that run here where none was named. Raises RefusedError 404."""
        running = self.directory.running()
        if caller.session is not None or not running:
            visit = self.visit(caller)
            return {visit.moment().session_id: visit}
        controls = {session: self.directory.control(session) for session in running}
        if len(controls) == 1:
            return {session: self._at(control, caller) for session, control in controls.items()}
        return {
            session: self._at(control, replace(caller, session=session, base=f"/sessions/{session}"))
            for session, control in controls.items()
        }

    def failed(self, caller: Caller) -> dict[str, RefusedError]:
        """What those answer that the caller means and that go on no more: nothing where one was named."""
        if caller.session is not None:
            return {}
        failed = self.directory.failed().items()
        return {name: RefusedError(Code.STOPPED, f"not done: it runs no more: {why}") for name, why in failed}

    def _at(self, control: SessionControl, caller: Caller) -> Visit:
        return Visit(control, self.reader, self.clock, self.command_timeout_s, caller)


async def _reception(request: Request) -> Reception:
    found: Reception = request.app.state.reception
    return found


async def _caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


CurrentReception = Annotated[Reception, Depends(_reception)]
CurrentCaller = Annotated[Caller, Depends(_caller)]


async def _visit(reception: CurrentReception, caller: CurrentCaller) -> Visit:
    return reception.visit(caller)


async def _everywhere(reception: CurrentReception, caller: CurrentCaller) -> dict[str, Visit]:
    return reception.everywhere(caller)


CurrentVisit = Annotated[Visit, Depends(_visit)]
#: Of what stops: every session it is to stop, by id.
CurrentVisits = Annotated[dict[str, Visit], Depends(_everywhere)]

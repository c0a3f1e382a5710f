"""A session that shares the market of the main one of its process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from triplegain.app.command_door import CommandDoor, by
from triplegain.app.opening import OpenedSession
from triplegain.app.session_face import RunFigures, SessionFace
from triplegain.domain.commands import Answer, Command, R, ResetSession
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.session.member import Member


@dataclass(eq=False, repr=False)
class GuestSession(SessionFace):
    """Implements the API's `SessionControl`. `_reset` puts another session in its place."""

    _opened: OpenedSession
    member: Member
    _figures: Callable[[], RunFigures]
    _door: CommandDoor
    _reset: Callable[[GuestSession, SecurityEvent], Awaitable[Any]]

    @property
    def opened(self) -> OpenedSession:
        return self._opened

    def figures(self) -> RunFigures:
        return self._figures()

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        if isinstance(command, ResetSession):
            answer: Answer[R] = await self._reset(self, by(audit, origin))
        else:
            answer = await self._door.submit(command, origin, audit)
        return answer

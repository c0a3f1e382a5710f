"""A session that shares the market of the main one of its process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triplegain.app.opening import OpenedSession
from triplegain.app.session_face import RunFigures, SessionFace
from triplegain.domain.commands import Answer, AnyAnswer, Command, NotDone, R, ResetSession
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, Refusal
from triplegain.session.guests import Guest
from triplegain.session.store_watch import StoreWatch
from triplegain.storage.session_reader import SessionReader

SHARES_MARKET = "it shares its market with other sessions: a session is reset where it is alone"


@dataclass(eq=False, repr=False)
class GuestSession(SessionFace):
    """Implements the API's `SessionControl`."""

    _opened: OpenedSession
    guest: Guest
    _figures: Callable[[], RunFigures]
    _watch: StoreWatch
    _reader: SessionReader

    @property
    def opened(self) -> OpenedSession:
        return self._opened

    def figures(self) -> RunFigures:
        return self._figures()

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        answer: AnyAnswer
        if isinstance(command, ResetSession):
            answer = NotDone(Refusal(Code.REFUSED, SHARES_MARKET))
        else:
            answer = await self._carried_out(self.guest, self._watch, self._reader, command, origin, audit)
        return answer

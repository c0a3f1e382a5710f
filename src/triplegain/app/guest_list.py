"""The sessions that share the market of a process's main one, by name: they come, go, begin anew, and fail alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from triplegain.api.control import does_not_run
from triplegain.app.command_door import CommandDoor
from triplegain.app.guest_session import GuestSession
from triplegain.app.opening import OpenedSession, SessionOpening
from triplegain.app.opening_together import OpeningTogether
from triplegain.app.session_face import RunFigures
from triplegain.domain.commands import AnyAnswer, Done, NotDone, Unknown
from triplegain.domain.errors import InvalidValueError, TripleGainError
from triplegain.domain.records import SecurityEvent, SessionRecord, SessionStatus
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.llm.reply import ModelPort
from triplegain.session.runner import SessionRunner
from triplegain.session.store_watch import StoreWatch
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_log = logging.getLogger(__name__)
#: Each holds a connection of the database, which lets a hundred in.
GUESTS_MAX = 63


class Hosting(Protocol):
    """The run that they are guests of."""

    @property
    def opened(self) -> OpenedSession: ...

    @property
    def runner(self) -> SessionRunner: ...

    @property
    def models_port(self) -> ModelPort | None: ...

    def check_going_on(self) -> None:
        """Raises RefusedError where the run is about to end, or to begin anew."""
        ...

    def changed(self) -> None:
        """Other sessions run now."""
        ...

    def say(self, words: str) -> None:
        """One sentence for whoever watches."""
        ...

    def figures(self) -> RunFigures: ...


@dataclass(eq=False, repr=False)
class GuestList:
    """`failed`: sessions of this run that go on no more, the main one among them, with why."""

    _host: Hosting
    _store: SessionStore
    _reader: SessionReader
    _watch: StoreWatch
    _alone: SessionOpening
    _opening: OpeningTogether
    failed: dict[str, str] = field(default_factory=dict, init=False)
    _guests: dict[str, GuestSession] = field(default_factory=dict, init=False)
    _coming: set[str] = field(default_factory=set, init=False)
    _lost: list[asyncio.Future[None]] = field(default_factory=list, init=False)

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[str]:
        return iter(self._guests)

    def sessions(self) -> tuple[GuestSession, ...]:
        return tuple(self._guests.values())

    def get(self, session_id: str) -> GuestSession | None:
        return self._guests.get(session_id)

    async def join(self, name: str, balances: Mapping[str, Decimal] | None) -> GuestSession:
        """Raises InvalidValueError for a name or balances that cannot be, RefusedError while the run is ending."""
        self._host.check_going_on()
        if len(self._guests) + len(self._coming) >= GUESTS_MAX:
            raise InvalidValueError(f"no more than {GUESTS_MAX + 1} sessions share a market in one process")
        self._alone.check_name(name)
        if name in self._coming:
            raise InvalidValueError(f"there is a session {name} already")
        self._coming.add(name)
        try:
            with suppress(SessionNotFoundError):
                await self._reader.session(name)
                raise InvalidValueError(f"there is a session {name} already")
            host = self._host
            opened = await self._opening.join(host.opened, lambda: host.runner.position, name, balances)
            return await self._begin(opened)
        finally:
            self._coming.discard(name)

    async def _begin(self, opened: OpenedSession) -> GuestSession:
        try:
            self._host.check_going_on()
        except RefusedError:
            opened.session.floor.leave(opened.session)
            await self._store.release(opened.record.session_id)
            raise
        guest = self.seat(opened)
        self._host.changed()
        return guest

    def seat(self, opened: OpenedSession) -> GuestSession:
        """A session that is on the floor already."""
        session_id = opened.record.session_id
        member = self._host.runner.guests.join(
            opened.session, self._host.models_port, lambda error: self.lose(opened, error)
        )
        door = CommandDoor(member, self._watch, self._reader)
        guest = self._guests[session_id] = GuestSession(opened, member, self._host.figures, door, self._begin_anew)
        return guest

    async def part(self, session_id: str) -> None:
        """It is left paused. Raises RefusedError for one that is not here."""
        guest = self._guests.pop(session_id, None)
        if guest is None:
            raise does_not_run(session_id)
        await self._host.runner.guests.leave(guest.member)
        if not guest.member.is_lost:
            await self.put_down(session_id, SessionStatus.PAUSED)

    async def _begin_anew(self, guest: GuestSession, audit: SecurityEvent) -> AnyAnswer:
        """Another session with the same settings in its place, on the market as it is now; its record is archived."""
        record, runner = guest.opened.record, self._host.runner
        try:
            self._host.check_going_on()
            if self._guests.pop(record.session_id, None) is None:
                raise does_not_run(record.session_id)
        except RefusedError as refused:
            return NotDone(refused.refusal)
        await runner.guests.leave(guest.member)
        if guest.member.is_lost:
            return NotDone(Refusal(Code.STOPPED, f"the session has halted: {self.failed[record.session_id]}"))
        wanted = self._alone.successor(record)
        try:
            created = await self._watch.ask(lambda: self._store.reset(record.session_id, wanted, audit=audit))
        except TripleGainError:
            await self.put_down(record.session_id, SessionStatus.PAUSED)
            raise
        return await self._succeeded(created)

    async def _succeeded(self, created: SessionRecord) -> AnyAnswer:
        """The reset is stored, whatever becomes of the session that it has opened."""
        try:
            await self._begin(self._opening.beside(self._host.opened, self._host.runner.position, created))
        except RefusedError as refused:
            # The run has come to its end meanwhile: it goes on at the next start.
            _log.warning("%s does not run yet: %s", created.session_id, refused)
        except Exception as error:
            await self._store.release(created.session_id)
            _log.error("%s cannot be run", created.session_id, exc_info=error)
            return Unknown(
                f"the session is archived and {created.session_id} in its place, which does not run: {error}"
            )
        return Done(created.session_id)

    # -- who goes on no more -------------------------------------------------------------------------------------

    def lose(self, opened: OpenedSession, error: BaseException) -> None:
        """One of the sessions, the main one perhaps, can go on no more; what is stored of it can."""
        session_id = opened.record.session_id
        self._guests.pop(session_id, None)
        self.failed[session_id] = str(error) or type(error).__name__
        self._host.say(f"The session {session_id} runs no more: {error}. The others go on.")
        self._lost.append(asyncio.ensure_future(self._put_down_failed(opened)))

    async def _put_down_failed(self, opened: OpenedSession) -> None:
        record = opened.record
        words = (
            f"it ran no more: {self.failed[record.session_id]}. What it did since its last stored step is given up; "
            "how its orders stand is unknown until it goes on, and it is paused then"
        )
        try:
            await self._alone.leave_failed(record, opened.feed, words)
        except Exception as error:
            # Whatever it failed of may be in what is stored, and fail again: it is put down all the same.
            _log.error("that %s runs no more cannot be stored: %s", record.session_id, error)
        try:
            await self.put_down(record.session_id, SessionStatus.PAUSED)
        except Exception as error:
            _log.error("%s cannot be left paused: %s", record.session_id, error)

    async def put_down(self, session_id: str, status: SessionStatus) -> None:
        self._guests.pop(session_id, None)
        try:
            await self._watch.ask(lambda: self._store.set_status(session_id, status), is_quick=True)
        finally:
            await self._store.release(session_id)
            self._host.changed()

    async def put_down_all(self, status: SessionStatus) -> None:
        """None is left as it is for what goes wrong with another. Raises what went wrong first."""
        wrong: list[TripleGainError] = []
        for session_id in list(self._guests):
            try:
                await self.put_down(session_id, status)
            except TripleGainError as error:
                wrong.append(error)
        if wrong:
            raise wrong[0]

    async def settled(self) -> None:
        """What is still done about those that failed is done."""
        if self._lost:
            await asyncio.wait(self._lost)

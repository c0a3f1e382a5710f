"""The other sessions on the floor of a run: each has its own steps, its own questions and its own end.

What goes wrong with one of them ends that one alone. A step of theirs that the store refuses cannot be undone while
others go on with the same market, so it ends the session's run; what is stored of it goes on at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from triplegain.domain.clock import Clock
from triplegain.domain.errors import StoreAwayError
from triplegain.llm.reply import ModelPort
from triplegain.session.market_floor import OnFloor
from triplegain.session.member import Member
from triplegain.session.steps import BatchStore, Steps
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession


class Guests:
    """Of one run. `position` says how many of the feed's messages it has taken."""

    def __init__(self, store: BatchStore, clock: Clock, watch: StoreWatch, position: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._watch = watch
        self._position = position
        self._guests: dict[OnFloor, Member] = {}
        self._closing: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[Member]:
        """They may leave on the way."""
        return iter(list(self._guests.values()))

    def join(self, session: TradingSession, models: ModelPort | None, lost: Callable[[BaseException], None]) -> Member:
        """A session that is on the floor already. `lost` is told, once, why it can go on no more."""

        def failed(error: BaseException) -> None:
            if not isinstance(error, StoreAwayError):
                self.fail(session, error)

        place = self._store, self._clock, self._watch
        steps = Steps(session, self._position(), *place, failed, can_undo=False, kept=None, at=self._position)
        guest = self._guests[session] = Member(steps, models, lost)
        return guest

    async def leave(self, guest: Member) -> None:
        """It ends its run here; everything is stored."""
        session = guest.session
        session.floor.heed(session)
        guest.steps.is_closed = True
        try:
            session.close_run()
        except Exception as error:
            self.fail(session, error)
            return
        await self._store_steps(guest)
        await self._part(guest)

    def fail(self, session: OnFloor, error: BaseException) -> None:
        """One of them can go on no more."""
        guest = self._guests.pop(session, None)
        if guest is None:
            return
        guest.fail(error)
        self._closing.append(asyncio.ensure_future(guest.aclose()))

    async def _part(self, guest: Member) -> None:
        self._guests.pop(guest.session, None)
        await guest.part()

    async def _store_steps(self, guest: Member) -> None:
        try:
            await guest.steps.commit()
        except StoreAwayError:
            # No fault of its own: the run is over, for all.
            raise
        except Exception as error:
            self.fail(guest.session, error)

    async def store_heard(self, heard: Sequence[OnFloor], *, waiting: bool = False) -> None:
        """What the last message has done to them; with `waiting` also what could wait until now."""
        for each in heard:
            guest = self._guests.get(each)
            if guest is not None and (guest.session.must_commit or (waiting and guest.session.record.has_waiting)):
                await self._store_steps(guest)

    async def store_waiting(self) -> None:
        for guest in self:
            if guest.session.record.has_waiting:
                await self._store_steps(guest)

    def ask(self) -> bool:
        """Whether any of them waits for a model."""
        waits = [guest.ask() for guest in self]
        return any(waits)

    async def end(self) -> None:
        """All runs end with the one that they were guests of."""
        for guest in self:
            await self.leave(guest)

    async def give_up(self) -> None:
        """The same without storing anything more."""
        for guest in self:
            await self._part(guest)
        if self._closing:
            await asyncio.wait(self._closing)

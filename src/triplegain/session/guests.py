"""The other sessions on the floor of a run: each has its own steps, its own questions and its own end.

What goes wrong with one of them ends that one alone. A step of theirs that the store refuses cannot be undone while
others go on with the same market, so it ends the session's run; what is stored of it goes on at the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from triplegain.decision.rounds import RequestDispatcher
from triplegain.domain.clock import Clock
from triplegain.llm.reply import ModelPort, ModelReply
from triplegain.session.market_floor import OnFloor
from triplegain.session.steps import BatchStore, Host, Steps
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Guest:
    """`lost` is told why it can go on no more."""

    steps: Steps
    lost: Callable[[BaseException], None]
    asking: RequestDispatcher | None = None

    @property
    def session(self) -> TradingSession:
        return self.steps.session

    def deliver(self, round_id: str, model: str, reply: ModelReply) -> None:
        if self.steps.failure is None:
            self.session.floor.heed(self.session)
            self.session.deliver(round_id, model, reply)


class Guests:
    """Of one run. `position` says how many of the feed's messages it has taken."""

    def __init__(self, store: BatchStore, clock: Clock, watch: StoreWatch, position: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._watch = watch
        self._position = position
        self._guests: dict[OnFloor, Guest] = {}
        self._closing: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[Guest]:
        """They may leave on the way."""
        return iter(list(self._guests.values()))

    def join(self, session: TradingSession, models: ModelPort | None, lost: Callable[[BaseException], None]) -> Guest:
        """A session that is on the floor already. `lost` is told, once, why it can go on no more."""
        place = self._store, self._clock, self._watch
        host = Host(self._position, lambda error: self.fail(session, error))
        steps = Steps(session, self._position(), *place, can_undo=False, kept=None, host=host)
        guest = self._guests[session] = Guest(steps, lost)
        if models is not None:
            asked = session.settings.decision.agents, session.settings.session_id
            guest.asking = RequestDispatcher(models, *asked, guest.deliver)
        return guest

    async def leave(self, guest: Guest) -> None:
        """It ends its run here; everything is stored."""
        session = guest.session
        session.floor.heed(session)
        guest.steps.is_closed = True
        session.close_run()
        await self._store_steps(guest)
        await self._part(guest)

    def fail(self, session: OnFloor, error: BaseException) -> None:
        """One of them can go on no more: it leaves at once, and nothing of its last step is stored."""
        guest = self._guests.pop(session, None)
        if guest is None:
            return
        guest.session.floor.leave(session)
        _log.error("%s is not run any more: %s", guest.session.settings.session_id, error)
        guest.steps.fail(error)
        guest.steps.abandon()
        if guest.asking is not None:
            self._closing.append(asyncio.ensure_future(guest.asking.aclose()))
        guest.lost(error)

    async def _part(self, guest: Guest) -> None:
        if self._guests.pop(guest.session, None) is not None:
            guest.session.floor.leave(guest.session)
        guest.steps.abandon()
        if guest.asking is not None:
            await guest.asking.aclose()

    async def _store_steps(self, guest: Guest) -> None:
        try:
            await guest.steps.commit()
        except asyncio.CancelledError:
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
        for guest in self._guests.values():
            if guest.asking is not None and guest.session.rounds.has_undispatched:
                guest.asking.ask(guest.session.rounds.take_undispatched())
        return any(guest.asking is not None and guest.asking.is_busy for guest in self._guests.values())

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

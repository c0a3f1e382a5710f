"""Runs a trading session on a feed: paces it, stores each step before anybody hears of it, and takes commands.

A step that the store refuses is undone: the session is built again from what is stored, the market's messages since
then are taken again (a live market's are kept), and the commands of that time one by one, each in a step of its own.
The one that is refused again is answered so, and the others are done. Where no command is in the step, the order that
the store names is taken out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from triplegain.decision.rounds import RequestDispatcher
from triplegain.domain.clock import Clock
from triplegain.domain.errors import StepRefusedError
from triplegain.domain.market import BookUpdate, Candle, MarketEvent
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import CommitBatch
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.llm.reply import ModelPort, ModelReply
from triplegain.session.answers import Answers
from triplegain.session.kept_market import KeptMarket, Told
from triplegain.session.pace import SessionClock
from triplegain.session.trading_session import TradingSession

#: Messages between two breaths of the event loop when running as fast as possible.
_BREATH = 256
#: Wall seconds between two looks at the clock while waiting for the market.
_TICK_S = 0.1

#: A recorded market, one event after the other, or a live one, as it comes.
MarketEvents = Iterator[MarketEvent] | AsyncIterator[Sequence[MarketEvent]]


class Ending(StrEnum):
    """Why a run is over."""

    FEED_OVER = "feed_over"
    DURATION = "duration"
    STOPPED = "stopped"


class BatchStore(Protocol):
    """Where steps go. When `commit` returns the step is on disk; when it raises nothing of it is."""

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        """Raises StepRefusedError for a step that can never be stored."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """A session as it is stored; `events` goes on after the first `position` messages of its life."""

    session: TradingSession
    events: MarketEvents
    position: int


#: Builds a session again from what is stored. On a live market the feed goes on, and before the session is put back it
#: is given to `stand`, which puts its markets where they stood then; False: nothing was stored since the start.
Rebuild = Callable[[Callable[[TradingSession], bool]], Awaitable[Built]]


@dataclass(eq=False, repr=False)
class SessionRunner:
    """One run of one session. `position` counts the feed's messages the session has processed since its beginning.

    `models` None: nobody is asked, and what the session would like to ask runs into its deadlines. `rebuild` None: a
    step that is refused ends the run.
    """

    session: TradingSession
    _events: MarketEvents
    _store: BatchStore
    _clock: Clock
    _: KW_ONLY
    speed: float | None = None
    duration_ns: int | None = None
    position: int = 0
    on_progress: Callable[[], None] | None = None
    models: ModelPort | None = None
    rebuild: Rebuild | None = None
    events_seen: int = field(default=0, init=False)
    _until_ns: int | None = field(default=None, init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    #: Of the exchange, to those who wait for one.
    answers: Answers = field(default_factory=Answers, init=False)
    _failure: BaseException | None = field(default=None, init=False)
    #: What the store raised at the last step.
    _lost: BaseException | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    #: Commands that are carried out in memory and not stored; those that are to be done again, and the one that is.
    _acts: list[_Act] = field(default_factory=list, init=False)
    _again: list[_Act] = field(default_factory=list, init=False)
    _doing: _Act | None = field(default=None, init=False)
    #: Where in the feed they are done again, and whether an order was taken out on the way there.
    _again_at: int = field(default=0, init=False)
    _has_taken_out: bool = field(default=False, init=False)
    #: Of a live market: what is still to be taken.
    _coming: deque[Told] = field(default_factory=deque, init=False)
    _refused: StepRefusedError | None = field(default=None, init=False)
    _refusals: int = field(default=0, init=False)
    #: The order that the store has named.
    _at_fault: OrderRequest | None = field(default=None, init=False)
    _had_commands: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._pace = SessionClock(self._clock, self.speed)
        asked = self.session.settings.decision.agents, self.session.settings.session_id
        self._asking = None if self.models is None else RequestDispatcher(self.models, *asked, self._deliver)
        #: Calls of `commit`: how many there were, how many are stored, how many the last attempt was for.
        self._asked = self._stored = self._tried = 0
        is_live = isinstance(self._events, AsyncIterator)
        #: Of a live market: what must be taken again where a step is refused.
        self._kept = KeptMarket() if self.rebuild is not None and is_live else None

    def stop(self) -> None:
        """Finish the step in flight, store everything, end the run."""
        self._stop.set()

    def fail(self, error: BaseException) -> RefusedError:
        """Nothing may be stored any more: the step in memory is not sound. The stored session is, and can go on.

        What those are told whose step it was: nothing of it is done.
        """
        if self._failure is None:
            self._failure = error
            self.session.halted = str(error) or type(error).__name__
        self._stop.set()
        return self._halted()

    def check_open(self) -> None:
        """Raises RefusedError when this run takes no more commands."""
        if self._failure is not None:
            raise self._halted()
        if self._closed:
            raise RefusedError(Code.STOPPED, "the session is stopping and takes no more commands")

    def _halted(self) -> RefusedError:
        return RefusedError(Code.STOPPED, f"the session has halted: {self.session.halted}")

    async def run(self) -> Ending:
        """Until the feed is over, the duration has passed in market time, or `stop`.

        Raises StorageError when a step cannot be stored and whatever the feed raises; what was stored stays.
        """
        try:
            ending: Ending | None = None
            while ending is None:
                try:
                    ending = await self._play()
                except StepRefusedError as refused:
                    await self._build_again(refused)
        except BaseException as error:
            self.fail(error)
            if self._failure is not error and self._failure is not None:
                # What failed first is why the run is over.
                raise self._failure from error
            raise
        finally:
            self._closed = True
            self._abandon()
            if self._asking is not None:
                await self._asking.aclose()
        return ending

    async def _play(self) -> Ending:
        ending = await self._follow_feed()
        self._closed = True
        self.session.close_run()
        await self.commit()
        return ending

    async def _follow_feed(self) -> Ending:
        if isinstance(self._events, AsyncIterator):
            return await self._follow_live(self._events)
        for event in self._events:
            await self._do_again()
            if self._is_over(event):
                return Ending.DURATION
            await self._wait_for(event.exchange_time_ns)
            if self._must_stop():
                return Ending.STOPPED
            await self._think(event.exchange_time_ns)
            if self._must_stop():
                return Ending.STOPPED
            await self._take(event)
        await self._do_again()
        return Ending.FEED_OVER

    async def _follow_live(self, batches: AsyncIterator[Sequence[MarketEvent]]) -> Ending:
        """Market time is the feed's and nothing else moves the session, so that its recording replays to the same.

        A live feed is never silent for long: it tells that time has passed. The duration begins with the first book:
        trades of the time away, which may be long, do not use it up.
        """
        has_begun = False
        async for batch in batches:
            self._coming.extend((event, None) for event in batch)
            while self._coming:
                await self._do_again()
                if self._must_stop():
                    return Ending.STOPPED
                event, closed = self._coming.popleft()
                has_begun = has_begun or isinstance(event, BookUpdate)
                if has_begun and self._is_over(event):
                    return Ending.DURATION
                await self._take(event, closed)
            await self._do_again()
            if self._must_stop():
                return Ending.STOPPED
            if self.session.record.has_waiting or (self._kept and self._kept.is_long):
                await self.commit()
            if self._asking is not None and self.session.rounds.has_undispatched:
                self._asking.ask(self.session.rounds.take_undispatched())
            await self._breathe(0)
        return Ending.FEED_OVER

    def _is_over(self, event: MarketEvent) -> bool:
        """The duration counts in market time, from the first message that is asked about."""
        time_ns = event.exchange_time_ns
        if self._until_ns is None and self.duration_ns is not None:
            self._until_ns = max(time_ns, self.session.now_ns) + self.duration_ns
        return self._until_ns is not None and time_ns >= self._until_ns

    def _must_stop(self) -> bool:
        if self._failure is not None:
            raise self._failure
        if self._refused is not None:
            raise self._refused
        return self._stop.is_set()

    async def _take(self, event: MarketEvent, told: Sequence[Candle] | None = None) -> None:
        closed = self.session.on_event(event, told)
        if self._kept is not None:
            self._kept.add(event, closed)
        self.position += 1
        self.events_seen += 1
        if self.session.must_commit:
            await self.commit()

    async def _think(self, time_ns: int) -> None:
        """Everything that is thought before `time_ns`: what is asked on the way is answered on the way.

        Questions come before time moves on, those of an earlier run among them. With a stop it breaks off.
        """
        session = self.session
        while self._asking is not None and not self._must_stop():
            if session.rounds.has_undispatched:
                await self._consult(self._asking)
            elif session.thinks_at_ns < time_ns:
                session.advance_to(session.thinks_at_ns)
            else:
                break
            if session.must_commit:
                await self.commit()

    async def _consult(self, asking: RequestDispatcher) -> None:
        """Ask what the session wants to know, and hold a market that can be held until everybody has answered.

        What a model needed to think is charged in market time all the same: its reply arrives that much later.
        """
        asking.ask(self.session.rounds.take_undispatched())
        while asking.is_busy and not self._must_stop():
            await asking.wait(_TICK_S)
            await self._breathe(0)

    def _deliver(self, round_id: str, model: str, reply: ModelReply) -> None:
        if self._failure is None:
            self.session.deliver(round_id, model, reply)

    async def _wait_for(self, time_ns: int) -> None:
        """Sleep until the event is due; meanwhile market time passes and commands are carried out."""
        if not self._pace.is_paced:
            if self.events_seen % _BREATH == 0:
                await self._breathe(0)
            return
        while (wait_s := self._pace.wait_s(time_ns)) > 0 and not self._must_stop():
            await self._breathe(min(wait_s, _TICK_S))
            until_ns = min(self._pace.market_now_ns(), time_ns - 1)
            await self._think(until_ns + 1)
            if self._must_stop():
                break
            self.session.advance_to(until_ns)
            if self.session.must_commit or self.session.record.has_waiting:
                await self.commit()
        if self.events_seen % _BREATH == 0:
            await self._breathe(0)

    async def _breathe(self, seconds: float) -> None:
        if self.on_progress is not None:
            self.on_progress()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    async def commit(self) -> None:
        """Store what has happened since the last commit, then let those who wait for an answer know.

        Those who come while a step is being stored share the next one. After a failure nothing is stored: a later
        batch would follow on one that the database never got. Raises what the store raised to everybody whose step it
        was, and RefusedError to those who came after.
        """
        self._asked += 1
        number, refusals = self._asked, self._refusals
        async with self._turn:
            if number <= self._stored:
                return
            if refusals != self._refusals:
                raise self._refused or StepRefusedError("what was in memory is done again")
            if self._refused is not None:
                # What is in memory now follows on a step that is not stored.
                raise self._refused
            if self._failure is not None:
                raise (self._lost if number <= self._tried else None) or self._halted() from self._failure
            self._tried = self._asked
            acts, self._acts = self._acts, []
            try:
                batch = self.session.take_batch(self.position, self._clock.now_ns())
                answered = self.session.exchange.account.drain_answered()
            except BaseException as error:
                raise self.fail(error) from error
            try:
                if self._kept is not None:
                    self._kept.begin_step(self.session)
                await self._store.commit(self.session.settings.session_id, batch)
            except StepRefusedError as error:
                if self.rebuild is None:
                    self.fail(error)
                else:
                    self._give_back(acts, error, batch)
                raise
            except BaseException as error:
                self.fail(error)
                self._lost = error
                raise
            self._stored = self._tried
            if self._kept is not None:
                self._kept.stored()
            if not self._is_behind:
                self._has_taken_out = False
            self.answers.tell(batch, answered)

    # -- steps that cannot be stored -----------------------------------------------------------------------------

    @property
    def _is_behind(self) -> bool:
        """What happened before a refused step is not done again yet."""
        return self._refused is not None or self._doing is not None or self.position < self._again_at

    async def carry_out(self, act: Callable[[], Any | Refusal]) -> Any | Refusal:
        """What `act` does to the session and returns, once it is stored. A Refusal has done nothing.

        Where the step cannot be stored it is done again in the session that is built in its place, in a step of its
        own. Raises StepRefusedError where that cannot be stored either, and what the store raises otherwise.
        """
        waiting = _Act(act)
        if self._is_behind or self._again:
            self._again.append(waiting)
            return await waiting.answer
        if isinstance(done := act(), Refusal):
            return done
        self._acts.append(waiting)
        try:
            await self.commit()
        except StepRefusedError:
            if not waiting.is_given_back:
                raise
            return await waiting.answer
        return done

    def _give_back(self, acts: list[_Act], refused: StepRefusedError, step: CommitBatch) -> None:
        """The step is undone, and with it what was done in memory while the store looked at it."""
        self._refused = refused
        self._at_fault = next((each.request for each in step.orders if each.order_number == refused.order_number), None)
        self._refusals += 1
        given_back, self._acts = [*acts, *self._acts], []
        for act in given_back:
            act.is_given_back = True
        self._again[:0] = given_back
        self._had_commands = bool(given_back)

    async def _build_again(self, refused: StepRefusedError) -> None:
        """Raises what the store has refused where there is nothing to leave out, or something was already."""
        if self.rebuild is None:
            raise refused
        doing, self._doing = self._doing, None
        taken_out = None
        if doing is not None:
            doing.tell(refused)
        elif not self._had_commands:
            out = {each.client_order_id for each in self.session.exchange.unstorable}
            if self._has_taken_out or (self._at_fault is not None and self._at_fault.client_order_id in out):
                raise type(refused)(f"{refused}; and again after an order had been taken out") from refused
            if (taken_out := refused.order_number) is None:
                raise refused
        if self._asking is not None:
            await self._asking.aclose()
        position = self.position
        built = await self.rebuild(lambda anew: self._kept is not None and self._kept.stand(anew, self.session))
        built.session.exchange.unstorable = self.session.exchange.unstorable
        self.session, self._events, self.position = built.session, built.events, built.position
        self.answers.undone(self.session.exchange.last_command)
        self.events_seen -= position - self.position
        self._again_at = max(position, self._again_at)
        if self._kept is not None:
            self._coming.extendleft(reversed(self._kept.take_back()))
        self._refused, self._closed = None, False
        if taken_out is not None:
            if not self.session.take_out(taken_out, self._at_fault, str(refused)):
                raise refused
            await self.commit()
            self._has_taken_out = True

    async def _do_again(self) -> None:
        """Commands of a refused step, each in a step of its own, once the market is back where they came."""
        if self._refused is not None:
            raise self._refused
        if not self._again or self.position < self._again_at:
            return
        if self.session.must_commit or self.session.record.has_waiting:
            await self.commit()
        while self._again and not self._must_stop():
            act = self._doing = self._again.pop(0)
            done = act.act()
            if not isinstance(done, Refusal):
                await self.commit()
            self._doing = None
            act.tell(done)

    def _abandon(self) -> None:
        self.answers.abandon()
        undone = RefusedError(Code.STOPPED, "the session stopped before this was done")
        for act in self._again:
            act.tell(undone)
        if self._doing is not None:
            self._doing.tell(self._failure or undone)


@dataclass(slots=True)
class _Act:
    """A command on its way to the store; `answer` is what comes of it where it is done again."""

    act: Callable[[], Any | Refusal]
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_given_back: bool = False

    def tell(self, done: Any) -> None:
        if self.answer.done():
            return
        if isinstance(done, BaseException):
            self.answer.set_exception(done)
        else:
            self.answer.set_result(done)

"""The steps of one run on their way to the store: what happens in memory, who waits for it, what is to be done again.

A step that the store refuses is undone, and so is one in which a command went wrong: whoever runs the session builds it
again from what is stored, and the commands of that time are done again one by one, each in a step of its own. A store
that is away is waited for: nothing new is begun, and what is under way is stored once it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import Clock
from triplegain.domain.errors import StepRefusedError
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import CommitBatch
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.session.answers import Answers
from triplegain.session.kept_market import KeptMarket
from triplegain.session.market_mark import MarketMarks
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession

_log = logging.getLogger(__name__)
_AGAIN = "what was in memory is done again"


class BatchStore(Protocol):
    """Where steps go. When `commit` returns the step is on disk."""

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        """Raises StepRefusedError for a step that can never be stored, StoreAwayError where it may be given again."""
        ...


@dataclass(slots=True)
class Act:
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


@dataclass(frozen=True, slots=True)
class Undone:
    """Why a step is undone. `is_found`: whatever is at fault is known or will show, as each command is done alone.

    Else `order_number` is the order to leave out, None where the store names none, and `request` how it was sent.
    """

    cause: StepRefusedError
    is_found: bool
    order_number: int | None = None
    request: OrderRequest | None = None


class Steps:
    """Of one session, which may be built again. `position` counts the feed's messages it has processed.

    `can_undo` False: a step that is refused ends the run, and so does a command that goes wrong. `failed` is told why
    the session can go on no more. `at` is how many messages the run has taken that it is a guest of; None: it is the
    main session, and counts them itself.
    """

    def __init__(
        self,
        session: TradingSession,
        position: int,
        store: BatchStore,
        clock: Clock,
        watch: StoreWatch,
        failed: Callable[[BaseException], None],
        *,
        can_undo: bool,
        kept: KeptMarket | None,
        at: Callable[[], int] | None = None,
    ) -> None:
        self.session = session
        self.position = position
        #: Joins to a step how the market stands, where that is stored.
        self.marks: MarketMarks | None = None
        self.watch = watch
        self.answers = Answers()
        self.is_closed = False
        self.failure: BaseException | None = None
        self.undone: Undone | None = None
        #: Commands to be done again, the one that is, and from which message of the feed on.
        self.again: list[Act] = []
        self.doing: Act | None = None
        self.again_at = 0
        self.has_taken_out = False
        self.turn = asyncio.Lock()
        #: No step is being stored; whoever waits for one learns at the same moment that it is over.
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._store = store
        self._clock = clock
        self._can_undo = can_undo
        self._kept = kept
        self._failed = failed
        self._at = at
        #: What the store raised at the last step.
        self._lost: BaseException | None = None
        #: Commands that are carried out in memory and not stored.
        self._acts: list[Act] = []
        #: How often something was undone; calls of `commit`: how many, how many stored, how many the last was for.
        self._undoings = 0
        self._asked = self._stored = self._tried = 0
        #: How many of the times that the store was away an alert in memory tells of, and how many are told.
        self._telling, self._told_away = 0, len(watch.spans)

    # -- who may come --------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> RefusedError:
        """Nothing may be stored any more: the step in memory is not sound. The stored session is, and can go on.

        What those are told whose step it was: nothing of it is done.
        """
        if self.failure is None:
            self.failure = error
            self.session.halted = str(error) or type(error).__name__
        self._failed(error)
        return self._halted()

    def check_open(self) -> None:
        """Raises RefusedError when this run takes no more commands, or none for now."""
        if self.failure is not None:
            raise self._halted()
        if self.is_closed:
            raise RefusedError(Code.STOPPED, "the session is stopping and takes no more commands")
        if refused := self.watch.refusal:
            raise RefusedError(refused.code, refused.reason)

    def _halted(self) -> RefusedError:
        return RefusedError(Code.STOPPED, f"the session has halted: {self.session.halted}")

    def check_sound(self) -> None:
        """Raises why nothing may happen to this session now."""
        if self.failure is not None:
            raise self.failure
        self.check_undone()

    def check_undone(self) -> None:
        if self.undone is not None:
            raise self.undone.cause

    # -- storing -------------------------------------------------------------------------------------------------

    async def commit(self) -> None:
        """Store what has happened since the last commit, then let those who wait for an answer know.

        Those who come together share a step, and those who come while one is being stored share the next one. After a
        failure nothing is stored: a later batch would follow on one that the database never got. Raises what the store
        raised to everybody whose step it was, and RefusedError to those who came after.
        """
        self._asked += 1
        number, undoings = self._asked, self._undoings
        if self._acts:
            # Whoever else was woken at this moment comes along.
            await asyncio.sleep(0)
        while not self._is_idle.is_set():
            await self._is_idle.wait()
            if number <= self._stored:
                return
        async with self.turn:
            if number <= self._stored:
                return
            if undoings != self._undoings:
                raise self.undone.cause if self.undone else StepRefusedError(_AGAIN)
            if self.undone is not None:
                # What is in memory now follows on a step that is not stored.
                raise self.undone.cause
            if self.failure is not None:
                raise (self._lost if number <= self._tried else None) or self._halted() from self.failure
            self._tried = self._asked
            acts, self._acts = self._acts, []
            if self._at is not None:
                self.position = self._at()
            try:
                batch = self.session.take_batch(self.position, self._clock.now_ns())
                if self.marks is not None:
                    batch = self.marks.joined(batch)
                answered = self.session.exchange.account.answers.drain_answered()
            except BaseException as error:
                raise self.fail(error) from error
            self._is_idle.clear()
            try:
                await self._put(batch, acts)
            finally:
                self._is_idle.set()
            self._stored = self._tried
            if self._kept is not None:
                self._kept.stored()
            if any(alert.kind is AlertKind.DATABASE_AWAY for alert in batch.alerts):
                self._told_away += self._telling
                self._telling = 0
            self._tell_away()
            # What is refused from now on is another step.
            self.has_taken_out = False
            self.answers.tell(batch, answered)

    async def _put(self, batch: CommitBatch, acts: list[Act]) -> None:
        session_id = self.session.settings.session_id
        try:
            if self._kept is not None:
                self._kept.begin_step(self.session)
            await self.watch.ask(lambda: self._store.commit(session_id, batch), is_quick=True)
        except StepRefusedError as error:
            if self._can_undo:
                at_fault = (each.request for each in batch.orders if each.order_number == error.order_number)
                given_back = bool(acts or self._acts)
                self._undo(acts, Undone(error, given_back, error.order_number, next(at_fault, None)))
            else:
                self.fail(error)
            raise
        except BaseException as error:
            self.fail(error)
            self._lost = error
            raise

    def _tell_away(self) -> None:
        """An alert of the session says how long nobody looked; it is stored with the next step."""
        untold = self.watch.spans[self._told_away :]
        if untold and not self._telling:
            self._telling = len(untold)
            spans = "; ".join(untold)
            words = f"the database was away {spans}: meanwhile nobody looked at the market, and orders were refused"
            self.session.alert(AlertKind.DATABASE_AWAY, words)

    def built_again(self, session: TradingSession, position: int, marks: MarketMarks | None) -> None:
        """`session` is what is stored; what is to be done again waits until the market is back where it was."""
        session.exchange.unstorable = self.session.exchange.unstorable
        self.again_at = max(self.position, self.again_at)
        self.session, self.position, self.marks = session, position, marks
        self.answers.undone(session.exchange.last_command)
        self.undone, self.is_closed = None, False
        self._telling = 0
        self._tell_away()

    # -- commands ------------------------------------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        """What happened before a step was undone is not done again yet."""
        return self.undone is not None or self.doing is not None or self.position < self.again_at

    @property
    def is_awaited(self) -> bool:
        """Somebody waits until a step is stored, or for what the exchange answers in one."""
        return bool(self._acts) or self.turn.locked() or len(self.answers) > 0

    async def carry_out(self, act: Callable[[], Any | Refusal]) -> Any | Refusal:
        """What `act` does to the session and returns, once it is stored. A Refusal has done nothing.

        Where the step cannot be stored it is done again in the session that is built in its place, in a step of its
        own. Raises StepRefusedError where that cannot be stored either, and what the store raises otherwise.
        """
        waiting = Act(act)
        if self.is_behind or self.again:
            self.again.append(waiting)
            return await waiting.answer
        self.session.floor.heed(self.session)
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

    def break_off(self, error: Exception) -> Refusal:
        """A command went wrong within, and may have left anything in memory: that is thrown away, and the others are
        done again. What whoever asked for it is told."""
        if not self._can_undo:
            return self.fail(error).refusal
        _log.error("a command went wrong, and the session is built again from what is stored", exc_info=error)
        words = f"the command went wrong within ({type(error).__name__}: {error}): nothing of it is done"
        self._undo([], Undone(StepRefusedError(words), is_found=True))
        return Refusal(Code.INTERNAL_ERROR, words)

    def read_again(self) -> None:
        """The market was lost on the way: it is taken again from the last step that is stored."""
        self._undo([], Undone(StepRefusedError(_AGAIN), is_found=True))

    def _undo(self, acts: list[Act], undone: Undone) -> None:
        """The step is undone, and with it what was done in memory since."""
        self.undone = undone
        self._undoings += 1
        given_back, self._acts = [*acts, *self._acts], []
        for act in given_back:
            act.is_given_back = True
        self.again[:0] = given_back

    def abandon(self) -> None:
        """The run is over: whoever waits is told so."""
        self.is_closed = True
        self.answers.abandon()
        undone = RefusedError(Code.STOPPED, "the session stopped before this was done")
        for act in self.again:
            act.tell(undone)
        if self.doing is not None:
            self.doing.tell(self.failure or undone)

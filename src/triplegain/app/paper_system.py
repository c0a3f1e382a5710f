"""A running paper system: one session at a time, its commands, and what can be seen of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from triplegain.api.control import SessionControl, does_not_run
from triplegain.app.beside import beside
from triplegain.app.command_door import CommandDoor, by
from triplegain.app.feeds import parse_duration_ns, parse_speed
from triplegain.app.guest_list import GuestList
from triplegain.app.machine_clock import MachineClock
from triplegain.app.opening import OpenedSession, PaperOptions, SessionOpening
from triplegain.app.opening_together import OpeningTogether
from triplegain.app.operation.metrics import Stats, exposition
from triplegain.app.session_face import RunFigures, SessionFace
from triplegain.app.session_models import ModelChoice, SessionModels, TapeChoice
from triplegain.app.standstill import Standstill
from triplegain.config import Config
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS, Clock, SteadyClock
from triplegain.domain.commands import Answer, AnyAnswer, Command, Done, NotDone, R, ResetSession, Unknown
from triplegain.domain.ids import Origin
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.records import CommitBatch, SecurityEvent, SessionRecord, SessionStatus
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.domain.views import Beside, SessionView
from triplegain.llm.reply import ModelPort
from triplegain.session.runner import Ending, SessionRunner
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.market_history import MarketHistory
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_LOOK_UP_S = 5.0


async def stored_price(history: MarketHistory, symbol: str, now_ns: int) -> Quote | None:
    """The last stored price as a quote: as old as the moment until which nothing else is known to have happened.

    Not after that market time; None where nothing is stored. Raises StorageError.
    """
    found = await history.latest_price(symbol, venue="kraken", at_ns=now_ns)
    if found is None:
        return None
    time = found.stands_until_ns
    return Quote(symbol, None, None, found.price, None, None, time, time, QuoteSource.HISTORICAL)


async def look_up_prices(current: Callable[[], TradingSession], history: MarketHistory) -> None:
    """Until cancelled: where a live market has no fresh price, what is stored of it stands in, as long as that is
    fresh. A market that is played back has all its prices in itself, and the same ones at every run."""
    latest = partial(stored_price, history)
    while True:
        session = current()
        chain, now_ns = session.prices.chain, session.floor.now_ns
        chain.historical = latest
        for symbol in session.exchange.markets:
            try:
                await chain.look_up(symbol, now_ns)
            except StorageError:
                # The runner meets it too, and tells. Until it is back the price that was found last grows old.
                break
        await asyncio.sleep(_LOOK_UP_S)


@dataclass(frozen=True, slots=True)
class _ToldSteps:
    """A store whose steps are told to others as well: later, so that no answer waits for them."""

    _store: SessionStore
    _others: list[Callable[[str, CommitBatch], None]]
    _stats: Stats

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        began_s = time.perf_counter()
        await self._store.commit(session_id, batch)
        self._stats.commits += 1
        self._stats.commit_s += time.perf_counter() - began_s
        for each in self._others:
            asyncio.get_running_loop().call_soon(each, session_id, batch)


_SHARES_MARKET = (
    "the market goes on for the sessions that share it, and the main one would begin it anew: reset each of the others "
    "by its name, or stop and start this one alone with `paper --session NAME --reset`"
)
_STOPPING = NotDone(Refusal(Code.STOPPED, "the system is stopping and takes no more commands"))


@dataclass(eq=False, repr=False)
class PaperSystem(SessionFace):
    """The main session of a process, and the directory of those that run beside it.

    `reset` ends the main session and goes on with its successor from the market's beginning; it is refused while others
    share that market, and a reset of one of those puts its successor in its place.
    """

    _options: PaperOptions
    _config: Config
    _home: Path
    _database: Database
    _store: SessionStore
    _reader: SessionReader
    _clock: Clock
    _environ: Mapping[str, str]
    on_progress: Callable[[], None] | None = None
    tell: Callable[[str], None] = lambda words: None
    _opened: OpenedSession | None = field(default=None, init=False)
    _runner: SessionRunner | None = field(default=None, init=False)
    #: What a reset that is wanted comes to.
    _successor: asyncio.Future[AnyAnswer] | None = field(default=None, init=False)
    _reset_audit: SecurityEvent | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)
    _events_before: int = field(default=0, init=False)
    #: Called when another session has taken over.
    on_session_change: list[Callable[[], None]] = field(default_factory=list, init=False)
    stats: Stats = field(default_factory=Stats, init=False)
    #: Called with a session's name and its step once that is stored, after those who waited have their answer.
    on_stored: list[Callable[[str, CommitBatch], None]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        options, place = self._options, (self._config, self._home, self._database)
        choice = ModelChoice(options.llm, TapeChoice.parse(options.llm_tape), options.is_hurried)
        self.models = SessionModels(
            choice, self._config, self._environ, self._home, self._database, self._clock, self.tell
        )
        self._opening = SessionOpening(options, *place, self._store, self._clock, self.say, self.models)
        self._together = OpeningTogether(options, *place, self._store, self._clock, self.models, self._opening)
        #: What durations are measured by, and the market is paced by.
        self._steady = SteadyClock()
        self._watch = StoreWatch(self._steady, self.tell, self.on_progress, self._is_store_lost)
        self.guests = GuestList(self, self._store, self._reader, self._watch, self._opening, self._together)
        self._database.why_away = lambda: self._watch.away
        self._started_ns = self._steady.now_ns()
        self._machine_clock = MachineClock(self._clock, self._steady, self._on_set_back)
        self._standstill = Standstill(self._steady, lambda: self.opened.session.floor.now_ns, self._why_still)

    def _why_still(self) -> str:
        behind = self.first.opened.session.conditions.clock.words
        return "the database" if self._watch.away else behind or self.runner.waits_for

    @property
    def opened(self) -> OpenedSession:
        if self._opened is None:
            raise RefusedError(Code.NOT_READY, "the session is not open yet")
        return self._opened

    @property
    def runner(self) -> SessionRunner:
        if self._runner is None:
            raise RefusedError(Code.NOT_READY, "the session is not running yet")
        return self._runner

    async def open(self) -> None:
        """Take or make the session; what can go wrong with feed, session and lock goes wrong here."""
        if not self._options.others:
            self._take(await self._opening.open())
            return
        main, others = await self._together.open()
        self._take(main)
        for other in others:
            self.guests.seat(other)
        beside = ", ".join(other.record.session_id for other in others)
        self.tell(f"{main.record.session_id} shares its market with {beside}: `tg report NAME` shows each.")

    # -- sessions beside the main one ----------------------------------------------------------------------------

    def control(self, session_id: str | None) -> SessionControl:
        """See the API's `SessionDirectory`."""
        main = self._main
        if main and session_id in (None, main):
            return self
        guest = None if session_id is None else self.guests.get(session_id)
        if guest is None:
            raise does_not_run(session_id or self.opened.record.session_id)
        return guest

    @property
    def _main(self) -> str:
        """The id of the main session; empty where it is not open yet, or runs no more."""
        is_lost = self._runner is not None and self._runner.is_lost
        return "" if self._opened is None or is_lost else self._opened.record.session_id

    @property
    def first(self) -> SessionFace:
        """The main session, or the first of those that go on without it: what is of the market or of the process is
        told of this one, and to it."""
        guests = self.guests.sessions()
        return guests[0] if guests and not self._main else self

    def running(self) -> tuple[str, ...]:
        return (*filter(None, (self._main,)), *self.guests)

    def failed(self) -> Mapping[str, str]:
        return self.guests.failed

    def view(self) -> SessionView:
        """With a line for each session beside it."""
        failed = (Beside(name, stands=f"runs no more: {why}") for name, why in self.failed().items())
        others = (guest.line() for guest in self.guests.sessions())
        return replace(super().view(), beside=(*others, *failed))

    def metrics(self, sessions: Collection[str], failed: Collection[str]) -> bytes:
        shown = [self.control(each).view() for each in sessions]
        return exposition(shown, failed, self.stats, self._clock.now_ns())

    async def join(self, name: str, balances: Mapping[str, Decimal] | None = None) -> SessionControl:
        """A new session of that name on the running market, from its next message on; `balances`: instead of the
        configured ones.

        Raises InvalidValueError for a name or balances that cannot be, or a name that is taken, RefusedError while the
        system is not running.
        """
        return await self.guests.join(name, balances)

    async def part(self, session_id: str) -> None:
        """The session is left paused, and can be gone on with. Raises RefusedError for one that does not run beside the
        main one."""
        await self.guests.part(session_id)

    def check_going_on(self) -> None:
        """Raises RefusedError where the run is about to end, or to begin anew."""
        if self._stopping or self._successor is not None or self.runner.is_closed:
            raise RefusedError(Code.STOPPED, "the system is stopping and takes no more sessions")

    @property
    def models_port(self) -> ModelPort | None:
        return self.models.port

    def say(self, words: str) -> None:
        self.tell(words)

    def changed(self) -> None:
        for told in self.on_session_change:
            told()

    def _take(self, opened: OpenedSession) -> None:
        self._events_before += self._runner.events_seen if self._runner else 0
        self._opened = opened
        self._runner = SessionRunner(
            opened.session,
            opened.events,
            _ToldSteps(self._store, self.on_stored, self.stats),
            self._clock,
            steady=self._steady,
            speed=parse_speed(self._options.speed),
            duration_ns=parse_duration_ns(self._options.duration),
            position=opened.position,
            on_progress=self.on_progress,
            models=self.models.port,
            rebuild=None if self._options.others else self._built_again,
            watch=self._watch,
            marks=opened.marks,
            lost=lambda error: self.guests.lose(opened, error),
        )

    async def _built_again(self, stand: Callable[[TradingSession], bool]) -> OpenedSession:
        self._opened = await self._opening.again(self.opened, stand)
        return self._opened

    def stop(self) -> None:
        """End the run for good: a reset that is under way does not start another session."""
        self._stopping = True
        self.runner.stop()

    async def run(self) -> Ending:
        """Until the feed is over, the duration has passed, or `stop`. The session is left paused, or ended."""
        try:
            ending = await self._played()
            while self._successor is not None and not self._stopping:
                await self.opened.opened_feed.aclose()
                try:
                    following = await self._succeed(self.opened.record)
                except BaseException:
                    self._end_reset(Unknown("the system stopped while it was reset"))
                    raise
                self._take(following)
                self.changed()
                self._end_reset(Done(following.record.session_id))
                if self._stopping:
                    self.runner.stop()
                ending = await self._played()
            self._stopping = True
            status = SessionStatus.ENDED if ending is Ending.FEED_OVER else SessionStatus.PAUSED
            if session_id := self._main:
                await self._watch.ask(lambda: self._store.set_status(session_id, status), is_quick=True)
            await self.guests.put_down_all(status)
        finally:
            await self.guests.settled()
            self._stopping = True
            self._end_reset(_STOPPING)
            await self.opened.opened_feed.aclose()
            await self.models.aclose()
        return ending

    async def _succeed(self, record: SessionRecord) -> OpenedSession:
        """The session that a reset opens in the place of `record`."""
        wanted = self._opening.successor(record)
        return await self._watch.ask(lambda: self._opening.succeed(record, wanted, self._reset_audit))

    async def _played(self) -> Ending:
        """One session, with what is stored of its markets beside a live feed, and looks at whether time moves."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(beside(self._standstill.watch, "the look at market time"))
            await stack.enter_async_context(beside(self._machine_clock.watch, "the look at the machine's clock"))
            if self.opened.feed.source is QuoteSource.LIVE:
                prices = partial(look_up_prices, lambda: self.first.opened.session, MarketHistory(self._database))
                await stack.enter_async_context(beside(prices, "the look at stored prices"))
            return await self.runner.run()

    # -- SessionControl ------------------------------------------------------------------------------------------

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        answer: AnyAnswer
        if isinstance(command, ResetSession) and not self._watch.refusal:
            answer = await self._reset(by(audit, origin))
        else:
            answer = await CommandDoor(self.runner, self._watch, self._reader).submit(command, origin, audit)
        return answer

    def figures(self) -> RunFigures:
        events = self._events_before + self.runner.events_seen
        elapsed_s = max(self._steady.now_ns() - self._started_ns, 1) / SECOND_NS
        words = self._watch.away, self._standstill.look()
        return RunFigures(*words, events, elapsed_s, self.models.warning, self.stats, self._clock.now_ns())

    def _is_store_lost(self) -> bool:
        return self._opened is not None and any(map(self._store.is_lost, self.running()))

    async def _reset(self, audit: SecurityEvent) -> AnyAnswer:
        if self._stopping:
            return _STOPPING
        if self.guests:
            return NotDone(Refusal(Code.REFUSED, _SHARES_MARKET))
        if self._successor is None:
            self._successor = asyncio.get_running_loop().create_future()
            self._reset_audit = audit
            self.runner.end()
        return await asyncio.shield(self._successor)

    def _end_reset(self, answer: AnyAnswer) -> None:
        if self._successor is not None:
            self._successor.set_result(answer)
            self._successor = None

    def backup_failed(self, words: str) -> None:
        self._alert(AlertKind.BACKUP_FAILED, words)

    def _on_set_back(self, words: str) -> None:
        self._alert(AlertKind.CLOCK_SET_BACK, words)

    def _alert(self, kind: AlertKind, words: str) -> None:
        session = self.first.opened.session
        session.floor.heed(session)
        session.alert(kind, words)

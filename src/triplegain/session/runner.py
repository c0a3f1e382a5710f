"""Runs a trading session on a feed: paces it, and stores each step before anybody hears of it.

A step that is undone is done again: the session is built again from what is stored, the market's messages since then
are taken again (a live market's are kept), and the commands of that time one by one, each in a step of its own. The one
that is refused again is answered so, and the others are done. Where no command is in the step, the order that the store
names is taken out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from itertools import count

from triplegain.decision.rounds import RequestDispatcher
from triplegain.domain.clock import DAY_NS, Clock, to_datetime
from triplegain.domain.errors import StepRefusedError, StoreAwayError, TripleGainError
from triplegain.domain.market import BookUpdate, Candle, MarketEvent
from triplegain.domain.refusals import Refusal
from triplegain.llm.reply import ModelPort
from triplegain.market.feed import FeedError
from triplegain.session.guests import Guests
from triplegain.session.kept_market import KeptMarket, Told
from triplegain.session.market_floor import OnFloor
from triplegain.session.market_mark import MarketMarks
from triplegain.session.member import Member
from triplegain.session.pace import SessionClock
from triplegain.session.steps import BatchStore, Steps
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession

#: Messages between two breaths of the event loop when running as fast as possible.
_BREATH = 256
#: Where a stretch was shorter than the first, as many messages as the second are looked at one by one.
_SHORT, _APART = 4, 32
#: Thoughts between two of them.
_THOUGHTS = 16
#: A hole that no market has: its time is told in another unit on one side of it.
_HOLE_MAX_NS = 400 * DAY_NS
#: Wall seconds between two looks at the clock while waiting for the market.
_TICK_S = 0.1

#: A recorded market, one event after the other, or a live one, as it comes.
MarketEvents = Iterator[MarketEvent] | AsyncIterator[Sequence[MarketEvent]]


class Ending(StrEnum):
    """Why a run is over."""

    FEED_OVER = "feed_over"
    DURATION = "duration"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Built:
    """A session as it is stored; `events` goes on after the first `position` messages of its life. `marks` None: where
    its market stands is not stored."""

    session: TradingSession
    events: MarketEvents
    position: int
    _: KW_ONLY
    marks: MarketMarks | None = None


#: Builds a session again from what is stored. On a live market the feed goes on, and before the session is put back it
#: is given to `stand`, which puts its markets where they stood then; False: nothing was stored since the start.
Rebuild = Callable[[Callable[[TradingSession], bool]], Awaitable[Built]]


class SessionRunner:
    """One run of one session, and of those that share its market: what goes wrong with one ends that one alone.

    `models` None: nobody is asked, and what the session would like to ask runs into its deadlines. `rebuild` None: a
    step that is refused ends the session. `lost` is told why it does where others go on. `watch` is what waits for a
    store that is away. `clock` tells when a step was recorded; `steady`, which nobody sets back, paces the market.
    """

    def __init__(
        self,
        session: TradingSession,
        events: MarketEvents,
        store: BatchStore,
        clock: Clock,
        *,
        steady: Clock | None = None,
        speed: float | None = None,
        duration_ns: int | None = None,
        position: int = 0,
        on_progress: Callable[[], None] | None = None,
        models: ModelPort | None = None,
        rebuild: Rebuild | None = None,
        watch: StoreWatch | None = None,
        marks: MarketMarks | None = None,
        lost: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        #: What the market is held for, in words; empty while it is not.
        self.waits_for = ""
        self._events = events
        self._duration_ns = duration_ns
        self._on_progress = on_progress
        self._rebuild = rebuild
        self._watch = watch or StoreWatch(clock)
        self._pace = SessionClock(steady or clock, speed)
        is_live = isinstance(events, AsyncIterator)
        #: A recorded market as fast as possible.
        self._is_hurried = not is_live and not self._pace.is_paced
        #: Of a live market: what must be taken again where a step is undone, and what is still to be taken.
        self._kept = KeptMarket() if rebuild is not None and is_live else None
        self._coming: deque[Told] = deque()
        place = store, clock, self._watch
        steps = Steps(session, position, *place, self._failed, can_undo=rebuild is not None, kept=self._kept)
        steps.marks = marks
        self._main = Member(steps, models, lost)
        #: Other sessions on the same market.
        self.guests = Guests(store, clock, self._watch, lambda: self.position)
        session.floor.failed = self._on_failure
        self.events_seen = 0
        self._until_ns: int | None = None
        #: Of a recorded market: the message that was handed out and is not taken yet.
        self._next: MarketEvent | None = None
        #: So many messages more are looked at one by one.
        self._one_by_one = 0
        #: The run is to end; it is ending, and nobody goes on.
        self._stop = asyncio.Event()
        self._is_ending = False
        self._has_played = False

    @property
    def steps(self) -> Steps:
        """Of the main session."""
        return self._main.steps

    @property
    def is_lost(self) -> bool:
        """The main session runs no more, and others go on."""
        return self._main.is_lost

    @property
    def is_closed(self) -> bool:
        """The run is about to be over, for all."""
        return self._has_played or (self.steps.is_closed and not self.is_lost)

    @property
    def session(self) -> TradingSession:
        """As it is now: it may be built again on the way."""
        return self.steps.session

    @property
    def position(self) -> int:
        """How many of the feed's messages the session has processed since its beginning."""
        return self.steps.position

    def stop(self) -> None:
        """Finish the step in flight, store everything, end the run. A store that is away is not waited for."""
        self.end()
        self._watch.give_up()

    def end(self) -> None:
        """The same, but nothing is left unstored, however long the store is away."""
        self._stop.set()

    async def commit(self) -> None:
        """See `Steps.commit`."""
        await self.steps.commit()

    async def run(self) -> Ending:
        """Until the feed is over, the duration has passed in market time, or `stop`.

        Raises StorageError when a step cannot be stored and whatever the feed raises; what was stored stays.
        """
        steps = self.steps
        try:
            ending: Ending | None = None
            while ending is None:
                try:
                    ending = await self._play()
                except StepRefusedError as refused:
                    if steps.undone is None:
                        raise
                    if not self._go_on(refused):
                        await self._build_again(refused)
                except StoreAwayError as away:
                    # Not at a step: a market that is read from there.
                    if steps.failure is not None or self._rebuild is None or self.guests:
                        raise
                    steps.read_again()
                    await self._build_again(away)
        except BaseException as error:
            self._is_ending = True
            steps.fail(error)
            if steps.failure is not error and steps.failure is not None and not self.is_lost:
                # What failed first is why the run is over.
                raise steps.failure from error
            raise
        finally:
            steps.abandon()
            await self.guests.give_up()
            await self._main.aclose()
        return ending

    async def _play(self) -> Ending:
        self._has_played = False
        ending = await self._follow_feed()
        self._has_played = self.steps.is_closed = True
        if not self.is_lost:
            self.session.floor.heed(self.session)
            self.session.close_run()
            await self._store_main()
        await self.guests.end()
        return ending

    async def _follow_feed(self) -> Ending:
        if isinstance(self._events, AsyncIterator):
            return await self._follow_live(self._events)
        while (event := await self._upcoming(self._events)) is not None:
            if self.steps.again:
                await self._do_again()
            if self._watch.away or self._watch.away_ns:
                await self._wait_for_store()
            if self._is_over(event):
                return Ending.DURATION
            if self._pace.is_paced or self.events_seen % _BREATH == 0:
                await self._wait_for(event.exchange_time_ns)
            if self._must_stop():
                return Ending.STOPPED
            await self._think(event.exchange_time_ns)
            if self._must_stop():
                return Ending.STOPPED
            self._next = None
            await self._take(event)
            await self._take_stretch(self._events)
        await self._do_again()
        return Ending.FEED_OVER

    async def _upcoming(self, events: Iterator[MarketEvent]) -> MarketEvent | None:
        """The next message, None where there is none. Raises what the feed raises, once what has happened is stored."""
        try:
            self._next = self._next or next(events, None)
            if self._next is not None:
                self._check_hole(self._next)
        except Exception:
            await self._store_main()
            raise
        return self._next

    async def _take_stretch(self, events: Iterator[MarketEvent]) -> None:
        """Messages that concern nobody are taken together, up to the next breath."""
        steps, session = self.steps, self.session
        # Where they have concerned somebody lately, looking for those that do not costs more than it saves.
        self._one_by_one = max(self._one_by_one - 1, 0)
        if self._one_by_one or self._pace.is_paced or self.events_seen % _BREATH == 0:
            return
        if self.is_lost or self._must_stop() or self._watch.away or steps.is_behind or steps.again:
            return
        if session.rounds.has_undispatched or (self.guests and self.guests.ask()):
            return
        most = _BREATH - self.events_seen % _BREATH
        until_ns = session.floor.now_ns + _HOLE_MAX_NS
        if self._until_ns is not None:
            until_ns = min(until_ns, self._until_ns)
        try:
            taken, self._next = session.floor.on_stretch(events, most, until_ns)
        except Exception:
            if (before := session.floor.broke_off_after) is not None:
                steps.position += before
                self.events_seen += before
                await self._store_main()
            raise
        if taken < _SHORT:
            self._one_by_one = _APART
        if not taken:
            return
        steps.position += taken
        self.events_seen += taken
        if self._must_store:
            await self._store_main()
        if self.guests:
            await self.guests.store_heard(session.floor.heard)

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
                await self._wait_for_store()
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
            if self.session.record.has_waiting or (self._kept and self._kept.is_long) or self._watch.is_lost():
                await self._store_main()
            self._main.ask()
            if self.guests:
                await self.guests.store_waiting()
                self.guests.ask()
            await self._breathe(0)
        return Ending.FEED_OVER

    def _is_over(self, event: MarketEvent) -> bool:
        """The duration counts in market time, from the first message that is asked about."""
        time_ns = event.exchange_time_ns
        if self._until_ns is None and self._duration_ns is not None:
            self._until_ns = max(time_ns, self.session.floor.now_ns) + self._duration_ns
        return self._until_ns is not None and time_ns >= self._until_ns

    def _check_hole(self, event: MarketEvent) -> None:
        now_ns = self.session.floor.now_ns
        hole_ns = event.exchange_time_ns - now_ns
        if now_ns and hole_ns > _HOLE_MAX_NS:
            raise FeedError(
                f"the market goes on {hole_ns // DAY_NS:,} days after its message before, at "
                f"{to_datetime(event.exchange_time_ns):%Y-%m-%d %H:%M}: is a time there in another unit? "
                f"No more than {_HOLE_MAX_NS // DAY_NS} days of silence are played"
            )

    def _must_stop(self) -> bool:
        self._check_sound()
        return self._stop.is_set()

    async def _wait_for_store(self) -> None:
        """While the store is away no step is taken. A market that can be held has stood still."""
        await self._watch.wait()
        if self._watch.away_ns:
            self._pace.rest(self._watch.away_ns)
            self._watch.away_ns = 0

    async def _take(self, event: MarketEvent, told: Sequence[Candle] | None = None) -> None:
        closed = self.session.on_event(event, told)
        if self._kept is not None:
            self._kept.add(event, closed)
        self.steps.position += 1
        self.events_seen += 1
        if self._must_store:
            await self._store_main()
        if self.guests:
            await self.guests.store_heard(self.session.floor.heard)

    @property
    def _must_store(self) -> bool:
        """Before anything else happens. As fast as possible nobody hears of anything between two breaths, and what
        happens between them is one step, unless somebody waits for one, or what is stored ends a halt."""
        session, steps = self.session, self.steps
        if not session.must_commit:
            return False
        is_apart = bool(self.guests) or steps.is_awaited or steps.is_behind or session.reconciliation.lacks
        return not self._is_hurried or is_apart or session.record.is_full

    async def _think(self, time_ns: int) -> None:
        """Everything that is thought before `time_ns`: what is asked on the way is answered on the way.

        Questions come before time moves on, those of an earlier run among them. With a stop it breaks off.
        """
        session, floor = self.session, self.session.floor
        for number in count(1):
            if self._must_stop():
                break
            if self._main.asking is not None and session.rounds.has_undispatched and not self.is_lost:
                if session.must_commit:
                    await self._store_main()
                await self._consult(self._main.asking)
            elif self.guests and self.guests.ask():
                await self._wait_for_guests()
            elif floor.thinks_at_ns < time_ns:
                floor.advance_to(floor.thinks_at_ns)
            else:
                break
            if self._must_store:
                await self._store_main()
            if self.guests:
                await self.guests.store_heard(floor.heard)
            if number % _THOUGHTS == 0:
                # Many follow one another where the market was silent for long.
                await self._breathe(0)

    async def _consult(self, asking: RequestDispatcher) -> None:
        """Ask what the session wants to know, and hold a market that can be held until everybody has answered.

        What a model needed to think is charged in market time all the same: its reply arrives that much later.
        """
        asking.ask(self.session.rounds.take_undispatched())
        self.waits_for = "the answers of the models that were asked"
        try:
            while asking.is_busy and not self._must_stop():
                await asking.wait(_TICK_S)
                if self._watch.is_lost():
                    await self._store_main()
                await self._breathe(0)
        finally:
            self.waits_for = ""

    async def _wait_for_guests(self) -> None:
        self.waits_for = "the answers of the models that were asked"
        try:
            while self.guests.ask() and not self._must_stop():
                await self._breathe(_TICK_S)
        finally:
            self.waits_for = ""

    async def _wait_for(self, time_ns: int) -> None:
        """Sleep until the event is due; meanwhile market time passes and commands are carried out."""
        if not self._pace.is_paced:
            await self._breathe(0)
            return
        while (wait_s := self._pace.wait_s(time_ns)) > 0 and not self._must_stop():
            await self._breathe(min(wait_s, _TICK_S))
            await self._wait_for_store()
            until_ns = min(self._pace.market_now_ns(), time_ns - 1)
            await self._think(until_ns + 1)
            if self._must_stop():
                break
            floor = self.session.floor
            floor.advance_to(until_ns)
            if self.session.must_commit or self.session.record.has_waiting or self._watch.is_lost():
                await self._store_main()
            if self.guests:
                await self.guests.store_heard(floor.heard, waiting=True)
        if self.events_seen % _BREATH == 0:
            await self._breathe(0)

    async def _breathe(self, seconds: float) -> None:
        """Others have their turn: what has happened is stored before they can hear of it."""
        if self._is_hurried and self.session.must_commit:
            await self._store_main()
        if self._on_progress is not None:
            self._on_progress()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    # -- what goes wrong -----------------------------------------------------------------------------------------

    def _failed(self, error: BaseException) -> None:
        """The main session's step is not sound: where it is alone its run is over."""
        if self._go_on(error) and not self._is_ending:
            return
        self._stop.set()
        self._watch.give_up()

    def _on_failure(self, session: OnFloor, error: Exception) -> None:
        """In what the market did to a session."""
        if session is not self.session:
            self.guests.fail(session, error)
        elif not self._go_on(error):
            raise error

    def _go_on(self, error: BaseException) -> bool:
        """The others without the main session: it cannot be built again in the middle of their market. False where it
        is alone, or where it is the run that ends: stopped from without, or with a store that is not waited for."""
        is_of_run = isinstance(error, StoreAwayError) or not isinstance(error, Exception)
        if not self.guests or self._is_ending or is_of_run:
            return self.is_lost
        self._main.fail(error)
        # It is never built again, so that nothing is to be taken again.
        self._kept = None
        return True

    async def _store_main(self) -> None:
        if self.is_lost:
            return
        try:
            await self.commit()
        except StoreAwayError:
            raise
        except Exception as error:
            if not self._go_on(error):
                raise

    def _check_sound(self) -> None:
        """Raises why the run cannot go on."""
        if not self.is_lost:
            try:
                self.steps.check_sound()
            except Exception as error:
                if not self._go_on(error):
                    raise
        elif not self.guests and self.steps.failure is not None:
            raise self.steps.failure

    # -- steps that are undone -----------------------------------------------------------------------------------

    async def _build_again(self, why: TripleGainError) -> None:
        """Raises what the store has refused where there is nothing to leave out, or something was already."""
        steps, undone = self.steps, self.steps.undone
        assert self._rebuild is not None and undone is not None
        doing, steps.doing = steps.doing, None
        leaves_out = False
        if doing is not None:
            doing.tell(why)
        elif not undone.is_found:
            out = {each.client_order_id for each in self.session.exchange.unstorable}
            if steps.has_taken_out or (undone.request is not None and undone.request.client_order_id in out):
                raise type(undone.cause)(f"{why}; and again after an order had been taken out") from why
            if undone.order_number is None:
                raise why
            leaves_out = True
        await self._main.aclose()
        rebuild, position = self._rebuild, self.position
        async with steps.turn:
            # What is being stored still is part of what the session is built from.
            built = await self._watch.ask(
                lambda: rebuild(lambda anew: self._kept is not None and self._kept.stand(anew, self.session))
            )
            self._events, self._next = built.events, None
            steps.built_again(built.session, built.position, built.marks)
            built.session.floor.failed = self._on_failure
            self.events_seen -= position - built.position
            if self._kept is not None:
                self._coming.extendleft(reversed(self._kept.take_back()))
        if leaves_out and undone.order_number is not None:
            if not self.session.take_out(undone.order_number, undone.request, str(undone.cause)):
                raise why
            await self.commit()
            steps.has_taken_out = True

    async def _do_again(self) -> None:
        """Commands of a step that was undone, each in a step of its own, once the market is back where they came."""
        steps = self.steps
        self._check_sound()
        if self.is_lost or not steps.again or self.position < steps.again_at:
            return
        if self.session.must_commit or self.session.record.has_waiting:
            await self.commit()
        while steps.again and not self._must_stop() and not self.is_lost:
            act = steps.doing = steps.again.pop(0)
            done = act.act()
            if not isinstance(done, Refusal):
                await self.commit()
            steps.doing = None
            act.tell(done)

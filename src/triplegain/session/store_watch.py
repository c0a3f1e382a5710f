"""A store that may be away for a while: it is asked again until it is back, or until nobody waits any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from triplegain.domain.clock import SECOND_NS, Clock, iso
from triplegain.domain.errors import StepRefusedError, StoreAwayError, StoreSilentError
from triplegain.domain.refusals import Code, Refusal

T = TypeVar("T")

#: Seconds without an answer after which the store counts as away.
_SILENT_S = 2.0
#: Seconds that an attempt under way still has once nobody waits any more.
_GRACE_S = 4.0
#: Seconds between two attempts: the first, and what they grow to.
_PAUSE_S = 0.02
_PAUSE_MAX_S = 5.0
#: Seconds between two looks of whoever watches the session, and between two lines about a store that is away.
_LOOK_S = 0.25
_LINE_S = 60.0
_LINE_MAX_S = 1800.0


class StoreWatch:
    """One thing is asked after the other. `tell` is given a sentence when the store goes, while it is away,
    and when it is back; `look` is called a few times a second meanwhile. `is_lost` says that the next question will
    have to wait, where somebody has heard of it already."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str], None] = lambda words: None,
        look: Callable[[], None] | None = None,
        is_lost: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._look = look
        self.is_lost = is_lost
        self._turn = asyncio.Lock()
        self._is_given_up = asyncio.Event()
        self._is_there = asyncio.Event()
        self._is_there.set()
        self._limit: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_ns = 0
        self._is_quick = False
        self._tell_at_s = self._line_s = 0.0
        #: Why it is away, in words; empty while it is there.
        self.away = ""
        #: When it was away in this run, in words; and how long in all, wall time.
        self.spans: list[str] = []
        self.away_ns = 0

    @property
    def refusal(self) -> Refusal | None:
        """What whoever wants something done is told while it is away."""
        words = f"the database is away ({self.away}): nothing was done, try again once it is back"
        return Refusal(Code.DATABASE_AWAY, words) if self.away else None

    def give_up(self) -> None:
        """Whoever asks is told at once, or within seconds where an attempt is under way, that the store is away."""
        self._is_given_up.set()
        if self._limit is not None:
            self._limit.reschedule(self._last_moment_s)

    @property
    def _last_moment_s(self) -> float | None:
        """When an attempt is given up; None: what is slow of itself is waited for while the store is there."""
        if not self._is_given_up.is_set() or not (self.away or self._is_quick):
            return None
        return asyncio.get_running_loop().time() + _GRACE_S

    async def wait(self) -> None:
        """Until it is there, or given up."""
        if self.away:
            waits = [asyncio.ensure_future(each.wait()) for each in (self._is_there, self._is_given_up)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()

    async def ask(self, ask: Callable[[], Awaitable[T]], *, is_quick: bool = False) -> T:
        """What the store says, however long that takes. `ask` may be called many times.

        `is_quick`: it is answered within a moment, and the store counts as away where it is not. Raises StoreAwayError
        once it is given up, and whatever else `ask` raises.
        """
        async with self._turn:
            return await self._watched(ask, is_quick)

    async def _watched(self, ask: Callable[[], Awaitable[T]], is_quick: bool) -> T:
        self._began_ns, self._is_quick = self._clock.now_ns(), is_quick
        if is_quick:
            silent = f"it has not answered for {_SILENT_S:g} s"
            self._timer = asyncio.get_running_loop().call_later(_SILENT_S, self._lost, silent)
        try:
            answer = await self._asked(ask)
        except StepRefusedError:
            # Refusing is answering, too.
            self._back()
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._back()
        return answer

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        pause_s = _PAUSE_S
        while True:
            limit = self._limit = asyncio.timeout_at(self._last_moment_s)
            try:
                try:
                    async with limit:
                        return await ask()
                finally:
                    self._limit = None
            except TimeoutError:
                if not limit.expired():
                    raise
                words = "the database had not answered when the session was stopped"
                raise StoreSilentError(f"{words}: start it again to go on from what is stored") from None
            except StoreAwayError as away:
                self._lost(away.why)
                if await self._paused(pause_s):
                    raise
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    async def _paused(self, seconds: float) -> bool:
        """True: nobody waits any more."""
        try:
            async with asyncio.timeout(seconds):
                return await self._is_given_up.wait()
        except TimeoutError:
            return False

    def _lost(self, why: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if not self.away:
            self._is_there.clear()
            self._line_s = _LINE_S
            self._tell_at_s = now_s + _LINE_S
            self._tell(f"The database is away: {why}. The session waits for it, and orders are refused meanwhile.")
            self._watch()
        self.away = why

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(_LOOK_S, self._watch)
        if self._look is not None and self.away:
            self._look()
        if self.away and loop.time() >= self._tell_at_s:
            self._line_s = min(2 * self._line_s, _LINE_MAX_S)
            self._tell_at_s = loop.time() + self._line_s
            self._tell(f"The database has been away for {self._seconds} s: {self.away}")

    @property
    def _seconds(self) -> str:
        return f"{(self._clock.now_ns() - self._began_ns) / SECOND_NS:.1f}"

    def _back(self) -> None:
        if not self.away:
            return
        now_ns = self._clock.now_ns()
        self.away_ns += now_ns - self._began_ns
        span = f"from {iso(self._began_ns)} to {iso(now_ns)}, {self._seconds} s"
        self.spans.append(span)
        self._tell(f"The database is back after {self._seconds} s, and the session goes on.")
        self.away = ""
        self._is_there.set()

"""Whether market time moves: a session that stands still says for how long, and what it waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from triplegain.domain.clock import SECOND_NS, Clock

_log = logging.getLogger(__name__)
_LOOK_S = 1.0
#: Market time that stands for less than this is no news.
STILL_AFTER_NS = 5 * SECOND_NS


@dataclass(eq=False)
class Standstill:
    """`_market_ns` tells market time, `_waits_for` what keeps it, where somebody knows."""

    _clock: Clock
    _market_ns: Callable[[], int]
    _waits_for: Callable[[], str]
    _seen_ns: int = field(default=-1, init=False)
    _since_ns: int = field(default=0, init=False)

    def look(self) -> str:
        """What is waited for, in words, and since when; empty while market time moves."""
        market_ns, now_ns = self._market_ns(), self._clock.now_ns()
        if market_ns != self._seen_ns:
            self._seen_ns, self._since_ns = market_ns, now_ns
        still_ns = now_ns - self._since_ns
        if still_ns < STILL_AFTER_NS:
            return ""
        what = self._waits_for() or ("the market" if market_ns else "the market's first message")
        return f"{what}; market time has not moved for {still_ns // SECOND_NS} s"

    async def watch(self) -> None:
        """Until cancelled: the log says when time stands still, and when it moves again."""
        told = False
        while True:
            words = self.look()
            if bool(words) != told:
                told = bool(words)
                _log.warning("the session waits for %s", words) if told else _log.warning("market time moves again")
            await asyncio.sleep(_LOOK_S)

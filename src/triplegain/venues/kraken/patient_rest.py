"""Kraken's REST interface for work that takes hours: a failure is waited out and the request repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from triplegain.market.feed import FeedError
from triplegain.venues.kraken.rest import TRADES_PER_PAGE, KrakenRefusal, KrakenRest

#: Seconds before each new attempt: about four minutes in all.
_WAITS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0, 60.0)

#: Errors that pass by themselves.
_PASSING = ("EService:", "EGeneral:Internal error")


class PatientRest:
    """Repeats what failed by time-out, broken connection, HTTP status, rate limit or an exchange that is busy.

    `on_wait` hears the reason and the seconds of each pause. After the last attempt the FeedError is raised; so is a
    refusal that no waiting changes, at once.
    """

    def __init__(
        self,
        rest: KrakenRest,
        on_wait: Callable[[str, float], None] | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest = rest
        self._on_wait = on_wait
        self._pause = pause
        self.repeated = 0

    async def trades_page(self, symbol: str, since_ns: int, count: int = TRADES_PER_PAGE) -> bytes:
        return await self._patiently(lambda: self._rest.trades_page(symbol, since_ns, count))

    async def ohlc(self, symbol: str, minutes: int, since_s: int = 0) -> bytes:
        return await self._patiently(lambda: self._rest.ohlc(symbol, minutes, since_s))

    async def asset_pairs(self, symbols: tuple[str, ...] = ()) -> bytes:
        return await self._patiently(lambda: self._rest.asset_pairs(symbols))

    async def server_time(self) -> bytes:
        return await self._patiently(self._rest.server_time)

    async def _patiently(self, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        for wait_s in _WAITS_S:
            try:
                return await ask()
            except FeedError as error:
                if isinstance(error, KrakenRefusal) and not _passes(error):
                    raise
                if self._on_wait is not None:
                    self._on_wait(str(error), wait_s)
            self.repeated += 1
            await self._pause(wait_s)
        return await ask()


def _passes(refusal: KrakenRefusal) -> bool:
    return refusal.is_rate_limit or any(error.startswith(_PASSING) for error in refusal.errors)

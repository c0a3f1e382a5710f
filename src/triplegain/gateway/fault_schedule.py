"""Faults one after the other, drawn from a seed: the same seed, the same faults at the same distances."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Iterator, Sequence

from triplegain.gateway.fault_desk import FaultDesk
from triplegain.gateway.faults import Fault, FaultKind

#: Kinds that are about one instrument half of the time.
_OF_A_SYMBOL = frozenset(
    {FaultKind.BAD_CHECKSUM, FaultKind.GAP, FaultKind.DUPLICATE, FaultKind.REORDER, FaultKind.SILENCE}
)

#: Faults that last do so for so long (seconds, from and up to).
_LASTING: dict[FaultKind, tuple[float, float]] = {
    FaultKind.SILENCE: (0.5, 8.0),
    FaultKind.MAINTENANCE: (1.0, 5.0),
    FaultKind.CANCEL_ONLY: (1.0, 5.0),
    FaultKind.POST_ONLY: (1.0, 5.0),
    FaultKind.INSTRUMENT_STATUS: (1.0, 5.0),
    FaultKind.DELAY: (0.5, 3.0),
    FaultKind.SLOW_READER: (0.5, 3.0),
    FaultKind.SLOW_WRITER: (0.2, 1.0),
    FaultKind.REFUSE_CONNECTS: (0.5, 3.0),
    FaultKind.RATE_LIMIT: (0.5, 3.0),
    FaultKind.TOO_MANY_REQUESTS: (0.5, 3.0),
}

#: The others happen up to so many times in a row.
_TIMES_MAX = 3

_STATUSES = ("cancel_only", "post_only", "maintenance", "limit_only", "reduce_only", "delisted")

#: From here on everything is as good as never.
_LONGEST_WAIT_IN_MEANS = 5.0


class FaultSchedule:
    """An endless list of (seconds to wait, fault). `kinds` are all by default."""

    def __init__(
        self, seed: int, symbols: Sequence[str], every_s: float = 5.0, kinds: Sequence[FaultKind] = tuple(FaultKind)
    ) -> None:
        self._seed = seed
        self._symbols = tuple(symbols)
        self._every_s = every_s
        self._kinds = tuple(kinds)
        self._draws = 0

    def __iter__(self) -> Iterator[tuple[float, Fault]]:
        while True:
            wait = min(-math.log1p(-self._share()), _LONGEST_WAIT_IN_MEANS) * self._every_s
            yield wait, self._fault()

    async def run(self, desk: FaultDesk) -> None:
        """Orders one fault after the other, until cancelled."""
        for wait, fault in self:
            await asyncio.sleep(wait)
            desk.order(fault)

    def _share(self) -> float:
        """The next draw, from 0 up to but not including 1."""
        self._draws += 1
        digest = hashlib.blake2b(b"%d:%d" % (self._seed, self._draws), digest_size=6).digest()
        return int.from_bytes(digest) / (1 << 48)

    def _one_of(self, count: int) -> int:
        return int(self._share() * count)

    def _fault(self) -> Fault:
        kind = self._kinds[self._one_of(len(self._kinds))]
        symbol = self._symbols[self._one_of(len(self._symbols))]
        if kind is not FaultKind.INSTRUMENT_STATUS and (kind not in _OF_A_SYMBOL or self._share() < 0.5):
            symbol = ""
        shortest, longest = _LASTING.get(kind, (0.0, 0.0))
        duration = round(shortest + self._share() * (longest - shortest), 3)
        return Fault(
            kind,
            symbol,
            times=0 if duration or kind is FaultKind.HALF_OPEN else 1 + self._one_of(_TIMES_MAX),
            duration_s=duration,
            delay_ms=(1 if kind is FaultKind.SLOW_WRITER else 1 + self._one_of(400)),
            status=_STATUSES[self._one_of(len(_STATUSES))] if kind is FaultKind.INSTRUMENT_STATUS else "",
        )

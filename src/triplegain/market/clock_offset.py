"""By how much an exchange's clock is ahead of ours, as far as its messages tell.

Each message was sent before it came: the exchange's time less that of receipt is the offset less what the message
travelled. The largest of the last minute belongs to the one that travelled fastest; older ones are forgotten, for
clocks drift and are set.
"""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.clock import MINUTE_NS, SECOND_NS

#: (second of receipt, offset in nanoseconds)
Bucket = tuple[int, int]

_WINDOW_S = MINUTE_NS // SECOND_NS


class ClockOffset:
    """`value` is what to add to a time of receipt, in nanoseconds; `begin` says it as long as no message has."""

    __slots__ = ("_buckets", "value")

    def __init__(self, begin: int = 0, buckets: Iterable[Bucket] = ()) -> None:
        #: Falling offsets in order of receipt: one that a later one outdoes says nothing any more.
        self._buckets = list(buckets)
        self.value = self._buckets[0][1] if self._buckets else begin

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """What another one goes on from."""
        return tuple(self._buckets)

    def learn(self, exchange_ns: int, received_ns: int) -> None:
        """A message that was sent at `exchange_ns`, not earlier."""
        offset, second, buckets = exchange_ns - received_ns, received_ns // SECOND_NS, self._buckets
        if buckets and second <= buckets[-1][0]:
            if offset <= buckets[-1][1]:
                return
            second = buckets[-1][0]
        while buckets and buckets[-1][1] <= offset:
            buckets.pop()
        buckets.append((second, offset))
        while buckets[0][0] <= second - _WINDOW_S:
            del buckets[0]
        self.value = buckets[0][1]

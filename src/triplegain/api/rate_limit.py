"""Requests a minute, counted in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from triplegain.domain.clock import SECOND_NS, Clock

_MINUTE_NS = 60 * SECOND_NS


class RateLimit:
    """A bucket for each key that holds one minute's worth and fills evenly (GCRA: one integer a key).

    At most `keys_max` keys are remembered; the one longest unseen is forgotten first.
    """

    def __init__(self, clock: Clock, keys_max: int = 1024) -> None:
        self._clock = clock
        self._keys_max = keys_max
        #: When the bucket of a key will be full again.
        self._full_at_ns: OrderedDict[Hashable, int] = OrderedDict()

    def take(self, key: Hashable, per_minute: int) -> int:
        """Take one request out of the bucket. 0, or the nanoseconds to wait when there was none and none was taken."""
        step_ns = _MINUTE_NS // per_minute
        now_ns = self._clock.now_ns()
        # A wall clock that was set back must not lock anybody out for longer than an empty bucket would.
        full_at_ns = min(max(self._full_at_ns.get(key, now_ns), now_ns), now_ns + step_ns * per_minute)
        wait_ns = full_at_ns + step_ns - (now_ns + step_ns * per_minute)
        self._remember(key, full_at_ns if wait_ns > 0 else full_at_ns + step_ns)
        return max(wait_ns, 0)

    def give_back(self, key: Hashable, per_minute: int) -> None:
        """Undo one `take`."""
        if key in self._full_at_ns:
            self._full_at_ns[key] -= _MINUTE_NS // per_minute

    def __len__(self) -> int:
        return len(self._full_at_ns)

    def _remember(self, key: Hashable, full_at_ns: int) -> None:
        self._full_at_ns[key] = full_at_ns
        self._full_at_ns.move_to_end(key)
        if len(self._full_at_ns) > self._keys_max:
            self._full_at_ns.popitem(last=False)

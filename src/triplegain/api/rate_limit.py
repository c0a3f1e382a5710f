"""So many requests a minute, and not one more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from triplegain.domain.clock import MINUTE_NS, SECOND_NS, Clock
from triplegain.domain.refusals import Code, RefusedError


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
        step_ns = MINUTE_NS // per_minute
        now_ns = self._clock.now_ns()
        # A wall clock that was set back must not lock anybody out for longer than an empty bucket would.
        full_at_ns = min(max(self._full_at_ns.get(key, now_ns), now_ns), now_ns + step_ns * per_minute)
        wait_ns = full_at_ns + step_ns - (now_ns + step_ns * per_minute)
        self._remember(key, full_at_ns if wait_ns > 0 else full_at_ns + step_ns)
        return max(wait_ns, 0)

    def __len__(self) -> int:
        return len(self._full_at_ns)

    def _remember(self, key: Hashable, full_at_ns: int) -> None:
        self._full_at_ns[key] = full_at_ns
        self._full_at_ns.move_to_end(key)
        if len(self._full_at_ns) > self._keys_max:
            self._full_at_ns.popitem(last=False)


def too_many(what: str, whose: str, name: str, per_minute: int, wait_ns: int) -> RefusedError:
    """Which limit has bound, whose it is and where it stands."""
    wait_s = -(-wait_ns // SECOND_NS)
    limit = f"limits_per_minute.{name}"
    return RefusedError(
        Code.RATE_LIMITED,
        f"more than {per_minute} {what} a minute of {whose} ({limit} in api.yaml): try again in {wait_s} s",
        {"retry_after_s": wait_s, "limit": limit, "per_minute": per_minute, "of": whose},
    )

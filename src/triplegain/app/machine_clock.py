"""Whether the machine's clock runs on. Nothing of a market hangs on it; times of recording do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from triplegain.domain.clock import SECOND_NS, Clock, iso

_LOOK_S = 1.0
#: Less than this is the machine keeping its clock right.
_STEP_NS = SECOND_NS


@dataclass(eq=False)
class MachineClock:
    """`_steady` is a counter that nobody sets back. `_tell` is given a sentence when the machine's clock was set back,
    and when it has caught up with the times that were written down before."""

    _wall: Clock
    _steady: Clock
    _tell: Callable[[str], None]
    _wall_ns: int = field(default=0, init=False)
    _steady_ns: int = field(default=0, init=False)
    #: The latest time it had shown before it was set back; 0 while it runs on.
    _caught_up_ns: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._wall_ns, self._steady_ns = self._wall.now_ns(), self._steady.now_ns()

    def look(self) -> None:
        wall_ns, steady_ns = self._wall.now_ns(), self._steady.now_ns()
        expected_ns = self._wall_ns + steady_ns - self._steady_ns
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        if expected_ns - wall_ns >= _STEP_NS:
            self._caught_up_ns = max(self._caught_up_ns, expected_ns)
            self._tell(
                f"the machine's clock was set back from {iso(expected_ns)} to {iso(wall_ns)}: market time goes on, "
                "times of recording repeat until it has caught up"
            )
        elif self._caught_up_ns and wall_ns >= self._caught_up_ns:
            self._caught_up_ns = 0
            self._tell(f"the machine's clock has caught up with where it had been, at {iso(wall_ns)}")

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

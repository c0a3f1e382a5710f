"""The session as a whole, as its coordinator sees it."""

from __future__ import annotations

from triplegain.api.agents_resource import CoordinatorState, Task
from triplegain.api.portfolio_resource import Mode


class Coordinator(Mode, CoordinatorState):
    """How the session as a whole stands. `halted` is the reason of a session that has ended in a failure."""

    level: str
    failing: str
    tasks: list[Task]
    last_decisions: list[str]

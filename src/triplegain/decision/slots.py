"""How many rounds may be open at once, and who goes next when one is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from triplegain.agents.decision import DECISION
from triplegain.agents.spec import TaskSpec
from triplegain.decision.schedule import ROUNDS_AT_ONCE
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.parts import Parts


class SlotsState(msgspec.Struct):
    """Round and task, in the order they asked."""

    open: tuple[tuple[str, str], ...]
    waiting: tuple[tuple[str, str], ...]


class Slots:
    """`limits` by task, `total` over all. Rounds that find no slot wait: `first` before all others, then as they came.

    At any time no waiting round could have a slot, so whoever asks overtakes nobody.
    """

    def __init__(
        self, limits: Mapping[str, int], total: int = ROUNDS_AT_ONCE, first: tuple[str, ...] = (DECISION.name,)
    ) -> None:
        self._limits = dict(limits)
        self._total = total
        self._first = first
        #: Round -> task, those with a slot and those without, each in the order they asked.
        self._open: dict[str, str] = {}
        self._waiting: dict[str, str] = {}

    @classmethod
    def for_tasks(cls, specs: Iterable[TaskSpec], total: int = ROUNDS_AT_ONCE) -> Slots:
        return cls({spec.name: spec.concurrency for spec in specs}, total)

    def take(self, task: str, round_id: str) -> bool:
        """True: the round has a slot and may leave. False: it waits, and `give_back` of another names it.

        Asked again, the answer is the same. Raises InvalidValueError for a task without a limit.
        """
        if task not in self._limits:
            raise InvalidValueError(f"there is no limit for rounds of {task!r}")
        if round_id not in self._open and round_id not in self._waiting:
            (self._open if self._fits(task) else self._waiting)[round_id] = task
        return round_id in self._open

    def give_back(self, round_id: str) -> tuple[str, ...]:
        """The round is over, whether it ever left or not. The rounds that have a slot from now on and may leave."""
        self._waiting.pop(round_id, None)
        self._open.pop(round_id, None)
        leaving = []
        for waiting, task in sorted(self._waiting.items(), key=lambda each: each[1] not in self._first):
            if self._fits(task):
                self._open[waiting] = self._waiting.pop(waiting)
                leaving.append(waiting)
        return tuple(leaving)

    @property
    def open(self) -> tuple[str, ...]:
        return tuple(self._open)

    @property
    def waiting(self) -> tuple[str, ...]:
        return tuple(self._waiting)

    def _fits(self, task: str) -> bool:
        of_task = sum(each == task for each in self._open.values())
        # Restored rounds may be of a task this session does not run any more: they leave, so that they are over.
        return len(self._open) < self._total and of_task < self._limits.get(task, self._total)

    def register(self, parts: Parts) -> None:
        parts.single("decision.slots", SlotsState, self._state, self._restore)

    def _state(self) -> SlotsState:
        return SlotsState(tuple(self._open.items()), tuple(self._waiting.items()))

    def _restore(self, stored: SlotsState) -> None:
        self._open, self._waiting = dict(stored.open), dict(stored.waiting)

"""What is due when, in market time.

Every task has a grid: the start of the session and every interval after it. A task that never ran is due at once.
Runs that were missed (the market stood still, the process was away) are made up for by one run, not by a burst; a
run somebody asks for leaves the grid as it is. A task waits for those it builds on, if they were due no later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from triplegain.agents.decision import DECISION
from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import TaskSpec
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.configured import AtOddsError, Part, each, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.parts import Parts
from triplegain.domain.written import AT_LEAST_ONE


class Skip(StrEnum):
    """Why a run that was due did not take place."""

    PAUSED = "paused"
    NOT_RUNNING = "not running"
    EMERGENCY = "emergency"
    DEGRADED = "degraded"


def _part(task: TaskSpec) -> Part:
    return Part(
        TaskSpec,
        fixed={"name": task.name, "after": task.after},
        written={
            "interval_s": task.interval_ns // SECOND_NS,
            "timeout_s": task.timeout_ns // SECOND_NS,
            "concurrency": task.concurrency,
        },
        check=_over_before_the_next,
    )


def _over_before_the_next(spec: TaskSpec) -> None:
    if spec.timeout_ns > spec.interval_ns:
        timeout_s, interval_s = spec.timeout_ns // SECOND_NS, spec.interval_ns // SECOND_NS
        raise AtOddsError(f"timeout_s ({timeout_s}) cannot be above interval_s ({interval_s})")


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """The tasks of the agents, by name, in order of dependencies. What waits for what is no matter of taste: no key."""

    rounds_at_once: int = key("tasks.rounds_at_once", 5, AT_LEAST_ONE, "rounds of all tasks together at once")
    tasks: Mapping[str, TaskSpec] = each("tasks", {task.name: _part(task) for task in AGENTS.tasks})


ROUNDS_AT_ONCE = ScheduleSettings().rounds_at_once


@dataclass(slots=True)
class TaskCounters:
    """How often a task's moment came. `ran` by the schedule, `forced` by request, `skipped` by reason.

    `missed`: moments of the grid that had passed before anybody looked.
    """

    ran: int = 0
    forced: int = 0
    missed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _TaskState:
    """Where one task stands. `run` is the moment and the time-out of the run in progress."""

    next_ns: int
    asked_ns: int | None = None
    run: tuple[int, int] | None = None
    tally: TaskCounters = field(default_factory=TaskCounters)

    @property
    def due_ns(self) -> int:
        return self.next_ns if self.asked_ns is None else min(self.next_ns, self.asked_ns)


class ScheduleState(msgspec.Struct):
    start_ns: int | None
    tasks: dict[str, _TaskState]


class Schedule:
    """Ask for `ready` at `next_due_ns` and after every `ended`; tell it `began` or `skipped` for each name."""

    def __init__(self, specs: Iterable[TaskSpec] = AGENTS.tasks) -> None:
        """Raises InvalidValueError for an unknown or circular dependency, and for an interval below 1 ns."""
        self.specs = {spec.name: spec for spec in _in_order(tuple(specs))}
        self.start_ns: int | None = None
        #: Where each stands; empty before the start.
        self.tasks: dict[str, _TaskState] = {}
        self._next_due_ns = NEVER
        self._is_planned = True

    def start(self, now_ns: int) -> None:
        """The session begins: everything that never ran is due. A schedule that has started stays as it is."""
        if self.start_ns is None:
            self.start_ns = now_ns
            self.tasks = {name: _TaskState(now_ns) for name in self.specs}
            self._is_planned = False

    @property
    def next_due_ns(self) -> int:
        """The earliest moment at which `ready` will name a task; far in the future before the start."""
        if not self._is_planned:
            self._look_ahead()
        return self._next_due_ns

    def due(self, now_ns: int) -> tuple[str, ...]:
        """Everything whose moment has come, in order of dependencies, waiting or not."""
        return tuple(name for name, state in self.tasks.items() if state.due_ns <= now_ns)

    def ready(self, now_ns: int) -> tuple[str, ...]:
        """Of those due, the ones that wait for nobody: nothing they build on is due or in progress.

        A dependency is waited for if its own moment was no later, and until it ended or its time was up.
        """
        due = self.due(now_ns)
        return tuple(name for name in due if not self._waits(name, now_ns, due))

    def began(self, name: str, now_ns: int) -> None:
        """A run starts. The next one is the first moment of the grid after now."""
        state, moment_ns = self._take(name, now_ns, running=True)
        state.run = (moment_ns, now_ns + self.specs[name].timeout_ns)
        self._is_planned = False

    def ended(self, name: str) -> None:
        """The run in progress is over; those that waited for it may begin."""
        self._state_of(name).run = None
        self._is_planned = False

    def skipped(self, name: str, now_ns: int, why: Skip) -> None:
        """The moment passes without a run. A run that was asked for is forgotten with it."""
        state, _ = self._take(name, now_ns, running=False)
        state.tally.skipped[why] = state.tally.skipped.get(why, 0) + 1
        self._is_planned = False

    def request(self, name: str, now_ns: int) -> None:
        """Somebody wants a run now, beside the grid. Asked twice before it began, it is one run."""
        state = self._state_of(name)
        if state.asked_ns is None:
            state.asked_ns = now_ns
        self._is_planned = False

    @property
    def runs(self) -> Mapping[str, int]:
        """How often each task has run, by schedule and by request."""
        return {name: state.tally.ran + state.tally.forced for name, state in self.tasks.items()}

    def _state_of(self, name: str) -> _TaskState:
        try:
            return self.tasks[name]
        except KeyError:
            known = ", ".join(self.specs)
            raise InvalidValueError(f"there is no task {name!r} in a started schedule of {known}") from None

    def _take(self, name: str, now_ns: int, *, running: bool) -> tuple[_TaskState, int]:
        """The moment that is used up now; the grid moves on if it was one of its own."""
        state, interval_ns = self._state_of(name), self.specs[name].interval_ns
        if state.due_ns > now_ns:
            raise InvalidValueError(f"{name} is not due before {state.due_ns}, now is {now_ns}: request it first")
        moment_ns, tally = state.due_ns, state.tally
        state.asked_ns = None
        if state.next_ns <= now_ns:
            passed = (now_ns - state.next_ns) // interval_ns
            tally.missed += passed
            tally.ran += running
            state.next_ns += (passed + 1) * interval_ns
        else:
            tally.forced += running
        return state, moment_ns

    def _waits(self, name: str, now_ns: int, due: tuple[str, ...]) -> bool:
        moment_ns = self.tasks[name].due_ns
        for other in self.specs[name].after:
            state = self.tasks[other]
            if other in due and state.due_ns <= moment_ns:
                return True
            if state.run is not None and state.run[0] <= moment_ns and now_ns < state.run[1]:
                return True
        return False

    def _look_ahead(self) -> None:
        """For each task: when it is due, and nothing it waits for can still be due or in progress."""
        ready_ns: dict[str, int] = {}
        for name, state in self.tasks.items():
            latest = due_ns = state.due_ns
            for other in self.specs[name].after:
                before = self.tasks[other]
                if before.due_ns <= due_ns:
                    latest = max(latest, ready_ns[other])
                if before.run is not None and before.run[0] <= due_ns:
                    latest = max(latest, before.run[1])
            ready_ns[name] = latest
        self._next_due_ns, self._is_planned = min(ready_ns.values(), default=NEVER), True

    def register(self, parts: Parts) -> None:
        parts.single("decision.schedule", ScheduleState, self._state, self._restore)

    def _state(self) -> ScheduleState:
        return ScheduleState(self.start_ns, self.tasks)

    def _restore(self, stored: ScheduleState) -> None:
        """A task it does not know never ran, and is due at once."""
        if stored.start_ns is not None:
            start_ns = self.start_ns = stored.start_ns
            self.tasks = {name: stored.tasks.get(name) or _TaskState(start_ns) for name in self.specs}
            self._is_planned = False


def _in_order(specs: tuple[TaskSpec, ...]) -> list[TaskSpec]:
    """Sorted so that each task follows those it builds on; otherwise as given."""
    names = {spec.name for spec in specs}
    if len(names) != len(specs):
        raise InvalidValueError("two tasks have the same name")
    for spec in specs:
        if spec.interval_ns < 1 or spec.timeout_ns < 1 or spec.concurrency < 1:
            raise InvalidValueError(f"{spec.name}: interval, time-out and concurrency must be above zero")
        if not names.issuperset(spec.after):
            raise InvalidValueError(f"{spec.name} builds on a task that is not in the schedule: {spec.after}")
    ordered: list[TaskSpec] = []
    waiting = list(specs)
    while waiting:
        placed = {spec.name for spec in ordered}
        fitting = next((spec for spec in waiting if placed.issuperset(spec.after)), None)
        if fitting is None:
            raise InvalidValueError(f"these tasks wait for each other: {', '.join(spec.name for spec in waiting)}")
        ordered.append(fitting)
        waiting.remove(fitting)
    return ordered


class ConcurrencyState(msgspec.Struct):
    """Round and task, in the order they asked."""

    open: tuple[tuple[str, str], ...]
    waiting: tuple[tuple[str, str], ...]


class ConcurrencyLimit:
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
        self.open: dict[str, str] = {}
        self.waiting: dict[str, str] = {}

    def take(self, task: str, round_id: str) -> bool:
        """True: the round has a slot and may leave. False: it waits, and `give_back` of another names it.

        Asked again, the answer is the same. Raises InvalidValueError for a task without a limit.
        """
        if task not in self._limits:
            raise InvalidValueError(f"there is no limit for rounds of {task!r}")
        if round_id not in self.open and round_id not in self.waiting:
            (self.open if self._fits(task) else self.waiting)[round_id] = task
        return round_id in self.open

    def give_back(self, round_id: str) -> tuple[str, ...]:
        """The round is over, whether it ever left or not. The rounds that have a slot from now on and may leave."""
        self.waiting.pop(round_id, None)
        self.open.pop(round_id, None)
        leaving = []
        for waiting, task in sorted(self.waiting.items(), key=lambda each: each[1] not in self._first):
            if self._fits(task):
                self.open[waiting] = self.waiting.pop(waiting)
                leaving.append(waiting)
        return tuple(leaving)

    def _fits(self, task: str) -> bool:
        of_task = sum(each == task for each in self.open.values())
        # Restored rounds may be of a task this session does not run any more: they leave, so that they are over.
        return len(self.open) < self._total and of_task < self._limits.get(task, self._total)

    def register(self, parts: Parts) -> None:
        parts.single("decision.slots", ConcurrencyState, self._state, self._restore)

    def _state(self) -> ConcurrencyState:
        return ConcurrencyState(tuple(self.open.items()), tuple(self.waiting.items()))

    def _restore(self, stored: ConcurrencyState) -> None:
        self.open, self.waiting = dict(stored.open), dict(stored.waiting)

"""What is left out while the world outside fails.

Failures in a row are counted for each dependency: the providers of models. One of several that fails costs its votes
and no more, so a session's level is that of its best provider; a market that is not in sync refuses orders by itself.

| level | after failures in a row | left out |
|---|---|---|
| normal | 0 | nothing |
| reduced | 3 | models for sentiment and rebalance: sentiment is skipped, a rebalance goes by rules |
| limited | 6 | models for everything but decisions: analyses and conflicts go by rules |
| emergency | 9 | every model, and every new trade; stops, exits and closing by hand go on |

A failure that follows a success counts from the level's own threshold, and three successes in a row lead one level
back: whoever has failed nine times needs nine good answers, not one. In an emergency nobody is asked, so that nobody
could succeed: each failing dependency is therefore probed once in a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from triplegain.agents.spec import Importance
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.parts import Parts
from triplegain.domain.written import AT_LEAST_ONE, SECONDS


class Level(IntEnum):
    """How much is left out; a higher one leaves out more."""

    NORMAL = 0
    REDUCED = 1
    LIMITED = 2
    EMERGENCY = 3

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def may_open(self) -> bool:
        """New trades, rebalancing among them, are allowed."""
        return self is not Level.EMERGENCY

    def may_ask(self, importance: Importance) -> bool:
        """Models of such agents may be asked; otherwise it goes by rules, or is skipped where there are none."""
        match self:
            case Level.NORMAL:
                return True
            case Level.REDUCED:
                return importance > Importance.LOW
            case Level.LIMITED:
                return importance is Importance.HIGH
            case Level.EMERGENCY:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class DegradationSettings:
    """Failures in a row that lead to each level, successes in a row that lead one back, time between two probes."""

    reduced_after: int = key(
        "reduced_after", 3, AT_LEAST_ONE, "failures in a row: no models for sentiment and rebalance"
    )
    limited_after: int = key("limited_after", 6, AT_LEAST_ONE, "failures in a row: models for decisions only")
    emergency_after: int = key("emergency_after", 9, AT_LEAST_ONE, "failures in a row: no models, no new trades")
    successes_back: int = key("successes_back", 3, AT_LEAST_ONE, "successes in a row that lead one level back")
    probe_interval_ns: int = key(
        "probe_interval_s", 300, SECONDS, "in an emergency a provider is tried once in so long"
    )

    def __post_init__(self) -> None:
        if not self.reduced_after < self.limited_after < self.emergency_after:
            raise AtOddsError("reduced_after, limited_after and emergency_after must rise")

    def least_failures(self, level: Level) -> int:
        return (0, self.reduced_after, self.limited_after, self.emergency_after)[level]

    def level(self, failures: int) -> Level:
        return max(level for level in Level if failures >= self.least_failures(level))


@dataclass(slots=True)
class _Health:
    """Failures in a row (never below the level's threshold) and successes since the last one."""

    failures: int = 0
    successes: int = 0
    probed_ns: int = 0
    reason: str = ""


class Degradation:
    """Tell it every failure and success of a dependency; read `level`."""

    def __init__(self, settings: DegradationSettings | None = None) -> None:
        self._settings = settings or DegradationSettings()
        self._health: dict[str, _Health] = {}

    @property
    def level(self) -> Level:
        """The worst level of all dependencies."""
        return max((self.level_of(name) for name in self._health), default=Level.NORMAL)

    def level_of(self, dependency: str) -> Level:
        health = self._health.get(dependency)
        return Level.NORMAL if health is None else self._settings.level(health.failures)

    @property
    def reason(self) -> str:
        """Who is to blame for the level, in words; empty at normal."""
        level = self.level
        if level is Level.NORMAL:
            return ""
        worst = sorted(name for name in self._health if self.level_of(name) is level)
        blamed = (f"{name} failed {self._health[name].failures} times: {self._health[name].reason}" for name in worst)
        return "; ".join(blamed)

    def failed(self, dependency: str, now_ns: int, reason: str) -> None:
        health = self._health.setdefault(dependency, _Health())
        health.failures += 1
        health.successes = 0
        health.probed_ns = now_ns
        health.reason = reason

    def succeeded(self, dependency: str) -> None:
        health = self._health.get(dependency)
        if health is None:
            return
        level = self._settings.level(health.failures)
        health.successes += 1
        if level and health.successes >= self._settings.successes_back:
            level, health.successes = Level(level - 1), 0
        health.failures = self._settings.least_failures(level)
        if level is Level.NORMAL:
            del self._health[dependency]

    def take_probes(self, now_ns: int) -> tuple[str, ...]:
        """Dependencies in an emergency that may be tried once now, sorted; each at most once in the interval."""
        due = [
            name
            for name, health in sorted(self._health.items())
            if self.level_of(name) is Level.EMERGENCY and now_ns - health.probed_ns >= self._settings.probe_interval_ns
        ]
        for name in due:
            self._health[name].probed_ns = now_ns
        return tuple(due)

    def register(self, parts: Parts) -> None:
        parts.held("decision.degradation", dict[str, _Health], self, "_health")

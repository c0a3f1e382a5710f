"""`orchestration.yaml`: the running of a session, what is due when, and what is done when agents disagree or fail."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, create_model, model_validator

from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import TaskSpec
from triplegain.config.values import AtLeastOne, Count, Fraction, Section
from triplegain.domain.clock import SECOND_NS

_EVERY = "runs every so many seconds of market time, from the start of the session"
_TIMEOUT = "an answer that takes longer is an abstention"
_ROUNDS = "rounds of this task at once"


class TaskTiming(Section):
    """One task of the schedule."""

    interval_s: AtLeastOne
    timeout_s: AtLeastOne
    concurrency: AtLeastOne

    @model_validator(mode="after")
    def _over_before_the_next(self) -> TaskTiming:
        if self.timeout_s > self.interval_s:
            raise ValueError(f"timeout_s ({self.timeout_s}) cannot be above interval_s ({self.interval_s})")
        return self


def _timing(task: TaskSpec) -> tuple[Any, Any]:
    """The section of one task, and its default: what its agents say."""
    section = create_model(
        f"{task.name.capitalize()}Task",
        __base__=TaskTiming,
        interval_s=(AtLeastOne, Field(task.interval_ns // SECOND_NS, description=_EVERY)),
        timeout_s=(AtLeastOne, Field(task.timeout_ns // SECOND_NS, description=_TIMEOUT)),
        concurrency=(AtLeastOne, Field(task.concurrency, description=_ROUNDS)),
    )
    # A configuration that travels to another process finds its sections by their names here.
    globals()[section.__name__] = section
    return section, section.model_validate({})


class _Tasks(Section):
    """What runs by itself."""

    rounds_at_once: AtLeastOne = Field(5, description="rounds of all tasks together at once")


_TASKS: dict[str, Any] = {task.name: _timing(task) for task in AGENTS.tasks}
#: A section for each task of the agents. What is due at the same moment waits for those that inform it.
Tasks = create_model("Tasks", __base__=_Tasks, **_TASKS)


class Votes(Section):
    """The decision by models."""

    timeout_s: AtLeastOne = Field(30, description="all of them have so long together; who is later abstains")
    strong_signal_pct: Annotated[int, Field(ge=1, le=101)] = Field(
        80, description="a technical analysis of this strength asks for a decision at once; 101: never"
    )
    strong_signal_pause_s: AtLeastOne = Field(900, description="but no sooner than this after the last one")


class Consensus(Section):
    """How far the analyses may move the confidence of a decision."""

    technical_fresh_s: AtLeastOne = Field(120, description="a technical analysis counts for so long")
    regime_fresh_s: AtLeastOne = Field(600, description="a regime counts for so long")
    sentiment_fresh_s: AtLeastOne = Field(3600, description="a sentiment counts for so long")
    sentiment_dead_band: Fraction = Field(
        Decimal("0.1"), description="a sentiment (-1..1) not farther from 0 than this is no view"
    )
    agree_from: Fraction = Field(Decimal("0.66"), description="from this share of agreeing views on, confidence rises")
    disagree_below: Fraction = Field(Decimal("0.33"), description="below this share confidence falls")
    raise_max: Fraction = Field(Decimal("0.30"), description="it rises by this share when all agree")
    cut_max: Fraction = Field(Decimal("0.15"), description="it falls by this share when none agrees")
    confidence_max: Fraction = Field(Decimal("0.95"), description="no confidence is above this")

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> Consensus:
        if not 0 < self.disagree_below <= self.agree_from < 1:
            raise ValueError("0 < disagree_below <= agree_from < 1 must hold")
        return self


class Conflicts(Section):
    """When agents and risk are at odds, and what is done about it."""

    confidence_gap: Fraction = Field(
        Decimal("0.2"),
        description="technical analysis against sentiment is a conflict while their confidences are nearer than this",
    )
    risk_cut: Fraction = Field(
        Decimal("0.5"), description="risk leaving less than this share of the usual size is a conflict"
    )
    wait_max_s: AtLeastOne = Field(3600, description="a trade that was told to wait is dropped after this")
    timeout_s: AtLeastOne = Field(10, description="a model asked to resolve a conflict has so long")


class Degradation(Section):
    """What is left out after failures of a provider or the feed in a row."""

    reduced_after: AtLeastOne = Field(3, description="failures in a row: no models for sentiment and rebalance")
    limited_after: AtLeastOne = Field(6, description="failures in a row: models for decisions only")
    emergency_after: AtLeastOne = Field(9, description="failures in a row: no models, no new trades")
    successes_back: AtLeastOne = Field(3, description="successes in a row that lead one level back")
    probe_interval_s: AtLeastOne = Field(300, description="in an emergency a provider is tried once in so long")

    @model_validator(mode="after")
    def _levels_rise(self) -> Degradation:
        if not self.reduced_after < self.limited_after < self.emergency_after:
            raise ValueError("reduced_after, limited_after and emergency_after must rise")
        return self


class Outcomes(Section):
    """How votes are scored afterwards."""

    horizons_h: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)] = Field(
        (1, 4, 24), description="hours of market time after which a vote is held against the market"
    )
    grace_s: Count = Field(300, description="a price that comes later than this does not count: unknown")

    @model_validator(mode="after")
    def _horizons_rise(self) -> Outcomes:
        if list(self.horizons_h) != sorted(set(self.horizons_h)):
            raise ValueError("horizons_h must rise")
        return self


class Orchestration(Section):
    """The running of a session."""

    demo_seed: Count = Field(1, description="seed of the demo market where `--seed` does not say")
    quote_stale_s: AtLeastOne = Field(60, description="a price without a feed behind it is fresh for so many seconds")
    tasks: Tasks = Tasks()
    votes: Votes = Votes()
    consensus: Consensus = Consensus()
    conflicts: Conflicts = Conflicts()
    degradation: Degradation = Degradation()
    outcomes: Outcomes = Outcomes()

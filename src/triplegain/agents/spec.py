"""What an agent is: whom it looks at, in which words a model is asked, what goes by rules, when, and whom it informs.

An agent is one file that ends in an `AgentSpec`, and one line of `registry.py`. Schedule, rounds, the parts of models,
the keys of `llm.yaml` and `orchestration.yaml`, signals and the API's list follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, StrEnum
from typing import Any, assert_never

from triplegain.agents.answer import Abstain
from triplegain.agents.evidence import EvidenceBundle
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.domain.configured import key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.written import AT_LEAST_ONE, SECONDS
from triplegain.llm.reply import Prompt, Tool
from triplegain.llm.roster import ModelRole
from triplegain.market.snapshot.snapshot import Glance, Snapshot


class Subject(StrEnum):
    """What a question is about."""

    PAIR = "pair"
    ASSET = "asset"
    PORTFOLIO = "portfolio"


class Importance(IntEnum):
    """How long its models are still asked while providers fail; `Level.may_ask` says until when."""

    LOW = 0
    USUAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task. It waits for the tasks of `after`; `concurrency` rounds of it may be open at once.

    `timeout_ns` ends a round, and the wait of those that build on it. Agents may share a task.
    """

    name: str
    interval_ns: int = key(
        "interval_s", 3600, SECONDS, "runs every so many seconds of market time, from the start of the session"
    )
    after: tuple[str, ...] = ()
    timeout_ns: int = key("timeout_s", 30, SECONDS, "an answer that takes longer is an abstention")
    concurrency: int = key("concurrency", 1, AT_LEAST_ONE, "rounds of this task at once")


class Stays(Enum):
    """What of an answer of rules is the same until another candle of the primary timeframe closes, whatever happens to
    prices and to other timeframes. Then not every look has to be answered anew, and some need not be answered at all.

    VERDICT: see `TypedAnswer.verdict`; whether they abstain, and the figures that they ask the primary frame for.
    """

    NOTHING = "nothing"
    VERDICT = "verdict"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class MarketAnalysis:
    """Looks at one market. `prompt` is given a rendering of a snapshot and the snapshot.

    `rules` answer without a model, and are given their settings (None: the usual ones); None: there are no rules.
    """

    prompt: Callable[[str, Snapshot], Prompt]
    rules: Callable[[Glance, Any], TypedAnswer | Abstain] | None = None
    stays: Stays = Stays.NOTHING


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """Reads what strangers write of an asset. `prompt` is given the asset, market time and the fenced evidence."""

    prompt: Callable[[str, int, EvidenceBundle], Prompt]


class Flow(StrEnum):
    """What is no analysis: the answer is acted on, in a way of its own."""

    VOTE = "vote"
    RULING = "ruling"
    REBALANCE = "rebalance"


Work = MarketAnalysis | TextAnalysis | Flow


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """`name` is its word everywhere: its part in `llm.yaml`, its rounds, its records. `about` says it to a user.

    `task` None: it is asked in the course of another's. `informs` names agents that wait for it where both are due,
    and are shown what it found. `tools` is what its models must be able to do before they answer.
    """

    name: str
    about: str
    answer: type[TypedAnswer]
    work: Work
    task: TaskSpec | None = None
    informs: tuple[str, ...] = ()
    tools: frozenset[Tool] = frozenset()
    importance: Importance = Importance.USUAL

    @property
    def subject(self) -> Subject:
        match self.work:
            case MarketAnalysis() | Flow.VOTE | Flow.RULING:
                return Subject.PAIR
            case TextAnalysis():
                return Subject.ASSET
            case Flow.REBALANCE:
                return Subject.PORTFOLIO
            case _:
                assert_never(self.work)

    @property
    def role(self) -> ModelRole:
        """The part its models play: all of them vote, of others the first that can is asked."""
        return ModelRole(self.name, self.tools, all_play=self.work is Flow.VOTE)

    @property
    def goes_by_rules(self) -> bool:
        """There is something to do without a model."""
        return isinstance(self.work, MarketAnalysis) and self.work.rules is not None


class Registry:
    """The agents of a session, in the order in which they are due together."""

    def __init__(self, specs: Iterable[AgentSpec]) -> None:
        """Raises InvalidValueError for a name that stands twice, a task told in two ways, or an unknown to inform."""
        all_specs = tuple(specs)
        self._specs = {spec.name: spec for spec in all_specs}
        tasks = {spec.task.name: spec.task for spec in all_specs if spec.task is not None}
        if len(self._specs) != len(all_specs):
            raise InvalidValueError("two agents have the same name")
        for spec in all_specs:
            if not set(spec.informs) <= set(self._specs):
                raise InvalidValueError(f"{spec.name} informs an agent that is not there: {', '.join(spec.informs)}")
            if spec.task is not None and spec.task != tasks[spec.task.name]:
                raise InvalidValueError(f"the task {spec.task.name} is told in two ways")
        by_task = {name: [spec for spec in all_specs if spec.task == task] for name, task in tasks.items()}
        self._of_task = {name: tuple(theirs) for name, theirs in by_task.items()}
        #: What is due when, where the configuration says nothing else, each after those that inform it.
        self.tasks = tuple(replace(task, after=self._before(name)) for name, task in tasks.items())

    def __iter__(self) -> Iterator[AgentSpec]:
        return iter(self._specs.values())

    def get(self, name: str) -> AgentSpec | None:
        return self._specs.get(name)

    def of_task(self, task: str) -> tuple[AgentSpec, ...]:
        return self._of_task.get(task, ())

    def informing(self, name: str) -> tuple[AgentSpec, ...]:
        return tuple(spec for spec in self if name in spec.informs)

    def _before(self, task: str) -> tuple[str, ...]:
        informing = (other for spec in self.of_task(task) for other in self.informing(spec.name))
        return tuple(dict.fromkeys(other.task.name for other in informing if other.task is not None))

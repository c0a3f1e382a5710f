"""Everything the decisions of a session is opened with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.decision import DECISION, TOKEN_BUDGET
from triplegain.agents.evidence import EvidenceSource, NoEvidence
from triplegain.agents.regime import RegimeRules
from triplegain.agents.registry import AGENTS
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.spec import AgentSpec, Flow, MarketAnalysis, Registry, TaskSpec, TextAnalysis
from triplegain.agents.technical import TechnicalRules
from triplegain.decision.conflicts import AgreementSettings, ConflictSettings
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.outcomes import VOTES_OF_A_MODEL, OutcomeSettings
from triplegain.decision.schedule import ScheduleSettings
from triplegain.domain.configured import Part, each, key, part
from triplegain.domain.values import FrozenMapping
from triplegain.domain.written import AT_LEAST_ONE, FRACTION, SECONDS, integer

#: Instructions, schema and account of a question, generously.
_QUESTION_TOKENS = 2000

#: A compact snapshot of fewer says nothing.
_MARKET_TOKENS_MIN = 1000


@dataclass(frozen=True, slots=True)
class ModelAssignment:
    """Which models are asked for which agent, by its name; nobody's goes by rules, or not at all where there are none.

    Who resolves conflicts is one name, of a port of models that stand in for each other. `providers` gives each
    model's provider, `token_budgets` what of a prompt a model can take in where that is less than usual.
    """

    models: Mapping[str, tuple[str, ...]] = FrozenMapping({})
    providers: Mapping[str, str] = FrozenMapping({})
    token_budgets: Mapping[str, int] = FrozenMapping({})

    @property
    def voters(self) -> tuple[str, ...]:
        return self.models_of(DECISION)

    def models_of(self, agent: AgentSpec) -> tuple[str, ...]:
        """The models asked in a round of this agent; nobody for an analysis of a market who cannot read one."""
        names = self.models.get(agent.name, ())
        match agent.work:
            case MarketAnalysis() | Flow.RULING:
                return tuple(name for name in names if self.market_budget(name) >= _MARKET_TOKENS_MIN)
            case TextAnalysis() | Flow.VOTE | Flow.REBALANCE:
                return names
            case _:
                assert_never(agent.work)

    def token_budget(self, model: str) -> int:
        return self.token_budgets.get(model, TOKEN_BUDGET)

    def market_budget(self, model: str) -> int:
        """What is left of it for the market beside the question."""
        return max(self.token_budget(model) - _QUESTION_TOKENS, 0)


_NO_EVIDENCE = NoEvidence()

#: What runs in a session without models.
ANALYSES = tuple(task for task in AGENTS.tasks if any(agent.goes_by_rules for agent in AGENTS.of_task(task.name)))


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """`tasks` are those of this session: without models to decide there is no decision task.

    `vote_timeout_ns` is how long the models of one decision have in all. A technical analysis of at least
    `strong_signal_pct` strength asks for a decision at once, no sooner than `strong_signal_pause_ns` after the last.
    `rules` are the settings of an agent's rules by its name, where they are not the usual ones.
    """

    agents: Registry = field(default=AGENTS, compare=False)
    tasks: tuple[TaskSpec, ...] = ANALYSES
    assigned: ModelAssignment = field(default_factory=ModelAssignment)
    schedule: ScheduleSettings = part(ScheduleSettings)
    vote_timeout_ns: int = key(
        "votes.timeout_s", 30, SECONDS, "all of them have so long together; who is later abstains"
    )
    strong_signal_pct: int = key(
        "votes.strong_signal_pct", 80, integer(ge=1, le=101),
        "a technical analysis of this strength asks for a decision at once; 101: never",
    )  # fmt: skip
    strong_signal_pause_ns: int = key(
        "votes.strong_signal_pause_s", 900, SECONDS, "but no sooner than this after the last one"
    )
    rules: Mapping[str, Any] = each(
        "",
        {"technical": Part(TechnicalRules, "/agents.technical"), "regime": Part(RegimeRules, "/agents.regime")},
    )
    evidence: EvidenceSource = field(default=_NO_EVIDENCE, compare=False)
    regime_runs_agreeing: int = key(
        "/agents.regime.runs_agreeing", 2, AT_LEAST_ONE, "runs in a row that must agree before a regime holds"
    )
    # Rounded up: a model that is not quite sure enough is not sure.
    regime_model_confidence_min_pct: int = key(
        "/agents.regime.model_confidence_min", "0.70", FRACTION.into(lambda share: math.ceil(share * 100)),
        "a model's answer below this changes nothing",
    )  # fmt: skip
    sentiment: SentimentSettings = part(SentimentSettings, "/agents.sentiment")
    consensus: ConsensusSettings = part(ConsensusSettings, "/agents.consensus")
    agreement: AgreementSettings = part(AgreementSettings, "consensus")
    conflicts: ConflictSettings = part(ConflictSettings, "conflicts")
    degradation: DegradationSettings = part(DegradationSettings, "degradation")
    outcomes: OutcomeSettings = part(OutcomeSettings, "outcomes")

    @property
    def fresh_ns(self) -> dict[AgentSpec, int]:
        """Of each agent that informs a decision for how long its answers count."""
        tasks = {task.name: task for task in self.tasks}
        return {
            agent: self.agreement.fresh_ns(tasks.get(agent.task.name, agent.task))
            for agent in self.agents.informing(DECISION.name)
            if agent.task is not None
        }

    def of_session(self, assigned: ModelAssignment, rebalances: bool, candle_ns: int = 0) -> DecisionSettings:
        """With the tasks that somebody can do: without a model nobody reads the news and nobody votes.

        A task waits only for tasks that are there. `candle_ns`: where a market is told by candles alone, their
        length; nobody looks again before there is another.
        """
        able = {
            agent.task.name
            for agent in self.agents
            if agent.task is not None
            and (rebalances if agent.work is Flow.REBALANCE else agent.goes_by_rules or assigned.models_of(agent))
        }
        specs = [spec for spec in self.schedule.tasks.values() if spec.name in able]
        names = {spec.name for spec in specs}
        tasks = tuple(
            replace(
                spec,
                after=tuple(name for name in spec.after if name in names),
                interval_ns=max(spec.interval_ns, candle_ns),
            )
            for spec in specs
        )
        outcomes = replace(self.outcomes, votes_max=self.consensus.voters * VOTES_OF_A_MODEL)
        return replace(self, tasks=tasks, assigned=assigned, outcomes=outcomes)

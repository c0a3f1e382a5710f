"""Everything the mind of a session is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.decision import DECISION, TOKEN_BUDGET
from triplegain.agents.evidence import EvidenceSource, NoEvidence
from triplegain.agents.registry import AGENTS
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.spec import AgentSpec, Flow, MarketAnalysis, Registry, TaskSpec, TextAnalysis
from triplegain.decision.agreement import AgreementSettings
from triplegain.decision.conflicts import ConflictSettings
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.outcomes import OutcomeSettings
from triplegain.decision.schedule import ROUNDS_AT_ONCE
from triplegain.domain.clock import SECOND_NS

#: Instructions, schema and account of a question, generously.
_QUESTION_TOKENS = 2000

#: A compact snapshot of fewer says nothing.
_MARKET_TOKENS_MIN = 1000


@dataclass(frozen=True, slots=True)
class Cast:
    """Which models are asked for which agent, by its name; nobody's goes by rules, or not at all where there are none.

    Who resolves conflicts is one name, of a port of models that stand in for each other. `providers` gives each
    model's provider, `token_budgets` what of a prompt a model can take in where that is less than usual.
    """

    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict)
    token_budgets: Mapping[str, int] = field(default_factory=dict)

    @property
    def voters(self) -> tuple[str, ...]:
        return self.players(DECISION)

    def players(self, agent: AgentSpec) -> tuple[str, ...]:
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


#: What runs in a session without models.
ANALYSES = tuple(task for task in AGENTS.tasks if any(agent.goes_by_rules for agent in AGENTS.of_task(task.name)))


@dataclass(frozen=True, slots=True)
class MindSettings:
    """`tasks` are those of this session: without models to decide there is no decision task.

    `vote_timeout_ns` is how long the models of one decision have in all. A technical analysis of at least
    `strong_signal_pct` strength asks for a decision at once, no sooner than `strong_signal_pause_ns` after the last.
    `rules` are the settings of an agent's rules by its name, where they are not the usual ones.
    """

    agents: Registry = AGENTS
    tasks: tuple[TaskSpec, ...] = ANALYSES
    cast: Cast = field(default_factory=Cast)
    rounds_at_once: int = ROUNDS_AT_ONCE
    vote_timeout_ns: int = 30 * SECOND_NS
    strong_signal_pct: int = 80
    strong_signal_pause_ns: int = 900 * SECOND_NS
    rules: Mapping[str, Any] = field(default_factory=dict)
    evidence: EvidenceSource = field(default_factory=NoEvidence)
    regime_runs_agreeing: int = 2
    regime_model_confidence_min_pct: int = 70
    sentiment: SentimentSettings = field(default_factory=SentimentSettings)
    consensus: ConsensusSettings = field(default_factory=ConsensusSettings)
    agreement: AgreementSettings = field(default_factory=AgreementSettings)
    conflicts: ConflictSettings = field(default_factory=ConflictSettings)
    degradation: DegradationSettings = field(default_factory=DegradationSettings)
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)

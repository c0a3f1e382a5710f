"""Everything the mind of a session is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.decision import TOKEN_BUDGET
from triplegain.agents.regime import RegimeRules
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.technical import TechnicalRules
from triplegain.decision.agreement import AgreementSettings
from triplegain.decision.conflicts import ConflictSettings
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.outcomes import OutcomeSettings
from triplegain.decision.round_kinds import Kind
from triplegain.decision.schedule import ROUNDS_AT_ONCE, TASKS, Task, TaskSpec
from triplegain.domain.clock import SECOND_NS


@dataclass(frozen=True, slots=True)
class Cast:
    """Which model plays which part; a part nobody plays goes by rules, or not at all where there are none.

    `conflict` names one port of models that stand in for each other. `providers` gives each model's provider,
    `token_budgets` what of a prompt a model can take in where that is less than usual.
    """

    technical: str | None = None
    regime: str | None = None
    social: str | None = None
    news: str | None = None
    decision: tuple[str, ...] = ()
    conflict: str | None = None
    rebalance: str | None = None
    providers: Mapping[str, str] = field(default_factory=dict)
    token_budgets: Mapping[str, int] = field(default_factory=dict)

    def token_budget(self, model: str) -> int:
        return self.token_budgets.get(model, TOKEN_BUDGET)

    def analyst(self, part: str) -> str | None:
        """Who is asked for an analysis of a market; nobody who cannot read one."""
        model: str | None = getattr(self, part)
        return None if model is None or self.market_budget(model) < _MARKET_TOKENS_MIN else model

    def players(self, kind: Kind) -> tuple[str, ...]:
        """The models asked in a round of this kind; none where nobody plays the part."""
        model: str | None
        match kind:
            case Kind.DECISION:
                return self.decision
            case Kind.TECHNICAL | Kind.REGIME | Kind.CONFLICT:
                model = self.analyst(kind)
            case Kind.SOCIAL:
                model = self.social
            case Kind.NEWS:
                model = self.news
            case Kind.REBALANCE:
                model = self.rebalance
            case _:
                assert_never(kind)
        return () if model is None else (model,)

    def market_budget(self, model: str) -> int:
        """What is left of it for the market beside the question."""
        return max(self.token_budget(model) - _QUESTION_TOKENS, 0)


#: Instructions, schema and account of a question, generously.
_QUESTION_TOKENS = 2000

#: A compact snapshot of fewer says nothing.
_MARKET_TOKENS_MIN = 1000

#: What runs in a session without models.
ANALYSES = tuple(spec for spec in TASKS if spec.name in (Task.TECHNICAL, Task.REGIME))


@dataclass(frozen=True, slots=True)
class MindSettings:
    """`tasks` are those of this session: without models to decide there is no decision task.

    `vote_timeout_ns` is how long the models of one decision have in all. A technical analysis of at least
    `strong_signal_pct` strength asks for a decision at once, no sooner than `strong_signal_pause_ns` after the last.
    """

    tasks: tuple[TaskSpec, ...] = ANALYSES
    cast: Cast = field(default_factory=Cast)
    rounds_at_once: int = ROUNDS_AT_ONCE
    vote_timeout_ns: int = 30 * SECOND_NS
    strong_signal_pct: int = 80
    strong_signal_pause_ns: int = 900 * SECOND_NS
    technical: TechnicalRules = field(default_factory=TechnicalRules)
    regime: RegimeRules = field(default_factory=RegimeRules)
    regime_runs_agreeing: int = 2
    regime_model_confidence_min_pct: int = 70
    sentiment: SentimentSettings = field(default_factory=SentimentSettings)
    consensus: ConsensusSettings = field(default_factory=ConsensusSettings)
    agreement: AgreementSettings = field(default_factory=AgreementSettings)
    conflicts: ConflictSettings = field(default_factory=ConflictSettings)
    degradation: DegradationSettings = field(default_factory=DegradationSettings)
    outcomes: OutcomeSettings = field(default_factory=OutcomeSettings)

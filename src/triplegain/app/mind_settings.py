"""From the configuration and the models that take part to the mind of a session."""

from __future__ import annotations

import math
from dataclasses import replace

from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import Flow, TaskSpec
from triplegain.app.agent_settings import (
    consensus_settings,
    regime_rules_settings,
    sentiment_settings,
    technical_rules_settings,
)
from triplegain.app.orchestration_settings import (
    agreement_settings,
    conflict_settings,
    degradation_settings,
    outcome_settings,
    task_specs,
)
from triplegain.config import Config
from triplegain.decision.settings import Cast, MindSettings
from triplegain.domain.clock import SECOND_NS


def mind_settings(config: Config, cast: Cast, candle_ns: int = 0) -> MindSettings:
    """The tasks that somebody can do: without a model nobody reads the news and nobody votes.

    `candle_ns`: where a market is told by candles alone, their length; nobody looks again before there is another.
    """
    able = {
        agent.task.name
        for agent in AGENTS
        if agent.task is not None
        and (
            config.portfolio.rebalance.enabled
            if agent.work is Flow.REBALANCE
            else agent.goes_by_rules or cast.players(agent)
        )
    }
    orchestration, regime = config.orchestration, config.agents.regime
    specs = tuple(spec for spec in task_specs(config) if spec.name in able)
    names = {spec.name for spec in specs}
    return MindSettings(
        tasks=tuple(_of_session(spec, names, candle_ns) for spec in specs),
        cast=cast,
        rounds_at_once=orchestration.tasks.rounds_at_once,
        vote_timeout_ns=orchestration.votes.timeout_s * SECOND_NS,
        strong_signal_pct=orchestration.votes.strong_signal_pct,
        strong_signal_pause_ns=orchestration.votes.strong_signal_pause_s * SECOND_NS,
        rules={"technical": technical_rules_settings(config), "regime": regime_rules_settings(config)},
        regime_runs_agreeing=regime.runs_agreeing,
        # Rounded up: a model that is not quite sure enough is not sure.
        regime_model_confidence_min_pct=math.ceil(regime.model_confidence_min * 100),
        sentiment=sentiment_settings(config),
        consensus=consensus_settings(config),
        agreement=agreement_settings(config),
        conflicts=conflict_settings(config),
        degradation=degradation_settings(config),
        outcomes=outcome_settings(config),
    )


def _of_session(spec: TaskSpec, names: set[str], candle_ns: int) -> TaskSpec:
    """Waits only for tasks that are there, and does not look more often than there is something to see."""
    after = tuple(name for name in spec.after if name in names)
    return replace(spec, after=after, interval_ns=max(spec.interval_ns, candle_ns))

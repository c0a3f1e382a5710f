"""From the configuration's orchestration and portfolio to the coordinator's own settings."""

from __future__ import annotations

from decimal import Decimal

from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import TaskSpec
from triplegain.config import Config
from triplegain.config.orchestration import TaskTiming
from triplegain.decision.agreement import AgreementSettings
from triplegain.decision.conflicts import ConflictSettings
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.outcomes import VOTES_OF_A_MODEL, OutcomeSettings
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.domain.clock import SECOND_NS

_HOUR_NS = 3600 * SECOND_NS
_HUNDRED = Decimal(100)


def task_specs(config: Config) -> tuple[TaskSpec, ...]:
    """The schedule as configured; what waits for what is not a matter of taste and stays."""
    tasks = config.orchestration.tasks
    return tuple(_spec(getattr(tasks, known.name), known) for known in AGENTS.tasks)


def _spec(timing: TaskTiming, known: TaskSpec) -> TaskSpec:
    return TaskSpec(
        name=known.name,
        interval_ns=timing.interval_s * SECOND_NS,
        after=known.after,
        timeout_ns=timing.timeout_s * SECOND_NS,
        concurrency=timing.concurrency,
    )


def agreement_settings(config: Config) -> AgreementSettings:
    chosen = config.orchestration.consensus
    return AgreementSettings(
        technical_fresh_ns=chosen.technical_fresh_s * SECOND_NS,
        regime_fresh_ns=chosen.regime_fresh_s * SECOND_NS,
        sentiment_fresh_ns=chosen.sentiment_fresh_s * SECOND_NS,
        sentiment_dead_band=chosen.sentiment_dead_band,
        agree_from=chosen.agree_from,
        disagree_below=chosen.disagree_below,
        raise_max=chosen.raise_max,
        cut_max=chosen.cut_max,
        confidence_max=chosen.confidence_max,
    )


def conflict_settings(config: Config) -> ConflictSettings:
    chosen = config.orchestration.conflicts
    return ConflictSettings(
        confidence_gap=chosen.confidence_gap,
        risk_cut=chosen.risk_cut,
        wait_max_ns=chosen.wait_max_s * SECOND_NS,
        timeout_ns=chosen.timeout_s * SECOND_NS,
    )


def degradation_settings(config: Config) -> DegradationSettings:
    chosen = config.orchestration.degradation
    return DegradationSettings(
        reduced_after=chosen.reduced_after,
        limited_after=chosen.limited_after,
        emergency_after=chosen.emergency_after,
        successes_back=chosen.successes_back,
        probe_interval_ns=chosen.probe_interval_s * SECOND_NS,
    )


def outcome_settings(config: Config) -> OutcomeSettings:
    chosen = config.orchestration.outcomes
    return OutcomeSettings(
        horizons_ns=tuple(hours * _HOUR_NS for hours in chosen.horizons_h),
        grace_ns=chosen.grace_s * SECOND_NS,
        votes_max=config.agents.consensus.voters * VOTES_OF_A_MODEL,
    )


def rebalance_settings(config: Config) -> RebalanceSettings | None:
    """None: this session does not rebalance."""
    chosen = config.portfolio.rebalance
    if not chosen.enabled:
        return None
    return RebalanceSettings(
        targets=dict(chosen.targets),
        deviation_min=chosen.deviation_min_points / _HUNDRED,
        interval_min_ns=chosen.interval_min_h * _HOUR_NS,
        trade_min_usd=chosen.trade_min_usd,
        split_from_usd=chosen.split_from_usd,
        batches=chosen.batches,
        batch_interval_ns=chosen.batch_interval_h * _HOUR_NS,
        mode=chosen.mode,
    )

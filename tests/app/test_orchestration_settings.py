"""The coordinator gets what is configured, and the configured defaults are its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from triplegain.agents.rebalance import RebalanceMode
from triplegain.agents.registry import AGENTS
from triplegain.app.mind_settings import mind_settings
from triplegain.app.orchestration_settings import (
    agreement_settings,
    conflict_settings,
    degradation_settings,
    outcome_settings,
    rebalance_settings,
    task_specs,
)
from triplegain.config.loader import check_config, load_config
from triplegain.decision.agreement import AgreementSettings
from triplegain.decision.conflicts import ConflictSettings
from triplegain.decision.degradation import DegradationSettings
from triplegain.decision.outcomes import OutcomeSettings
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import Cast
from triplegain.decision.slots import Slots
from triplegain.domain.clock import SECOND_NS

HOUR_NS = 3600 * SECOND_NS


def test_the_configured_defaults_are_the_rooms_own(tmp_path: Path) -> None:
    (tmp_path / "portfolio.yaml").write_text("rebalance: {enabled: true}\n")
    config = load_config({}, tmp_path)
    assert task_specs(config) == AGENTS.tasks
    assert agreement_settings(config) == AgreementSettings()
    assert conflict_settings(config) == ConflictSettings()
    assert degradation_settings(config) == DegradationSettings()
    assert outcome_settings(config) == OutcomeSettings()
    assert rebalance_settings(config) == RebalanceSettings()


def test_rebalancing_is_off_unless_it_is_wanted() -> None:
    assert rebalance_settings(load_config({})) is None


def test_what_is_written_arrives_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "orchestration.yaml").write_text(
        "tasks:\n  decision: {interval_s: 900}\n  sentiment: {concurrency: 1}\n  rounds_at_once: 2\n"
        "consensus: {regime_fresh_s: 700, cut_max: 0.2}\n"
        "conflicts: {wait_max_s: 60, timeout_s: 5}\n"
        "degradation: {reduced_after: 2, probe_interval_s: 30}\n"
        "outcomes: {horizons_h: [2], grace_s: 0}\n"
    )
    (tmp_path / "portfolio.yaml").write_text(
        "rebalance: {enabled: true, targets: {btc: 3, usdt: 1}, deviation_min_points: 2.5, mode: DCA_24h}\n"
    )
    config = load_config({}, tmp_path)
    specs = {spec.name: spec for spec in task_specs(config)}
    assert (specs["decision"].interval_ns, specs["decision"].timeout_ns) == (900 * SECOND_NS, 60 * SECOND_NS)
    assert (specs["sentiment"].concurrency, specs["sentiment"].interval_ns) == (1, 1800 * SECOND_NS)
    assert specs["technical"] == AGENTS.tasks[0]
    mind = mind_settings(config, Cast({"decision": ("a",)}))
    slots = Slots.for_tasks(mind.tasks, mind.rounds_at_once)
    assert [slots.take(task, task) for task in ("technical", "regime", "decision")] == [True, True, False]
    assert agreement_settings(config).regime_fresh_ns == 700 * SECOND_NS
    assert agreement_settings(config).cut_max == Decimal("0.2")
    assert (conflict_settings(config).wait_max_ns, conflict_settings(config).timeout_ns) == (
        60 * SECOND_NS,
        5 * SECOND_NS,
    )
    assert degradation_settings(config).reduced_after == 2
    assert outcome_settings(config) == OutcomeSettings(horizons_ns=(2 * HOUR_NS,), grace_ns=0)
    rebalance = rebalance_settings(config)
    assert rebalance is not None
    assert dict(rebalance.targets) == {"BTC": Decimal(3), "USDT": Decimal(1)}
    assert rebalance.deviation_min == Decimal("0.025")
    assert rebalance.mode is RebalanceMode.DCA_24H


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("orchestration.yaml", "tasks: {regime: {interval_s: 20}}", "timeout_s (30) cannot be above interval_s (20)"),
        ("orchestration.yaml", "degradation: {limited_after: 9}", "must rise"),
        ("orchestration.yaml", "consensus: {disagree_below: 0.7}", "disagree_below <= agree_from"),
        ("orchestration.yaml", "outcomes: {horizons_h: [4, 1]}", "horizons_h must rise"),
        ("portfolio.yaml", "rebalance: {targets: {BTC: 1}}", "targets must name USDT"),
        ("portfolio.yaml", "rebalance: {targets: {USDT: 0}}", "targets must not all be 0"),
        ("portfolio.yaml", "rebalance: {mode: hope}", "'immediate', 'dca_24h', 'limit_orders' or 'defer'"),
        ("portfolio.yaml", "rebalance: {deviation_min_points: 0}", "greater than 0"),
    ],
)
def test_settings_at_odds_are_told_with_their_file(tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / file).write_text(text + "\n")
    problems = check_config({}, tmp_path)
    assert len(problems) == 1, problems
    assert Path(problems[0].file).name == file
    assert said in problems[0].message

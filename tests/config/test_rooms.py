"""What is written reaches the rooms in their own unit, and what does not fit together is told in the file's words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.config.written_config import configured

from triplegain.agents.baselines.baseline import BuyAndHoldSettings, EqualWeightSettings, RandomSettings
from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.agents.rebalance import RebalanceMode
from triplegain.agents.regime import KnownRegime, RegimeAnswer, RegimeMemory, RegimeRules
from triplegain.agents.registry import AGENTS
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.technical import TechnicalRules
from triplegain.config import Config, check_config
from triplegain.decision.outcomes import OutcomeSettings
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.schedule import ConcurrencyLimit
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.proposal import Regime
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop, TrailMode
from triplegain.market.indicators.settings import IndicatorSettings

HOUR_NS = 3600 * SECOND_NS


def test_what_is_written_of_the_agents_arrives() -> None:
    decision = configured(
        agents={
            "technical": {"rsi_long": 65, "rsi_short": 35, "confidence": "0.3"},
            "regime": {
                "adx_trending": 20,
                "choppiness_choppy": 55,
                "confidence": "0.5",
                "runs_agreeing": 1,
                "model_confidence_min": "0.505",
            },
            "sentiment": {"social_weight": 1, "news_weight": 2, "size_min": "0.9"},
            "consensus": {"boost_six": "0.2", "boost_five": "0.1", "boost_four": 0},
        },
        orchestration={"consensus": {"confidence_max": "0.9"}},
    ).decision
    assert decision.rules["technical"] == TechnicalRules(65, 35, 30)
    assert decision.rules["regime"] == RegimeRules(20, 55, 50)
    assert decision.sentiment == SentimentSettings(Decimal(1), Decimal(2), Decimal("0.9"))
    assert decision.consensus == ConsensusSettings(6, (Decimal("0.2"), Decimal("0.1"), Decimal(0)), Decimal("0.9"))
    assert decision.agreement.confidence_max == Decimal("0.9")
    memory = RegimeMemory(decision.regime_runs_agreeing, decision.regime_model_confidence_min_pct)
    for confidence, holds in ((50, Regime.UNKNOWN), (51, Regime.RANGING)):  # 0.505 is 51 in whole percent
        seen = RegimeAnswer(regime=KnownRegime.RANGING, confidence_pct=confidence, reasoning="seen")
        assert memory.observe("BTC/USDT", seen, confidence, True) is holds


def protection(**positions: Any) -> ProtectionSettings:
    return configured(execution={"positions": positions}).desk.protection


def test_by_default_stops_stay_where_they_are_and_positions_end_after_48_hours() -> None:
    assert protection() == ProtectionSettings(max_holding_ns=48 * HOUR_NS, trailing=None, break_even=None)


def test_switched_on_the_defaults_are_those_of_the_rules() -> None:
    on = protection(trailing_stop={"enabled": True}, break_even={"enabled": True})
    assert (on.trailing, on.break_even) == (TrailingStop(), BreakEven())


@pytest.mark.parametrize(
    ("key", "value", "field", "becomes"),
    [
        ("activate_pct", "2", "activate", Decimal("0.02")),
        ("mode", "ATR", "mode", TrailMode.ATR),
        ("trail_pct", "3", "trail", Decimal("0.03")),
        ("trail_atr", "2.5", "trail_atr", Decimal("2.5")),
        ("step_pct", "0.5", "step", Decimal("0.005")),
    ],
)
def test_each_key_of_the_trailing_stop_changes_it(key: str, value: str, field: str, becomes: object) -> None:
    assert getattr(protection(trailing_stop={"enabled": True, key: value}).trailing, field) == becomes


@pytest.mark.parametrize(("key", "field"), [("at_pct", "at"), ("buffer_pct", "buffer")])
def test_each_key_of_the_break_even_move_changes_it(key: str, field: str) -> None:
    assert getattr(protection(break_even={"enabled": True, key: "0.7"}).break_even, field) == Decimal("0.007")


def test_the_holding_time_is_a_key() -> None:
    assert protection(max_holding_hours="1.5").max_holding_ns == 5400 * SECOND_NS


@pytest.mark.parametrize(
    "positions",
    [
        {"trailing_stop": {"trail_pct": "0"}},
        {"trailing_stop": {"trail_pct": "100"}},
        {"trailing_stop": {"step_pct": "-1"}},
        {"trailing_stop": {"trail_atr": "0"}},
        {"trailing_stop": {"mode": "guess"}},
        {"break_even": {"buffer_pct": "-0.1"}},
        {"break_even": {"unknown": "1"}},
        {"break_even": "on"},
    ],
)
def test_an_impossible_value_is_an_error_even_of_what_is_switched_off(positions: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"execution\.positions\."):
        protection(**positions)


def test_what_is_switched_off_is_not_there() -> None:
    assert configured(hodl={"enabled": False}).hodl is None
    assert Config().rebalance is None
    assert configured(portfolio={"rebalance": {"enabled": True}}).rebalance == RebalanceSettings()


def test_every_key_of_the_hodl_bag_reaches_it_in_its_own_unit() -> None:
    chosen = {
        "profit_share_pct": 25,
        "profit_min_usd": 2,
        "allocation_max_usd": 30,
        "daily_max_usd": 40,
        "currency": "usd",
        "split_pct": {"USD": 40, "btc": 60},
        "thresholds_usd": {"USD": 3, "BTC": 7},
        "attempts": 5,
        "retry_s": 9,
        "slippage_alert_pct": 1,
    }
    assert configured(hodl=chosen).hodl == HodlSettings(
        share=Decimal("0.25"),
        profit_min=Decimal(2),
        allocation_max=Decimal(30),
        day_max=Decimal(40),
        currency="USD",
        split={"USD": Decimal("0.4"), "BTC": Decimal("0.6")},
        thresholds={"USD": Decimal(3), "BTC": Decimal(7)},
        attempts_max=5,
        retry_ns=9 * SECOND_NS,
        slippage_alert=Decimal("0.01"),
    )


def test_what_is_written_of_the_orchestration_arrives_and_nothing_else_changes() -> None:
    config = configured(
        orchestration={
            "tasks": {"decision": {"interval_s": 900}, "sentiment": {"concurrency": 1}, "rounds_at_once": 2},
            "consensus": {"regime_fresh_s": 700, "cut_max": "0.2"},
            "conflicts": {"wait_max_s": 60, "timeout_s": 5},
            "degradation": {"reduced_after": 2, "probe_interval_s": 30},
            "outcomes": {"horizons_h": [2], "grace_s": 0},
        },
        portfolio={
            "rebalance": {
                "enabled": True,
                "targets": {"btc": 3, "usdt": 1},
                "deviation_min_points": "2.5",
                "mode": "DCA_24h",
            }
        },
    )
    decision, rebalance = config.decision, config.rebalance
    specs = {spec.name: spec for spec in decision.schedule.tasks.values()}
    assert (specs["decision"].interval_ns, specs["decision"].timeout_ns) == (900 * SECOND_NS, 60 * SECOND_NS)
    assert (specs["sentiment"].concurrency, specs["sentiment"].interval_ns) == (1, 1800 * SECOND_NS)
    assert specs["technical"] == AGENTS.tasks[0]
    tasks = decision.of_session(ModelAssignment({"decision": ("a",)}), True).tasks
    slots = ConcurrencyLimit({task.name: task.concurrency for task in tasks}, decision.schedule.rounds_at_once)
    assert [slots.take(task, task) for task in ("technical", "regime", "decision")] == [True, True, False]
    assert (decision.agreement.regime_fresh_ns, decision.agreement.cut_max) == (700 * SECOND_NS, Decimal("0.2"))
    assert (decision.conflicts.wait_max_ns, decision.conflicts.timeout_ns) == (60 * SECOND_NS, 5 * SECOND_NS)
    assert decision.degradation.reduced_after == 2
    assert decision.outcomes == OutcomeSettings(horizons_ns=(2 * HOUR_NS,), grace_ns=0)
    assert rebalance is not None
    assert dict(rebalance.targets) == {"BTC": Decimal(3), "USDT": Decimal(1)}
    assert (rebalance.deviation_min, rebalance.mode) == (Decimal("0.025"), RebalanceMode.DCA_24H)


def test_what_is_written_of_the_market_view_arrives() -> None:
    config = configured(
        indicators={"ema": [5, 10, 20], "keltner": {"squeeze_multiple": "1.25"}},
        snapshot={"look_back": {"30m": 7, "1W": 3}, "primary": "30m", "late_after_s": 3},
    )
    shown = config.snapshot
    assert config.indicators == IndicatorSettings(ema=(5, 10, 20), squeeze_multiple=1.25)
    assert (dict(shown.look_back), shown.primary, shown.late_after_ns) == ({"30m": 7, "1w": 3}, "30m", 3 * SECOND_NS)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("agents", "technical: {rsi_long: 30}", "technical: rsi_short (40) must not be above rsi_long (30)"),
        ("agents", "consensus: {boost_four: 0.2}", "consensus: boost_four, boost_five and boost_six must not fall"),
        ("agents", "{trader: ema, baseline_ema: {enabled: false}}", "trader is ema, but baseline_ema.enabled is false"),
        ("agents", "random: {holding_min_h: 5, holding_max_h: 4}", "holding_min_h (5) is above holding_max_h (4)"),
        ("agents", "random: {entries_per_day: 2}", "entries_per_day (2) of 14 h on average leave no time"),
        ("orchestration", "tasks: {regime: {interval_s: 20}}", "timeout_s (30) cannot be above interval_s (20)"),
        ("orchestration", "degradation: {limited_after: 9}", "must rise"),
        ("orchestration", "consensus: {disagree_below: 0.7}", "disagree_below <= agree_from"),
        ("orchestration", "outcomes: {horizons_h: [4, 1]}", "horizons_h must rise"),
        ("portfolio", "rebalance: {targets: {BTC: 1}}", "targets must name USDT"),
        ("portfolio", "rebalance: {targets: {USDT: 0}}", "targets must not all be 0"),
        ("portfolio", "rebalance: {mode: hope}", "'immediate', 'dca_24h', 'limit_orders' or 'defer'"),
        ("portfolio", "rebalance: {deviation_min_points: 0}", "greater than 0"),
        ("hodl", "split_pct: {USDT: 50, BTC: 49}", "split_pct adds up to 99, not to 100"),
        ("hodl", "currency: USD", "split_pct must name the currency USD"),
        ("hodl", "thresholds_usd: {USDT: 1, BTC: 15}", "thresholds_usd has nothing for XRP"),
        ("hodl", "profit_share_pct: 101", "less than or equal to 100"),
        ("indicators", "macd: {fast: 30}", "macd: fast (30) must be below slow (26)"),
        ("snapshot", "primary: 12h", "primary is 12h, which is not in look_back"),
        ("llm", "budget: {warn_usd: 6}", "budget: warn_usd (6) cannot be above per_day_usd (5)"),
        ("llm", "roles: {decision: [qwen, qwen]}", "roles: a model is named twice in decision"),
        ("llm", "options: {gpt: {price_in_usd: 1}}", "options.gpt: price_in_usd and price_out_usd belong together"),
        ("llm", "options: {gpt: {temprature: 1}}", "options.gpt.temprature: unknown key"),
        ("llm", "models: {qwen: nobody:x}", "a model reads PROVIDER:ID"),
        ("llm", "roles: {nwes: [gpt]}", "roles.nwes: unknown key; did you mean roles.news?"),
        ("llm", "roles: {news: [nobody]}", "roles and options name nobody, which models does not"),
        ("orchestration", "demo_seed: 9223372036854775808", "less than or equal to 9223372036854775807"),
        ("execution", "orders: {limit_expiry_hours: 745}", "less than or equal to 744"),
        ("execution", "positions: {max_holding_hours: 2562048}", "less than or equal to 2562047"),
        ("execution", "paper_trading: {initial_balance: {USDT: 1e19}}", "size or precision"),
        ("execution", "paper_trading: {initial_balance: {USDT: 1e-19}}", "more than 18 decimals"),
        ("hodl", "profit_min_usd: 1e400", "should be an exact number"),
        ("market", "kraken: {book_depth: 11}", "Input should be 10, 25, 100, 500 or 1000"),
    ],
)
def test_settings_at_odds_are_told_with_their_file(tmp_path: Path, file: str, text: str, said: str) -> None:
    (tmp_path / f"{file}.yaml").write_text(text + "\n")
    problems = check_config({}, tmp_path)
    assert len(problems) == 1, problems
    assert Path(problems[0].file).name == f"{file}.yaml"
    assert said in str(problems[0])


def test_by_itself_the_ema_trades_until_a_model_may_vote() -> None:
    assert Config().traders.chosen(models_vote=False) == BaselineSettings()
    assert Config().traders.chosen(models_vote=True) is None


@pytest.mark.parametrize(
    ("trader", "settings"),
    [
        ("ema", BaselineSettings()),
        ("buy_and_hold", BuyAndHoldSettings()),
        ("equal_weight", EqualWeightSettings()),
        ("Random", RandomSettings()),
        ("models", None),
    ],
)
def test_a_trader_that_is_named_trades_whoever_else_could(trader: str, settings: object) -> None:
    traders = configured(agents={"trader": trader}).traders
    assert [traders.chosen(models_vote=True), traders.chosen(models_vote=False)] == [settings, settings]


def test_the_ema_that_takes_no_part_leaves_nobody() -> None:
    assert configured(agents={"baseline_ema": {"enabled": False}}).traders.chosen(models_vote=False) is None


def test_every_key_of_the_traders_by_rules_reaches_them_in_their_own_unit() -> None:
    keys = {
        "seed": 9,
        "entries_per_day": "0.5",
        "holding_min_h": "1.5",
        "holding_max_h": 6,
        "stop_pct": 3,
        "confidence": "0.9",
    }
    traders = configured(
        agents={"random": keys, "buy_and_hold": {"cash_pct": 5}, "equal_weight": {"band_points": 2}}
    ).traders
    assert traders.random == RandomSettings(
        seed=9,
        entries_per_day=Decimal("0.5"),
        holding_min_ns=3 * HOUR_NS // 2,
        holding_max_ns=6 * HOUR_NS,
        stop=Decimal("0.03"),
        confidence=Decimal("0.9"),
    )
    assert traders.buy_and_hold == BuyAndHoldSettings(Decimal("0.05"))
    assert traders.equal_weight == EqualWeightSettings(Decimal("0.02"))

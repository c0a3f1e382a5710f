from __future__ import annotations

from dataclasses import replace

import pytest
from tests.agents.made_answers import changed, snapshot_with

from triplegain.agents.answer import Abstain
from triplegain.agents.technical import (
    Bias,
    TechnicalAnswer,
    TechnicalRules,
    Trend,
    technical_prompt,
    technical_rules,
)
from triplegain.llm.schema import schema_text


@pytest.mark.parametrize(
    ("rsi", "histogram", "bias"),
    [
        (60.1, 0.1, Bias.LONG),
        (60.0, 0.1, Bias.NEUTRAL),  # above 60, not at it
        (60.1, 0.0, Bias.NEUTRAL),
        (60.1, -0.1, Bias.NEUTRAL),
        (39.9, -0.1, Bias.SHORT),
        (40.0, -0.1, Bias.NEUTRAL),
        (39.9, 0.0, Bias.NEUTRAL),
        (39.9, 0.1, Bias.NEUTRAL),
        (50.0, 5.0, Bias.NEUTRAL),
    ],
)
def test_the_rules_need_rsi_and_macd_to_agree(rsi: float, histogram: float, bias: Bias) -> None:
    answer = technical_rules(snapshot_with(rsi=rsi, macd_histogram=histogram))
    assert isinstance(answer, TechnicalAnswer)
    assert (answer.bias, answer.confidence_pct) == (bias, 25)


def test_levels_are_distances_from_the_price_and_momentum_is_the_rsi_about_its_middle() -> None:
    answer = technical_rules(snapshot_with())
    assert isinstance(answer, TechnicalAnswer)
    # bands 9 800 and 10 300 around 10 000: 2 % below, 3 % above; RSI 65: (65 - 50) x 2 = 30; ADX 30
    assert (answer.support_bps, answer.resistance_bps) == (200, 300)
    assert (answer.momentum_pct, answer.strength_pct, answer.alignment_pct) == (30, 30, 50)
    assert answer.signals == ("RSI 65.0", "MACD histogram above 0")


def test_a_level_on_the_wrong_side_of_the_price_is_not_known() -> None:
    answer = technical_rules(snapshot_with(price=11_000))
    assert isinstance(answer, TechnicalAnswer)
    assert (answer.support_bps, answer.resistance_bps) == (1091, None)  # 1 - 9 800 / 11 000


@pytest.mark.parametrize(("value", "trend"), [(1.0, Trend.UP), (1 / 3, Trend.UP), (0.0, Trend.SIDEWAYS)])
def test_the_trend_is_that_of_the_primary_timeframe(value: float, trend: Trend) -> None:
    up, down = technical_rules(snapshot_with(trend=value)), technical_rules(snapshot_with(trend=-value))
    assert isinstance(up, TechnicalAnswer) and isinstance(down, TechnicalAnswer)
    assert up.trend is trend
    assert down.trend is (Trend.SIDEWAYS if trend is Trend.SIDEWAYS else Trend.DOWN)


@pytest.mark.parametrize("missing", ["rsi", "macd_histogram", "adx"])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_without_its_figures_it_abstains_and_never_takes_zero(missing: str, value: float | None) -> None:
    answer = technical_rules(changed(snapshot_with(), missing, value))
    assert isinstance(answer, Abstain) and "BTC/USDT" in answer.reason


def test_without_primary_candles_it_abstains() -> None:
    assert isinstance(technical_rules(replace(snapshot_with(), primary_frame=None, timeframes={})), Abstain)


def test_what_is_not_known_of_the_other_timeframes_is_null() -> None:
    answer = technical_rules(replace(snapshot_with(bollinger_lower=None), alignment=None))
    assert isinstance(answer, TechnicalAnswer)
    assert (answer.alignment_pct, answer.support_bps) == (None, None)


def test_thresholds_are_settings() -> None:
    answer = technical_rules(snapshot_with(rsi=55), TechnicalRules(rsi_long=54, confidence_pct=30))
    assert isinstance(answer, TechnicalAnswer)
    assert (answer.bias, answer.confidence_pct) == (Bias.LONG, 30)


def test_the_prompt_holds_the_snapshot_as_given_and_the_schema_of_the_answer() -> None:
    prompt = technical_prompt('{"some":"snapshot"}', snapshot_with())
    assert prompt.user.endswith('{"some":"snapshot"}') and "BTC/USDT" in prompt.user
    assert schema_text(TechnicalAnswer) in prompt.system

from __future__ import annotations

import pytest
from tests.agents.made_answers import changed, snapshot_with

from triplegain.agents.answer import Abstain
from triplegain.agents.regime import KnownRegime, RegimeAnswer, RegimeRules, regime_prompt, regime_rules
from triplegain.domain.proposal import Regime
from triplegain.llm.schema import schema_text


def test_every_regime_of_the_domain_can_be_answered_but_not_that_it_is_unknown() -> None:
    assert {each.value for each in KnownRegime} == {each.value for each in Regime} - {"unknown"}


@pytest.mark.parametrize(
    ("adx", "rsi", "choppiness", "regime"),
    [
        (25.1, 50.1, 61.0, Regime.TRENDING_BULL),  # a trend goes before choppiness
        (25.1, 49.9, 61.0, Regime.TRENDING_BEAR),
        (25.1, 50.0, 61.0, Regime.CHOPPY),  # on neither side of 50
        (25.0, 80.0, 60.1, Regime.CHOPPY),
        (25.0, 80.0, 60.0, Regime.RANGING),
        (0.0, 50.0, 0.0, Regime.RANGING),
    ],
)
def test_the_rules_look_for_a_trend_then_for_choppiness(
    adx: float, rsi: float, choppiness: float, regime: Regime
) -> None:
    answer = regime_rules(snapshot_with(adx=adx, rsi=rsi, choppiness=choppiness))
    assert isinstance(answer, RegimeAnswer)
    assert (answer.regime.value, answer.confidence_pct) == (regime.value, 40)


@pytest.mark.parametrize("missing", ["adx", "rsi", "choppiness"])
def test_a_figure_that_is_missing_is_an_abstention(missing: str) -> None:
    assert isinstance(regime_rules(changed(snapshot_with(), missing, None)), Abstain)


def test_thresholds_are_settings() -> None:
    answer = regime_rules(snapshot_with(adx=22), RegimeRules(adx_trending=20, confidence_pct=45))
    assert isinstance(answer, RegimeAnswer)
    assert (answer.regime.value, answer.confidence_pct) == ("trending_bull", 45)


def test_the_prompt_holds_the_snapshot_as_given_and_the_schema_of_the_answer() -> None:
    prompt = regime_prompt('{"some":"snapshot"}', snapshot_with())
    assert prompt.user.endswith('{"some":"snapshot"}')
    assert schema_text(RegimeAnswer) in prompt.system

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.regime import KnownRegime, RegimeAnswer, RegimeRules
from triplegain.agents.regime_memory import RegimeMemory
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.technical import TechnicalRules
from triplegain.app.agent_settings import (
    consensus_settings,
    regime_rules_settings,
    sentiment_settings,
    technical_rules_settings,
)
from triplegain.app.mind_settings import mind_settings
from triplegain.config.loader import check_config, load_config
from triplegain.decision.settings import Cast
from triplegain.domain.proposal import Regime


def test_the_configured_defaults_are_the_agents_own() -> None:
    config = load_config({})
    assert technical_rules_settings(config) == TechnicalRules()
    assert regime_rules_settings(config) == RegimeRules()
    assert sentiment_settings(config) == SentimentSettings()
    assert consensus_settings(config) == ConsensusSettings()


def test_what_is_written_arrives(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(
        "technical: {rsi_long: 65, rsi_short: 35, confidence: 0.3}\n"
        "regime: {adx_trending: 20, choppiness_choppy: 55, confidence: 0.5, runs_agreeing: 1,"
        " model_confidence_min: 0.505}\n"
        "sentiment: {social_weight: 1, news_weight: 2, size_min: 0.9}\n"
        "consensus: {boost_six: 0.2, boost_five: 0.1, boost_four: 0}\n"
    )
    (tmp_path / "orchestration.yaml").write_text("consensus: {confidence_max: 0.9}\n")
    config = load_config({}, tmp_path)
    assert technical_rules_settings(config) == TechnicalRules(65, 35, 30)
    assert regime_rules_settings(config) == RegimeRules(20, 55, 50)
    assert sentiment_settings(config) == SentimentSettings(Decimal(1), Decimal(2), Decimal("0.9"))
    assert consensus_settings(config) == ConsensusSettings(
        6, (Decimal("0.2"), Decimal("0.1"), Decimal(0)), Decimal("0.9")
    )
    mind = mind_settings(config, Cast())
    memory = RegimeMemory(mind.regime_runs_agreeing, mind.regime_model_confidence_min_pct)
    for confidence, holds in ((50, Regime.UNKNOWN), (51, Regime.RANGING)):  # 0.505 is 51 in whole percent
        seen = RegimeAnswer(regime=KnownRegime.RANGING, confidence_pct=confidence, reasoning="seen")
        assert memory.observe("BTC/USDT", seen, confidence, True) is holds


def test_settings_at_odds_are_told(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("technical: {rsi_long: 30}\nconsensus: {boost_four: 0.2}\n")
    said = " ".join(each.message for each in check_config({}, tmp_path))
    assert "rsi_short (40) must not be above rsi_long (30)" in said and "must not fall" in said

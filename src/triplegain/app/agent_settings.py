"""From the configuration's agents to the agents' own settings."""

from __future__ import annotations

from decimal import Decimal

from triplegain.agents.consensus import ConsensusSettings
from triplegain.agents.regime import RegimeRules
from triplegain.agents.sentiment import SentimentSettings
from triplegain.agents.technical import TechnicalRules
from triplegain.config import Config


def technical_rules_settings(config: Config) -> TechnicalRules:
    chosen = config.agents.technical
    return TechnicalRules(float(chosen.rsi_long), float(chosen.rsi_short), _percent(chosen.confidence))


def regime_rules_settings(config: Config) -> RegimeRules:
    chosen = config.agents.regime
    return RegimeRules(float(chosen.adx_trending), float(chosen.choppiness_choppy), _percent(chosen.confidence))


def sentiment_settings(config: Config) -> SentimentSettings:
    chosen = config.agents.sentiment
    return SentimentSettings(chosen.social_weight, chosen.news_weight, chosen.size_min)


def consensus_settings(config: Config) -> ConsensusSettings:
    chosen = config.agents.consensus
    confidence_max = config.orchestration.consensus.confidence_max
    boosts = chosen.boost_six, chosen.boost_five, chosen.boost_four
    return ConsensusSettings(chosen.voters, boosts, confidence_max)


def _percent(share: Decimal) -> int:
    """Whole percent, rounded down."""
    return int(share * 100)

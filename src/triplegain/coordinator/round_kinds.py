"""The typed answer of each kind of round: one type gives the schema in the prompt, the parser and the record."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel

from triplegain.agents.conflict import ConflictAnswer
from triplegain.agents.decision import VoteAnswer
from triplegain.agents.rebalance import RebalanceAnswer
from triplegain.agents.regime import RegimeAnswer
from triplegain.agents.sentiment import NewsAnswer, SocialAnswer
from triplegain.agents.technical import TechnicalAnswer


class Kind(StrEnum):
    """What a round is about."""

    TECHNICAL = "technical"
    REGIME = "regime"
    SOCIAL = "social"
    NEWS = "news"
    DECISION = "decision"
    CONFLICT = "conflict"
    REBALANCE = "rebalance"


ANSWERS: Mapping[str, type[BaseModel]] = {
    Kind.TECHNICAL: TechnicalAnswer,
    Kind.REGIME: RegimeAnswer,
    Kind.SOCIAL: SocialAnswer,
    Kind.NEWS: NewsAnswer,
    Kind.DECISION: VoteAnswer,
    Kind.CONFLICT: ConflictAnswer,
    Kind.REBALANCE: RebalanceAnswer,
}

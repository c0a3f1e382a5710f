"""Sentiment of an asset: what people and newspapers say. It informs, and it makes a trade smaller at most.

The models that read text from outside know no account and hold no tool but the provider's own search. Of what they
answer only whole numbers go on: their words are kept for the reader of the record and enter no other prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Annotated

from pydantic import Field

from triplegain.agents.answer import Abstain, Action, AgentAnswer, Answer
from triplegain.agents.evidence import EvidenceBundle
from triplegain.agents.spec import AgentSpec, Importance, TaskSpec, TextAnalysis
from triplegain.agents.typed_answer import (
    Percent,
    Reasoning,
    Short,
    SignedPercent,
    TypedAnswer,
    answer_places,
    at_most,
    filled,
)
from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.written import FRACTION, POSITIVE
from triplegain.llm.reply import Prompt, Tool

_NARRATIVES_MAX = 3
_EVENTS_MAX = 5
_STEP = Decimal("0.0001")


class SocialAnswer(TypedAnswer):
    """What people write. A null score is no opinion; it is never counted as 0."""

    score_pct: SignedPercent | None = Field(description="-100 fear, 100 euphoria, null if too little was found")
    confidence_pct: Percent = Field(description="how much and how reliable the material is")
    narratives: Annotated[tuple[Short, ...], *at_most(_NARRATIVES_MAX)] = Field(description="what is talked about")
    reasoning: Reasoning

    @property
    def lean_pct(self) -> int | None:
        return self.score_pct


class NewsAnswer(TypedAnswer):
    """What the news say. A null score is no opinion; it is never counted as 0."""

    score_pct: SignedPercent | None = Field(description="-100 very bad news, 100 very good, null if there are none")
    confidence_pct: Percent = Field(description="how much and how reliable the material is")
    events: Annotated[tuple[Short, ...], *at_most(_EVENTS_MAX)] = Field(description="what happened, dated if known")
    reasoning: Reasoning

    @property
    def lean_pct(self) -> int | None:
        return self.score_pct


@dataclass(frozen=True, slots=True)
class SentimentSettings:
    """Weights of the two scores, and what the worst sentiment leaves of the size of a buy."""

    social_weight: Decimal = key("social_weight", "0.6", POSITIVE, "weight of what people write")
    news_weight: Decimal = key("news_weight", "0.6", POSITIVE, "weight of the news")
    size_min: Decimal = key(
        "size_min", "0.75", FRACTION, "the worst sentiment leaves this share of a buy; it can do nothing else"
    )

    def __post_init__(self) -> None:
        if not (self.social_weight > 0 and self.news_weight > 0 and 0 <= self.size_min <= 1):
            raise AtOddsError("the weights of sentiment are above 0, and size_min is from 0 to 1")


@dataclass(frozen=True, slots=True)
class Sentiment:
    """The combined view, numbers only; -100..100 and, for confidence, 0..100. None: that one did not answer."""

    overall_pct: int
    confidence_pct: int
    social_pct: int | None
    news_pct: int | None


def weigh(said: Iterable[tuple[Decimal, int | None, int]]) -> tuple[int, int] | None:
    """Means of lean and confidence of answers, each after its weight, rounded towards zero; None without a view."""
    views = [(weight, lean, sure) for weight, lean, sure in said if lean is not None]
    if not views:
        return None
    total = sum((weight for weight, _, _ in views), Decimal(0))
    lean = sum((weight * lean for weight, lean, _ in views), Decimal(0)) / total
    return int(lean), int(sum((weight * sure for weight, _, sure in views), Decimal(0)) / total)


def combine(
    social: SocialAnswer | Abstain | None,
    news: NewsAnswer | Abstain | None,
    settings: SentimentSettings | None = None,
) -> Sentiment | None:
    """The weighted mean of those that gave a score, rounded towards zero; None if nobody did."""
    settings = settings or SentimentSettings()
    both = (settings.social_weight, social), (settings.news_weight, news)
    weighed = weigh(
        (weight, answer.score_pct, answer.confidence_pct)
        for weight, answer in both
        if isinstance(answer, (SocialAnswer, NewsAnswer))
    )
    if weighed is None:
        return None
    return Sentiment(
        overall_pct=weighed[0],
        confidence_pct=weighed[1],
        social_pct=social.score_pct if isinstance(social, SocialAnswer) else None,
        news_pct=news.score_pct if isinstance(news, NewsAnswer) else None,
    )


def size_factor(sentiment: Sentiment | None, settings: SentimentSettings | None = None) -> Decimal:
    """What is left of the size of a buy, from `size_min` (sure and all bad) to 1 (not bad, or not known)."""
    settings = settings or SentimentSettings()
    if sentiment is None:
        return Decimal(1)
    bad = Decimal(max(0, -sentiment.overall_pct) * sentiment.confidence_pct) / 10_000
    return max(settings.size_min, 1 - (1 - settings.size_min) * min(bad, Decimal(1))).quantize(_STEP, ROUND_DOWN)


def with_sentiment(answer: Answer, sentiment: Sentiment | None, settings: SentimentSettings | None = None) -> Answer:
    """The same answer with, at most, a smaller buy. Exits are never held back, and nothing else changes."""
    if not isinstance(answer, AgentAnswer) or answer.action is not Action.BUY:
        return answer
    factor = size_factor(sentiment, settings)
    if factor == 1:
        return answer
    wanted = Decimal(1) if answer.size_fraction is None else answer.size_fraction
    return replace(answer, size_fraction=(wanted * factor).quantize(_STEP, ROUND_DOWN))


def social_prompt(asset: str, as_of_ns: int, evidence: EvidenceBundle) -> Prompt:
    """The question about what people write; without evidence the model searches X for itself."""
    return Prompt(filled("social", **answer_places(SocialAnswer)), _question(asset, as_of_ns, evidence))


def news_prompt(asset: str, as_of_ns: int, evidence: EvidenceBundle) -> Prompt:
    """The question about the news; without evidence the model searches the web for itself."""
    return Prompt(filled("news", **answer_places(NewsAnswer)), _question(asset, as_of_ns, evidence))


def _question(asset: str, as_of_ns: int, evidence: EvidenceBundle) -> str:
    if evidence.as_of_ns > as_of_ns:
        raise InvalidValueError(f"evidence as of {iso(evidence.as_of_ns)} is later than the cycle, {iso(as_of_ns)}")
    asked = f"Asset {asset}. The time is {iso(as_of_ns)[:16]}Z; nothing later counts."
    return f"{asked}\n\n{evidence.fenced()}" if evidence.items else f"{asked} No evidence is given: search for it."


SENTIMENT = TaskSpec("sentiment", 1800 * SECOND_NS, timeout_ns=60 * SECOND_NS, concurrency=2)

SOCIAL = AgentSpec(
    name="social",
    about="what people write; must be able to search X",
    answer=SocialAnswer,
    work=TextAnalysis(social_prompt),
    task=SENTIMENT,
    informs=("decision",),
    tools=frozenset({Tool.X_SEARCH}),
    importance=Importance.LOW,
)
NEWS = AgentSpec(
    name="news",
    about="the news; must be able to search the web",
    answer=NewsAnswer,
    work=TextAnalysis(news_prompt),
    task=SENTIMENT,
    informs=("decision",),
    tools=frozenset({Tool.WEB_SEARCH}),
    importance=Importance.LOW,
)

"""What the analysts last said of each market, with the time of their material: the latest answer stands until it ages.

An abstention changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import ValidationError

from triplegain.agents.regime_memory import RegimeMemory
from triplegain.agents.sentiment import NewsAnswer, Sentiment, SentimentSettings, SocialAnswer, combine
from triplegain.agents.technical import Bias, TechnicalAnswer
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.decision.agreement import (
    AgreementSettings,
    Direction,
    View,
    Viewer,
    regime_direction,
    sentiment_direction,
)
from triplegain.domain.proposal import Regime

_Said = TypeVar("_Said")
_Typed = TypeVar("_Typed", bound=TypedAnswer)
_DIRECTIONS = {Bias.LONG: Direction.UP, Bias.SHORT: Direction.DOWN, Bias.NEUTRAL: None}


@dataclass(slots=True)
class Opinions:
    """Technical analyses and regimes by symbol, sentiment by asset. Times are market time."""

    regimes: RegimeMemory
    agreement: AgreementSettings
    sentiment_settings: SentimentSettings
    _technical: dict[str, tuple[int, TechnicalAnswer]] = field(default_factory=dict)
    _social: dict[str, tuple[int, SocialAnswer]] = field(default_factory=dict)
    _news: dict[str, tuple[int, NewsAnswer]] = field(default_factory=dict)

    def hear_technical(self, symbol: str, answer: TechnicalAnswer, time_ns: int) -> None:
        self._technical[symbol] = (time_ns, answer)

    def hear_social(self, asset: str, answer: SocialAnswer, time_ns: int) -> None:
        self._social[asset] = (time_ns, answer)

    def hear_news(self, asset: str, answer: NewsAnswer, time_ns: int) -> None:
        self._news[asset] = (time_ns, answer)

    def technical(self, symbol: str, now_ns: int) -> TechnicalAnswer | None:
        """The latest analysis while it is fresh."""
        return _fresh(self._technical.get(symbol), now_ns, self.agreement.technical_fresh_ns)

    def regime(self, symbol: str) -> Regime:
        """The regime that holds: unknown until it was seen often enough."""
        return self.regimes.current(symbol)

    def sentiment(self, asset: str, now_ns: int) -> Sentiment | None:
        """Both scores together, or the one that is fresh; None without any."""
        fresh_ns = self.agreement.sentiment_fresh_ns
        social = _fresh(self._social.get(asset), now_ns, fresh_ns)
        news = _fresh(self._news.get(asset), now_ns, fresh_ns)
        return combine(social, news, self.sentiment_settings)

    def views(self, symbol: str, now_ns: int) -> dict[Viewer, View]:
        """The view of each analyst who has one of this market; whether it is still fresh is asked elsewhere."""
        views: dict[Viewer, View] = {}
        technical = self._technical.get(symbol)
        if technical is not None:
            at_ns, answer = technical
            sure = Decimal(answer.confidence_pct) / 100
            views[Viewer.TECHNICAL] = View(Viewer.TECHNICAL, _DIRECTIONS[answer.bias], at_ns, sure)
        confirmed_ns = self.regimes.confirmed_at_ns(symbol)
        if confirmed_ns:
            direction = regime_direction(self.regimes.current(symbol))
            views[Viewer.REGIME] = View(Viewer.REGIME, direction, confirmed_ns)
        asset = symbol.partition("/")[0]
        sentiment = self.sentiment(asset, now_ns)
        if sentiment is not None:
            score = Decimal(sentiment.overall_pct) / 100
            heard = [said[0] for said in (self._social.get(asset), self._news.get(asset)) if said is not None]
            views[Viewer.SENTIMENT] = View(
                Viewer.SENTIMENT,
                sentiment_direction(score, self.agreement),
                max(heard),
                Decimal(sentiment.confidence_pct) / 100,
            )
        return views

    def state(self) -> dict[str, Any]:
        def stored(said: Mapping[str, tuple[int, Any]]) -> dict[str, Any]:
            return {name: [str(at_ns), answer.model_dump(mode="json")] for name, (at_ns, answer) in said.items()}

        return {
            "regimes": self.regimes.state(),
            "technical": stored(self._technical),
            "social": stored(self._social),
            "news": stored(self._news),
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        self.regimes.restore(stored["regimes"])
        self._technical = _restored(stored["technical"], TechnicalAnswer)
        self._social = _restored(stored["social"], SocialAnswer)
        self._news = _restored(stored["news"], NewsAnswer)


def _fresh(said: tuple[int, _Said] | None, now_ns: int, fresh_ns: int) -> _Said | None:
    return None if said is None or not 0 <= now_ns - said[0] <= fresh_ns else said[1]


def _restored(stored: Mapping[str, Any], answer: type[_Typed]) -> dict[str, tuple[int, _Typed]]:
    """An answer of an earlier form is no opinion any more: the next one is not far."""
    found: dict[str, tuple[int, _Typed]] = {}
    for name, (at_ns, said) in stored.items():
        with suppress(ValidationError):
            found[name] = int(at_ns), answer.model_validate(said)
    return found

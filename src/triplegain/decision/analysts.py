"""The analysts at work: technical and regime by rules or by a model, sentiment by models only."""

from __future__ import annotations

from triplegain.agents.answer import Abstain
from triplegain.agents.regime import RegimeAnswer, regime_prompt, regime_rules
from triplegain.agents.sentiment import (
    NEWS_TOOLS,
    SOCIAL_TOOLS,
    NewsAnswer,
    SocialAnswer,
    news_prompt,
    social_prompt,
)
from triplegain.agents.technical import TechnicalAnswer, technical_prompt, technical_rules
from triplegain.decision.analysis_record import Analysis, analysis_record
from triplegain.decision.opinions import Opinions
from triplegain.decision.record import MindRecord
from triplegain.decision.round_kinds import ANSWERS, Kind, answered
from triplegain.decision.rounds import FinishedRound, Round
from triplegain.decision.settings import MindSettings
from triplegain.domain.money import text
from triplegain.llm.request import Tool
from triplegain.market.snapshot.compact import compact
from triplegain.market.snapshot.glance import Glance
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot


class Analysts:
    """Answers go to `opinions` and, like abstentions, to the record."""

    def __init__(self, settings: MindSettings, opinions: Opinions, record: MindRecord) -> None:
        self._settings = settings
        self._opinions = opinions
        self._record = record

    def by_rules(self, kind: Kind, symbol: str, seen: Glance | NoSnapshot, now_ns: int) -> None:
        """One look without a model."""
        if isinstance(seen, NoSnapshot):
            answer: TechnicalAnswer | RegimeAnswer | Abstain = Abstain(seen.reason)
        elif kind is Kind.TECHNICAL:
            answer = technical_rules(seen, self._settings.technical)
        else:
            answer = regime_rules(seen, self._settings.regime)
        self._hear(kind, symbol, answer, now_ns, by_model=False)
        self._record.analysis(analysis_record(kind.value, symbol, answer, now_ns))

    def market_round(
        self, round_id: str, kind: Kind, symbol: str, model: str, seen: Snapshot, now_ns: int, timeout_ns: int
    ) -> Round:
        """A technical or regime question to one model. Raises InvalidValueError if its budget holds no snapshot."""
        rendered = compact(seen, self._settings.cast.market_budget(model))
        make = technical_prompt if kind is Kind.TECHNICAL else regime_prompt
        return Round(
            round_id=round_id,
            kind=kind,
            subject=symbol,
            prompts={model: make(rendered, seen)},
            asked_at_ns=now_ns,
            deadline_ns=now_ns + timeout_ns,
            snapshot_hash=seen.hash,
            price=seen.price.mark,
        )

    def probe_round(
        self, round_id: str, symbol: str, model: str, seen: Snapshot, now_ns: int, timeout_ns: int
    ) -> Round:
        """A question that only asks whether somebody answers; nobody listens to what."""
        prompt = regime_prompt(f"price {text(seen.price.mark)}", seen)
        deadline_ns = now_ns + timeout_ns
        return Round(round_id, Kind.REGIME, symbol, {model: prompt}, now_ns, deadline_ns, notes={"probe": True})

    def sentiment_round(self, round_id: str, kind: Kind, asset: str, model: str, now_ns: int, timeout_ns: int) -> Round:
        """A question about what people or the news say; the model looks for itself with its provider's search."""
        social = kind is Kind.SOCIAL
        tools: frozenset[Tool] = SOCIAL_TOOLS if social else NEWS_TOOLS
        prompt = (social_prompt if social else news_prompt)(asset, now_ns)
        return Round(round_id, kind, asset, {model: prompt}, now_ns, now_ns + timeout_ns, tools=tools)

    def take(self, finished: FinishedRound, now_ns: int) -> None:
        """What the model of a round answered, or that it did not."""
        asked = finished.round
        kind = Kind(asked.kind)
        ((model, reply),) = finished.replies.items()
        answer = answered(ANSWERS[kind], reply)
        assert isinstance(answer, (TechnicalAnswer, RegimeAnswer, SocialAnswer, NewsAnswer, Abstain))
        if not asked.notes.get("probe"):
            self._hear(kind, asked.subject, answer, asked.asked_at_ns, by_model=True)
        told = (model, asked.snapshot_hash, asked.request_id(model), reply.usage.latency_ns)
        self._record.analysis(analysis_record(kind.value, asked.subject, answer, now_ns, *told))

    def could_not_ask(self, kind: Kind, subject: str, model: str, reason: str, now_ns: int) -> None:
        """There was nothing to show the model."""
        self._record.analysis(analysis_record(kind.value, subject, Abstain(reason), now_ns, model))

    def _hear(self, kind: Kind, subject: str, answer: Analysis | Abstain, time_ns: int, *, by_model: bool) -> None:
        match answer:
            case TechnicalAnswer():
                self._opinions.hear_technical(subject, answer, time_ns)
            case RegimeAnswer():
                self._opinions.regimes.observe(subject, answer, time_ns, by_model)
            case SocialAnswer():
                self._opinions.hear_social(subject, answer, time_ns)
            case NewsAnswer():
                self._opinions.hear_news(subject, answer, time_ns)
            case Abstain():
                pass

"""What the analysts last said of each market, with the time of their material: the latest answer stands until it ages.

An abstention changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from triplegain.agents.answer import Abstain
from triplegain.agents.evidence import bundle
from triplegain.agents.regime import REGIME, HeldRegime, RegimeAnswer, RegimeMemory, lean_of, regime_prompt
from triplegain.agents.sentiment import (
    NEWS,
    SOCIAL,
    NewsAnswer,
    Sentiment,
    SentimentSettings,
    SocialAnswer,
    combine,
    weigh,
)
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Registry, Subject, TextAnalysis
from triplegain.agents.technical import TECHNICAL, TechnicalAnswer
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.decision.by_rules import Look, RuleLooks
from triplegain.decision.conflicts import AgreementSettings, Signal
from triplegain.decision.record import RecordLog, analysis_record, answered
from triplegain.decision.rounds import FinishedRound, Round
from triplegain.decision.settings import DecisionSettings
from triplegain.domain.agent_records import AnalysisRecord
from triplegain.domain.money import text
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Regime
from triplegain.market.snapshot.compact import compact
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot

_Typed = TypeVar("_Typed", bound=TypedAnswer)
#: Those whom the context of a decision names by itself.
_NAMED = (TECHNICAL, REGIME, SOCIAL, NEWS)


class SignalsState(msgspec.Struct):
    """`latest` by agent and subject: the time of its material and the answer as JSON."""

    regimes: dict[str, HeldRegime]
    latest: dict[str, dict[str, tuple[int, dict[str, Any]]]]


@dataclass(slots=True)
class LatestSignals:
    """The latest answers by agent and subject; regimes are remembered beside. Times are market time.

    `fresh_ns` says of each agent that informs a decision for how long its answers count.
    """

    regimes: RegimeMemory
    agreement: AgreementSettings
    sentiment_settings: SentimentSettings
    fresh_ns: Mapping[AgentSpec, int]
    _latest: dict[str, dict[str, tuple[int, TypedAnswer | Look]]] = field(default_factory=dict)

    def update(
        self, agent: AgentSpec, subject: str, answer: TypedAnswer | Abstain, time_ns: int, *, by_model: bool
    ) -> None:
        if isinstance(answer, RegimeAnswer):
            self.regimes.observe(subject, answer, time_ns, by_model)
        elif not isinstance(answer, Abstain):
            self._latest.setdefault(agent.name, {})[subject] = (time_ns, answer)

    def looked(self, agent: AgentSpec, subject: str, look: Look, time_ns: int) -> None:
        """The same by rules, which need not have been worked out."""
        if agent.answer is RegimeAnswer or look.abstains:
            self.update(agent, subject, look.answer, time_ns, by_model=False)
        else:
            self._latest.setdefault(agent.name, {})[subject] = (time_ns, look)

    def technical(self, symbol: str, now_ns: int) -> TechnicalAnswer | None:
        """The latest analysis while it is fresh."""
        return self._fresh(TECHNICAL, TechnicalAnswer, symbol, now_ns)

    def regime(self, symbol: str) -> Regime:
        """The regime that holds: unknown until it was seen often enough."""
        return self.regimes.current(symbol)

    def sentiment(self, asset: str, now_ns: int) -> Sentiment | None:
        """Both scores together, or the one that is fresh; None without any."""
        social = self._fresh(SOCIAL, SocialAnswer, asset, now_ns)
        news = self._fresh(NEWS, NewsAnswer, asset, now_ns)
        return combine(social, news, self.sentiment_settings)

    def others(self, symbol: str, now_ns: int) -> dict[str, TypedAnswer]:
        """Fresh answers on the market or its asset of the analysts that are not among the above, by their name."""
        others = (agent for agent in self.fresh_ns if agent not in _NAMED)
        answers = {agent.name: self._fresh(agent, agent.answer, symbol, now_ns) for agent in others}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def _fresh(self, agent: AgentSpec, answer: type[_Typed], symbol: str, now_ns: int) -> _Typed | None:
        """Of the market or, where the agent looks at assets, its asset."""
        subject = symbol.partition("/")[0] if agent.subject is Subject.ASSET else symbol
        at_ns, said = self._latest.get(agent.name, {}).get(subject, (0, None))
        if not 0 <= now_ns - at_ns <= self.fresh_ns.get(agent, -1):
            return None
        said = _known(said)
        return said if isinstance(said, answer) else None

    def latest(self, symbol: str, now_ns: int) -> dict[str, Signal]:
        """By task, of all who inform a decision: those who look some way on this market."""
        found = {}
        for task in dict.fromkeys(agent.task.name for agent in self.fresh_ns if agent.task is not None):
            agents = [agent for agent in self.fresh_ns if agent.task is not None and agent.task.name == task]
            weighed = weigh(self._leans(agents, symbol, now_ns))
            of_strangers = any(isinstance(agent.work, TextAnalysis) for agent in agents)
            if weighed and (way := self.agreement.direction(weighed[0], of_strangers=of_strangers)):
                found[task] = Signal(task, way, Decimal(weighed[1]) / 100, of_strangers)
        return found

    def _leans(
        self, agents: Iterable[AgentSpec], symbol: str, now_ns: int
    ) -> Iterator[tuple[Decimal, int | None, int]]:
        settings = self.sentiment_settings
        weights = {SOCIAL: settings.social_weight, NEWS: settings.news_weight}
        for agent in agents:
            if agent.answer is RegimeAnswer:
                # Not the latest look counts but what holds, from its confirmation on.
                age_ns = now_ns - self.regimes.confirmed_at_ns(symbol)
                yield Decimal(1), lean_of(self.regime(symbol)) if 0 <= age_ns <= self.fresh_ns[agent] else None, 0
            elif (answer := self._fresh(agent, agent.answer, symbol, now_ns)) is not None:
                yield weights.get(agent, Decimal(1)), answer.lean_pct, answer.confidence_pct

    def register(self, parts: Parts, agents: Registry) -> None:
        """`agents` are those whose answers are taken back."""

        def restore(stored: SignalsState) -> None:
            self.regimes.held = stored.regimes
            self._latest = {}
            for agent in agents:
                for subject, (at_ns, said) in stored.latest.get(agent.name, {}).items():
                    # An answer of an earlier form, or of an agent that is gone, is no signal: the next is not far.
                    with suppress(ValidationError):
                        answer = agent.answer.model_validate(said)
                        self._latest.setdefault(agent.name, {})[subject] = (at_ns, answer)

        parts.single("decision.opinions", SignalsState, self._state, restore)

    def _state(self) -> SignalsState:
        latest = {
            agent: {subject: (at_ns, _known(one).model_dump(mode="json")) for subject, (at_ns, one) in said.items()}
            for agent, said in self._latest.items()
        }
        return SignalsState(self.regimes.held, latest)


def _known(said: TypedAnswer | Look | None) -> Any:
    return said.answer if isinstance(said, Look) else said


@dataclass(eq=False, slots=True)
class Analysts:
    """Answers go to the latest signals and, like abstentions, to the record: those of models each, those of rules where
    they say something else than the one before or somebody decides by them."""

    _settings: DecisionSettings
    _signals: LatestSignals
    _record: RecordLog
    _looks: RuleLooks

    def by_rules(self, agent: AgentSpec, symbol: str, seen: Sighting | NoSnapshot, now_ns: int) -> None:
        """One look without a model; nothing where the agent has no rules."""
        if not isinstance(agent.work, MarketAnalysis) or agent.work.rules is None:
            return
        said: Look | Abstain
        if isinstance(seen, NoSnapshot):
            said = Abstain(seen.reason)
        else:
            said = self._looks.look(agent, agent.work, symbol, seen)
            self._signals.looked(agent, symbol, said, now_ns)
        if self._looks.is_news(agent.name, symbol, said, now_ns):
            answer = said.answer if isinstance(said, Look) else said
            self._record.put(analysis_record(agent.name, symbol, answer, now_ns))

    @property
    def unstored(self) -> tuple[AnalysisRecord, ...]:
        """What the rules have said last, where that is no news and no row of the record: number 0."""
        return tuple(self._looks.unstored())

    def store_last(self, subject: str | None = None) -> None:
        """Somebody decides by what was said last of the subject, or (None: of each) the run ends: it is in the record
        from here on, news or not."""
        for record in self._looks.take(subject):
            self._record.put(record)

    def round(
        self,
        round_id: str,
        agent: AgentSpec,
        subject: str,
        model: str,
        seen: Snapshot | None,
        now_ns: int,
        timeout_ns: int,
    ) -> Round:
        """A question to one model. Raises InvalidValueError if its budget holds no snapshot.

        About a market it is on what was `seen` there. About what strangers write it is on the evidence there is, and
        only there what is in it counts; without any the model looks for itself, with its provider's search.
        """
        tools, seen_hash, price = agent.tools, "", None
        if isinstance(agent.work, TextAnalysis):
            evidence = bundle(self._settings.evidence.find(agent.name, subject, now_ns), now_ns)
            prompt = agent.work.prompt(subject, now_ns, evidence)
            if evidence.items:
                tools, seen_hash = frozenset(), evidence.hash
        else:
            assert isinstance(agent.work, MarketAnalysis)
            assert seen is not None
            prompt = agent.work.prompt(compact(seen, self._settings.assigned.market_budget(model)), seen)
            seen_hash, price = seen.hash, seen.price.mark
        deadline_ns = now_ns + timeout_ns
        return Round(round_id, agent.name, subject, {model: prompt}, now_ns, deadline_ns, {}, tools, seen_hash, price)

    def probe_round(
        self, round_id: str, symbol: str, model: str, seen: Snapshot, now_ns: int, timeout_ns: int
    ) -> Round:
        """A question that only asks whether somebody answers; nobody listens to what."""
        prompt = regime_prompt(f"price {text(seen.price.mark)}", seen)
        deadline_ns = now_ns + timeout_ns
        return Round(round_id, REGIME.name, symbol, {model: prompt}, now_ns, deadline_ns, notes={"probe": True})

    def take(self, agent: AgentSpec, finished: FinishedRound, now_ns: int) -> None:
        """What the model of a round answered, or that it did not."""
        asked = finished.round
        ((model, reply),) = finished.replies.items()
        answer = answered(agent.answer, reply)
        if not asked.notes.get("probe"):
            self._signals.update(agent, asked.subject, answer, asked.asked_at_ns, by_model=True)
        told = (model, asked.snapshot_hash, asked.request_id(model), reply.usage.latency_ns)
        self._of_model(analysis_record(agent.name, asked.subject, answer, now_ns, *told))

    def could_not_ask(self, agent: AgentSpec, subject: str, model: str, reason: str, now_ns: int) -> None:
        """There was nothing to show the model."""
        self._of_model(analysis_record(agent.name, subject, Abstain(reason), now_ns, model))

    def _of_model(self, record: AnalysisRecord) -> None:
        """Whatever the rules say after it is news."""
        self._looks.model_said(record.task, record.symbol)
        self._record.put(record)

    def register(self, parts: Parts) -> None:
        self._looks.register(parts)

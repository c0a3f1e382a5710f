"""Analyses by rules: one look after the other, of which only what is news, or decided by, is a row of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Stays
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.decision.record import analysis_record
from triplegain.domain.agent_records import AnalysisRecord
from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.market.snapshot.sighting import Sighting

if TYPE_CHECKING:
    from triplegain.market.snapshot.snapshot import Frame


class Look:
    """What rules say to one look at a market, worked out when somebody asks."""

    __slots__ = ("_answer", "_rules", "_seen", "_settings", "verdict")

    def __init__(self, work: MarketAnalysis, settings: Any, seen: Sighting, verdict: str | None = None) -> None:
        """`verdict` None: it is not known before the answer is."""
        assert work.rules is not None
        self._rules, self._settings = work.rules, settings
        self._seen: Sighting | None = seen
        self._answer: TypedAnswer | Abstain | None = None
        self.verdict = verdict if verdict is not None else verdict_of(self.answer)

    @property
    def abstains(self) -> bool:
        """Only an answer that is worked out does."""
        return isinstance(self._answer, Abstain)

    @property
    def answer(self) -> TypedAnswer | Abstain:
        if self._answer is None:
            assert self._seen is not None
            self._answer, self._seen = self._rules(self._seen.glance(), self._settings), None
        return self._answer


def _key(agent: str, subject: str) -> str:
    """Of a row: the name of an agent is one word."""
    return f"{agent} {subject}"


def verdict_of(answer: TypedAnswer | Abstain) -> str:
    return answer.reason if isinstance(answer, Abstain) else answer.verdict


@dataclass(eq=False, slots=True)
class RuleLooks:
    """The looks of all agents that go by rules. `settings` are those of their rules, by agent."""

    _settings: Mapping[str, Any]
    #: By agent and subject what the last record says; nothing where it is a model's.
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    #: By agent and subject what was said since, and when: it is no news. After a restart as it was stored.
    _unstored: dict[tuple[str, str], tuple[Look | Abstain, int] | AnalysisRecord] = field(default_factory=dict)
    #: By agent and subject the first look at a closed candle, and the candle.
    _first: dict[tuple[str, str], tuple[Frame, Look]] = field(default_factory=dict)
    _touch: Touch = nobody

    def look(self, agent: AgentSpec, work: MarketAnalysis, subject: str, seen: Sighting) -> Look:
        """What the rules say now."""
        frame, key, settings = seen.primary_frame, (agent.name, subject), self._settings.get(agent.name)
        if work.stays is Stays.NOTHING or frame is None:
            return Look(work, settings, seen)
        closed, first = self._first.get(key, (None, None))
        if first is None or closed is not frame:
            first = Look(work, settings, seen)
            self._first[key] = frame, first
            return first
        if work.stays is Stays.EVERYTHING or isinstance(first.answer, Abstain):
            return first
        return Look(work, settings, seen, first.verdict)

    def is_news(self, agent: str, subject: str, said: Look | Abstain, now_ns: int) -> bool:
        """Whether it is to be stored; else it is kept here while nothing else is said."""
        verdict = said.reason if isinstance(said, Abstain) else said.verdict
        told = self.told.setdefault(agent, {})
        self._touch(_key(agent, subject))
        if told.get(subject) == verdict:
            self._unstored[agent, subject] = said, now_ns
            return False
        told[subject] = verdict
        self._unstored.pop((agent, subject), None)
        return True

    def model_said(self, agent: str, subject: str) -> None:
        """Whatever the rules say after it is news."""
        self.told.get(agent, {}).pop(subject, None)
        self._unstored.pop((agent, subject), None)
        self._touch(_key(agent, subject))

    def unstored(self) -> Iterator[AnalysisRecord]:
        """What was said last of each subject, where that is no news: number 0."""
        yield from (self._record(*key) for key in self._unstored)

    def take(self, subject: str | None = None) -> list[AnalysisRecord]:
        """The same of one subject, None: of all. It is going to be stored."""
        keys = [key for key in self._unstored if subject in (None, key[1])]
        records = [self._record(*key) for key in keys]
        for key in keys:
            del self._unstored[key]
            self._touch(_key(*key))
        return records

    def _record(self, agent: str, subject: str) -> AnalysisRecord:
        kept = self._unstored[agent, subject]
        if isinstance(kept, AnalysisRecord):
            return kept
        said, now_ns = kept
        return analysis_record(agent, subject, said if isinstance(said, Abstain) else said.answer, now_ns)

    def register(self, parts: Parts) -> None:
        """What was told, by agent: no row for one that has said nothing yet. What was said since, by agent and subject:
        a death must not take the last look with it."""
        self._touch = parts.keyed(
            "decision.looks", AnalysisRecord, self._kept, self._restore_looks,
            lambda: [_key(*each) for each in self._unstored],
        )  # fmt: skip
        parts.keyed(
            "decision.told", dict[str, str], lambda name: self.told.get(name) or None, self._restore, lambda: self.told,
            watched=True,
        )  # fmt: skip

    def _kept(self, key: str) -> AnalysisRecord | None:
        agent, subject = key.split(" ", 1)
        return self._record(agent, subject) if (agent, subject) in self._unstored else None

    def _restore_looks(self, kept: dict[str, AnalysisRecord]) -> None:
        self._unstored = {(each.task, each.symbol): each for each in kept.values()}

    def _restore(self, told: dict[str, dict[str, str]]) -> None:
        self.told = told

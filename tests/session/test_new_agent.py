"""A new agent costs its own file, here this one, and a line in the registry: everything else follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import Field
from tests.session.scripted_models import ScriptedModels

from triplegain.agents.answer import Abstain
from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Registry, TaskSpec
from triplegain.agents.typed_answer import Percent, Reasoning, SignedPercent, TypedAnswer
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.llm.reply import ModelAnswer, Prompt, Usage
from triplegain.market.snapshot.snapshot import Glance, Snapshot


class FundingAnswer(TypedAnswer):
    rate_pct: SignedPercent = Field(description="who pays whom")
    confidence_pct: Percent
    reasoning: Reasoning


def funding_prompt(text: str, snapshot: Snapshot) -> Prompt:
    return Prompt("You look at funding.", f"{snapshot.symbol}\n{text}")


def funding_rules(seen: Glance, _: Any) -> FundingAnswer | Abstain:
    return FundingAnswer(rate_pct=1, confidence_pct=30, reasoning=f"rules on {seen.symbol}")


FUNDING = AgentSpec(
    name="funding",
    about="what leverage costs; nobody: rules",
    answer=FundingAnswer,
    work=MarketAnalysis(funding_prompt, funding_rules),
    task=TaskSpec("funding", 30 * SECOND_NS, timeout_ns=10 * SECOND_NS),
    informs=("decision",),
)
WITH_IT = Registry((*AGENTS, FUNDING))
WITHOUT_REBALANCE = tuple(task for task in WITH_IT.tasks if task.name != "rebalance")


class Answering(ScriptedModels):
    """Funding is answered in its own type."""

    def answer(self, session: Any) -> None:
        for asked in session.rounds.take_undispatched():
            self.asked.append(asked)
            for model in asked.prompts:
                if asked.kind == "funding":
                    value = {"rate_pct": -20, "confidence_pct": 60, "reasoning": "shorts pay"}
                    session.deliver(asked.round_id, model, ModelAnswer(value, "funding-1", Usage(2 * SECOND_NS)))


def played(
    market: Callable[..., Any], open_session: Callable[..., Any], cast: ModelAssignment
) -> tuple[Any, Answering, list[Any]]:
    feed, models = market(seconds=150, past=True), Answering()
    decision = DecisionSettings(agents=WITH_IT, tasks=WITHOUT_REBALANCE, assigned=cast)
    session = open_session(feed, baseline=None, decision=decision)
    analyses: list[Any] = []
    for event in feed.events():
        models.take(session, event)
        if session.must_commit or session.record.has_waiting:
            analyses += session.take_batch(0, 0).analyses
    return session, models, [each for each in analyses if each.task == "funding"]


def test_its_rounds_open_on_its_schedule_and_its_answers_are_put_down(
    market: Callable[..., Any], open_session: Callable[..., Any]
) -> None:
    cast = ModelAssignment({"funding": ("qwen",), "decision": ("qwen",)}, providers={"qwen": "ollama"})
    session, models, found = played(market, open_session, cast)
    asked = [each for each in models.asked if each.kind == "funding"]
    symbols = list(session.settings.depth)
    # 150 s from the first message on: due at 0, 30, 60, 90 and 120.
    assert session.decision_engine.schedule.runs["funding"] == 5
    assert {each.subject for each in asked} == set(symbols)
    assert asked[-1].prompts["qwen"].user.startswith(asked[-1].subject)
    answers = [each.answer for each in found if not each.abstained]
    assert answers
    assert {(each["rate_pct"], each["reasoning"]) for each in answers} == {(-20, "shorts pay")}
    # Who decides is shown its numbers, and none of its words.
    session.decision_engine.request("decision", session.now_ns)
    session.advance_to(session.now_ns + 2 * SECOND_NS)
    shown = next(each.prompts["qwen"].user for each in session.rounds.take_undispatched() if each.kind == "decision")
    assert '"funding":{"rate_pct":-20,"confidence_pct":60}' in shown
    assert "shorts pay" not in shown


def test_without_a_model_it_goes_by_its_rules(market: Callable[..., Any], open_session: Callable[..., Any]) -> None:
    session, models, found = played(market, open_session, ModelAssignment())
    assert not [each for each in models.asked if each.kind == "funding"]
    by_rules = [each for each in found if not each.abstained]
    assert {each.symbol for each in by_rules} == set(session.settings.depth)
    assert {(each.model, each.answer["rate_pct"]) for each in by_rules} == {(None, 1)}


def test_who_decides_waits_for_whoever_informs_it() -> None:
    after = {task.name: task.after for task in WITH_IT.tasks}
    assert after == {
        "technical": (),
        "regime": (),
        "sentiment": (),
        "decision": ("technical", "regime", "sentiment", "funding"),
        "rebalance": ("decision",),
        "funding": (),
    }


@pytest.mark.parametrize("wrong", ["twice", "informs nobody", "two tasks"])
def test_a_registry_that_contradicts_itself_is_refused(wrong: str) -> None:
    other = {
        "twice": FUNDING,
        "informs nobody": replace(FUNDING, name="other", informs=("stranger",)),
        "two tasks": replace(FUNDING, name="other", task=TaskSpec("funding", 60 * SECOND_NS)),
    }[wrong]
    with pytest.raises(InvalidValueError):
        Registry((*AGENTS, FUNDING, other))

"""Rounds: who was asked what, which replies count, and when."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.session.stored_parts import kept, taken_up

from triplegain.decision.rounds import FinishedRound, LateAnswer, Round, Rounds
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, Prompt, Usage

ASKED = 1_700_000_000 * SECOND_NS


def a_round(name: str = "decision-1", models: tuple[str, ...] = ("gpt", "grok"), seconds: int = 30) -> Round:
    return Round(
        round_id=name,
        kind="decision",
        subject="BTC/USDT",
        prompts={model: Prompt("you decide", f"snapshot for {model}") for model in models},
        asked_at_ns=ASKED,
        deadline_ns=ASKED + seconds * SECOND_NS,
        echo={"symbol": "BTC/USDT"},
        snapshot_hash="ab12",
        price=Decimal("45000.1"),
    )


def answer(word: str = "hold") -> ModelAnswer:
    return ModelAnswer({"action": word}, "gpt-x", Usage(SECOND_NS, 10, 5, Decimal("0.01"), 1), "hash")


def finished(rounds: Rounds, now_ns: int) -> FinishedRound:
    (only,) = rounds.collect(now_ns)
    assert isinstance(only, FinishedRound)
    return only


def test_a_round_is_over_when_the_last_model_has_answered() -> None:
    rounds = Rounds()
    rounds.open(a_round())
    rounds.deliver("decision-1", "grok", answer("buy"), ASKED + 2 * SECOND_NS)
    assert rounds.collect(ASKED + 2 * SECOND_NS) == []
    rounds.deliver("decision-1", "gpt", answer("hold"), ASKED + 3 * SECOND_NS)
    assert rounds.collect(ASKED + 3 * SECOND_NS - 1) == []
    over = finished(rounds, ASKED + 3 * SECOND_NS)
    assert list(over.replies) == ["gpt", "grok"]
    assert over.replies["grok"] == answer("buy")
    assert rounds.due_ns == NEVER


def test_whoever_has_not_answered_by_the_deadline_abstains_with_a_time_out() -> None:
    rounds = Rounds()
    rounds.open(a_round())
    rounds.take_undispatched()
    rounds.deliver("decision-1", "gpt", answer(), ASKED + SECOND_NS)
    assert rounds.collect(ASKED + 30 * SECOND_NS - 1) == []
    over = finished(rounds, ASKED + 30 * SECOND_NS)
    assert over.replies["gpt"] == answer()
    assert over.replies["grok"] == ModelFailure(FailureKind.TIMEOUT, "no answer within 30 s")


def test_an_answer_on_the_deadline_still_counts() -> None:
    rounds = Rounds()
    rounds.open(a_round(models=("gpt",)))
    rounds.deliver("decision-1", "gpt", answer(), ASKED + 30 * SECOND_NS)
    assert finished(rounds, ASKED + 60 * SECOND_NS).replies["gpt"] == answer()


def test_a_late_answer_is_told_apart_and_a_late_failure_is_no_news() -> None:
    rounds = Rounds()
    rounds.open(a_round())
    finished(rounds, ASKED + 30 * SECOND_NS)
    rounds.deliver("decision-1", "gpt", answer("buy"), ASKED + 31 * SECOND_NS)
    rounds.deliver("decision-1", "grok", ModelFailure(FailureKind.EMPTY, "nothing"), ASKED + 31 * SECOND_NS)
    assert rounds.collect(ASKED + 31 * SECOND_NS) == [LateAnswer(a_round(), "gpt", answer("buy"))]


def test_the_first_reply_of_a_model_stands() -> None:
    rounds = Rounds()
    rounds.open(a_round(models=("gpt",)))
    rounds.deliver("decision-1", "gpt", answer("buy"), ASKED + SECOND_NS)
    rounds.deliver("decision-1", "gpt", answer("sell"), ASKED + SECOND_NS)
    assert finished(rounds, ASKED + SECOND_NS).replies["gpt"] == answer("buy")


def test_a_reply_to_a_round_of_another_life_or_from_nobody_asked_is_dropped() -> None:
    rounds = Rounds()
    rounds.open(a_round(models=("gpt",)))
    rounds.deliver("decision-9", "gpt", answer(), ASKED + SECOND_NS)
    rounds.deliver("decision-1", "stranger", answer(), ASKED + SECOND_NS)
    assert rounds.collect(ASKED + SECOND_NS) == []
    assert finished(rounds, ASKED + 30 * SECOND_NS).replies.keys() == {"gpt"}


def test_what_was_delivered_out_of_order_is_taken_in_order_of_arrival() -> None:
    rounds = Rounds()
    rounds.open(a_round("decision-1", ("gpt",)))
    rounds.open(a_round("decision-2", ("gpt",)))
    rounds.deliver("decision-2", "gpt", answer(), ASKED + 5 * SECOND_NS)
    rounds.deliver("decision-1", "gpt", answer(), ASKED + 4 * SECOND_NS)
    taken = [over.round.round_id for over in rounds.collect(ASKED + 9 * SECOND_NS)]
    assert taken == ["decision-1", "decision-2"]


def test_a_round_is_asked_once_in_a_run_and_again_after_a_restart_for_those_who_have_not_answered() -> None:
    rounds = Rounds()
    parts = kept(rounds)
    rounds.open(a_round(models=("gpt", "grok", "opus")))
    assert [each.round_id for each in rounds.take_undispatched()] == ["decision-1"]
    assert rounds.take_undispatched() == ()
    rounds.deliver("decision-1", "gpt", answer(), ASKED + SECOND_NS)
    assert rounds.collect(ASKED + SECOND_NS) == []
    rounds.deliver("decision-1", "opus", answer("sell"), ASKED + 2 * SECOND_NS)

    again = Rounds()
    taken_up(parts, again).go_on()
    (asked,) = again.take_undispatched()
    assert list(asked.prompts) == ["grok"]
    assert asked.request_id("grok") == "decision-1/grok"
    assert asked.price == Decimal("45000.1")
    again.deliver("decision-1", "grok", answer("buy"), ASKED + 3 * SECOND_NS)
    over = finished(again, ASKED + 3 * SECOND_NS)
    assert [reply.value["action"] for reply in over.replies.values() if isinstance(reply, ModelAnswer)] == [
        "hold",
        "buy",
        "sell",
    ]


def test_round_ids_go_on_after_a_restart() -> None:
    rounds = Rounds()
    parts = kept(rounds)
    assert [rounds.next_id("decision"), rounds.next_id("regime"), rounds.next_id("decision")] == [
        "decision-1",
        "regime-1",
        "decision-2",
    ]
    again = Rounds()
    taken_up(parts, again).go_on()
    assert again.next_id("decision") == "decision-3"


def test_a_round_that_is_over_before_anybody_was_asked_is_not_asked_any_more() -> None:
    rounds = Rounds()
    rounds.open(a_round("decision-1", ("gpt", "grok")))
    assert finished(rounds, ASKED + 30 * SECOND_NS).undispatched == {"gpt", "grok"}
    assert not rounds.has_undispatched
    rounds.open(a_round("decision-2", ("gpt",)))
    rounds.take_undispatched()
    assert finished(rounds, ASKED + 30 * SECOND_NS).undispatched == frozenset()


def test_after_a_restart_only_who_was_not_asked_again_is_not_to_blame() -> None:
    rounds, again = Rounds(), Rounds()
    parts = kept(rounds)
    rounds.open(a_round(models=("gpt", "grok")))
    rounds.take_undispatched()
    rounds.deliver("decision-1", "gpt", answer(), ASKED + SECOND_NS)
    taken_up(parts, again).go_on()
    assert finished(again, ASKED + 30 * SECOND_NS).undispatched == {"grok"}


def test_a_question_that_many_models_are_asked_is_stored_once() -> None:
    rounds, again = Rounds(), Rounds()
    parts = kept(rounds)
    prompt, short = Prompt("you decide", "a market " * 1000), Prompt("you decide", "in short")
    prompts = {**dict.fromkeys(("gpt", "grok", "opus"), prompt), "tiny": short}
    rounds.open(replace(a_round(), prompts=prompts))
    taken_up(parts, again).go_on()
    assert b"".join(parts.rows.values()).count(b"a market " * 1000) == 1
    assert again.take_undispatched() == rounds.take_undispatched()

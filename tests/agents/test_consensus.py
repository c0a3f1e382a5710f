from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import ceil, floor
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.made_answers import vote

from triplegain.agents.answer import Abstain, Action, AgentAnswer
from triplegain.agents.consensus import Consensus, ConsensusOutcome, ConsensusSettings, consensus
from triplegain.agents.decision import VoteAnswer
from triplegain.domain.errors import InvalidValueError

BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD
ABSTAIN = Abstain("timeout")
#: A vote per model, different enough that a median or mean over the wrong ones shows.
CONFIDENCES = (61, 67, 70, 74, 83, 97)
STOPS = (100, 150, 210, 220, 260, 400)
TARGETS = (None, 300, None, 500, 520, None)
SIZES = (10, 35, 40, 55, 80, 100)

Expected = tuple[str, Fraction, Fraction | None, Fraction | None, Fraction | None]


def ballot(words: Sequence[str]) -> dict[str, VoteAnswer | Abstain]:
    """Model n votes with the n-th word, `abstain` for none."""
    votes: dict[str, VoteAnswer | Abstain] = {}
    for n, word in enumerate(words):
        given: dict[str, Any] = {"stop_bps": STOPS[n], "target_bps": TARGETS[n], "size_pct": SIZES[n]}
        votes[f"model {n}"] = ABSTAIN if word == "abstain" else vote(Action(word), CONFIDENCES[n], **given)
    return votes


def oracle(words: Sequence[str], asked: int) -> Expected:
    """The rules of consensus once more, in fractions and from the other end: for each action, does it win?"""
    answered = [word for word in words if word != "abstain"]
    if not answered:
        return "abstain", Fraction(0), None, None, None
    if len(answered) < ceil(Fraction(2, 3) * asked):
        return "hold", Fraction(0), None, None, None
    winners = [word for word in {*answered} if Fraction(answered.count(word), len(answered)) > Fraction(1, 2)]
    if not winners:
        return "hold", Fraction(0), None, None, None
    (winner,) = winners
    who = [n for n, word in enumerate(words) if word == winner]
    mean = Fraction(floor(sum(Fraction(CONFIDENCES[n]) for n in who) / len(who) * 100), 100) / 100
    extra = {(6, 6): Fraction(15, 100), (5, 6): Fraction(10, 100), (4, 6): Fraction(5, 100)}.get((len(who), asked))
    confidence = min(Fraction(95, 100), mean + (extra or 0))
    if winner not in ("buy", "sell"):
        return winner, confidence, None, None, None
    stop = Fraction(median(Fraction(STOPS[n]) for n in who)) / 10_000
    targets = [Fraction(target) for n in who if (target := TARGETS[n]) is not None]
    size = Fraction(median(Fraction(SIZES[n]) for n in who)) / 100
    return winner, confidence, stop, Fraction(median(targets)) / 10_000 if targets else None, size


def found(result: Consensus) -> Expected:
    answer = result.answer
    if isinstance(answer, Abstain):
        return "abstain", Fraction(0), None, None, None
    assert isinstance(answer, AgentAnswer)
    levels = (answer.stop_fraction, answer.target_fraction, answer.size_fraction)
    stop, target, size = (None if level is None else Fraction(level) for level in levels)
    return answer.action.value, Fraction(answer.confidence), stop, target, size


WORDS = [*(action.value for action in Action), "abstain"]


def test_every_ballot_of_six_is_counted_as_the_oracle_counts_it() -> None:
    ballots = list(combinations_with_replacement(WORDS, 6))
    assert len(ballots) == 462  # 6 kinds, 6 models: 11 over 6
    for words in ballots:
        assert found(consensus(ballot(words), 6)) == oracle(words, 6), words


def test_who_votes_what_matters_only_to_the_medians_and_means() -> None:
    """Every order of every ballot of four, which has no boost."""
    for words in product(WORDS, repeat=4):
        assert found(consensus(ballot(words), 4)) == oracle(words, 4), words


@given(st.integers(1, 6), st.data())
def test_any_order_of_any_number_of_models_is_counted_as_the_oracle_counts_it(asked: int, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(WORDS), max_size=asked))
    assert found(consensus(ballot(words), asked)) == oracle(words, asked)


@pytest.mark.parametrize(
    ("words", "outcome", "action", "confidence"),
    [
        # 80 % each; four of six agree (the 0.6667 that once was below 0.67): + 5
        (["buy"] * 4 + ["hold"] * 2, ConsensusOutcome.AGREED, BUY, "0.85"),
        (["buy"] * 5 + ["hold"], ConsensusOutcome.AGREED, BUY, "0.90"),
        (["buy"] * 6, ConsensusOutcome.AGREED, BUY, "0.95"),
        # four answer, all agree, two failed: four of six asked, not unanimous
        (["buy"] * 4 + ["abstain"] * 2, ConsensusOutcome.AGREED, BUY, "0.85"),
        # three of four valid are a majority; three of six asked have no boost
        (["buy"] * 3 + ["hold"] + ["abstain"] * 2, ConsensusOutcome.AGREED, BUY, "0.80"),
        (["buy"] * 3 + ["sell"] * 3, ConsensusOutcome.NO_MAJORITY, HOLD, "0"),
        (["buy"] * 2 + ["sell", "hold"] + ["abstain"] * 2, ConsensusOutcome.NO_MAJORITY, HOLD, "0"),
        (["buy"] * 3 + ["abstain"] * 3, ConsensusOutcome.NO_QUORUM, HOLD, "0"),
        (["buy"], ConsensusOutcome.NO_QUORUM, HOLD, "0"),
        (["hold"] * 6, ConsensusOutcome.AGREED, HOLD, "0.95"),
        (["close_long"] * 4 + ["sell"] * 2, ConsensusOutcome.AGREED, Action.CLOSE_LONG, "0.85"),
    ],
)
def test_worked_cases(words: list[str], outcome: ConsensusOutcome, action: Action, confidence: str) -> None:
    votes = {f"model {n}": ABSTAIN if word == "abstain" else vote(Action(word), 80) for n, word in enumerate(words)}
    result = consensus(votes, 6)
    assert isinstance(result.answer, AgentAnswer)
    assert (result.outcome, result.answer.action, result.answer.confidence) == (outcome, action, Decimal(confidence))


def test_nobody_answering_is_an_abstention_and_no_opinion() -> None:
    for votes in ({}, {"a": ABSTAIN, "b": ABSTAIN}):
        result = consensus(votes, 2)
        assert result.outcome is ConsensusOutcome.NO_VOTES
        assert result.answer == Abstain("none of 2 models answered")


def test_it_says_who_agreed_how_sure_they_were_and_why() -> None:
    votes: dict[str, VoteAnswer | Abstain] = {
        "qwen": vote(BUY, 70),
        "gpt": vote(BUY, 75),
        "grok": vote(SELL),
        "opus": ABSTAIN,
    }
    result = consensus(votes, 4)
    assert result.agreeing == ("qwen", "gpt")
    assert dict(result.counts) == {BUY: 2, SELL: 1}
    assert (result.valid, result.configured, result.boost) == (3, 4, Decimal(0))
    assert result.mean_confidence == Decimal("0.725")
    assert result.why == "2 of 4 models say buy, 3 of 4 models answered"
    assert consensus({"a": vote(BUY), "b": vote(SELL)}, 2).why == "no majority: 2 of 2 models answered, 1 buy, 1 sell"
    assert consensus({"a": vote(BUY)}, 6).why == "no quorum: 1 of 6 models answered, 4 are needed"


def test_the_mean_is_rounded_down_and_an_outlier_does_not_move_the_levels() -> None:
    votes = {
        "a": vote(BUY, 70, stop_bps=200, target_bps=400, size_pct=50),
        "b": vote(BUY, 70, stop_bps=210, target_bps=None, size_pct=60),
        "c": vote(BUY, 71, stop_bps=2000, target_bps=5000, size_pct=100),
    }
    result = consensus(votes, 3)
    assert isinstance(result.answer, AgentAnswer)
    assert result.mean_confidence == Decimal("0.7033")  # 211 / 3 = 70.333...
    assert result.answer.stop_fraction == Decimal("0.021")
    assert result.answer.target_fraction == Decimal("0.27")  # between 400 and 5 000
    assert result.answer.size_fraction == Decimal("0.6")


def test_losing_a_model_never_adds_confidence_to_what_was_agreed() -> None:
    for words in combinations_with_replacement(WORDS, 6):
        before = found(consensus({f"m{n}": vote_or_not(word) for n, word in enumerate(words)}, 6))
        for lost in range(6):
            fewer = ["abstain" if n == lost else word for n, word in enumerate(words)]
            after = found(consensus({f"m{n}": vote_or_not(word) for n, word in enumerate(fewer)}, 6))
            if before[1] and before[0] == after[0]:
                assert after[1] <= before[1], words


def vote_or_not(word: str) -> VoteAnswer | Abstain:
    return ABSTAIN if word == "abstain" else vote(Action(word), 70)


@pytest.mark.parametrize(("votes", "asked"), [(3, 2), (0, 0), (0, -1)])
def test_more_votes_than_models_asked_or_nobody_asked_is_a_mistake_of_the_caller(votes: int, asked: int) -> None:
    with pytest.raises(InvalidValueError):
        consensus({f"m{n}": vote(BUY) for n in range(votes)}, asked)


def test_boosts_and_cap_are_settings() -> None:
    settings = ConsensusSettings(6, (Decimal("0.3"), Decimal("0.2"), Decimal("0.1")), Decimal("0.99"))
    for agreeing, confidence in ((6, "0.99"), (5, "0.90"), (4, "0.80")):
        votes = {f"m{n}": vote(BUY if n < agreeing else HOLD, 70) for n in range(6)}
        answer = consensus(votes, 6, settings).answer
        assert isinstance(answer, AgentAnswer) and answer.confidence == Decimal(confidence)

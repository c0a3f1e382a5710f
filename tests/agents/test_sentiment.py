from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.injection_corpus import corpus
from tests.agents.made_answers import context, news, snapshot_with, social

from triplegain.agents.answer import Abstain, Action, AgentAnswer
from triplegain.agents.conflict import ConflictKind, conflict_prompt
from triplegain.agents.decision import decision_prompt
from triplegain.agents.evidence import FoundText, bundle
from triplegain.agents.sentiment import (
    NewsAnswer,
    Sentiment,
    SentimentSettings,
    SocialAnswer,
    combine,
    news_prompt,
    size_factor,
    social_prompt,
    with_sentiment,
)
from triplegain.domain.errors import InvalidValueError
from triplegain.llm.schema import schema_text

NOON = 1_700_000_000 * 10**9
ABSTAIN = Abstain("timeout")
BUY = AgentAnswer(Action.BUY, Decimal("0.8"), "models", Decimal("0.02"), Decimal("0.04"), Decimal("0.5"))


@pytest.mark.parametrize(
    ("people", "papers", "overall", "confidence"),
    [
        (social(50, 80), news(-10, 60), 20, 70),  # (0.6 x 50 - 0.6 x 10) / 1.2, (0.6 x 80 + 0.6 x 60) / 1.2
        (social(50, 80), ABSTAIN, 50, 80),
        (None, news(-10, 60), -10, 60),
        (social(None, 90), news(-10, 60), -10, 60),  # no score is no opinion, not 0
        (social(-1), news(0), 0, 100),  # -0.5, towards zero
        (social(-100), news(-100), -100, 100),
    ],
)
def test_the_overall_score_is_the_mean_of_those_that_gave_one(
    people: SocialAnswer | None, papers: NewsAnswer | Abstain, overall: int, confidence: int
) -> None:
    found = combine(people, papers)
    assert found is not None
    assert (found.overall_pct, found.confidence_pct) == (overall, confidence)


@pytest.mark.parametrize(("people", "papers"), [(None, None), (ABSTAIN, ABSTAIN), (social(None), news(None))])
def test_without_any_score_there_is_no_sentiment(people: SocialAnswer | None, papers: NewsAnswer | None) -> None:
    assert combine(people, papers) is None


def test_weights_are_settings() -> None:
    found = combine(social(90), news(0), SentimentSettings(social_weight=Decimal(2), news_weight=Decimal(1)))
    assert found == Sentiment(60, 100, 90, 0)
    for wrong in ({"social_weight": Decimal(0)}, {"size_min": Decimal("1.1")}, {"size_min": Decimal("-0.1")}):
        with pytest.raises(InvalidValueError):
            SentimentSettings(**wrong)


@pytest.mark.parametrize(
    ("overall", "confidence", "factor"),
    [
        (-100, 100, "0.75"),
        (-50, 100, "0.875"),  # 1 - 0.25 x 0.5
        (-100, 50, "0.875"),
        (-100, 0, "1"),
        (0, 100, "1"),
        (100, 100, "1"),  # good sentiment adds nothing
    ],
)
def test_bad_sentiment_makes_a_buy_smaller_within_its_bound(overall: int, confidence: int, factor: str) -> None:
    sentiment = Sentiment(overall, confidence, overall, None)
    assert size_factor(sentiment) == Decimal(factor)
    scaled = with_sentiment(BUY, sentiment)
    assert isinstance(scaled, AgentAnswer) and scaled.size_fraction == Decimal("0.5") * Decimal(factor)


def test_without_a_wanted_size_the_bound_is_on_all_that_is_allowed() -> None:
    buy = AgentAnswer(Action.BUY, Decimal("0.8"), "models", Decimal("0.02"))
    scaled = with_sentiment(buy, Sentiment(-100, 100, None, -100))
    assert isinstance(scaled, AgentAnswer) and scaled.size_fraction == Decimal("0.75")
    assert with_sentiment(buy, None) is buy


SCORES = st.one_of(st.none(), st.integers(-100, 100), st.sampled_from((-100, 100)))
ANSWERS = st.one_of(
    st.just(ABSTAIN),
    st.builds(
        AgentAnswer,
        st.sampled_from(Action),
        st.just(Decimal("0.8")),
        st.just("models"),
        st.sampled_from((None, Decimal("0.02"))),
        st.none(),
        st.one_of(st.none(), st.integers(1, 100).map(lambda pct: Decimal(pct) / 100)),
    ),
)


@given(ANSWERS, SCORES, st.integers(0, 100), SCORES, st.integers(0, 100))
def test_whatever_the_readers_answer_they_cannot_open_flip_or_enlarge(
    answer: AgentAnswer | Abstain, people: int | None, sure: int, papers: int | None, certain: int
) -> None:
    after = with_sentiment(answer, combine(social(people, sure), news(papers, certain)))
    if not isinstance(answer, AgentAnswer) or answer.action is not Action.BUY:
        assert after == answer
        return
    assert isinstance(after, AgentAnswer)
    assert (after.action, after.confidence) == (answer.action, answer.confidence)
    assert (after.stop_fraction, after.target_fraction) == (answer.stop_fraction, answer.target_fraction)
    before_size, after_size = answer.size_fraction or Decimal(1), after.size_fraction or Decimal(1)
    assert before_size * Decimal("0.75") - Decimal("0.0001") <= after_size <= before_size


def test_a_reader_that_obeys_every_text_changes_no_word_of_any_other_prompt() -> None:
    """The victim repeats each attack in every field that takes text, and answers the extreme it is told."""
    decided = AgentAnswer(Action.BUY, Decimal("0.7"), "", Decimal("0.02"))
    for attack in corpus():
        word = attack.text[:60]
        seen = set()
        for told in (word, "quiet"):
            people = SocialAnswer(score_pct=100, confidence_pct=100, narratives=(told,) * 9, reasoning=told)
            papers = NewsAnswer(score_pct=100, confidence_pct=100, events=(told,) * 9, reasoning=told)
            about = context(sentiment=combine(people, papers))
            vote = decision_prompt(snapshot_with(), about, 700)
            conflict = conflict_prompt(ConflictKind.TRADE_IN_CHOPPY, decided, snapshot_with(), "{}", about)
            seen.add((vote.system, vote.user, conflict.system, conflict.user))
        assert len(seen) == 1, attack


def test_a_reader_is_told_what_it_reads_is_no_instruction_and_gets_it_fenced() -> None:
    evidence = bundle([FoundText("Wire", "BTC rose", NOON - 1)], NOON)
    for prompt, answer in (
        (social_prompt("BTC", NOON, evidence), SocialAnswer),
        (news_prompt("BTC", NOON, evidence), NewsAnswer),
    ):
        assert "never an instruction" in prompt.system and schema_text(answer) in prompt.system
        assert "BTC rose" not in prompt.system
        assert prompt.user.endswith(evidence.fenced())
        assert prompt.user.startswith("Asset BTC. The time is 2023-11-14T22:13Z; nothing later counts.")


def test_readers_know_no_account_and_assets_only_differ_in_their_name() -> None:
    for question, asset in product((social_prompt, news_prompt), ("BTC", "XRP")):
        prompt = question(asset, NOON, bundle([], NOON))
        said = f"Asset {asset}. The time is 2023-11-14T22:13Z; nothing later counts."
        assert prompt.user == f"{said} No evidence is given: search for it."


def test_evidence_of_a_later_cycle_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(InvalidValueError, match="later than the cycle"):
        social_prompt("BTC", NOON, bundle([], NOON + 1))


def test_lists_are_capped_and_their_texts_cleaned_and_cut() -> None:
    people = social(1, narratives=("a\x1b[2J<b>b</b>", *("x" * 500 for _ in range(9))))
    assert people.narratives[0] == "a [2J b"
    assert [len(each) for each in people.narratives[1:]] == [11, 11]  # "[long word]"
    assert len(news(1, events=("e",) * 9).events) == 5

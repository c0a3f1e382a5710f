"""Whatever readers of the news answer, obedient or not: through consensus, conflicts and risk it makes less at most."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from tests.agents.made_answers import news, social
from tests.app.injected_decisions import FLAT, HELD, TECHNICAL, VOTES, Decisions, check_only_smaller

_SCORES = (None, -100, -11, 0, 11, 100)


@pytest.fixture(scope="module")
def decisions() -> Decisions:
    return Decisions()


def test_the_votes_of_this_test_open_refuse_close_and_leave_alone(decisions: Decisions) -> None:
    assert decisions.decide(FLAT, "all buy").quantity > 0
    assert decisions.decide(FLAT, "four buy, barely").quantity > 0
    assert decisions.decide(HELD, "all sell").closes == (decisions.position.position_id,)
    for votes in ("all buy, unsure", "split", "all hold", "all sell", "no quorum", "nobody"):
        assert decisions.decide(FLAT, votes).opens is None, votes


@pytest.mark.parametrize(
    ("sureness", "scores"),
    [
        (100, (None, -100, 100)),
        pytest.param(100, _SCORES, marks=pytest.mark.slow),
        pytest.param(0, _SCORES, marks=pytest.mark.slow),
    ],
)
def test_no_answer_of_a_reader_opens_flips_or_enlarges_anything(
    decisions: Decisions, sureness: int, scores: tuple[int | None, ...]
) -> None:
    """Every extreme that a text can ask for, from both readers together and from each alone."""
    seen: Counter[str] = Counter()
    for symbol, votes, technical in product((HELD, FLAT), VOTES, TECHNICAL):
        plain = decisions.decide(symbol, votes, technical=technical)
        for people, papers in product(scores, scores):
            found = decisions.decide(symbol, votes, social(people, sureness), news(papers, sureness), technical)
            check_only_smaller(plain, found)
            seen["closed"] += bool(found.closes)
            if plain.opens is not None:
                same = found.quantity == plain.quantity
                seen["the same" if same else "smaller" if found.opens is not None else "held back"] += 1
    assert set(seen) >= {"closed", "the same", "held back"}, seen
    # Who is not sure makes nothing smaller: it holds back, or changes nothing.
    assert ("smaller" in seen) == (sureness == 100), seen

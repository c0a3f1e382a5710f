"""The interval of a hit rate: against published values, and against tossing coins."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.storage.luck import HitRateInterval, hit_rate_interval, votes_to_tell


@pytest.mark.parametrize(
    ("hits", "votes", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(hits: int, votes: int, low: float, high: float) -> None:
    found = hit_rate_interval(hits, votes)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_few_votes_are_a_coin_however_good_they_look() -> None:
    # 4 of 5: 0.376 to 0.964. 70 of 100: 0.604 to 0.781.
    assert hit_rate_interval(4, 5).is_a_coin
    assert not hit_rate_interval(70, 100).is_a_coin
    # 60 of 100, alone 0.502 to 0.691; one of eighteen looked at, it is luck.
    assert not hit_rate_interval(60, 100).is_a_coin
    assert hit_rate_interval(60, 100, 18).is_a_coin


@given(votes=st.integers(1, 5000), share=st.floats(0, 1), comparisons=st.integers(1, 100))
def test_the_interval_holds_the_share_and_widens_with_the_comparisons(
    votes: int, share: float, comparisons: int
) -> None:
    hits = round(share * votes)
    alone, among = hit_rate_interval(hits, votes), hit_rate_interval(hits, votes, comparisons)
    assert 0 <= among.low <= alone.low <= hits / votes <= alone.high <= among.high <= 1


def test_models_without_skill_are_rarely_taken_for_skilled() -> None:
    """18 hit rates of 200 coins each, 400 times: any of them is told from a coin in about 5 %."""
    draw = random.Random(7)
    wrong = sum(
        any(not hit_rate_interval(draw.getrandbits(200).bit_count(), 200, 18).is_a_coin for _ in range(18))
        for _ in range(400)
    )
    assert wrong / 400 <= 0.06


def test_as_many_votes_as_it_says_find_the_advantage_four_times_out_of_five() -> None:
    votes = votes_to_tell(0.55)
    # (1.960 x 0.5 + 0.842 x 0.4975)^2 / 0.05^2 = 782.4
    assert votes == 783
    draw = random.Random(11)
    found = sum(
        not hit_rate_interval(sum(draw.random() < 0.55 for _ in range(votes)), votes).is_a_coin for _ in range(300)
    )
    assert 0.74 <= found / 300 <= 0.87


@pytest.mark.parametrize(("hits", "votes"), [(0, 0), (2, 1), (-1, 3)])
def test_what_is_no_share_is_refused(hits: int, votes: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        hit_rate_interval(hits, votes)
    with pytest.raises(ValueError, match="coin"):
        votes_to_tell(0.5)


def test_a_coin_lies_on_the_border_too() -> None:
    assert HitRateInterval(0.5, 0.7).is_a_coin

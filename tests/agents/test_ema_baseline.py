"""The baseline against averages computed the slow way, with fractions."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.agents.answer import Abstain, Action, AgentAnswer, Answer
from triplegain.agents.ema_baseline import AverageTrueRange, BaselineSettings, EmaBaseline, ExponentialAverage
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle

MINUTE_NS = 60_000_000_000


def candle(number: int, close: int, spread: int = 0, symbol: str = "BTC/USDT") -> Candle:
    return Candle(symbol, number * MINUTE_NS, MINUTE_NS, close, close + spread, close - spread, close, 1)


def answers(closes: list[int], spread: int = 0) -> list[Answer]:
    agent = EmaBaseline("BTC/USDT")
    return [agent.on_candle(candle(number, close, spread)) for number, close in enumerate(closes)]


def actions(closes: list[int]) -> dict[int, Action]:
    """Candle number to action, holds left out."""
    found = enumerate(answers(closes))
    return {n: a.action for n, a in found if isinstance(a, AgentAnswer) and a.action is not Action.HOLD}


def test_the_first_average_is_the_simple_one_and_then_each_step_is_two_over_period_plus_one() -> None:
    average = ExponentialAverage(3)
    # mean(1, 2, 6) = 3; 3 + (5 - 3) / 2 = 4; 4 + (0 - 4) / 2 = 2
    assert [average.add(value) for value in (1, 2, 6, 5, 0)] == [None, None, 3.0, 4.0, 2.0]


def test_the_true_range_counts_gaps_and_is_smoothed_by_one_over_period() -> None:
    atr = AverageTrueRange(2)
    # ranges: -, 12 - 9 = 3 (gap up from 9), 12 - 7 = 5 (gap down from 12); mean 4; then 4 + (8 - 4) / 2 = 6
    candles = [(10, 8, 9), (12, 10, 12), (9, 7, 8), (14, 6, 10)]
    assert [atr.add(*values) for values in candles] == [None, None, 4.0, 6.0]


def test_it_abstains_until_21_candles_have_closed() -> None:
    found = answers([100] * 22)
    assert [isinstance(answer, Abstain) for answer in found] == [True] * 20 + [False] * 2
    assert found[4] == Abstain("warming up: 5 of 21 candles")


def test_it_buys_when_the_fast_average_crosses_above_and_sells_when_it_crosses_below() -> None:
    falling, rising = list(range(1300, 1000, -10)), list(range(1000, 1300, 10))
    crossings = actions([*falling, *rising, *falling])
    assert list(crossings.values()) == [Action.BUY, Action.SELL]
    assert 30 < min(crossings) < 60 < max(crossings) < 90


def test_standing_on_one_side_since_the_warm_up_is_no_cross() -> None:
    assert actions(list(range(1000, 1500, 10))) == {}
    assert actions(list(range(1500, 1000, -10))) == {}
    assert actions([1000] * 50) == {}


def test_two_averages_that_touch_and_part_again_have_not_crossed() -> None:
    agent = EmaBaseline("BTC/USDT", BaselineSettings(fast=1, slow=2, atr_period=1))
    # fast is the close, slow starts at the mean of two and then goes 2/3 of the way
    closes = [10, 8, 9, 9, 12]
    # slow: -, 9, 9, 9, 11; fast - slow: -, -1, 0, 0, +1: one cross, at the last
    found = [agent.on_candle(candle(number, close)) for number, close in enumerate(closes)]
    kinds = [answer.action for answer in found if isinstance(answer, AgentAnswer)]
    assert kinds == [Action.HOLD, Action.HOLD, Action.HOLD, Action.BUY]


@pytest.mark.parametrize(
    ("spread", "least", "most"),
    [
        (0, Decimal("0.005"), Decimal("0.03")),  # steps of 10 in about 1 000: true range 10, 2 ATR about 2 %
        (50, Decimal("0.15"), Decimal("0.25")),  # true range about 100: 2 ATR about 20 %
    ],
)
def test_the_stop_is_two_true_ranges_and_the_target_twice_as_far(spread: int, least: Decimal, most: Decimal) -> None:
    closes = [*range(1300, 1000, -10), *range(1000, 1300, 10)]
    (buy,) = [a for a in answers(closes, spread) if isinstance(a, AgentAnswer) and a.action is Action.BUY]
    assert buy.stop_fraction is not None and least < buy.stop_fraction < most
    assert buy.target_fraction == 2 * buy.stop_fraction
    assert buy.confidence == Decimal("0.75")


def test_the_stop_is_never_nearer_than_half_a_percent() -> None:
    closes = [*range(100_300, 100_000, -10), *range(100_000, 100_300, 10)]
    (buy,) = [a for a in answers(closes) if isinstance(a, AgentAnswer) and a.action is Action.BUY]
    assert (buy.stop_fraction, buy.target_fraction) == (Decimal("0.005"), Decimal("0.010"))


def test_a_candle_of_the_past_or_of_another_symbol_is_refused() -> None:
    agent = EmaBaseline("BTC/USDT")
    agent.on_candle(candle(5, 100))
    for wrong in (candle(5, 100), candle(4, 100), candle(6, 100, symbol="XRP/USDT")):
        with pytest.raises(InvalidValueError):
            agent.on_candle(wrong)


@given(st.lists(st.integers(900, 1100), min_size=25, max_size=80), st.integers(1, 60))
def test_a_restored_agent_answers_exactly_as_the_one_that_never_stopped(closes: list[int], stop_at: int) -> None:
    whole, first = EmaBaseline("BTC/USDT"), EmaBaseline("BTC/USDT")
    for number, close in enumerate(closes):
        if number == stop_at:
            second = EmaBaseline("BTC/USDT")
            second.restore(json.loads(json.dumps(first.state())))
            first = second
        assert first.on_candle(candle(number, close, 3)) == whole.on_candle(candle(number, close, 3))
    assert first.state() == whole.state()


@given(st.lists(st.integers(900, 1100), min_size=21, max_size=60))
def test_the_crossings_are_those_of_exact_arithmetic(closes: list[int]) -> None:
    def exact(period: int, upto: int) -> Fraction:
        value = Fraction(sum(closes[:period]), period)
        for close in closes[period : upto + 1]:
            value += (close - value) * Fraction(2, period + 1)
        return value

    signs = [exact(9, n) - exact(21, n) for n in range(20, len(closes))]
    if any(0 < abs(sign) < Fraction(1, 10**6) for sign in signs) or 0 in signs:
        return  # floats may not tell these from zero
    expected = {
        n + 21: Action.BUY if after > 0 else Action.SELL
        for n, (before, after) in enumerate(pairwise(signs))
        if before * after < 0
    }
    assert actions(closes) == expected

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.money import text
from triplegain.market.snapshot.compact import tokens_at_most
from triplegain.market.snapshot.figures import Steps, fixed, significant

_steps = st.sampled_from(["0.1", "0.01", "0.00001", "1e-8", "1", "0.5", "0.25", "10"])


@given(_steps, st.integers(0, 10**20))
def test_whole_steps_are_written_as_money_is(step: str, count: int) -> None:
    assert Steps(Decimal(step)).exact(count) == text(Decimal(step) * count)


@pytest.mark.parametrize(
    ("step", "steps", "shown"),
    [
        ("1e-8", 2350.0, "0.0000235"),
        ("1e-8", 2350.504, "0.000023505"),  # 23.50504 millionths, to a hundredth of a tick
        ("1e-8", 0.6, "0.000000006"),
        ("1e-8", -0.0004, "0"),
        ("0.1", 612345.678, "61234.568"),
        ("1", 7.0, "7"),
    ],
)
def test_fractions_of_a_tick_keep_two_digits_more_than_the_tick(step: str, steps: float, shown: str) -> None:
    assert Steps(Decimal(step)).rounded(steps) == shown


@given(st.floats(-1e12, 1e12), st.integers(1, 12))
def test_numbers_have_no_exponent_and_read_back(value: float, digits: int) -> None:
    for shown in (fixed(value, digits), significant(value, digits)):
        assert "e" not in shown.lower() and shown != "-0"
        assert float(shown) == pytest.approx(value, rel=10.0**-digits * 5.1, abs=10.0**-digits * 5.1)


@pytest.mark.parametrize(
    ("value", "shown"), [(2039142736.47, "2039142736"), (12.3456, "12.35"), (0.00012345678, "0.0001235"), (0.0, "0")]
)
def test_significant_digits_never_cut_whole_ones(value: float, shown: str) -> None:
    assert significant(value, 4) == shown


def test_tokens_count_every_digit_and_sign_and_half_the_letters() -> None:
    assert tokens_at_most('{"rsi":45.32}') == 12  # 10 signs and digits, 3 letters are 2
    assert tokens_at_most("é") == 2


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_text_has_no_more_tokens_than_its_parts(first: str, second: str) -> None:
    assert tokens_at_most(first + second) <= tokens_at_most(first) + tokens_at_most(second)

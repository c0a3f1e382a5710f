"""How far the analyses agree, and what that does to a confidence."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.decision.conflicts import (
    Agreement,
    AgreementSettings,
    Direction,
    View,
    Viewer,
    agreement,
    combine_confidence,
    multiplier,
    regime_direction,
    sentiment_direction,
)
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.proposal import Regime

SETTINGS = AgreementSettings()
NOW_NS = 1_700_000_000 * SECOND_NS
UP, DOWN = Direction.UP, Direction.DOWN


def view(viewer: Viewer, direction: Direction | None, age_s: int = 0) -> View:
    return View(viewer, direction, NOW_NS - age_s * SECOND_NS)


@pytest.mark.parametrize(
    ("agreeing", "fresh", "expected"),
    [
        (0, 0, "1"),
        # r = 0: 0.85. r = 1: 1 + 0.34 x 0.30/0.34 = 1.30.
        (0, 1, "0.85"),
        (0, 3, "0.85"),
        (1, 1, "1.3"),
        (3, 3, "1.3"),
        # r = 1/2 and 1/3 (0.3333 is not below 0.33): nothing changes.
        (1, 2, "1"),
        (1, 3, "1"),
        # r = 2/3: 1 + (0.666667 - 0.66) x 0.30/0.34 = 1 + 0.00588235..; rounded down.
        (2, 3, "1.005882"),
        # Ten views, for the formula's sake: 0.85 + 0.2 x 0.15/0.33 = 0.94090909..; 1 + 0.14 x 0.30/0.34 = 1.12352941..
        (2, 10, "0.940909"),
        (8, 10, "1.123529"),
    ],
)
def test_the_multiplier_of_each_ratio(agreeing: int, fresh: int, expected: str) -> None:
    assert multiplier(agreeing, fresh, SETTINGS) == Decimal(expected)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_multiplier_is_continuous_and_never_falls(step: tuple[int, int]) -> None:
    agreeing, fresh = step
    before, after = (multiplier(count, fresh, SETTINGS) for count in (agreeing, agreeing + 1))
    # The steepest part is 0.30/0.34 per unit of r; one millionth for the rounding.
    assert 0 <= after - before <= Fraction(30, 34 * fresh) + Fraction(1, 10**6)


def test_at_its_bounds_the_multiplier_is_one() -> None:
    assert multiplier(66, 100, SETTINGS) == multiplier(33, 100, SETTINGS) == 1
    assert multiplier(67, 100, SETTINGS) > 1 > multiplier(32, 100, SETTINGS)


@pytest.mark.parametrize(
    ("viewer", "fresh_s"), [(Viewer.TECHNICAL, 120), (Viewer.REGIME, 600), (Viewer.SENTIMENT, 3600)]
)
def test_a_view_is_fresh_up_to_its_age(viewer: Viewer, fresh_s: int) -> None:
    assert agreement(UP, [view(viewer, UP, fresh_s)], NOW_NS, SETTINGS) == Agreement(1, 1, Decimal("1.3"))
    stale = agreement(UP, [view(viewer, UP, fresh_s + 1)], NOW_NS, SETTINGS)
    assert stale == Agreement(0, 0, Decimal(1))
    assert agreement(UP, [view(viewer, UP, -1)], NOW_NS, SETTINGS).fresh == 0, "from the future"


def test_technical_analysis_and_a_bullish_regime_for_a_purchase_are_full_agreement() -> None:
    views = [view(Viewer.TECHNICAL, UP), view(Viewer.REGIME, regime_direction(Regime.TRENDING_BULL))]
    assert agreement(UP, views, NOW_NS, SETTINGS).multiplier == Decimal("1.3")
    assert agreement(DOWN, views, NOW_NS, SETTINGS).multiplier == Decimal("0.85")


def test_who_has_no_view_is_not_counted() -> None:
    views = [view(Viewer.TECHNICAL, UP), view(Viewer.REGIME, None), view(Viewer.SENTIMENT, DOWN)]
    found = agreement(UP, views, NOW_NS, SETTINGS)
    assert found == Agreement(1, 2, Decimal(1))


def test_the_direction_of_every_regime() -> None:
    pointing = {regime: regime_direction(regime) for regime in Regime}
    assert {regime.value for regime, way in pointing.items() if way is UP} == {"trending_bull", "volatile_bull"}
    assert {regime.value for regime, way in pointing.items() if way is DOWN} == {"trending_bear", "volatile_bear"}


@pytest.mark.parametrize(
    ("score", "direction"),
    [("0.11", UP), ("0.1", None), ("0", None), ("-0.1", None), ("-0.11", DOWN), (None, None), ("NaN", None)],
)
def test_a_sentiment_near_zero_is_no_view(score: str | None, direction: Direction | None) -> None:
    assert sentiment_direction(None if score is None else Decimal(score), SETTINGS) is direction


@pytest.mark.parametrize(
    ("base", "boost", "factor", "expected"),
    [
        # 0.6 + 0.05 = 0.65 against 0.6 x 1.3 = 0.78: the larger holds, not both.
        ("0.6", "0.05", "1.3", "0.78"),
        ("0.6", "0.15", "1.1", "0.75"),
        # Down by 0.6 x 0.15 = 0.09 against up by 0.05, and against up by 0.10.
        ("0.6", "0.05", "0.85", "0.51"),
        ("0.6", "0.10", "0.85", "0.70"),
        # Equally far: down.
        ("0.6", "0.09", "0.85", "0.51"),
        ("0.6", "0", "1", "0.6"),
        # Capped, whoever asks for more.
        ("0.9", "0.15", "1.3", "0.95"),
        ("0.97", "0", "1", "0.95"),
        ("0", "0", "1.3", "0"),
    ],
)
def test_the_larger_of_boost_and_agreement_holds(base: str, boost: str, factor: str, expected: str) -> None:
    assert combine_confidence(Decimal(base), Decimal(boost), Decimal(factor), SETTINGS) == Decimal(expected)


@pytest.mark.parametrize(
    "numbers",
    [("NaN", "0", "1"), ("0.5", "Infinity", "1"), ("0.5", "0", "NaN"), ("1.1", "0", "1"), ("-0.1", "0", "1"),
     ("0.5", "-0.1", "1"), ("0.5", "0", "0")],
)  # fmt: skip
def test_a_confidence_that_cannot_be_is_an_error(numbers: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidValueError):
        base, boost, factor = map(Decimal, numbers)
        combine_confidence(base, boost, factor, SETTINGS)


def test_more_agreeing_than_there_are_is_an_error() -> None:
    with pytest.raises(InvalidValueError, match="3 of 2"):
        multiplier(3, 2, SETTINGS)

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.errors import InvalidValueError
from triplegain.market import scaling
from triplegain.market.scaling import Scale

TENTH = Scale(Decimal("0.1"))
SATOSHI = Scale(Decimal("1e-8"))


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("61737.6", 617376),  # as many places as the step
        ("61737", 617370),  # a padded zero
        ("61737.60000000", 617376),  # zeros beyond the step
        ("0.1", 1),
        (".5", 5),
        ("4.0", 40),
        ("1e3", 10_000),
    ],
)
def test_a_wire_number_becomes_whole_steps(text: str, steps: int) -> None:
    assert TENTH.exact(text) == TENTH.usual(text) == TENTH.known[text] == steps


@pytest.mark.parametrize(
    "text",
    [
        "61737.65",
        "nan",
        "NaN",
        "inf",
        "-1",
        "-0.5",
        "",
        "abc",
        "1.2.3",
        "1_00",
        "１00",
        "1e400",
        "1.2.0",
        "1_0.0",
        "٣.٠",
    ],
)
def test_a_wire_number_that_cannot_be_is_refused(text: str) -> None:
    for read in (TENTH.exact, TENTH.usual, TENTH.known.__getitem__):
        with pytest.raises(InvalidValueError):
            read(text)


def test_what_is_remembered_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "_REMEMBERED", 3)
    scale = Scale(Decimal("0.1"))
    for number in range(9):
        assert scale.known[f"{number}.0"] == 10 * number == scale.known[f"{number}.0" + "0" * 200]
        assert len(scale.known) <= 3 and max(map(len, scale.known)) <= 100


@pytest.mark.parametrize(
    ("text", "lots"),
    [
        ("0.008674069999999999", 867407),  # 0.00867407 after a sum in binary floats
        ("1371255.3999999999", 137125540000000),
        ("0.123456789", 12345678),  # finer than a lot: cut, not rounded up
        ("2.19e-05", 2190),
        ("57.0", 5_700_000_000),
    ],
)
def test_a_float_quantity_loses_its_dust_and_is_cut_to_the_lot(text: str, lots: int) -> None:
    assert SATOSHI.floor(text) == lots


def test_an_archived_price_may_miss_its_tick_by_dust_only() -> None:
    assert TENTH.nearest(repr(0.1 + 0.2)) == 3  # 0.30000000000000004
    assert TENTH.nearest("9082.79999") == 90828  # so written in Kraken's own archive
    with pytest.raises(InvalidValueError, match="not a multiple"):
        TENTH.nearest("61737.61")


def test_a_step_is_a_power_of_ten() -> None:
    assert Scale(Decimal("1")).exact("12") == 12
    with pytest.raises(InvalidValueError):
        Scale(Decimal("0.5"))

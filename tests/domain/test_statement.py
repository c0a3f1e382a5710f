"""Halts from the changes of risk's state, the deepest fall, and dollars that need no price."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

import pytest

from triplegain.domain.statement import Drawdown, EquitySoFar, HaltPeriod, HaltsAt, halt_periods, halted_for_ns
from triplegain.domain.usd import cash_usd

DAILY = ("daily", 100, "daily loss")
DRAWDOWN = ("drawdown", None, "drawdown")


def test_a_halt_lasts_from_the_change_that_brought_it_to_its_time_or_to_a_reset() -> None:
    changes: list[HaltsAt] = [
        (10, []),
        (40, [DAILY]),
        (60, [DAILY, DRAWDOWN]),
        (150, [DRAWDOWN]),
        (200, []),
    ]
    daily, drawdown = halt_periods(changes)
    # The daily one ended by itself at 100, long before the next change; the other by the reset at 200.
    assert daily == HaltPeriod("daily", "daily loss", 40, 100)
    assert drawdown == HaltPeriod("drawdown", "drawdown", 60, 200)
    assert halt_periods(changes[:3])[1] == HaltPeriod("drawdown", "drawdown", 60, None)
    assert [daily.holds(99), daily.holds(100), HaltPeriod("x", "", 1, None).holds(10**20)] == [True, False, True]


def test_time_in_which_two_halts_hold_counts_once() -> None:
    periods = [HaltPeriod("a", "", 40, 100), HaltPeriod("b", "", 60, 80), HaltPeriod("c", "", 90, None)]
    # 40 to 100, and 90 to 130: 90 in all; at 70 only 30 of them have passed.
    assert (halted_for_ns(periods, 130), halted_for_ns(periods[:2], 70), halted_for_ns([], 5)) == (90, 30, 0)


def test_the_deepest_fall_is_by_share_and_an_unknown_equity_is_none() -> None:
    seen = EquitySoFar()
    falls = []
    for time_ns, equity in enumerate([None, "100", "100", "90", "200", "181", "190", "180"]):
        seen = seen.after(None if equity is None else Decimal(equity), time_ns)
        falls.append(seen.drawdown)
    ten = Drawdown(Decimal(100), 2, Decimal(90), 3)
    # 181 of 200 is 9.5 %; 180 of 200 is 10 % again, which is no deeper.
    assert falls == [None, Drawdown(Decimal(100), 1, Decimal(100), 1), *falls[1:2], *[ten] * 5]
    assert (seen.peak, ten.percent) == (Decimal(200), Decimal(10))


def test_a_fall_that_cannot_be_the_deepest_is_not_measured_and_changes_nothing() -> None:
    """200 made-up equities: each against the deepest of all falls from the highest before it, looked for anew."""
    chance = random.Random(4)
    seen, equities = EquitySoFar(), list[Decimal]()
    for number in range(1, 201):
        equities.append(Decimal(chance.randint(-20, 120)))
        seen = seen.after(equities[-1], number)
        peaks = list(accumulate(equities, max))
        assert seen.peak == peaks[-1]
        falls = [Fraction(peak - low) / Fraction(peak) for peak, low in zip(peaks, equities, strict=True) if peak > 0]
        deepest = seen.drawdown
        assert deepest is not None and Fraction(deepest.peak - deepest.trough) / Fraction(deepest.peak) == max(falls)


@pytest.mark.parametrize(
    ("balances", "worth"),
    [({"USDT": "10", "usd": "5", "BTC": "0"}, "15"), ({"USDT": "10", "BTC": "1"}, None), ({}, "0")],
)
def test_dollars_are_worth_what_they_are_and_need_no_price(balances: dict[str, str], worth: str | None) -> None:
    found = cash_usd({asset: Decimal(amount) for asset, amount in balances.items()})
    assert found == (None if worth is None else Decimal(worth))

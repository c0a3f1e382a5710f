"""The engine's counter per pair: what each command costs, how it decays, when it refuses. Units: thousandths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.exchange.rate_limit import RateCounter, amend_penalty, cancel_cost
from triplegain.exchange.settings import AccountTier, ExchangeSettings


@pytest.mark.parametrize(
    ("seconds", "amend", "cancel"),
    [(0, 3, 8), (4, 3, 8), (5, 2, 6), (9, 2, 6), (10, 1, 5), (14, 1, 5), (15, 0, 4), (44, 0, 4), (45, 0, 2),
     (89, 0, 2), (90, 0, 1), (299, 0, 1), (300, 0, 0)],
)  # fmt: skip
def test_young_orders_cost_more_to_touch(seconds: int, amend: int, cancel: int) -> None:
    age_ns = seconds * SECOND_NS
    assert (amend_penalty(age_ns), cancel_cost(age_ns)) == (amend * 1000, cancel * 1000)


@pytest.mark.parametrize(
    ("tier", "threshold", "after_ten_seconds"),
    # 60 - 10 x 1; 125 - 10 x 2.34 = 101.6; 180 - 10 x 3.75 = 142.5
    [
        (AccountTier.STARTER, 60, 50_000),
        (AccountTier.INTERMEDIATE, 125, 101_600),
        (AccountTier.PRO, 180, 142_500),
    ],
)
def test_the_threshold_and_decay_of_each_tier(tier: AccountTier, threshold: int, after_ten_seconds: int) -> None:
    counter = RateCounter(tier)
    assert all(counter.charge(1000, SECOND_NS) for _ in range(threshold - 1))
    # One thousandth below it and the next command is taken still.
    assert counter.charge(999, SECOND_NS) and counter.charge(1, SECOND_NS)
    assert not counter.charge(0, SECOND_NS)
    assert counter.charge(0, 11 * SECOND_NS)
    assert counter.value == after_ten_seconds


def test_decay_in_small_steps_is_the_decay_in_one() -> None:
    one, many = RateCounter(AccountTier.INTERMEDIATE), RateCounter(AccountTier.INTERMEDIATE)
    for counter in (one, many):
        counter.charge(100_000, SECOND_NS)
    for step in range(1, 1001):
        many.charge(0, SECOND_NS + step * SECOND_NS // 1000)
    one.charge(0, 2 * SECOND_NS)
    assert one.value == many.value == 97_660  # 100 - 2.34


def test_a_counter_begins_at_nothing() -> None:
    counter = RateCounter(AccountTier.STARTER)
    assert (counter.value, counter.at_ns, counter.at(0)) == (0, 0, 0)


def test_without_limits_nothing_is_counted() -> None:
    counter = RateCounter(AccountTier.UNLIMITED)
    assert all(counter.charge(10_000, 1) for _ in range(50))
    assert (counter.at(1), counter.allows_another(10**6)) == (0, True)


@pytest.mark.parametrize(
    ("tier", "most"), [(AccountTier.STARTER, 60), (AccountTier.INTERMEDIATE, 80), (AccountTier.PRO, 225)]
)
def test_how_many_orders_of_a_pair_may_be_open(tier: AccountTier, most: int) -> None:
    counter = RateCounter(tier)
    assert (counter.allows_another(most - 1), counter.allows_another(most)) == (True, False)


@pytest.mark.parametrize(
    ("later_ns", "value", "at_ns"),
    [
        (999_999, 1000, 0),  # not yet a thousandth
        (1_000_000, 999, 1_000_000),
        (1_999_999, 999, 1_000_000),  # the rest of the time still counts
        (999_500_000, 1, 999_000_000),
        (1_000_000_000, 0, 1_000_000_000),
        (1_000_500_000, 0, 1_000_500_000),  # at nothing there is no rest
        (9_000_000_000, 0, 9_000_000_000),
    ],
)
def test_only_whole_thousandths_decay(later_ns: int, value: int, at_ns: int) -> None:
    """1000 at the beginning, 1000 a second."""
    counter = RateCounter(AccountTier.STARTER)
    counter.charge(1000, 0)
    assert counter.at(later_ns) == value
    assert counter.charge(0, later_ns)
    assert (counter.value, counter.at_ns, counter.at(later_ns)) == (value, at_ns, value)


def rig(bench: Callable[..., Any]) -> Any:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, account_tier=AccountTier.STARTER))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=SECOND_NS)
    return b


def test_every_command_is_charged(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("one", "buy", "1", "99.0")
    assert b.market.rate.value == 1000
    b.amend("one", quantity="2")
    assert b.market.rate.value == 5000  # +1 +3
    b.cancel("one")
    assert b.market.rate.value == 13_000  # +8: the age counts from the amendment
    b.order("bad", "buy", "1", "99.05")
    assert b.market.rate.value == 14_000  # the fixed part is charged for a refused order, too


def test_an_amendment_that_fails_pays_the_fixed_part_and_one_that_cancels_the_cancel(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("one", "buy", "1", "99.0")
    b.amend("one", price="99.05")
    assert b.market.rate.value == 2000
    b.trade("sell", "1", "98.0")
    b.amend("one", quantity="0.00005")
    assert b.refused("one")[0] == "EOrder:Tick size check failed"
    b.order("two", "buy", "2", "99.0")
    b.trade("sell", "1", "98.0")
    before = b.market.rate.value
    b.amend("two", quantity="1")  # no more than was filled
    assert b.ends("two").startswith("cancelled")
    assert b.market.rate.value == before + 9000  # +1 +8


def test_at_the_limit_orders_and_amendments_are_refused_and_cancels_are_not(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    for number in range(59):
        b.order(f"o{number}", "buy", "0.01", "90.0")
    b.order("last", "buy", "0.01", "90.0")  # the counter stands at 59 before it
    b.amend("o1", quantity="0.02")
    assert (b.ends("last"), b.refused("o1")) == ("open", ["EOrder:Rate limit exceeded"])
    b.cancel("o0")
    assert b.ends("o0").startswith("cancelled")
    b.order("late", "buy", "0.01", "90.0")
    assert b.ends("late") == "rejected: EOrder:Rate limit exceeded"
    b.book(bids="100.0x6", at=12 * SECOND_NS)  # 60 + 1 + 8 + 1 = 70; eleven seconds later 59
    b.order("patient", "buy", "0.01", "90.0")
    assert b.ends("patient") == "open"

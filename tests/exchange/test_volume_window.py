"""The 30 days of a fee tier, hour by hour and to the last atom."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.money import atoms
from triplegain.exchange.volume_tier import VolumeTier

HOURS = 30 * 24
ONE_USD = atoms(Decimal(1))


@pytest.mark.parametrize(("amounts", "whole"), [([ONE_USD - 1], 0), ([ONE_USD], 1), ([ONE_USD - 1, 1], 1)])
def test_dollars_are_whole_dollars(amounts: list[int], whole: int) -> None:
    volume = VolumeTier(Decimal(0))
    for amount in amounts:
        volume.add(5, amount)
    assert volume.volume_usd(5) == whole


@pytest.mark.parametrize(
    ("hour", "whole"),
    # Traded in the hours 1000 and 1001. An hour counts whole until 720 hours later.
    [(1001, 3), (1000 + HOURS - 1, 3), (1000 + HOURS, 2), (1001 + HOURS - 1, 2), (1001 + HOURS, 0), (9000, 0)],
)
def test_an_hour_is_forgotten_after_thirty_days(hour: int, whole: int) -> None:
    volume = VolumeTier(Decimal(0))
    volume.add(1000 * HOUR_NS, ONE_USD)
    volume.add(1002 * HOUR_NS - 1, 2 * ONE_USD)
    assert volume.volume_usd(hour * HOUR_NS) == whole


def test_the_opening_volume_counts_from_the_first_trade_and_does_not_come_back() -> None:
    volume = VolumeTier(Decimal(7))
    assert volume.volume_usd(5) == 7
    volume.add(1000 * HOUR_NS, ONE_USD)
    assert volume.volume_usd(1000 * HOUR_NS) == 8
    later = (1000 + 2 * HOURS) * HOUR_NS
    assert volume.volume_usd(later) == 0
    volume.add(later, 3 * ONE_USD)
    assert volume.volume_usd(later) == 3
    # The window that has run empty has begun at that time, not before: it is still there 719 hours later.
    assert volume.volume_usd(later + (HOURS - 1) * HOUR_NS) == 3

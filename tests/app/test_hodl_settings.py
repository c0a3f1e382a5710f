"""The packaged hodl bag is the one the execution room describes; what does not add up is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from triplegain.app.hodl_settings import hodl_settings
from triplegain.config.hodl import Hodl
from triplegain.config.tree import Config
from triplegain.domain.clock import SECOND_NS
from triplegain.execution.hodl.settings import HodlSettings


def test_the_defaults_of_the_file_are_those_of_the_room() -> None:
    assert hodl_settings(Config()) == HodlSettings()


def test_a_bag_that_is_not_wanted_is_not_there() -> None:
    assert hodl_settings(Config(hodl=Hodl(enabled=False))) is None


def test_every_key_reaches_the_room_in_its_own_unit() -> None:
    chosen = Hodl(
        profit_share_pct=Decimal(25),
        profit_min_usd=Decimal(2),
        allocation_max_usd=Decimal(30),
        daily_max_usd=Decimal(40),
        currency="usd",
        split_pct={"USD": Decimal(40), "BTC": Decimal(60)},
        thresholds_usd={"USD": Decimal(3), "BTC": Decimal(7)},
        attempts=5,
        retry_s=9,
        slippage_alert_pct=Decimal(1),
    )
    assert hodl_settings(Config(hodl=chosen)) == HodlSettings(
        share=Decimal("0.25"),
        profit_min=Decimal(2),
        allocation_max=Decimal(30),
        day_max=Decimal(40),
        currency="USD",
        split={"USD": Decimal("0.4"), "BTC": Decimal("0.6")},
        thresholds={"USD": Decimal(3), "BTC": Decimal(7)},
        attempts_max=5,
        retry_ns=9 * SECOND_NS,
        slippage_alert=Decimal("0.01"),
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"split_pct": {"USDT": Decimal(50), "BTC": Decimal(49)}}, "split_pct adds up to 99, not to 100"),
        ({"currency": "USD"}, "split_pct must name the currency USD"),
        ({"thresholds_usd": {"USDT": Decimal(1), "BTC": Decimal(15)}}, "thresholds_usd has nothing for XRP"),
        ({"profit_share_pct": Decimal(101)}, "less than or equal to 100"),
    ],
)
def test_a_bag_that_does_not_add_up_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Hodl(**keys)

"""Who trades: the configuration's word, and what becomes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from triplegain.agents.baselines.buy_and_hold import BuyAndHoldSettings
from triplegain.agents.baselines.equal_weight import EqualWeightSettings
from triplegain.agents.baselines.random_trader import RandomSettings
from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.app.trader_settings import baseline_choice
from triplegain.config.agents import Agents, BaselineEma
from triplegain.config.baselines import RandomTrader
from triplegain.config.tree import Config
from triplegain.domain.clock import SECOND_NS

HOUR_NS = 3600 * SECOND_NS


def of(**keys: Any) -> Config:
    return Config(agents=Agents.model_validate(keys))


def test_by_itself_the_ema_trades_until_a_model_may_vote() -> None:
    assert baseline_choice(Config(), models_vote=False) == BaselineSettings()
    assert baseline_choice(Config(), models_vote=True) is None


@pytest.mark.parametrize(
    ("trader", "settings"),
    [
        ("ema", BaselineSettings()),
        ("buy_and_hold", BuyAndHoldSettings()),
        ("equal_weight", EqualWeightSettings()),
        ("Random", RandomSettings()),
        ("models", None),
    ],
)
def test_a_trader_that_is_named_trades_whoever_else_could(trader: str, settings: object) -> None:
    # The packaged numbers are those of the agents themselves.
    assert baseline_choice(of(trader=trader), models_vote=True) == settings
    assert baseline_choice(of(trader=trader), models_vote=False) == settings


def test_the_ema_that_takes_no_part_leaves_nobody() -> None:
    assert baseline_choice(of(baseline_ema=BaselineEma(enabled=False)), models_vote=False) is None


def test_every_key_of_the_random_trader_reaches_it_in_its_own_unit() -> None:
    keys = {
        "seed": 9,
        "entries_per_day": "0.5",
        "holding_min_h": "1.5",
        "holding_max_h": 6,
        "stop_pct": 3,
        "confidence": "0.9",
    }
    assert baseline_choice(of(trader="random", random=keys), models_vote=False) == RandomSettings(
        seed=9,
        entries_per_day=Decimal("0.5"),
        holding_min_ns=3 * HOUR_NS // 2,
        holding_max_ns=6 * HOUR_NS,
        stop=Decimal("0.03"),
        confidence=Decimal("0.9"),
    )
    assert baseline_choice(of(trader="buy_and_hold", buy_and_hold={"cash_pct": 5}), models_vote=False) == (
        BuyAndHoldSettings(Decimal("0.05"))
    )
    assert baseline_choice(of(trader="equal_weight", equal_weight={"band_points": 2}), models_vote=False) == (
        EqualWeightSettings(Decimal("0.02"))
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"holding_min_h": Decimal(5), "holding_max_h": Decimal(4)}, "holding_min_h .5. is above"),
        ({"entries_per_day": Decimal(2)}, "entries_per_day .2. of 14 h on average leave no time"),
    ],
)
def test_random_entries_that_leave_no_time_are_refused(keys: dict[str, Decimal], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RandomTrader(**keys)


def test_an_ema_that_is_named_must_take_part() -> None:
    with pytest.raises(ValidationError, match=r"trader is ema, but baseline_ema\.enabled is false"):
        of(trader="ema", baseline_ema={"enabled": False})

"""What a model is asked about a planned rebalance, and all it can answer."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from triplegain.agents.answer import Abstain
from triplegain.agents.rebalance import PlannedTrade, RebalanceAnswer, RebalanceMode, chosen_mode, rebalance_prompt
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Regime
from triplegain.llm.schema import schema_text

SALE = PlannedTrade(
    "BTC/USDT",
    Side.SELL,
    Decimal("1000.004"),
    Decimal("66.6666"),
    Decimal("33.3333"),
    Regime.RANGING,
    Decimal("1.5"),
    -20,
)
PURCHASE = PlannedTrade("XRP/USDT", Side.BUY, Decimal(500), Decimal("16.67"), Decimal("33.33"))


def answered(**changes: Any) -> RebalanceAnswer:
    known = {"mode": "limit_orders", "confidence_pct": 70, "reasoning": "so"}
    return RebalanceAnswer.model_validate({**known, **changes})


@pytest.mark.parametrize("mode", list(RebalanceMode))
def test_a_model_may_choose_each_of_the_modes(mode: RebalanceMode) -> None:
    assert chosen_mode(answered(mode=mode.value), RebalanceMode.LIMIT_ORDERS) is mode


def test_without_an_answer_the_usual_mode_holds() -> None:
    assert chosen_mode(Abstain("timeout"), RebalanceMode.DCA_24H) is RebalanceMode.DCA_24H


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "IMMEDIATE"},
        {"mode": "sell everything"},
        {"mode": None},
        {"confidence_pct": 101},
        {"confidence_pct": "70"},
        {"confidence_pct": float("nan")},
        {"trades": [{"symbol": "BTC/USDT", "usd": 9999}]},
        {"quantity": 5},
    ],
)
def test_anything_else_is_no_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        answered(**changes)


def test_the_prompt_shows_the_plan_in_numbers_and_the_schema_of_the_answer() -> None:
    prompt = rebalance_prompt((SALE, PURCHASE), Decimal("1000.004"), 40, 25)
    assert schema_text(RebalanceAnswer) in prompt.system
    assert all(mode.value in prompt.system for mode in RebalanceMode)
    shown = json.loads(prompt.user)
    assert (shown["moved_usd"], shown["taker_fee_bps"], shown["maker_fee_bps"]) == ("1000", 40, 25)
    assert shown["trades"][0] == {
        "symbol": "BTC/USDT",
        "side": "sell",
        "usd": "1000",
        "share_pct": "66.67",
        "target_pct": "33.33",
        "regime": "ranging",
        "spread_bps": "1.5",
        "change_24h_bps": -20,
    }
    assert (shown["trades"][1]["regime"], shown["trades"][1]["spread_bps"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("trades", "moved"),
    [
        ((), Decimal(1)),
        ((SALE,), Decimal("NaN")),
        ((replace(SALE, usd=Decimal("Infinity")),), Decimal(1)),
        ((replace(SALE, spread_bps=Decimal("NaN")),), Decimal(1)),
    ],
)
def test_figures_that_cannot_be_are_not_asked_about(trades: tuple[PlannedTrade, ...], moved: Decimal) -> None:
    with pytest.raises(InvalidValueError):
        rebalance_prompt(trades, moved, 40, 25)

"""The keys of positions reach the desk."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from triplegain.app.settings import desk_settings
from triplegain.config import Config
from triplegain.config.execution import Execution
from triplegain.domain.clock import SECOND_NS
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop, TrailMode


def protection(**positions: Any) -> ProtectionSettings:
    config = Config(execution=Execution.model_validate({"positions": positions}))
    return desk_settings(config).protection


def test_by_default_stops_stay_where_they_are_and_positions_end_after_48_hours() -> None:
    assert protection() == ProtectionSettings(max_holding_ns=48 * 3600 * SECOND_NS)


def test_switched_on_the_defaults_are_those_of_the_rules() -> None:
    on = protection(trailing_stop={"enabled": True}, break_even={"enabled": True})
    assert (on.trailing, on.break_even) == (TrailingStop(), BreakEven())


@pytest.mark.parametrize(
    ("key", "value", "field", "becomes"),
    [
        ("activate_pct", "2", "activate", Decimal("0.02")),
        ("mode", "ATR", "mode", TrailMode.ATR),
        ("trail_pct", "3", "trail", Decimal("0.03")),
        ("trail_atr", "2.5", "trail_atr", Decimal("2.5")),
        ("step_pct", "0.5", "step", Decimal("0.005")),
    ],
)
def test_each_key_of_the_trailing_stop_changes_it(key: str, value: str, field: str, becomes: object) -> None:
    assert getattr(protection(trailing_stop={"enabled": True, key: value}).trailing, field) == becomes


@pytest.mark.parametrize(("key", "field"), [("at_pct", "at"), ("buffer_pct", "buffer")])
def test_each_key_of_the_break_even_move_changes_it(key: str, field: str) -> None:
    assert getattr(protection(break_even={"enabled": True, key: "0.7"}).break_even, field) == Decimal("0.007")


def test_the_holding_time_is_a_key() -> None:
    assert protection(max_holding_hours="1.5").max_holding_ns == 5400 * SECOND_NS


@pytest.mark.parametrize(
    "positions",
    [
        {"trailing_stop": {"trail_pct": "0"}},
        {"trailing_stop": {"trail_pct": "100"}},
        {"trailing_stop": {"step_pct": "-1"}},
        {"trailing_stop": {"trail_atr": "0"}},
        {"trailing_stop": {"mode": "guess"}},
        {"break_even": {"buffer_pct": "-0.1"}},
        {"break_even": {"unknown": "1"}},
    ],
)
def test_an_impossible_value_is_an_error(positions: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        protection(**positions)

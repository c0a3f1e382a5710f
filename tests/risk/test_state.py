"""The risk state survives being stored; what is missing, damaged or doubtful halts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.risk.base_case import MARKET, NOON, PORTFOLIO, PROPOSAL, D

from triplegain.domain.verdict import RiskRefused
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import CoolDownKind, RiskLimits
from triplegain.risk.state import (
    CoolDownEnd,
    HaltKind,
    MarketMemory,
    PriceSpan,
    RiskHalt,
    RiskMemory,
    decode,
    encode,
)

FULL = RiskMemory(
    day_start_ns=1_621_209_600_000_000_000,
    week_start_ns=1_621_209_600_000_000_000,
    peak_equity=D("10000.123456789"),
    day_equity=D(9000),
    week_equity=D("9999.9"),
    equity=D(-1),
    equity_at_ns=NOON + 1,
    losses_in_a_row=4,
    last_loss_ns=NOON,
    halve_next=True,
    leverage_one_until_ns=NOON + 5,
    halts=(RiskHalt(HaltKind.DAILY, NOON + 9, "daily loss"), RiskHalt(HaltKind.DRAWDOWN, None, "drawdown")),
    cooldowns=(
        CoolDownEnd(CoolDownKind.LOSS, "", NOON + 7),
        CoolDownEnd(CoolDownKind.TRADE, "XRP/BTC", NOON + 8),
    ),
    markets={"XRP/BTC": MarketMemory((1.5, 2.25), True, (PriceSpan(NOON, NOON + 1, D("0.00001"), D("0.00002")),))},
    changes=17,
)


@pytest.mark.parametrize(
    "state", [FULL, RiskMemory.opening(D(100), NOON), RiskMemory.opening(None, NOON), RiskMemory.opening(None, 0)]
)
def test_what_is_stored_comes_back(state: RiskMemory) -> None:
    assert decode(json.loads(json.dumps(encode(state)))) == state


def test_a_halt_for_a_damaged_state_is_stored_as_such() -> None:
    again = decode(json.loads(json.dumps(encode(RiskMemory.damaged("missing")))))
    assert again.is_damaged and again.halts[0].reason == "risk state is missing: ADMIN reset"


#: What may have happened to a record.
DAMAGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda raw: raw.pop("peak_equity"),
    lambda raw: raw.update(extra=1),
    lambda raw: raw.update(peak_equity=None),
    lambda raw: raw.update(peak_equity="0"),
    lambda raw: raw.update(day_equity="-1"),
    lambda raw: raw.update(week_equity="NaN"),
    lambda raw: raw.update(equity=1.5),
    lambda raw: raw.update(equity="Infinity"),
    lambda raw: raw.update(day_start_ns="5"),
    lambda raw: raw.update(day_start_ns=-5),
    lambda raw: raw.update(losses_in_a_row=-1),
    lambda raw: raw.update(losses_in_a_row="4"),
    lambda raw: raw.update(losses_in_a_row=True),
    lambda raw: raw.update(halve_next=1),
    lambda raw: raw.update(halts=None),
    lambda raw: raw.update(halts=[["daily", 1]]),
    lambda raw: raw.update(halts=[["monthly", 1, "why"]]),
    lambda raw: raw.update(halts=[["daily", 1, None]]),
    lambda raw: raw.update(cooldowns=[["trade", "BTC/USDT", None]]),
    lambda raw: raw.update(markets=[]),
    lambda raw: raw["markets"].update({"XRP/BTC": {}}),
    lambda raw: raw["markets"]["XRP/BTC"].update(atrs=[float("nan")]),
    lambda raw: raw["markets"]["XRP/BTC"].update(atrs=["1"]),
    lambda raw: raw["markets"]["XRP/BTC"].update(prices=[[1, 2, "3"]]),
    lambda raw: raw["markets"]["XRP/BTC"].update(prices=[[1, 2, "-3", "4"]]),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_record_halts_until_an_administrator_resets(damage: Callable[[dict[str, Any]], Any]) -> None:
    raw = json.loads(json.dumps(encode(FULL)))
    assert not decode(raw).is_damaged
    damage(raw)
    engine = RiskEngine(RiskLimits(), decode(raw))
    assert "risk state is damaged" in engine.halted(NOON) and "ADMIN reset" in engine.halted(NOON)
    assert engine.on_equity(D(10_000), NOON) == () and engine.memory.peak_equity is None
    verdict = engine.assess(PROPOSAL, PORTFOLIO, MARKET, NOON)
    assert isinstance(verdict, RiskRefused) and verdict.halted
    assert engine.reset(NOON, D(10_000)) == ""
    assert engine.halted(NOON) == "" and engine.memory.peak_equity == D(10_000)


def test_a_missing_record_halts_and_a_new_session_does_not() -> None:
    engine = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))
    assert engine.halted(NOON) == ""
    engine.restore(None)
    assert engine.halted(NOON) == "risk state is missing: ADMIN reset"
    engine.restore(encode(FULL))
    assert engine.memory == FULL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(encode(FULL))), JSON)
def test_no_record_whatever_makes_it_raise(name: str, value: Any) -> None:
    state = decode({**encode(FULL), name: value})
    assert decode(encode(state)) == state

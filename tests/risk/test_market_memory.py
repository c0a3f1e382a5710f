"""Spikes of volatility and unusual moves, in a session that opens on Monday, 12:00 UTC."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.risk.base_case import (
    MARKET,
    MINUTE,
    NOON,
    PORTFOLIO,
    PROPOSAL,
    D,
    rules,
)

from triplegain.domain.verdict import RiskApproved
from triplegain.risk.engine import RiskEngine


def test_a_spike_of_volatility_cools_down_when_it_begins_and_halves_while_it_lasts(engine: RiskEngine) -> None:
    for _ in range(20):
        engine.on_atr("BTC/USDT", 1.0, NOON)
    engine.on_atr("BTC/USDT", 3.5, NOON)
    assert rules(engine, NOON + 15 * MINUTE - 1) == ("cooldown_volatility_spike",)
    assert rules(engine, NOON, proposal=replace(PROPOSAL, symbol="XRP/USDT")) == ("numbers",)  # another market
    engine.on_atr("BTC/USDT", 3.5, NOON + 14 * MINUTE)  # still above 3 x (19 + 3.5) / 20 = 3.375
    verdict = engine.assess(PROPOSAL, PORTFOLIO, MARKET, NOON + 15 * MINUTE)
    assert isinstance(verdict, RiskApproved) and verdict.quantity == D("0.5")
    engine.on_atr("BTC/USDT", 3.5, NOON + 16 * MINUTE)  # 3 x (18 + 7) / 20 = 3.75
    verdict = engine.assess(PROPOSAL, PORTFOLIO, MARKET, NOON + 16 * MINUTE)
    assert isinstance(verdict, RiskApproved) and verdict.quantity == D(1)


def test_a_market_that_keeps_falling_keeps_cooling_down(engine: RiskEngine) -> None:
    for minute in range(30):
        price = D(100 - minute)
        engine.on_price("BTC/USDT", price, price, NOON + minute * MINUTE)
    # minute 29: 71 after 76 five minutes before
    assert rules(engine, NOON + 39 * MINUTE - 1) == ("cooldown_unusual_move",)
    assert rules(engine, NOON + 39 * MINUTE) == ()
    assert [change.kind for change in engine.drain()] == ["cooldown"]  # carried on, written down once


def test_a_candle_that_swings_is_a_move_by_itself(engine: RiskEngine) -> None:
    engine.on_price("BTC/USDT", D(100), D(103), NOON)
    assert rules(engine, NOON) == ()
    engine.on_price("BTC/USDT", D(100), D("103.1"), NOON)
    assert rules(engine, NOON) == ("cooldown_unusual_move",)


@pytest.mark.parametrize("low", [D("NaN"), D(0), D(-1), D("Infinity"), D(200)])
def test_prices_and_ranges_that_cannot_be_are_not_taken(engine: RiskEngine, low: Decimal) -> None:
    engine.on_price("BTC/USDT", low, D(100), NOON)
    for atr in (float("nan"), float("inf"), 0.0, -1.0):
        engine.on_atr("BTC/USDT", atr, NOON)
    assert engine.memory.market("BTC/USDT").prices == () and engine.memory.market("BTC/USDT").atrs == ()


def test_what_is_remembered_of_a_market_stays_small(engine: RiskEngine) -> None:
    for second in range(3600):
        engine.on_price("BTC/USDT", D(100), D(100), NOON + second * 10**9)
        engine.on_atr("BTC/USDT", 1.0, NOON + second * 10**9)
    memory = engine.memory.market("BTC/USDT")
    assert len(memory.prices) <= 11 and len(memory.atrs) == 20

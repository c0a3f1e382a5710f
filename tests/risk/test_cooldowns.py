"""Cool-downs and losses in a row, in a session that opens on Monday, 12:00 UTC."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.config.written_config import configured
from tests.risk.base_case import (
    DAY,
    EXIT,
    HOUR,
    MARKET,
    MINUTE,
    MONDAY,
    NOON,
    PORTFOLIO,
    PROPOSAL,
    SHIFT,
    D,
    rules,
)

from triplegain.domain.proposal import Regime
from triplegain.domain.verdict import RiskApproved, RiskRefused
from triplegain.risk.engine import RiskEngine
from triplegain.risk.state import RiskMemory


def test_a_cool_down_after_a_trade_holds_for_its_pair_alone(engine: RiskEngine) -> None:
    engine.on_opened("XRP/USDT", NOON)
    assert rules(engine, NOON + 1) == ()
    engine.on_opened("BTC/USDT", NOON)
    assert rules(engine, NOON + 5 * MINUTE - 1) == ("cooldown_trade",)


def test_a_short_cool_down_never_shortens_a_long_one(engine: RiskEngine) -> None:
    for _ in range(5):
        engine.on_closed("XRP/USDT", D(-1), NOON)
    engine.on_closed("XRP/USDT", D(1), NOON + MINUTE)  # a profit in between
    engine.on_closed("XRP/USDT", D(-1), NOON + 2 * MINUTE)  # 10 min, until 12:12
    engine.on_opened("BTC/USDT", NOON + 3 * MINUTE)
    assert rules(engine, NOON + HOUR - 1) == ("cooldown_long_losing_streak",)
    assert rules(engine, NOON + HOUR) == ()


def test_the_same_reason_again_carries_a_cool_down_on_and_never_back(engine: RiskEngine) -> None:
    engine.on_closed("XRP/USDT", D(-1), NOON)
    engine.on_closed("XRP/USDT", D(-1), NOON + 8 * MINUTE)
    assert rules(engine, NOON + 18 * MINUTE - 1) == ("cooldown_loss",)
    engine.on_closed("XRP/USDT", None, NOON + 4 * MINUTE)  # told late
    assert rules(engine, NOON + 18 * MINUTE - 1) == ("cooldown_loss",)


@pytest.mark.parametrize(
    ("results", "in_a_row"),
    [
        ("--", 2),
        ("-+-", 1),
        ("-0-", 2),  # nothing gained and nothing lost is neutral
        ("-?-", 2),  # so is a result nobody knows
        ("---+", 0),
    ],
)
def test_losses_in_a_row(engine: RiskEngine, results: str, in_a_row: int) -> None:
    values = {"-": D(-1), "+": D(1), "0": D(0), "?": None}
    for result in results:
        engine.on_closed("BTC/USDT", values[result], NOON)
    assert engine.memory.losses_in_a_row == in_a_row


def test_a_result_nobody_knows_cools_down_like_a_loss(engine: RiskEngine) -> None:
    engine.on_closed("XRP/USDT", D("NaN"), NOON)
    assert rules(engine, NOON + 10 * MINUTE - 1) == ("cooldown_loss",)


def test_after_five_losses_one_opening_is_of_half_size(engine: RiskEngine) -> None:
    def quantity(now: int) -> Decimal:
        verdict = engine.assess(PROPOSAL, PORTFOLIO, MARKET, now)
        assert isinstance(verdict, RiskApproved), verdict
        return verdict.quantity

    for _ in range(5):
        engine.on_closed("BTC/USDT", D(-1), NOON)
    assert quantity(NOON + HOUR) == D("0.5")
    assert quantity(NOON + HOUR) == D("0.5")  # asking uses nothing up
    engine.on_opened("BTC/USDT", NOON + HOUR)
    assert quantity(NOON + 2 * HOUR) == D(1)
    engine.on_closed("BTC/USDT", D(-1), NOON + 2 * HOUR)  # the sixth
    assert quantity(NOON + 4 * HOUR) == D("0.5")
    engine.on_closed("BTC/USDT", D(1), NOON + 4 * HOUR)
    assert quantity(NOON + 5 * HOUR) == D(1)


def test_no_more_than_certainty_is_ever_asked_for(engine: RiskEngine) -> None:
    for _ in range(5):
        engine.on_closed("BTC/USDT", D(-1), NOON)
    # 0.75 + 0.20 after five losses + 0.10, very strict: 1.05
    certain = replace(PROPOSAL, regime=Regime.CHOPPY, confidence=D(1))
    assert rules(engine, NOON + HOUR, proposal=certain) == ()
    assert rules(engine, NOON + HOUR, proposal=replace(certain, confidence=D("0.99"))) == ("confidence",)


@pytest.mark.parametrize(
    ("hours", "now", "banned"),
    [
        ("22:00-06:00", 22 * HOUR - 1, False),
        ("22:00-06:00", 22 * HOUR, True),
        ("22:00-06:00", 30 * HOUR - 1, True),
        ("22:00-06:00", 30 * HOUR, False),
        ("09:30-10:00", 9 * HOUR + 30 * MINUTE, True),
        ("09:30-10:00", 10 * HOUR, False),
    ],
)
def test_banned_hours_may_go_over_midnight_and_end_on_the_minute(hours: str, now: int, banned: bool) -> None:
    limits = configured(risk={"trading_hours": {"banned_hours": [hours]}}).risk
    engine = RiskEngine(limits, RiskMemory.opening(D(10_000), MONDAY))
    assert rules(engine, MONDAY + now) == (("trading_window",) if banned else ())
    leave = engine.assess(EXIT, PORTFOLIO, MARKET, MONDAY + now)
    assert isinstance(leave, RiskApproved)


def test_losses_are_forgotten_after_a_day_without_another_so_that_nobody_is_locked_out(engine: RiskEngine) -> None:
    for _ in range(5):
        engine.on_closed("BTC/USDT", D(-1), NOON)
    timid = replace(PROPOSAL, confidence=D("0.75"))
    assert rules(engine, NOON + DAY - 1, proposal=timid) == ("confidence",)
    whole = engine.assess(timid, PORTFOLIO, MARKET, NOON + DAY)
    assert isinstance(whole, RiskApproved) and whole.quantity == D(1)
    engine.on_closed("BTC/USDT", D(-1), NOON + DAY)
    assert engine.memory.losses_in_a_row == 1 and not engine.memory.halve_next


def test_a_rebalance_waits_for_the_last_one_and_for_cool_downs_of_losses(engine: RiskEngine) -> None:
    engine.on_rebalanced(NOON)
    assert rules(engine, NOON + 1, proposal=SHIFT) == ("cooldown_rebalance",)
    assert rules(engine, NOON + 1) == ()  # an opening does not
    engine.on_closed("XRP/USDT", D(-1), NOON + 25 * MINUTE)
    assert rules(engine, NOON + 30 * MINUTE, proposal=SHIFT) == ("cooldown_loss",)
    assert rules(engine, NOON + 35 * MINUTE, proposal=SHIFT) == ()


def test_nothing_keeps_anybody_from_getting_out(engine: RiskEngine) -> None:
    for _ in range(5):
        engine.on_closed("BTC/USDT", D(-1), NOON)
    engine.on_opened("BTC/USDT", NOON)
    engine.on_price("BTC/USDT", D(90), D(100), NOON)
    engine.on_equity(D(1000), NOON)
    assert rules(engine, NOON)[:1] == ("halted",)
    late = engine.assess(EXIT, replace(PORTFOLIO, equity=None), replace(MARKET, stale="gap"), NOON, 10**12)
    assert isinstance(late, RiskApproved) and late.quantity == D(1)


def test_all_that_stands_against_a_trade_is_told_in_the_order_of_the_checks(engine: RiskEngine) -> None:
    engine.on_equity(D(9400), NOON)
    engine.on_closed("BTC/USDT", D(-1), NOON)
    engine.on_opened("BTC/USDT", NOON)
    limits = replace(
        engine.limits, trading_window=replace(engine.limits.trading_window, banned_weekdays=frozenset({0}))
    )
    engine.limits = limits
    verdict = engine.assess(
        replace(PROPOSAL, stop=D(90), confidence=D("0.5")),
        replace(PORTFOLIO, equity=D(8900), open_positions=5),
        replace(MARKET, stale="gap"),
        NOON,
        10**9,
    )
    assert isinstance(verdict, RiskRefused) and verdict.halted
    assert verdict.rules == (
        "halted", "cooldown_loss", "cooldown_trade", "timeout", "fresh_data", "stop_max", "reward_risk", "confidence",
        "positions_max", "trading_window", "weekly_loss",
    )  # fmt: skip
    assert verdict.reasons[1] == "cool-down after a loss until 12:10:00 UTC"

"""Circuit breakers over time: on Monday, 12:00 UTC, a session opens with 10 000 USD."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.risk.base_case import (
    DAY,
    HOUR,
    MARKET,
    MIDNIGHT,
    NEXT_MONDAY,
    NOON,
    PORTFOLIO,
    PROPOSAL,
    D,
    rules,
)

from triplegain.domain.proposal import Regime
from triplegain.domain.verdict import RiskApproved, RiskRefused
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.restrictions import CloseEverything, HalvePositions, TightenStops
from triplegain.risk.state import RiskMemory, decode


def test_a_day_that_loses_five_percent_ends_at_midnight_and_not_before(engine: RiskEngine) -> None:
    assert engine.on_equity(D("9500.01"), NOON + 1) == ()
    assert engine.on_equity(D(9500), NOON + 2) == (TightenStops(D("0.01")),)
    assert engine.on_equity(D(9400), NOON + 3) == ()  # once
    assert engine.on_equity(D(10_500), NOON + 4) == ()
    assert rules(engine, NOON + 5, 10_500) == ("halted",)  # a recovery ends nothing
    assert rules(engine, MIDNIGHT - 1, 10_500) == ("halted",)
    assert rules(engine, MIDNIGHT, 10_500) == ()
    assert engine.memory.day_equity == D(10_500)
    assert engine.memory.halts == ()


def test_every_day_is_measured_from_its_own_opening(engine: RiskEngine) -> None:
    engine.on_equity(D(9600), MIDNIGHT)
    assert engine.on_equity(D("9120.01"), MIDNIGHT + 1) == ()  # 9 600 x 0.95 = 9 120
    assert engine.on_equity(D(9120), MIDNIGHT + 2) == (TightenStops(D("0.01")),)


def test_a_week_that_loses_ten_percent_halves_once_and_ends_on_monday(engine: RiskEngine) -> None:
    engine.on_equity(D(9400), MIDNIGHT)
    assert engine.on_equity(D("9000.01"), MIDNIGHT + 1) == ()
    assert engine.on_equity(D(9000), MIDNIGHT + 2) == (HalvePositions(D("0.5")),)
    engine.on_equity(D(9300), MIDNIGHT + 3)
    assert engine.on_equity(D(8950), MIDNIGHT + 4) == ()  # the same week, the same trigger
    assert engine.on_equity(D(9300), MIDNIGHT + DAY) == ()  # a new day does not end it
    assert rules(engine, NEXT_MONDAY - 1, 9300) == ("halted",)
    assert rules(engine, NEXT_MONDAY, 9300) == ()
    assert engine.on_equity(D(8900), NEXT_MONDAY + 1) == ()
    engine.on_equity(D(8600), NEXT_MONDAY + DAY)
    assert engine.on_equity(D(8370), NEXT_MONDAY + DAY + 1) == (HalvePositions(D("0.5")),)  # 9 300 x 0.9


def test_a_bad_day_may_also_be_a_bad_week(engine: RiskEngine) -> None:
    assert engine.on_equity(D(9000), NOON + 1) == (TightenStops(D("0.01")), HalvePositions(D("0.5")))
    assert [halt.kind for halt in engine.memory.halts] == ["daily", "weekly"]


def test_a_fifth_below_the_peak_closes_everything_until_an_administrator_resets(engine: RiskEngine) -> None:
    engine.on_equity(D(12_000), NOON + 1)  # the peak
    assert engine.on_equity(D("9600.01"), NOON + 2) == ()
    (action,) = engine.on_equity(D(9600), NOON + 3)
    assert isinstance(action, CloseEverything) and "-20.00 % from the peak" in action.reason
    assert engine.must_be_flat
    for later in (MIDNIGHT, NEXT_MONDAY, NEXT_MONDAY + 700 * DAY):
        assert engine.on_equity(D(12_000), later) == ()
        assert rules(engine, later, 12_000) == ("halted",)


def test_one_fall_through_everything_orders_only_the_close(engine: RiskEngine) -> None:
    (action,) = engine.on_equity(D(8000), NOON + 1)
    assert isinstance(action, CloseEverything)
    assert [halt.kind for halt in engine.memory.halts] == ["daily", "weekly", "drawdown"]


def test_a_reset_bases_the_peak_anew_and_goes_on_at_leverage_one(engine: RiskEngine) -> None:
    engine.on_equity(D(8000), NOON + 1)
    assert engine.reset(NOON + 2, D(8000)) == ""
    assert engine.on_equity(D(8000), NOON + 3) == ()  # it does not halt again at once
    assert not engine.must_be_flat and engine.halted(NOON + 3) == ""
    portfolio = replace(PORTFOLIO, equity=D(8000), margin_available=D(8000))
    lent = replace(MARKET, leverage_max=5)
    eager = replace(PROPOSAL, leverage=2, regime=Regime.TRENDING_BULL)
    verdict = engine.assess(eager, portfolio, lent, NOON + 4)
    assert isinstance(verdict, RiskApproved) and verdict.proposal.leverage == 1
    later = engine.assess(eager, portfolio, lent, NOON + 2 + DAY)
    assert isinstance(later, RiskApproved) and later.proposal.leverage == 2
    # the next fifth is measured from here: 8 000 x 0.8 = 6 400
    assert [type(action) for action in engine.on_equity(D(6400), NOON + 2 + DAY)] == [CloseEverything]


def test_a_reset_needs_an_equity_and_leaves_cool_downs_and_losses(engine: RiskEngine) -> None:
    for _ in range(3):
        engine.on_closed("BTC/USDT", D(-1), NOON)
    engine.on_equity(D(8000), NOON + 1)
    for unknown in (None, D(0), D(-5), D("NaN"), D("Infinity")):
        assert "equity is unknown" in engine.reset(NOON + 2, unknown)
        assert engine.must_be_flat
    engine.reset(NOON + 2, D(8000))
    assert rules(engine, NOON + 3, 8000) == ("cooldown_losing_streak", "cooldown_loss")
    assert engine.memory.losses_in_a_row == 3


def test_a_breaker_refuses_even_before_it_has_been_told_of_equity(engine: RiskEngine) -> None:
    assert rules(engine, NOON + 1, 9500) == ("daily_loss",)
    assert rules(engine, NOON + 1, "9500.01") == ()


@pytest.mark.parametrize("usd", [None, D("NaN"), D("sNaN"), D("Infinity"), D("-Infinity"), D("1e99")])
def test_an_unknown_equity_moves_nothing_and_opens_nothing(engine: RiskEngine, usd: Decimal | None) -> None:
    before = engine.memory
    assert engine.on_equity(usd, MIDNIGHT + 1) == ()
    verdict = engine.assess(PROPOSAL, replace(PORTFOLIO, equity=usd), MARKET, MIDNIGHT + 1)
    assert isinstance(verdict, RiskRefused)
    assert engine.memory is before and engine.drain() == ()


def test_the_first_equity_known_after_midnight_opens_the_day(engine: RiskEngine) -> None:
    engine.on_equity(None, MIDNIGHT)
    engine.on_equity(D(9800), MIDNIGHT + HOUR)
    engine.on_equity(D(9900), MIDNIGHT + 2 * HOUR)
    assert (engine.memory.day_equity, engine.memory.week_equity) == (D(9800), D(10_000))


def test_a_session_may_open_before_equity_is_known() -> None:
    engine = RiskEngine(RiskLimits(), RiskMemory.opening(None, NOON))
    assert rules(engine, NOON, None) == ("equity",)
    assert engine.on_equity(D(5000), NOON + 1) == ()
    assert (engine.memory.peak_equity, engine.memory.day_equity, engine.memory.week_equity) == (D(5000),) * 3
    assert engine.on_equity(D(4750), NOON + 2) == (TightenStops(D("0.01")),)


def test_an_equity_below_zero_closes_everything_and_opens_no_day(engine: RiskEngine) -> None:
    (action,) = engine.on_equity(D(-50), MIDNIGHT + 1)
    assert isinstance(action, CloseEverything)
    assert engine.memory.day_equity == D(10_000)
    assert decode(engine.state()) == engine.memory


def test_money_taken_out_of_the_account_is_no_loss(engine: RiskEngine) -> None:
    engine.on_transferred(D(600), NOON)
    assert engine.on_equity(D(9400), NOON + 1) == ()
    assert engine.on_equity(D(8930), NOON + 2) == (TightenStops(D("0.01")),)  # 9 400 x 0.95
    assert engine.memory.peak_equity == D(9400)

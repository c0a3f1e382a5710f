"""Agents and risk at odds over a trade."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.session.stored_parts import kept, rows_of, taken_up

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.conflict import ConflictKind, Ruling
from triplegain.decision.conflicts import (
    Conflict,
    ConflictSettings,
    Direction,
    Resolution,
    Signal,
    WaitingTrades,
    find_conflicts,
    reduced,
    resolve,
)
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused, Rule

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
SETTINGS = ConflictSettings()
HOUR_NS = 3600 * SECOND_NS


def approved(quantity: str = "0.01", *clamps: tuple[Rule, str, str], intent: Intent = Intent.OPEN) -> RiskApproved:
    proposal = TradeProposal("BTC/USDT", Side.BUY, intent, Market(), quantity=Decimal(quantity), entry=Decimal(50_000))
    return RiskApproved(proposal, tuple(Clamp(rule, Decimal(a), Decimal(b)) for rule, a, b in clamps))


def says(source: str, direction: Direction | None, confidence: str) -> Signal | None:
    """Who has no direction has no signal."""
    return None if direction is None else Signal(source, direction, Decimal(confidence))


def kinds(
    trade: RiskApproved,
    technical: Signal | None = None,
    sentiment: Signal | None = None,
    regime: Regime = Regime.RANGING,
) -> list[ConflictKind]:
    return [each.kind for each in find_conflicts(trade, technical, sentiment, regime, SETTINGS)]


@pytest.mark.parametrize(
    ("technical", "sentiment", "conflict"),
    [
        ((Direction.UP, "0.6"), (Direction.DOWN, "0.6"), True),
        ((Direction.DOWN, "0.6"), (Direction.UP, "0.41"), True),
        # 0.2 apart is not less than 0.2: the surer one is believed.
        ((Direction.UP, "0.6"), (Direction.DOWN, "0.4"), False),
        ((Direction.UP, "0.4"), (Direction.DOWN, "0.6"), False),
        ((Direction.UP, "0.6"), (Direction.UP, "0.6"), False),
        ((Direction.UP, "0.6"), (None, "0.6"), False),
        ((None, "0.6"), (Direction.UP, "0.6"), False),
    ],
)
def test_technical_analysis_against_sentiment(
    technical: tuple[Direction | None, str], sentiment: tuple[Direction | None, str], conflict: bool
) -> None:
    found = kinds(approved(), says("technical", *technical), says("sentiment", *sentiment))
    assert found == ([ConflictKind.TECHNICAL_AGAINST_SENTIMENT] if conflict else [])


def test_without_one_of_them_there_is_no_contradiction() -> None:
    technical = says("technical", Direction.UP, "0.6")
    assert kinds(approved(), technical, None) == kinds(approved(), None, technical) == []


@pytest.mark.parametrize("regime", list(Regime))
def test_any_trade_that_opens_in_a_choppy_market_is_in_conflict(regime: Regime) -> None:
    assert kinds(approved(), regime=regime) == ([ConflictKind.TRADE_IN_CHOPPY] if regime is Regime.CHOPPY else [])


@pytest.mark.parametrize("intent", [Intent.CLOSE, Intent.REDUCE, Intent.REBALANCE])
def test_what_opens_nothing_is_never_in_conflict(intent: Intent) -> None:
    trade = approved("0.01", (Rule.FUNDS, "1", "0.01"), intent=intent)
    technical, sentiment = says("technical", Direction.UP, "1"), says("sentiment", Direction.DOWN, "1")
    assert kinds(trade, technical, sentiment, Regime.CHOPPY) == []


@pytest.mark.parametrize(
    ("clamps", "conflict"),
    [
        # What a trade of its kind always gets is no override: sizing and the largest size speak of every trade.
        ([(Rule.SIZE_MAX, "1", "0.01"), (Rule.LOSS_MAX, "0.01", "0.004")], False),
        ([(Rule.EXPOSURE_MAX, "0.02", "0.01")], False),
        ([(Rule.EXPOSURE_MAX, "0.02", "0.0099")], True),
        # Half of two thirds.
        ([(Rule.VOLATILITY_SPIKE, "0.02", "0.01"), (Rule.SIZE_MAX, "9", "3"), (Rule.FUNDS, "0.009", "0.006")], True),
        ([(Rule.LOSING_STREAK_SIZE, "0.02", "0.01"), (Rule.LOT, "0.01", "0.0099")], False),
        # Leverage is not a size.
        ([(Rule.LEVERAGE_MAX, "5", "1")], False),
    ],
)  # fmt: skip
def test_risk_overrides_where_its_limits_of_the_moment_leave_less_than_half(
    clamps: list[tuple[Rule, str, str]], conflict: bool
) -> None:
    assert kinds(approved("0.01", *clamps)) == ([ConflictKind.RISK_OVERRIDE] if conflict else [])


def conflict(kind: ConflictKind) -> Conflict:
    return Conflict(kind, f"about {kind}")


@pytest.mark.parametrize(
    ("found", "ruling"),
    [
        ([], Ruling.PROCEED),
        ([ConflictKind.TECHNICAL_AGAINST_SENTIMENT], Ruling.WAIT),
        ([ConflictKind.TRADE_IN_CHOPPY], Ruling.ABORT),
        ([ConflictKind.RISK_OVERRIDE], Ruling.ABORT),
        ([ConflictKind.TECHNICAL_AGAINST_SENTIMENT, ConflictKind.TRADE_IN_CHOPPY], Ruling.ABORT),
    ],
)
def test_without_a_model_the_strictest_rule_holds(found: list[ConflictKind], ruling: Ruling) -> None:
    resolution = resolve(conflict(kind) for kind in found)
    assert (resolution.ruling, resolution.by, resolution.size_share) == (ruling, "rules", Decimal(1))


@pytest.mark.parametrize("ruling", [Ruling.PROCEED, Ruling.WAIT, Ruling.ABORT])
def test_a_model_may_say_what_is_done_but_nothing_about_the_size(ruling: Ruling) -> None:
    said = Resolution(ruling, "because", "deepseek", Decimal(5))
    assert resolve([conflict(ConflictKind.TRADE_IN_CHOPPY)], said) == Resolution(
        ruling, "about trade_in_choppy: because", "deepseek", Decimal(1)
    )


@pytest.mark.parametrize(
    ("share", "ruling", "kept"),
    [("0.5", Ruling.MODIFY, "0.5"), ("1", Ruling.ABORT, "1"), ("1.5", Ruling.ABORT, "1"), ("0", Ruling.ABORT, "1"),
     ("-1", Ruling.ABORT, "1"), ("NaN", Ruling.ABORT, "1")],
)  # fmt: skip
def test_a_modification_may_only_reduce(share: str, ruling: Ruling, kept: str) -> None:
    resolution = resolve(
        [conflict(ConflictKind.RISK_OVERRIDE)], Resolution(Ruling.MODIFY, "less", "claude", Decimal(share))
    )
    assert (resolution.ruling, resolution.size_share) == (ruling, Decimal(kept))


def test_a_model_is_not_heard_where_there_is_no_conflict() -> None:
    assert resolve([], Resolution(Ruling.ABORT, "no", "claude")).ruling is Ruling.PROCEED


def test_a_reduced_trade_is_cut_to_the_lot_and_says_so() -> None:
    trade = approved("0.01000001", (Rule.SIZE_MAX, "1", "0.01000001"))
    smaller = reduced(trade, Resolution(Ruling.MODIFY, "", "claude", Decimal("0.3333")), BTC)
    # 0.01000001 x 0.3333 = 0.003333003333
    assert isinstance(smaller, RiskApproved)
    assert smaller.quantity == Decimal("0.003333")
    assert smaller.clamps[-1] == Clamp("conflict", Decimal("0.01000001"), Decimal("0.003333"))
    assert replace(smaller, proposal=trade.proposal, clamps=trade.clamps) == trade


@pytest.mark.parametrize(("share", "fits"), [("0.005", True), ("0.0049", False)])
def test_a_trade_reduced_below_the_minimum_is_refused(share: str, fits: bool) -> None:
    # The minimum is 0.00005 BTC.
    smaller = reduced(approved("0.01"), Resolution(Ruling.MODIFY, "", "claude", Decimal(share)), BTC)
    assert isinstance(smaller, RiskApproved if fits else RiskRefused)


def test_a_trade_that_is_not_modified_stays_as_it_is() -> None:
    assert reduced(approved(), Resolution(Ruling.PROCEED, ""), BTC) == approved()


BUY = AgentAnswer(Action.BUY, Decimal("0.7"), "up", Decimal("0.02"), Decimal("0.04"), Decimal("0.5"))


def test_a_waiting_trade_is_there_to_be_tried_until_its_time_is_up() -> None:
    waiting = WaitingTrades()
    assert waiting.wait("BTC/USDT", 7, BUY, "TA against sentiment", 0) is None
    assert waiting.expire(HOUR_NS - 1) == ()
    trade = waiting.to_try("BTC/USDT")
    assert trade is not None
    assert (trade.answer, trade.decision_number, trade.until_ns) == (BUY, 7, HOUR_NS)
    assert waiting.expire(HOUR_NS) == (replace(trade, reason="waited in vain: TA against sentiment"),)
    assert (waiting.to_try("BTC/USDT"), len(waiting), waiting.expire(HOUR_NS)) == (None, 0, ())


def test_told_to_wait_again_it_does_not_wait_longer() -> None:
    waiting = WaitingTrades()
    waiting.wait("BTC/USDT", 7, BUY, "first", 0)
    waiting.wait("BTC/USDT", 7, BUY, "again", 60 * SECOND_NS)
    assert len(waiting.expire(HOUR_NS)) == 1


def test_a_later_decision_takes_the_place_of_an_earlier_one_of_its_symbol() -> None:
    waiting = WaitingTrades()
    waiting.wait("BTC/USDT", 7, BUY, "first", 0)
    waiting.wait("XRP/USDT", 8, BUY, "other", 0)
    dropped = waiting.wait("BTC/USDT", 9, BUY, "second", 60 * SECOND_NS)
    assert dropped is not None
    assert (dropped.decision_number, dropped.reason) == (7, "a later decision has taken its place")
    assert len(waiting) == 2
    assert [each.decision_number for each in waiting.drop_all("halted")] == [8, 9]
    assert waiting.drop("BTC/USDT", "sent") is None


def test_an_exit_cannot_wait() -> None:
    with pytest.raises(InvalidValueError, match="only a buy"):
        WaitingTrades().wait("BTC/USDT", 1, replace(BUY, action=Action.CLOSE_LONG), "", 0)


def test_waiting_trades_survive_a_restart() -> None:
    waiting, other = WaitingTrades(), WaitingTrades()
    waiting.wait("BTC/USDT", 7, BUY, "first", 1_700_000_000 * SECOND_NS)
    waiting.wait("XRP/USDT", 8, replace(BUY, size_fraction=None, stop_fraction=None), "other", 5)
    taken_up(kept(waiting), other)
    assert rows_of(other) == rows_of(waiting)
    assert [other.to_try(symbol) == waiting.to_try(symbol) for symbol in ("BTC/USDT", "XRP/USDT")] == [True, True]

"""The gate. Base case: BTC/USDT at 100 (tick 0.1, lot 0.001), equity 10 000, stop 98, target 104, confidence 0.75.

Sizing: 10 000 x 2 % / 2 % x 0.75 (confidence) x 0.5 (regime unknown) = 3 750 USD; size cap 20 % = 2 000 USD = 20 BTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Limit, Market, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused
from triplegain.risk.gate import assess
from triplegain.risk.limits import RiskLimits
from triplegain.risk.views import MarketView, PortfolioView

D = Decimal
BTC = Instrument("BTC/USDT", D("0.1"), D("0.001"), D("0.01"), D("5"))
PROPOSAL = TradeProposal("BTC/USDT", Side.BUY, Intent.OPEN, Market(), stop=D(98), target=D(104), confidence=D("0.75"))
PORTFOLIO = PortfolioView(D(10_000), D(0), 0, 0, D(10_000), D(0))
MARKET = MarketView(BTC, D("99.9"), D(100), D(100), D(1), D("0.004"))
LIMITS = RiskLimits()


def verdict(
    proposal: Mapping[str, Any] | None = None,
    portfolio: Mapping[str, Any] | None = None,
    market: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
) -> RiskApproved | RiskRefused:
    return assess(
        replace(PROPOSAL, **(proposal or {})),
        replace(PORTFOLIO, **(portfolio or {})),
        replace(MARKET, **(market or {})),
        replace(LIMITS, **(limits or {})),
    )


def quantity(answer: RiskApproved | RiskRefused) -> Decimal:
    assert isinstance(answer, RiskApproved), answer
    return answer.quantity


def test_the_base_case_is_sized_by_the_formula_and_cut_to_a_fifth_of_equity() -> None:
    answer = verdict()
    assert quantity(answer) == D(20)  # 2 000 / 100
    assert isinstance(answer, RiskApproved)
    assert answer.clamps == (Clamp("size_max", D("37.5"), D(20)),)
    assert (answer.proposal.entry, answer.proposal.stop, answer.proposal.target) == (D(100), D(98), D(104))


#: Per limit: what sets the scene, then a case that passes and one that does not (or is cut), and the words or quantity.
FLIPS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("stop_min", {"proposal": {"stop": D("99.5")}}, {"proposal": {"stop": D("99.6")}}, "nearer than"),
    (
        "stop_max",
        {"proposal": {"stop": D(95), "target": D(110)}, "limits": {"stop_max_by_symbol": {}}},
        {"proposal": {"stop": D("94.9"), "target": D(110)}, "limits": {"stop_max_by_symbol": {}}},
        "farther than",
    ),
    (
        "stop_max_by_symbol",
        {"proposal": {"stop": D(97), "target": D(110)}},
        {"proposal": {"stop": D("96.9"), "target": D(110)}},
        "farther than",
    ),
    ("reward_risk_min", {"proposal": {"target": D(103)}}, {"proposal": {"target": D("102.9")}}, "times the risk"),
    (
        "confidence_min",
        {"proposal": {"confidence": D("0.60"), "regime": Regime.TRENDING_BULL}},
        {"proposal": {"confidence": D("0.59"), "regime": Regime.TRENDING_BULL}},
        "below 0.60",
    ),
    (
        "confidence_min_by_regime",
        {"proposal": {"confidence": D("0.70")}},
        {"proposal": {"confidence": D("0.69")}},
        "below 0.70",
    ),
    (
        "confidence_size",
        {"limits": {"confidence_size": ((D("0.75"), D(1)),)}},
        {"limits": {"confidence_size": ((D("0.76"), D(1)),)}},
        "confidence",
    ),
    ("positions_max", {"portfolio": {"open_positions": 4}}, {"portfolio": {"open_positions": 5}}, "5 positions"),
    (
        "positions_per_symbol_max",
        {"portfolio": {"open_in_symbol": 1}},
        {"portfolio": {"open_in_symbol": 2}},
        "open in BTC/USDT",
    ),
    ("exposure_max", {"portfolio": {"exposure": D(7995)}}, {"portfolio": {"exposure": D(7996)}}, "exposure_max"),
    ("halted", {}, {"portfolio": {"halted": "drawdown of 20 %"}}, "drawdown of 20 %"),
    ("fresh", {}, {"market": {"stale": "the book lost its sync"}}, "lost its sync"),
    ("equity known", {}, {"portfolio": {"equity": None}}, "equity is unknown"),
    ("equity above zero", {"portfolio": {"equity": D(100)}}, {"portfolio": {"equity": D(0)}}, "nothing to risk"),
    ("exposure known", {}, {"portfolio": {"exposure": None}}, "exposure is unknown"),
    ("a price", {"market": {"ask": None}}, {"market": {"ask": None, "last": None}}, "neither quote nor trade"),
    ("a dollar price", {}, {"market": {"quote_usd": None}}, "cannot be valued"),
    ("stop", {}, {"proposal": {"stop": None}}, "stop-loss is required"),
    ("stop below entry", {}, {"proposal": {"stop": D(100)}}, "below the entry"),
    ("stop on tick", {}, {"proposal": {"stop": D("98.05")}}, "multiple of the tick"),
    ("target on tick", {}, {"proposal": {"target": D("104.05")}}, "multiple of the tick"),
    ("no shorts", {}, {"proposal": {"side": Side.SELL}}, "no shorts"),
    ("finite stop", {}, {"proposal": {"stop": D("NaN")}}, "stop is not a finite"),
    ("finite confidence", {}, {"proposal": {"confidence": D("NaN")}}, "confidence is not a finite"),
    ("confidence at most 1", {"proposal": {"confidence": D(1)}}, {"proposal": {"confidence": D("1.1")}}, "from 0 to 1"),
    ("finite equity", {}, {"portfolio": {"equity": D("Infinity")}}, "equity is not a finite"),
    ("quantity above zero", {}, {"proposal": {"quantity": D(0)}}, "quantity must be above zero"),
    ("smallest order", {"proposal": {"quantity": D("0.05")}}, {"proposal": {"quantity": D("0.009")}}, "minimum 0.01"),
    ("smallest cost", {"proposal": {"quantity": D("0.05")}}, {"proposal": {"quantity": D("0.049")}}, "minimum 5"),
    ("leverage from 1", {}, {"proposal": {"leverage": 0}}, "leverage must be 1"),
    ("right market", {}, {"proposal": {"symbol": "XRP/USDT"}}, "the market is BTC/USDT"),
]


@pytest.mark.parametrize(("passes", "fails", "words"), [f[1:] for f in FLIPS], ids=[f[0] for f in FLIPS])
def test_a_step_over_a_limit_flips_the_verdict(passes: dict[str, Any], fails: dict[str, Any], words: str) -> None:
    assert isinstance(verdict(**passes), RiskApproved)
    refused = verdict(**fails)
    assert isinstance(refused, RiskRefused)
    assert words in "; ".join(refused.reasons)


#: Per limit: the change that makes it bind, the rule that is recorded, the quantity that remains.
WIDE = {"size_max": D(1), "risk_per_trade": D(1), "loss_max": D(1)}
CLAMPS: list[tuple[str, dict[str, Any], str, Decimal]] = [
    # 10 000 x 1 % / 2 % x 0.75 x 0.5 = 1 875 USD
    ("risk_per_trade", {"limits": {"risk_per_trade": D("0.01")}}, "sizing", D("18.75")),
    # 3 750 x 0.25 / 0.5 = 1 875 USD (choppy asks for 0.75 of confidence)
    ("regime_size", {"proposal": {"regime": Regime.CHOPPY}}, "sizing", D("18.75")),
    # confidence 0.7: x 0.5 instead of x 0.75, in a trending market: 10 000 x 0.5 = 5 000, so with 60 % size: 50
    (
        "confidence_size",
        {"proposal": {"confidence": D("0.7"), "regime": Regime.TRENDING_BULL}, "limits": {"size_max": D("0.6")}},
        "sizing",
        D(50),
    ),
    ("size_max", {"limits": {"size_max": D("0.1")}}, "size_max", D(10)),
    # loss per BTC: 2 + 0.4 % of (100 + 98) = 2.792; 200 / 2.792 = 71.633..., cut to the lot
    ("loss_max", {"limits": {**WIDE, "loss_max": D("0.02")}}, "loss_max", D("71.633")),
    # room 80 % - 7 000 = 1 000 USD
    ("exposure_max", {"portfolio": {"exposure": D(7000)}}, "exposure_max", D(10)),
    # 1 000 / (100 x 1.01 x 1.004) = 9.8615...
    ("market_buffer", {"portfolio": {"free_quote": D(1000)}}, "funds", D("9.861")),
    # a limit order cannot pay more than its price: 1 000 / (100 x 1.004) = 9.9601...
    ("no buffer", {"portfolio": {"free_quote": D(1000)}, "proposal": {"terms": Limit(D(100))}}, "funds", D("9.96")),
]


@pytest.mark.parametrize(("change", "rule", "remains"), [c[1:] for c in CLAMPS], ids=[c[0] for c in CLAMPS])
def test_what_is_too_large_is_reduced_first_and_the_rule_recorded(
    change: dict[str, Any], rule: str, remains: Decimal
) -> None:
    change["proposal"] = {"quantity": D(1000), **change.get("proposal", {})}
    answer = verdict(**change)
    assert quantity(answer) == remains
    assert isinstance(answer, RiskApproved)
    last = [clamp for clamp in answer.clamps if clamp.rule != "lot"][-1]
    assert (answer.clamps[0].before, last.rule) == (D(1000), rule)


def test_leverage_is_reduced_not_refused_and_never_enlarges_the_size() -> None:
    answer = verdict(proposal={"leverage": 5})
    assert isinstance(answer, RiskApproved)
    assert (answer.proposal.leverage, answer.quantity) == (1, D(20))
    assert Clamp("leverage", D(5), D(1)) in answer.clamps
    assert isinstance(two := verdict(proposal={"leverage": 2}, limits={"leverage_max": 2}), RiskApproved)
    assert (two.proposal.leverage, two.quantity) == (2, D(20))


def test_every_limit_is_shown_to_matter_above() -> None:
    shown = {case[0] for case in FLIPS} | {case[0] for case in CLAMPS} | {"leverage_max"}
    assert {field.name for field in fields(RiskLimits)} <= shown


def test_a_wish_within_every_limit_is_left_as_it_is() -> None:
    answer = verdict(proposal={"quantity": D("1.5")})
    assert quantity(answer) == D("1.5") and isinstance(answer, RiskApproved) and answer.clamps == ()


def test_a_pair_quoted_in_bitcoin_is_measured_in_dollars() -> None:
    cross = Instrument("XRP/BTC", D("0.00000001"), D("0.1"), D(10), D("0.00002"))
    market = MarketView(cross, D("0.0000199"), D("0.00002"), None, D(50_000), D("0.004"))
    proposal = replace(PROPOSAL, symbol="XRP/BTC", stop=D("0.0000196"), target=D("0.0000208"))
    answer = assess(proposal, replace(PORTFOLIO, free_quote=D(1)), market, LIMITS)
    assert quantity(answer) == D(2000)  # 2 000 USD at 0.00002 x 50 000 = 1 USD each


def test_all_reasons_are_given_at_once() -> None:
    refused = verdict({"confidence": D("0.1")}, {"open_positions": 9, "halted": "paused by hand"})
    assert isinstance(refused, RiskRefused) and len(refused.reasons) == 3


@pytest.mark.parametrize(
    "obstacle",
    [
        {"portfolio": {"position_quantity": D(3), "halted": "drawdown", "open_positions": 99, "exposure": D(10**9)}},
        {"portfolio": {"position_quantity": D(3), "equity": D("NaN"), "exposure": None}},
        {"portfolio": {"position_quantity": D(3)}, "market": {"stale": "gap", "quote_usd": None, "bid": None}},
    ],
)
@pytest.mark.parametrize("intent", [Intent.CLOSE, Intent.REDUCE])
def test_nothing_keeps_anybody_from_getting_out(obstacle: dict[str, Any], intent: Intent) -> None:
    leave = {"side": Side.SELL, "intent": intent, "stop": None, "confidence": D("NaN"), "leverage": 0}
    assert quantity(verdict(proposal=leave, **obstacle)) == D(3)
    more = verdict(proposal={**leave, "quantity": D(5)}, **obstacle)
    assert isinstance(more, RiskApproved) and more.clamps == (Clamp("position", D(5), D(3)),)


def test_an_exit_without_a_position_is_refused() -> None:
    refused = verdict(proposal={"side": Side.SELL, "intent": Intent.CLOSE})
    assert isinstance(refused, RiskRefused) and refused.reasons == ("no position to sell; spot has no shorts",)


def test_a_rebalance_needs_no_stop_and_no_free_slot_but_fresh_prices_funds_and_no_halt() -> None:
    shift = {"intent": Intent.REBALANCE, "quantity": D(50), "stop": None, "target": None, "confidence": D(0)}
    assert quantity(verdict(proposal=shift, portfolio={"open_positions": 9})) == D(50)
    assert quantity(verdict(proposal=shift, portfolio={"free_quote": D(1000)})) == D("9.861")
    sell = {**shift, "side": Side.SELL}
    assert quantity(verdict(proposal=sell, portfolio={"position_quantity": D(7)})) == D(7)
    assert isinstance(verdict(proposal=shift, portfolio={"halted": "drawdown"}), RiskRefused)
    assert isinstance(verdict(proposal=shift, market={"stale": "gap"}), RiskRefused)
    assert isinstance(verdict(proposal={**shift, "quantity": None}, portfolio={"free_quote": D(0)}), RiskRefused)


NUMBERS = st.decimals(min_value=D("0.001"), max_value=D(10**6), places=3)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.integers(970, 995), st.integers(0, 40))
def test_what_is_approved_keeps_every_limit_whatever_was_asked(
    asked: Decimal, equity: Decimal, exposure: Decimal, funds: Decimal, stop: int, fee: int
) -> None:
    price, rate = D(stop) / 10, D(fee) / 10_000
    answer = verdict(
        {"quantity": asked, "stop": price, "target": D(120)},
        {"equity": equity, "exposure": exposure, "free_quote": funds},
        {"taker_fee": rate},
    )
    if isinstance(answer, RiskRefused):
        return
    size = answer.quantity * 100
    assert answer.quantity <= asked
    assert size <= equity * D("0.2") and size + exposure <= equity * D("0.8")
    assert size * (1 + rate) <= funds
    assert answer.quantity * (100 - price) + rate * answer.quantity * (100 + price) <= equity * D("0.02")
    assert BTC.lots(answer.quantity) * BTC.lot >= BTC.quantity_min

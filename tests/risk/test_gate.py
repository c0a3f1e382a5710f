"""The gate. Base case: BTC/USDT at 100 (tick 0.1, lot 0.001), equity 10 000, stop 98, target 104, confidence 0.75.

Sizing: 10 000 x 2 % / 2 % x 0.75 (confidence) x 0.5 (regime unknown) = 3 750 USD; size cap 20 % = 2 000 USD = 20 BTC.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.risk.gate_case import APART, BTC, LIMITS, PORTFOLIO, PROPOSAL, WIDE, D, elsewhere, quantity, verdict

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Limit, Side, StopLoss
from triplegain.domain.proposal import Intent, Regime
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused
from triplegain.risk.gate import assess
from triplegain.risk.limits import CorrelationLimits
from triplegain.risk.views import MarketFigures


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
        "below 0.6 ",
    ),
    (
        "confidence_min of the regime",
        {"proposal": {"confidence": D("0.70")}},
        {"proposal": {"confidence": D("0.69")}},
        "below 0.7 ",
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
    (
        "exposure_max",
        {"portfolio": elsewhere(7995), "limits": APART},
        {"portfolio": elsewhere(7996), "limits": APART},
        "exposure_max",
    ),
    (
        "spread_max",
        {"market": {"bid": D(99)}},
        {"market": {"bid": D("98.9")}},
        "the spread from 98.9 to 100 is above 1 %",
    ),
    ("crossed quote", {"market": {"bid": D(100)}}, {"market": {"bid": D("100.1")}}, "the quote is crossed"),
    (
        "a stop that would fire at once",
        {"proposal": {"terms": Limit(D(101)), "stop": D("99.8"), "target": D(104)}},
        {"proposal": {"terms": Limit(D(101)), "stop": D("99.9"), "target": D(104)}},
        "would fire at once",
    ),
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
    ("leverage of this world", {"proposal": {"leverage": 1000}}, {"proposal": {"leverage": 1001}}, "not a sensible"),
    ("fee of this world", {}, {"market": {"taker_fee": D(-1)}}, "taker fee cannot be below zero"),
    ("fee below all", {}, {"market": {"taker_fee": D(1)}}, "taker fee must be below 1"),
    ("exposure from zero", {}, {"portfolio": {"exposure": D(-1)}}, "exposure cannot be below zero"),
    ("margin from zero", {}, {"portfolio": {"margin_used": D(-1)}}, "margin in use cannot be below zero"),
    ("located exposure", {}, {"portfolio": {"exposure_by_symbol": {"A/B": D(-1)}}}, "exposure in A/B"),
    ("counts from zero", {}, {"portfolio": {"open_positions": -1}}, "count of positions"),
    ("amounts of this world", {}, {"proposal": {"quantity": D("1e25")}}, "quantity is not a sensible amount"),
    ("right market", {}, {"proposal": {"symbol": "XRP/USDT"}}, "the market is BTC/USDT"),
]


@pytest.mark.parametrize(("passes", "fails", "words"), [f[1:] for f in FLIPS], ids=[f[0] for f in FLIPS])
def test_a_step_over_a_limit_flips_the_verdict(passes: dict[str, Any], fails: dict[str, Any], words: str) -> None:
    assert isinstance(verdict(**passes), RiskApproved)
    refused = verdict(**fails)
    assert isinstance(refused, RiskRefused)
    assert words in "; ".join(refused.reasons)


#: Per limit: the change that makes it bind, the rule that is recorded, the quantity that remains.
CLAMPS: list[tuple[str, dict[str, Any], str, Decimal]] = [
    # 10 000 x 1 % / 2 % x 0.75 x 0.5 = 1 875 USD
    ("risk_per_trade", {"limits": {"risk_per_trade": D("0.01")}}, "sizing", D("18.75")),
    # 10 000 x 0.25 = 2 500 USD in a choppy market, which asks for 0.85 of confidence; with 40 % size
    (
        "regime_size",
        {"proposal": {"regime": Regime.CHOPPY, "confidence": D("0.85")}, "limits": {"size_max": D("0.4")}},
        "sizing",
        D(25),
    ),
    # confidence 0.7: x 0.5 instead of x 0.75, in a trending market: 10 000 x 0.5 = 5 000, so with all lifted: 50
    (
        "confidence_size",
        {
            "proposal": {"confidence": D("0.7"), "regime": Regime.TRENDING_BULL},
            "limits": {**WIDE, "risk_per_trade": D("0.02")},
        },
        "sizing",
        D(50),
    ),
    ("size_max", {"limits": {"size_max": D("0.1")}}, "size_max", D(10)),
    # sold 0.1 % below the stop: 97.902; loss per BTC: 2.098 + 0.4 % of 197.902 = 2.889608; 200 / that = 69.2135...
    ("loss_max", {"limits": {**WIDE, "loss_max": D("0.02")}}, "loss_max", D("69.213")),
    # room 80 % - 7 000 = 1 000 USD
    ("exposure_max", {"portfolio": elsewhere(7000), "limits": APART}, "exposure_max", D(10)),
    # 40 % - 3 000 of which nobody says where it is = 1 000 USD
    ("correlation_max", {"portfolio": {"exposure": D(3000)}}, "correlation_max", D(10)),
    # 40 % - 0.75 x 4 000 = 1 000 USD; what XRP/BTC has beside the counted correlation of 0.6 is 0
    (
        "correlation",
        {"portfolio": {"exposure": D(4000), "exposure_by_symbol": {"XRP/USDT": D(4000), "XRP/BTC": D(0)}}},
        "correlation_max",
        D(10),
    ),
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


def test_at_seven_tenths_of_exposure_the_verdict_warns() -> None:
    for usd, warned in ((5000, True), (4999, False)):  # + 2 000 USD
        answer = verdict(portfolio=elsewhere(usd), limits=APART)
        assert isinstance(answer, RiskApproved)
        assert [warning.rule for warning in answer.warnings] == (["exposure_max"] if warned else [])


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("BTC/USDT", "XRP/USDT", "0.75"),
        ("XRP/BTC", "BTC/USDT", "0.60"),
        ("XRP/USDT", "XRP/BTC", "0.85"),
        ("XRP/USDT", "XRP/USDT", "1"),
        ("BTC/USDT", "LTC/USDT", "1"),
    ],
)
def test_correlation_is_the_same_in_either_order_and_one_where_nobody_knows(
    one: str, other: str, together: str
) -> None:
    correlation = CorrelationLimits()
    assert correlation.between(one, other) == correlation.between(other, one) == D(together)


def test_the_price_a_proposer_reckons_with_makes_no_market_order_larger() -> None:
    assert quantity(verdict(proposal={"entry": D(50), "quantity": D(1000)})) == D(20)


def test_an_order_is_measured_by_the_worse_of_its_price_and_the_market() -> None:
    # 2 000 USD: at its own limit of 101, at the ask of 100 though the trigger is 99, at the trigger of 101
    for terms, size in ((Limit(D(101)), "19.801"), (StopLoss(D(99)), "20"), (StopLoss(D(101)), "19.801")):
        assert quantity(verdict(proposal={"terms": terms, "stop": D("98.5"), "target": D(110)})) == D(size)


def test_a_price_of_its_own_is_no_market() -> None:
    for terms in (Limit(D(100)), StopLoss(D(100))):
        refused = verdict({"terms": terms}, market={"bid": None, "ask": None, "last": None})
        assert isinstance(refused, RiskRefused) and refused.rules == ("fresh_data",)


def test_nothing_is_not_sent_even_where_the_exchange_has_no_minimum() -> None:
    free = Instrument("BTC/USDT", D("0.1"), D("0.001"), D(0), D(0))
    refused = verdict(portfolio={"free_quote": D(0)}, market={"instrument": free})
    assert isinstance(refused, RiskRefused) and refused.rules == ("minimum",)


def test_a_verdict_is_one_of_four_words_and_names_its_rules() -> None:
    assert verdict(proposal={"quantity": D(1)}).outcome == "approved"
    assert verdict().outcome == "modified"
    refused = verdict({"confidence": D("0.1"), "stop": None})
    assert isinstance(refused, RiskRefused)
    assert (refused.outcome, refused.rules) == ("rejected", ("stop_required", "confidence"))
    assert verdict(portfolio={"halted": "paused by hand"}).outcome == "halted"


def test_what_was_cut_to_nothing_says_by_which_rules() -> None:
    refused = verdict(portfolio={"free_quote": D(0)})
    assert isinstance(refused, RiskRefused)
    assert refused.reasons == ("quantity 0 is below the exchange's minimum 0.01 (cut by size_max, funds)",)
    assert [clamp.rule for clamp in refused.clamps] == ["size_max", "funds"]


def test_less_than_a_lot_is_not_sold() -> None:
    rest = {"side": Side.SELL, "intent": Intent.CLOSE, "stop": None}
    refused = verdict(rest, {"position_quantity": D("0.0009")})
    assert isinstance(refused, RiskRefused) and refused.rules == ("minimum",)


def test_a_wish_within_every_limit_is_left_as_it_is() -> None:
    answer = verdict(proposal={"quantity": D("1.5")})
    assert quantity(answer) == D("1.5") and isinstance(answer, RiskApproved) and answer.clamps == ()


def test_a_pair_quoted_in_bitcoin_is_measured_in_dollars() -> None:
    cross = Instrument("XRP/BTC", D("0.00000001"), D("0.1"), D(10), D("0.00002"))
    market = MarketFigures(cross, D("0.0000199"), D("0.00002"), None, D(50_000), D("0.004"))
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

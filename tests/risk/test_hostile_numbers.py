"""Numbers that cannot be: always refused, never an exception, and nothing gets larger by them."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.risk.base_case import MARKET, NOON, PORTFOLIO, PROPOSAL, SHIFT, D, changed

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.orders import Limit, Market, Side, StopLoss
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import RiskApproved, RiskRefused
from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.state import RiskMemory
from triplegain.risk.views import MarketFigures, PortfolioView

IMPOSSIBLE = [
    "NaN", "-NaN", "sNaN", "sNaN123", "Infinity", "-Infinity", "1e999999", "-1e999999", "1e25", "1e-25", "1e-999999",
    "1." + "1" * 80, "9" * 70,
]  # fmt: skip
OF_THE_PROPOSAL = ["quantity", "entry", "stop", "target", "confidence"]
OF_THE_PORTFOLIO = ["equity", "exposure", "free_quote", "position_quantity", "margin_used", "margin_available"]
OF_THE_MARKET = ["bid", "ask", "last", "quote_usd", "taker_fee"]


def judge(proposal: TradeProposal, portfolio: PortfolioView = PORTFOLIO, market: MarketFigures = MARKET) -> Any:
    engine = RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))
    engine.on_equity(portfolio.equity, NOON)
    return engine.assess(proposal, portfolio, market, NOON)


@pytest.mark.parametrize("value", IMPOSSIBLE)
@pytest.mark.parametrize("base", [PROPOSAL, SHIFT], ids=["open", "rebalance"])
def test_a_number_that_cannot_be_is_refused_wherever_it_stands(base: TradeProposal, value: str) -> None:
    number = D(value)
    verdicts = [judge(changed(base, name, number)) for name in OF_THE_PROPOSAL]
    verdicts += [judge(replace(base, terms=terms)) for terms in (Limit(number), StopLoss(number))]
    verdicts += [judge(base, changed(PORTFOLIO, name, number)) for name in OF_THE_PORTFOLIO]
    verdicts += [judge(base, replace(PORTFOLIO, exposure_by_symbol={"BTC/USDT": number}))]
    verdicts += [judge(base, market=changed(MARKET, name, number)) for name in OF_THE_MARKET]
    assert [verdict.rules for verdict in verdicts if verdict.rules[0] != "numbers"] == []


@pytest.mark.parametrize("value", ["0", "-0", "0E+999999", "0E-999999", "-1", "-0.01"])
def test_nothing_is_risked_without_equity_and_no_price_is_zero(value: str) -> None:
    number = D(value)
    assert "equity" in judge(PROPOSAL, replace(PORTFOLIO, equity=number)).rules
    for name in ("quantity", "entry", "stop", "target"):
        assert judge(changed(PROPOSAL, name, number)).rules == ("numbers",)
    for name in ("bid", "ask", "last"):
        assert judge(PROPOSAL, market=changed(MARKET, name, number)).rules == ("numbers",)
    assert "fresh_data" in judge(PROPOSAL, market=replace(MARKET, quote_usd=number)).rules


@pytest.mark.parametrize("value", IMPOSSIBLE)
def test_an_exit_is_stopped_by_its_own_nonsense_only(value: str) -> None:
    number = D(value)
    leave = replace(PROPOSAL, side=Side.SELL, intent=Intent.CLOSE, stop=number, target=number, confidence=number)
    blind = replace(MARKET, bid=number, ask=None, last=number, quote_usd=number, taker_fee=number)
    lost = replace(PORTFOLIO, equity=number, exposure=number, free_quote=number, margin_used=number)
    answer = judge(leave, lost, blind)
    assert isinstance(answer, RiskApproved) and answer.quantity == D(1)
    assert isinstance(judge(replace(leave, quantity=number), lost, blind), RiskRefused)


def test_what_is_unknown_is_refused() -> None:
    assert judge(PROPOSAL, replace(PORTFOLIO, equity=None)).rules == ("equity",)
    assert judge(PROPOSAL, replace(PORTFOLIO, exposure=None)).rules == ("exposure_max",)
    assert judge(PROPOSAL, market=replace(MARKET, quote_usd=None)).rules == ("fresh_data",)
    assert judge(PROPOSAL, market=replace(MARKET, bid=None, ask=None, last=None)).rules == ("fresh_data",)


@pytest.mark.parametrize("leverage", [0, -1, -(10**9), 10**9, 10**4000, sys.maxsize])
def test_leverage_that_cannot_be(leverage: int) -> None:
    assert judge(replace(PROPOSAL, leverage=leverage)).rules == ("numbers",)


ANYTHING = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([D(each) for each in (*IMPOSSIBLE, "0", "-1", "0E+999999", "1e24", "1e-24")]),
    st.decimals(min_value=D("0.00000001"), max_value=D(10**6), places=8),
    st.integers(900, 1100).map(lambda each: D(each) / 10),
)
MAYBE = st.none() | ANYTHING
PROPOSALS = st.builds(
    TradeProposal,
    st.sampled_from(["BTC/USDT", "XRP/BTC", "A/B"]),
    st.sampled_from(Side),
    st.sampled_from(Intent),
    st.one_of(st.just(Market()), st.builds(Limit, ANYTHING), st.builds(StopLoss, ANYTHING)),
    quantity=MAYBE,
    entry=MAYBE,
    stop=MAYBE,
    target=MAYBE,
    leverage=st.integers(-2, 7) | st.integers(),
    confidence=ANYTHING | st.integers(0, 100).map(lambda each: D(each) / 100),
    regime=st.sampled_from(Regime),
)
PORTFOLIOS = st.builds(
    PortfolioView,
    MAYBE,
    MAYBE,
    st.integers(-1, 6),
    st.integers(-1, 3),
    ANYTHING,
    ANYTHING,
    exposure_by_symbol=st.dictionaries(st.sampled_from(["BTC/USDT", "XRP/USDT", "A/B"]), ANYTHING, max_size=2),
    margin_used=ANYTHING,
    margin_available=ANYTHING,
)
MARKETS = st.builds(
    MarketFigures,
    st.sampled_from([*KRAKEN_OFFLINE_DEFAULTS, MARKET.instrument]),
    MAYBE,
    MAYBE,
    MAYBE,
    MAYBE,
    ANYTHING,
    leverage_max=st.integers(-1, 6),
)


@settings(max_examples=400)
@given(PROPOSALS, PORTFOLIOS, MARKETS)
def test_it_never_raises_and_never_gives_more_than_was_asked(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures
) -> None:
    verdict = judge(proposal, portfolio, market)
    if isinstance(verdict, RiskRefused):
        assert verdict.reasons
        return
    assert verdict.quantity.is_finite() and verdict.quantity > 0
    assert proposal.quantity is None or verdict.quantity <= proposal.quantity
    if proposal.intent.is_exit:
        return
    assert 1 <= verdict.proposal.leverage <= proposal.leverage
    assert portfolio.equity is not None and portfolio.equity.is_finite() and portfolio.equity > 0


@settings(max_examples=200)
@given(
    st.one_of(st.none(), st.integers(1, 10**6).map(lambda each: D(each) / 1000)),
    st.integers(940, 999),
    st.integers(60, 100),
    st.sampled_from(Regime),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 9000),
    st.integers(0, 60),
)
def test_what_is_approved_keeps_the_two_percent_rule_and_every_ceiling(
    asked: Decimal | None, stop: int, confidence: int, regime: Regime, leverage: int, venue: int, used: int, fee: int
) -> None:
    exposures = {"XRP/USDT": D(used) / 2, "LTC/USDT": D(used) / 9}
    located = sum(exposures.values(), D(0))
    portfolio = replace(
        PORTFOLIO, exposure=located, exposure_by_symbol=exposures, margin_used=D(used) / 3, margin_available=D(900)
    )
    rate = D(fee) / 10_000
    proposal = replace(
        PROPOSAL,
        quantity=asked,
        stop=D(stop) / 10,
        target=D(150),
        confidence=D(confidence) / 100,
        regime=regime,
        leverage=leverage,
    )
    verdict = judge(proposal, portfolio, replace(MARKET, leverage_max=venue, taker_fee=rate))
    if isinstance(verdict, RiskRefused):
        return
    notional, lent = verdict.quantity * 100, verdict.proposal.leverage
    sold = D(stop) / 10 * D("0.999")
    assert verdict.quantity * (100 - sold + rate * (100 + sold)) <= 200
    assert notional <= 2000 and notional + located <= 8000
    assert notional + exposures["XRP/USDT"] * D("0.75") + exposures["LTC/USDT"] <= 4000
    if lent == 1:
        assert notional * (1 + rate) <= 10_000
    else:
        assert lent <= min(leverage, venue, 5)
        assert notional / lent + notional * rate <= 900
        assert notional / lent + portfolio.margin_used <= 5000

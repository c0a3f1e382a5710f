"""The gate's base case, and verdicts on it with something changed.

BTC/USDT at 100 (tick 0.1, lot 0.001), equity 10 000, stop 98, target 104, confidence 0.75, no quantity asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import RiskApproved, RiskRefused
from triplegain.risk.gate import assess
from triplegain.risk.limits import CorrelationLimits, RiskLimits
from triplegain.risk.views import MarketFigures, PortfolioView

D = Decimal
BTC = Instrument("BTC/USDT", D("0.1"), D("0.001"), D("0.01"), D("5"))
PROPOSAL = TradeProposal("BTC/USDT", Side.BUY, Intent.OPEN, Market(), stop=D(98), target=D(104), confidence=D("0.75"))
PORTFOLIO = PortfolioView(D(10_000), D(0), 0, 0, D(10_000), D(0))
MARKET = MarketFigures(BTC, D("99.9"), D(100), D(100), D(1), D("0.004"))
LIMITS = RiskLimits()
#: Other limits lifted: one trade may be all of the account, and nothing moves together.
WIDE = {
    "size_max": D(1),
    "risk_per_trade": D(1),
    "loss_max": D(1),
    "exposure_max": D(1),
    "correlation": CorrelationLimits(exposure_max=D(1)),
}
APART = {"correlation": CorrelationLimits(unlisted=D(0))}


def elsewhere(usd: int) -> dict[str, Any]:
    """That much exposure in a market that has nothing to do with this one."""
    return {"exposure": D(usd), "exposure_by_symbol": {"LTC/USDT": D(usd)}}


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

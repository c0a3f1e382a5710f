"""The risk gate: a pure function from a proposal and pictures of the world to a verdict by type.

Missing, unknown or non-finite numbers are refusals. What is too large is reduced first and the result is checked;
a change only ever reduces, and each is recorded. Exits are stopped by nothing but nonsense: neither a halt, a
cool-down, confidence, exposure, counts, a stale quote nor a time-out keeps anybody from getting out.

`RiskEngine.assess` is this function with the account's past filled in.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

from triplegain.domain.money import floor_to
from triplegain.domain.orders import Side
from triplegain.domain.proposal import TradeProposal
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, RiskVerdict, Rule
from triplegain.risk.limits import RiskLimits
from triplegain.risk.numbers import RISK_CONTEXT
from triplegain.risk.objections import NO_SHORTS, objections
from triplegain.risk.plausibility import implausible
from triplegain.risk.reduction import Reduction
from triplegain.risk.standing import Standing
from triplegain.risk.views import MarketView, PortfolioView

#: For who has no past to tell of.
CLEAN = Standing()


def assess(
    proposal: TradeProposal,
    portfolio: PortfolioView,
    market: MarketView,
    limits: RiskLimits,
    past: Standing = CLEAN,
    elapsed_ns: int = 0,
) -> RiskVerdict:
    """The verdict on one proposal. Never raises for what a proposal says: what cannot be is refused in words.

    `elapsed_ns` is the (market) time since the pictures were taken.
    """
    with localcontext(RISK_CONTEXT):
        nonsense = tuple(implausible(proposal, portfolio, market))
        if nonsense:
            return RiskRefused(proposal, nonsense)
        if proposal.intent.is_exit:
            return _assess_exit(proposal, portfolio, market)
        proposal = replace(proposal, entry=_entry(proposal, market))
        against = tuple(objections(proposal, portfolio, market, limits, past, elapsed_ns))
        if against:
            return RiskRefused(proposal, against)
        return Reduction(proposal, portfolio, market, limits, past).verdict()


def _entry(proposal: TradeProposal, market: MarketView) -> Decimal | None:
    """What the trade will pay at the most, as far as the order and the market say; what its proposer thinks of the
    price makes no trade larger."""
    far = market.ask if proposal.side is Side.BUY else market.bid
    if far is None:
        far = market.last
    return None if far is None else proposal.terms.worst(far)


def _assess_exit(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView) -> RiskVerdict:
    held = portfolio.position_quantity
    if proposal.side is not Side.SELL or held <= 0:
        return RiskRefused(proposal, (NO_SHORTS,))
    asked = held if proposal.quantity is None else proposal.quantity
    clamps = (Clamp(Rule.POSITION, asked, held),) if asked > held else ()
    quantity = floor_to(min(asked, held), market.instrument.lot)
    if not quantity:
        return RiskRefused(proposal, (Reason(Rule.MINIMUM, "what is to be sold is less than one lot"),), clamps)
    return RiskApproved(replace(proposal, quantity=quantity), clamps)

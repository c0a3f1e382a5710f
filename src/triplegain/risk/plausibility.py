"""What cannot be: numbers that are missing their meaning, and markets and portfolios that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from triplegain.domain.proposal import TradeProposal
from triplegain.domain.verdict import Reason, Rule
from triplegain.risk.numbers import is_usable
from triplegain.risk.views import MarketView, PortfolioView

_ABOVE_ZERO = frozenset(("quantity", "entry", "stop", "target", "price of the order", "bid", "ask", "last trade"))
_NOT_BELOW_ZERO = frozenset(("exposure", "margin in use", "taker fee"))
#: More than any venue lends on anything: whoever asks for it has miscalculated.
_LEVERAGE_SENSIBLE_MAX = 1000
_ZERO, _ONE = Decimal(0), Decimal(1)


def implausible(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView) -> Iterator[Reason]:
    """Of an exit only its own numbers count: an unknown equity must not lock anybody in."""
    numbers = {"quantity": proposal.quantity, "position": portfolio.position_quantity}
    if not proposal.intent.is_exit:
        numbers |= _opening_numbers(proposal, portfolio, market)
    broken = set()
    for name, value in numbers.items():
        if value is None:
            continue
        if not is_usable(value):
            broken.add(name)
            kind = "a sensible amount" if value.is_finite() else "a finite number"
            yield Reason(Rule.NUMBERS, f"{name} is not {kind}")
        elif value <= 0 and name in _ABOVE_ZERO:
            yield Reason(Rule.NUMBERS, f"{name} must be above zero, this is {value}")
        elif value < 0 and name in _NOT_BELOW_ZERO:
            yield Reason(Rule.NUMBERS, f"{name} cannot be below zero, this is {value}")
    if proposal.symbol != market.instrument.symbol:
        words = f"the market is {market.instrument.symbol}, the proposal {proposal.symbol}"
        yield Reason(Rule.NUMBERS, words)
    if not proposal.intent.is_exit:
        yield from _implausible_opening(proposal, portfolio, market, broken)


def _implausible_opening(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketView, broken: set[str]
) -> Iterator[Reason]:
    if "confidence" not in broken and not _ZERO <= proposal.confidence <= _ONE:
        yield Reason(Rule.NUMBERS, f"confidence must be from 0 to 1, this is {proposal.confidence}")
    if proposal.leverage < 1:
        yield Reason(Rule.NUMBERS, "leverage must be 1 or more")
    elif proposal.leverage > _LEVERAGE_SENSIBLE_MAX:
        yield Reason(Rule.NUMBERS, "leverage is not a sensible number")
    if "taker fee" not in broken and market.taker_fee >= 1:
        yield Reason(Rule.NUMBERS, f"taker fee must be below 1, this is {market.taker_fee}")
    if min(portfolio.open_positions, portfolio.open_in_symbol) < 0:
        yield Reason(Rule.NUMBERS, "the count of positions cannot be below zero")
    for symbol, exposure in portfolio.exposure_by_symbol.items():
        if not is_usable(exposure) or exposure < 0:
            yield Reason(Rule.NUMBERS, f"exposure in {symbol} is not a sensible amount")


def _opening_numbers(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketView
) -> dict[str, Decimal | None]:
    return {
        "entry": proposal.entry,
        "stop": proposal.stop,
        "target": proposal.target,
        "confidence": proposal.confidence,
        "price of the order": proposal.terms.price,
        "equity": portfolio.equity,
        "exposure": portfolio.exposure,
        "free funds": portfolio.free_quote,
        "margin in use": portfolio.margin_used,
        "free margin": portfolio.margin_available,
        "bid": market.bid,
        "ask": market.ask,
        "last trade": market.last,
        "USD price of the quote currency": market.quote_usd,
        "taker fee": market.taker_fee,
    }

"""The risk gate: a pure function from a proposal and two pictures of the world to a verdict by type.

Missing, unknown or non-finite numbers are refusals. What is too large is reduced first and the result is checked;
a change only ever reduces, and each is recorded. Exits are stopped by nothing but nonsense: neither confidence,
exposure, counts, a stale quote nor a halt keeps anybody from getting out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import floor_to, text
from triplegain.domain.orders import Limit, Market, Side, StopLoss
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused, RiskVerdict
from triplegain.risk.limits import RiskLimits
from triplegain.risk.sizing import confidence_multiplier, floor_divide, quantity_for_loss, sized_quantity
from triplegain.risk.views import MarketView, PortfolioView

_ZERO = Decimal(0)
_ONE = Decimal(1)


def assess(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView, limits: RiskLimits) -> RiskVerdict:
    """The verdict on one proposal. Never raises for what a proposal says: what cannot be is refused in words."""
    nonsense = tuple(_nonsense(proposal, portfolio, market))
    if nonsense:
        return RiskRefused(proposal, nonsense)
    if proposal.intent.is_exit:
        return _assess_exit(proposal, portfolio, market)
    proposal = replace(proposal, entry=_entry(proposal, market))
    reasons = tuple(_objections(proposal, portfolio, market, limits))
    if reasons:
        return RiskRefused(proposal, reasons)
    return _shrink(proposal, portfolio, market, limits)


def _nonsense(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView) -> Iterator[str]:
    """What cannot be. Of an exit only its own numbers count: an unknown equity must not lock anybody in."""
    numbers = {"quantity": proposal.quantity, "position": portfolio.position_quantity}
    if not proposal.intent.is_exit:
        numbers |= _opening_numbers(proposal, portfolio, market)
    broken = [name for name, value in numbers.items() if value is not None and not value.is_finite()]
    yield from (f"{name} is not a finite number" for name in broken)
    for name in ("quantity", "entry", "stop", "target", "price of the order"):
        value = numbers.get(name)
        if value is not None and name not in broken and value <= 0:
            yield f"{name} must be above zero, this is {value}"
    if proposal.symbol != market.instrument.symbol:
        yield f"the market is {market.instrument.symbol}, the proposal {proposal.symbol}"
    if proposal.intent.is_exit:
        return
    if "confidence" not in broken and not _ZERO <= proposal.confidence <= _ONE:
        yield f"confidence must be from 0 to 1, this is {proposal.confidence}"
    if proposal.leverage < 1:
        yield f"leverage must be 1 or more, this is {proposal.leverage}"


def _opening_numbers(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketView
) -> dict[str, Decimal | None]:
    return {
        "entry": proposal.entry,
        "stop": proposal.stop,
        "target": proposal.target,
        "confidence": proposal.confidence,
        "price of the order": _terms_price(proposal),
        "equity": portfolio.equity,
        "exposure": portfolio.exposure,
        "free funds": portfolio.free_quote,
        "bid": market.bid,
        "ask": market.ask,
        "last trade": market.last,
        "USD price of the quote currency": market.quote_usd,
        "taker fee": market.taker_fee,
    }


def _terms_price(proposal: TradeProposal) -> Decimal | None:
    match proposal.terms:
        case Market():
            return None
        case Limit(price, _):
            return price
        case StopLoss(trigger):
            return trigger


def _entry(proposal: TradeProposal, market: MarketView) -> Decimal | None:
    """What the trade will about pay: its own price, else the far side of the book, else the last trade."""
    far = market.ask if proposal.side is Side.BUY else market.bid
    for price in (_terms_price(proposal), proposal.entry, far, market.last):
        if price is not None:
            return price
    return None


def _assess_exit(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView) -> RiskVerdict:
    held = portfolio.position_quantity
    if proposal.side is not Side.SELL or held <= 0:
        return RiskRefused(proposal, ("no position to sell; spot has no shorts",))
    asked = held if proposal.quantity is None else proposal.quantity
    clamps = [Clamp("position", asked, held)] if asked > held else []
    quantity = floor_to(min(asked, held), market.instrument.lot)
    return RiskApproved(replace(proposal, quantity=quantity), tuple(clamps))


def _objections(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketView, limits: RiskLimits
) -> Iterator[str]:
    """Every reason that no smaller quantity would cure."""
    if portfolio.halted:
        yield f"trading is halted: {portfolio.halted}"
    if portfolio.equity is None:
        yield "equity is unknown: an asset has no fresh price"
    elif portfolio.equity <= 0:
        yield f"equity is {text(portfolio.equity)} USD: nothing to risk"
    if portfolio.exposure is None:
        yield "exposure is unknown: a position has no fresh price"
    if market.stale:
        yield f"no fresh price: {market.stale}"
    if proposal.entry is None:
        yield f"no fresh price: {proposal.symbol} has neither quote nor trade"
    if market.quote_usd is None or market.quote_usd <= 0:
        yield f"no fresh price: {market.instrument.quote} cannot be valued in USD"
    if proposal.intent is Intent.REBALANCE:
        return
    if proposal.side is Side.SELL:
        yield "no position to sell; spot has no shorts"
        return
    yield from _stop_objections(proposal, market, limits)
    least = max(limits.confidence_min, limits.confidence_min_by_regime[proposal.regime])
    if proposal.confidence < least or not confidence_multiplier(proposal.confidence, limits):
        yield f"confidence {proposal.confidence} is below {least} (regime {proposal.regime})"
    if portfolio.open_positions >= limits.positions_max:
        yield f"{portfolio.open_positions} positions are open, the limit is {limits.positions_max}"
    if portfolio.open_in_symbol >= limits.positions_per_symbol_max:
        yield (
            f"{portfolio.open_in_symbol} positions are open in {proposal.symbol}, "
            f"the limit is {limits.positions_per_symbol_max}"
        )


def _stop_objections(proposal: TradeProposal, market: MarketView, limits: RiskLimits) -> Iterator[str]:
    entry, stop, target = proposal.entry, proposal.stop, proposal.target
    if stop is None:
        yield "a stop-loss is required"
        return
    for price in (stop, target, _terms_price(proposal)):
        if price is not None:
            try:
                market.instrument.ticks(price)
            except InvalidValueError as error:
                yield str(error)
    if entry is None:
        return
    if stop >= entry:
        yield f"the stop {text(stop)} must be below the entry {text(entry)}"
        return
    risk = entry - stop
    most = min(limits.stop_max, limits.stop_max_by_symbol.get(proposal.symbol, limits.stop_max))
    if risk < limits.stop_min * entry:
        yield f"the stop {text(stop)} is nearer than {limits.stop_min:%} of the entry {text(entry)}"
    if risk > most * entry:
        yield f"the stop {text(stop)} is farther than {most:%} of the entry {text(entry)}"
    if target is not None and target - entry < limits.reward_risk_min * risk:
        yield f"the target {text(target)} offers less than {limits.reward_risk_min} times the risk"


def _shrink(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView, limits: RiskLimits) -> RiskVerdict:
    """Reduce to what every rule allows, in order, and check that the venue would take the result."""
    clamps: list[Clamp] = []
    quantity = proposal.quantity
    for rule, cap in _caps(proposal, portfolio, market, limits):
        if quantity is not None and quantity > cap:
            clamps.append(Clamp(rule, quantity, cap))
        quantity = cap if quantity is None else min(quantity, cap)
    if quantity is None:
        return RiskRefused(proposal, ("a rebalance names its quantity",))
    instrument = market.instrument
    lots = floor_to(quantity, instrument.lot)
    if lots < quantity:
        clamps.append(Clamp("lot", quantity, lots))
    leverage = min(proposal.leverage, limits.leverage_max)
    if leverage < proposal.leverage:
        clamps.append(Clamp("leverage", Decimal(proposal.leverage), Decimal(leverage)))
    entry = proposal.entry or _ZERO
    cut = f" (cut by {', '.join(clamp.rule for clamp in clamps)})" if clamps else ""
    if lots < instrument.quantity_min:
        least = text(instrument.quantity_min)
        return RiskRefused(proposal, (f"quantity {text(lots)} is below the exchange's minimum {least}{cut}",))
    if lots * entry < instrument.cost_min:
        least = text(instrument.cost_min)
        return RiskRefused(proposal, (f"notional {text(lots * entry)} is below the exchange's minimum {least}{cut}",))
    return RiskApproved(replace(proposal, quantity=lots, leverage=leverage), tuple(clamps))


def _caps(
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketView, limits: RiskLimits
) -> Iterator[tuple[str, Decimal]]:
    """The most base quantity each rule allows. Size is notional, so leverage never makes it larger."""
    entry, stop = proposal.entry or _ZERO, proposal.stop
    equity, quote_usd = portfolio.equity or _ZERO, market.quote_usd or _ZERO
    usd_per_base = entry * quote_usd
    if proposal.intent is Intent.OPEN and stop is not None:
        fraction = (entry - stop) / entry
        sized = sized_quantity(equity, usd_per_base, fraction, proposal.confidence, proposal.regime, limits)
        yield "sizing", sized
        yield "size_max", floor_divide(equity * limits.size_max, usd_per_base)
        loss = floor_divide(equity * limits.loss_max, quote_usd)
        yield "loss_max", quantity_for_loss(loss, entry, stop, market.taker_fee)
    if proposal.side is Side.SELL:
        yield "funds", portfolio.position_quantity
        return
    if proposal.intent is Intent.OPEN:
        room = equity * limits.exposure_max - (portfolio.exposure or _ZERO)
        yield "exposure_max", floor_divide(room, usd_per_base)
    buffer = limits.market_buffer if isinstance(proposal.terms, Market) else _ZERO
    yield "funds", floor_divide(portfolio.free_quote, entry * (_ONE + buffer) * (_ONE + market.taker_fee))

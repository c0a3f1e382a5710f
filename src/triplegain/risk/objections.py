"""Every reason against an opening or a rebalance that no smaller quantity would cure, in the order of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.verdict import Reason, Rule
from triplegain.risk.limits import RiskLimits
from triplegain.risk.restrictions import Restrictions
from triplegain.risk.sizing import confidence_multiplier, is_usable
from triplegain.risk.views import MarketFigures, PortfolioView

_ABOVE_ZERO = frozenset(("quantity", "entry", "stop", "target", "price of the order", "bid", "ask", "last trade"))
_NOT_BELOW_ZERO = frozenset(("exposure", "margin in use", "taker fee"))
#: More than any venue lends on anything: whoever asks for it has miscalculated.
_LEVERAGE_SENSIBLE_MAX = 1000
_ZERO, _ONE = Decimal(0), Decimal(1)


def implausible(proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures) -> Iterator[Reason]:
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
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures, broken: set[str]
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
    proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures
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


def no_shorts(market: MarketFigures) -> Reason:
    return Reason(Rule.NO_SHORTS, market.no_shorts)


def objections(
    proposal: TradeProposal,
    portfolio: PortfolioView,
    market: MarketFigures,
    limits: RiskLimits,
    past: Restrictions,
    elapsed_ns: int,
) -> Iterator[Reason]:
    """`proposal.entry` is the price the trade is measured by, None where the market has none."""
    opens = proposal.intent is Intent.OPEN
    if portfolio.halted:
        yield Reason(Rule.HALTED, f"trading is halted: {portfolio.halted}")
    yield from past.halts
    yield from _unknown(portfolio)
    yield from past.cooldowns
    if not opens:
        yield from past.rebalance_cooldowns
    if elapsed_ns > limits.timeout_ns:
        took, most = elapsed_ns // MILLISECOND_NS, limits.timeout_ns // MILLISECOND_NS
        yield Reason(Rule.TIMEOUT, f"time-out: {took} ms have passed, {most} ms are allowed; the market has moved on")
    yield from _stale(proposal, market, limits)
    if opens and proposal.side is Side.SELL and not market.short_leverages:
        yield no_shorts(market)
    elif opens:
        yield from _stop(proposal, market, limits)
        yield from _confidence(proposal, limits, past)
        yield from _counts(proposal, portfolio, limits)
    yield from past.window
    yield from past.breakers


def _unknown(portfolio: PortfolioView) -> Iterator[Reason]:
    if portfolio.equity is None:
        yield Reason(Rule.EQUITY, "equity is unknown: an asset has no fresh price")
    elif portfolio.equity <= 0:
        yield Reason(Rule.EQUITY, f"equity is {text(portfolio.equity)} USD: nothing to risk")
    if portfolio.exposure is None:
        yield Reason(Rule.EXPOSURE_MAX, "exposure is unknown: a position has no fresh price")


def _stale(proposal: TradeProposal, market: MarketFigures, limits: RiskLimits) -> Iterator[Reason]:
    if market.stale:
        yield Reason(Rule.FRESH_DATA, f"no fresh price: {market.stale}")
    if proposal.entry is None:
        yield Reason(Rule.FRESH_DATA, f"no fresh price: {proposal.symbol} has neither quote nor trade")
    if market.quote_usd is None or market.quote_usd <= 0:
        yield Reason(Rule.FRESH_DATA, f"no fresh price: {market.instrument.quote} cannot be valued in USD")
    bid, ask = market.bid, market.ask
    if bid is None or ask is None:
        return
    if bid > ask:
        yield Reason(Rule.FRESH_DATA, f"the quote is crossed: bid {text(bid)} above ask {text(ask)}")
    elif ask - bid > limits.spread_max * ask:
        words = f"the spread from {text(bid)} to {text(ask)} is above {_percent(limits.spread_max)} of the price"
        yield Reason(Rule.SPREAD, words)


def _stop(proposal: TradeProposal, market: MarketFigures, limits: RiskLimits) -> Iterator[Reason]:
    entry, stop, target, side = proposal.entry, proposal.stop, proposal.target, proposal.side
    if stop is None:
        yield Reason(Rule.STOP_REQUIRED, "a stop-loss is required")
        return
    for price in (stop, target, proposal.terms.price):
        if price is not None:
            try:
                market.instrument.ticks(price)
            except InvalidValueError as error:
                yield Reason(Rule.PRICE_STEP, str(error))
    if entry is None:
        return
    sign, where = (1, "below") if side is Side.BUY else (-1, "above")
    risk = sign * (entry - stop)
    if risk <= 0:
        yield Reason(Rule.STOP_LEVEL, f"the stop {text(stop)} must be {where} the entry {text(entry)}")
        return
    near = market.bid if side is Side.BUY else market.ask
    near = market.last if near is None else near
    if near is not None and sign * (near - stop) <= 0:
        yield Reason(Rule.STOP_LEVEL, f"the stop {text(stop)} would fire at once: the market is at {text(near)}")
    most = min(limits.stop_max, limits.stop_max_by_symbol.get(proposal.symbol, limits.stop_max))
    if risk < limits.stop_min * entry:
        words = f"the stop {text(stop)} is nearer than {_percent(limits.stop_min)} of the entry {text(entry)}"
        yield Reason(Rule.STOP_MIN, words)
    if risk > most * entry:
        words = f"the stop {text(stop)} is farther than {_percent(most)} of the entry {text(entry)}"
        yield Reason(Rule.STOP_MAX, words)
    if target is not None and sign * (target - entry) < limits.reward_risk_min * risk:
        words = f"the target {text(target)} offers less than {text(limits.reward_risk_min)} times the risk"
        yield Reason(Rule.REWARD_RISK, words)


def confidence_least(regime: Regime, limits: RiskLimits, past: Restrictions) -> Decimal:
    """What an opening must be sure of: the larger minimum, losses in a row and the regime's strictness added."""
    of_regime = limits.regimes[regime]
    least = max(limits.confidence_min, of_regime.confidence_min)
    return min(_ONE, least + past.confidence_add + limits.strictness[of_regime.strictness])


def _confidence(proposal: TradeProposal, limits: RiskLimits, past: Restrictions) -> Iterator[Reason]:
    least = confidence_least(proposal.regime, limits, past)
    if proposal.confidence < least:
        added = f", {past.confidence_add} after losses in a row" if past.confidence_add else ""
        words = f"confidence {proposal.confidence} is below {least} (regime {proposal.regime}{added})"
        yield Reason(Rule.CONFIDENCE, words)
    elif not confidence_multiplier(proposal.confidence, limits):
        yield Reason(Rule.CONFIDENCE, f"confidence {proposal.confidence} earns no size")


def _counts(proposal: TradeProposal, portfolio: PortfolioView, limits: RiskLimits) -> Iterator[Reason]:
    if portfolio.open_positions >= limits.positions_max:
        words = f"{portfolio.open_positions} positions are open, the limit is {limits.positions_max}"
        yield Reason(Rule.POSITIONS_MAX, words)
    if portfolio.open_in_symbol >= limits.positions_per_symbol_max:
        words = (
            f"{portfolio.open_in_symbol} positions are open in {proposal.symbol}, "
            f"the limit is {limits.positions_per_symbol_max}"
        )
        yield Reason(Rule.POSITIONS_PER_SYMBOL_MAX, words)


def _percent(fraction: Decimal) -> str:
    return f"{text(fraction * 100)} %"

"""The risk gate: a pure function from a proposal and pictures of the world to a verdict by type.

Missing, unknown or non-finite numbers are refusals. What is too large is reduced first and the result is checked;
a change only ever reduces, and each is recorded. Exits are stopped by nothing but nonsense: neither a halt, a
cool-down, confidence, exposure, counts, a stale quote nor a time-out keeps anybody from getting out.

`RiskEngine.assess` is this function with the account's past filled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from triplegain.domain.money import floor_to, text
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, RiskVerdict, Rule
from triplegain.risk.limits import RiskLimits
from triplegain.risk.objections import implausible, no_shorts, objections
from triplegain.risk.restrictions import Restrictions
from triplegain.risk.sizing import RISK_CONTEXT, floor_divide, quantity_for_loss, sized_quantity
from triplegain.risk.views import MarketFigures, PortfolioView

_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(eq=False)
class OrderSizing:
    """One trade on its way down. Equity, exposure, entry and the quote's dollar price are known by now."""

    _proposal: TradeProposal
    _portfolio: PortfolioView
    _market: MarketFigures
    _limits: RiskLimits
    _past: Restrictions

    def __post_init__(self) -> None:
        self._entry = self._proposal.entry or _ZERO
        self._equity = self._portfolio.equity or _ZERO
        self._exposure = self._portfolio.exposure or _ZERO
        self._usd_per_base = self._entry * (self._market.quote_usd or _ZERO)
        self._quantity = self._proposal.quantity
        self._leverage = self._proposal.leverage
        self._is_short = self._proposal.intent is Intent.OPEN and self._proposal.side is Side.SELL
        self._clamps: list[Clamp] = []

    def verdict(self) -> RiskVerdict:
        proposal = self._proposal
        if proposal.quantity is None and proposal.intent is Intent.REBALANCE:
            return RiskRefused(proposal, (Reason(Rule.SIZING, "a rebalance names its quantity"),))
        if proposal.intent is Intent.OPEN:
            self._size()
        before = len(self._clamps)
        self._lend()
        if self._is_short and self._leverage < min(self._market.short_leverages):
            return RiskRefused(proposal, (self._lends_too_much(self._clamps[before:]),), tuple(self._clamps))
        for rule, cap in self._ceilings():
            self._cut(rule, cap)
        return self._checked()

    def _cut(self, rule: Rule, cap: Decimal) -> None:
        if self._quantity is None:
            self._quantity = cap
        elif self._quantity > cap:
            self._clamps.append(Clamp(rule, self._quantity, cap))
            self._quantity = cap

    def _size(self) -> None:
        proposal, limits, market = self._proposal, self._limits, self._market
        stop, quote_usd = proposal.stop or _ZERO, market.quote_usd or _ZERO
        fraction = abs(self._entry - stop) / self._entry
        sized = sized_quantity(self._equity, self._usd_per_base, fraction, proposal.confidence, proposal.regime, limits)
        self._cut(Rule.SIZING, sized)
        self._cut(Rule.SIZE_MAX, floor_divide(self._equity * limits.size_max, self._usd_per_base))
        loss = floor_divide(self._equity * limits.loss_max, quote_usd)
        lending = market.lending_rate if self._is_short else _ZERO
        most = quantity_for_loss(loss, self._entry, stop, market.taker_fee, limits.stop_slippage, lending)
        self._cut(Rule.LOSS_MAX, most)
        for rule, share in self._past.size:
            self._cut(rule, (self._quantity or _ZERO) * share)

    def _lend(self) -> None:
        """Leverage is reduced, never a reason to refuse; but less than the venue's smallest opens no short."""
        proposal, limits = self._proposal, self._limits
        venue = max(self._market.short_leverages) if self._is_short else self._market.leverage_max
        confidence = next((most for least, most in limits.confidence_leverage if proposal.confidence >= least), 1)
        caps = (
            (Rule.LEVERAGE_MAX, limits.leverage_max),
            (Rule.LEVERAGE_REGIME, limits.regimes[proposal.regime].leverage_max),
            (Rule.LEVERAGE_CONFIDENCE, confidence),
            *self._past.leverage,
            (Rule.LEVERAGE_VENUE, max(1, venue)),
        )
        for rule, most in caps:
            if self._leverage > most:
                self._clamps.append(Clamp(rule, Decimal(self._leverage), Decimal(most)))
                self._leverage = most

    def _lends_too_much(self, leverages: list[Clamp]) -> Reason:
        """A short is on margin, and risk allows less of it than the venue lends at the least."""
        least = min(self._market.short_leverages)
        clamp = next(each for each in leverages if each.after < least)
        words = f"a short takes leverage {least} at the least, {clamp.rule} allows {clamp.after}"
        return Reason(Rule(clamp.rule), words)

    def _ceilings(self) -> Iterator[tuple[Rule, Decimal]]:
        """The most base quantity that the rest of the account leaves room for."""
        if self._proposal.side is Side.SELL and not self._is_short:
            yield Rule.FUNDS, max(_ZERO, self._portfolio.position_quantity)
            return
        room = self._equity * self._limits.exposure_max - self._exposure
        yield Rule.EXPOSURE_MAX, floor_divide(room, self._usd_per_base)
        if self._proposal.intent is Intent.OPEN:
            room = self._equity * self._limits.correlation.exposure_max - self._moving_along()
            yield Rule.CORRELATION_MAX, floor_divide(room, self._usd_per_base)
        yield from self._payable()

    def _moving_along(self) -> Decimal:
        """Exposure that would move with this trade, in USD."""
        correlation, symbol = self._limits.correlation, self._proposal.symbol
        along = located = _ZERO
        for other, exposure in self._portfolio.exposure_by_symbol.items():
            located += exposure
            together = correlation.between(symbol, other)
            if together > correlation.counted_above:
                along += exposure * together
        # Of what nobody has located the worst is assumed.
        return along + max(_ZERO, self._exposure - located)

    def _payable(self) -> Iterator[tuple[Rule, Decimal]]:
        portfolio, limits, fee = self._portfolio, self._limits, self._market.taker_fee
        if self._leverage == 1:
            buffer = limits.market_buffer if isinstance(self._proposal.terms, Market) else _ZERO
            yield Rule.FUNDS, floor_divide(portfolio.free_quote, self._entry * (_ONE + buffer) * (_ONE + fee))
            return
        fee += self._market.lending_rate
        margin_per_base = self._usd_per_base / self._leverage
        if self._is_short:
            # Its fees are taken in the quote currency, whatever stands for it.
            yield Rule.FUNDS, floor_divide(portfolio.free_quote, self._entry * fee)
        yield Rule.MARGIN, floor_divide(portfolio.margin_available, margin_per_base + self._usd_per_base * fee)
        room = self._equity * limits.margin_utilisation_max - portfolio.margin_used
        yield Rule.MARGIN_UTILISATION, floor_divide(room, margin_per_base)

    def _checked(self) -> RiskVerdict:
        instrument, quantity = self._market.instrument, self._quantity or _ZERO
        lots = floor_to(quantity, instrument.lot)
        cut = f" (cut by {', '.join(clamp.rule for clamp in self._clamps)})" if self._clamps else ""
        if lots < quantity:
            self._clamps.append(Clamp(Rule.LOT, quantity, lots))
        words = ""
        if lots < instrument.quantity_min or not lots:
            words = f"quantity {text(lots)} is below the exchange's minimum {text(instrument.quantity_min)}{cut}"
        elif lots * self._entry < instrument.cost_min:
            least = text(instrument.cost_min)
            words = f"notional {text(lots * self._entry)} is below the exchange's minimum {least}{cut}"
        if words:
            return RiskRefused(self._proposal, (Reason(Rule.MINIMUM, words),), tuple(self._clamps))
        approved = replace(self._proposal, quantity=lots, leverage=self._leverage)
        return RiskApproved(approved, tuple(self._clamps), tuple(self._near(lots)))

    def _near(self, quantity: Decimal) -> Iterator[Reason]:
        """Limits that the account is near with this trade."""
        if self._proposal.side is Side.SELL and not self._is_short:
            return
        limits, notional = self._limits, quantity * self._usd_per_base
        exposure = self._exposure + notional
        if exposure >= self._equity * limits.exposure_warn:
            yield Reason(Rule.EXPOSURE_MAX, f"exposure reaches {self._share(exposure)} % of equity")
        margin = self._portfolio.margin_used + (notional / self._leverage if self._leverage > 1 else _ZERO)
        if margin and margin >= self._equity * limits.margin_utilisation_warn:
            yield Reason(Rule.MARGIN_UTILISATION, f"margin in use reaches {self._share(margin)} % of equity")

    def _share(self, usd: Decimal) -> str:
        return f"{usd * 100 / self._equity:.1f}"


NO_SHORT_HELD = Reason(Rule.NO_SHORTS, "no short to buy back")
#: For who has no past to tell of.
CLEAN = Restrictions()


def assess(
    proposal: TradeProposal,
    portfolio: PortfolioView,
    market: MarketFigures,
    limits: RiskLimits,
    past: Restrictions = CLEAN,
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
        return OrderSizing(proposal, portfolio, market, limits, past).verdict()


def _entry(proposal: TradeProposal, market: MarketFigures) -> Decimal | None:
    """What the trade will pay at the most, as far as the order and the market say; what its proposer thinks of the
    price makes no trade larger."""
    far = market.ask if proposal.side is Side.BUY else market.bid
    if far is None:
        far = market.last
    return None if far is None else proposal.terms.worst(far)


def _assess_exit(proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures) -> RiskVerdict:
    is_long = proposal.side is Side.SELL
    held = portfolio.position_quantity if is_long else -portfolio.position_quantity
    if held <= 0:
        return RiskRefused(proposal, (no_shorts(market) if is_long else NO_SHORT_HELD,))
    asked = held if proposal.quantity is None else proposal.quantity
    clamps = (Clamp(Rule.POSITION, asked, held),) if asked > held else ()
    quantity = floor_to(min(asked, held), market.instrument.lot)
    if not quantity:
        what = "sold" if is_long else "bought back"
        return RiskRefused(proposal, (Reason(Rule.MINIMUM, f"what is to be {what} is less than one lot"),), clamps)
    return RiskApproved(replace(proposal, quantity=quantity), clamps)

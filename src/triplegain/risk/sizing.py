"""How much one trade may be. All in base quantity; every division rounds down."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext

from triplegain.domain.proposal import Regime
from triplegain.risk.limits import RiskLimits

_ZERO = Decimal(0)


def floor_divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient to 40 digits, rounded down; 0 for a numerator below zero."""
    with localcontext(prec=40, rounding=ROUND_FLOOR):
        return max(_ZERO, numerator / denominator)


def confidence_multiplier(confidence: Decimal, limits: RiskLimits) -> Decimal:
    """Share of the full size this confidence earns; 0 below the lowest row."""
    return next((share for least, share in limits.confidence_size if confidence >= least), _ZERO)


def sized_quantity(
    equity: Decimal,
    usd_per_base: Decimal,
    stop_fraction: Decimal,
    confidence: Decimal,
    regime: Regime,
    limits: RiskLimits,
) -> Decimal:
    """equity x risk per trade / stop fraction x confidence multiplier x regime multiplier, as base quantity."""
    share = confidence_multiplier(confidence, limits) * limits.regime_size[regime]
    return floor_divide(equity * limits.risk_per_trade * share, stop_fraction * usd_per_base)


def quantity_for_loss(loss: Decimal, entry: Decimal, stop: Decimal, fee: Decimal) -> Decimal:
    """The quantity that loses `loss` (quote currency) when bought at `entry`, sold at `stop`, `fee` on both sides."""
    return floor_divide(loss, entry - stop + fee * (entry + stop))

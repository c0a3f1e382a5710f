"""The arithmetic of the risk room: which numbers it takes, how it computes with them, and how much one trade may be."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from triplegain.domain.money import EXACT
from triplegain.domain.proposal import Regime
from triplegain.risk.limits import RiskLimits

#: Wide enough for the product of any two amounts that are taken; a quotient is cut, never rounded up.
RISK_CONTEXT = Context(prec=60, rounding=ROUND_FLOOR, traps=[InvalidOperation, DivisionByZero, Overflow])

#: No price, quantity or equity is as large as ten to this power, or as small as one over it.
_MAGNITUDE_MAX = 24
_ZERO, _ONE, _MOST = Decimal(0), Decimal(1), Decimal(10) ** _MAGNITUDE_MAX


def is_usable(value: Decimal) -> bool:
    """Finite, of a size that something in the world has, and of no more digits than exact money may have."""
    if not value.is_finite():
        return False
    if value and not -_MAGNITUDE_MAX <= value.adjusted() <= _MAGNITUDE_MAX:
        return False
    try:
        EXACT.plus(value)
    except Inexact:
        return False
    return True


def known(value: Decimal | None) -> Decimal | None:
    """`value`, or None for unknown where it is no usable number."""
    return value if value is not None and is_usable(value) else None


def floor_divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient rounded down; 0 for a numerator below zero, and never more than anything in the world."""
    return min(_MOST, max(_ZERO, RISK_CONTEXT.divide(numerator, denominator)))


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
    share = confidence_multiplier(confidence, limits) * limits.regimes[regime].size
    return floor_divide(equity * limits.risk_per_trade * share, stop_fraction * usd_per_base)


def loss_at_stop(entry: Decimal, stop: Decimal, fee: Decimal, slippage: Decimal, lending: Decimal = _ZERO) -> Decimal:
    """What one unit of base loses, in quote: bought at `entry`, sold `slippage` below `stop`, `fee` on both sides. With
    the stop above the entry it is a short, bought back `slippage` above it; `lending` is what opening it costs, too."""
    left = stop * (_ONE - slippage if stop < entry else _ONE + slippage)
    return abs(entry - left) + fee * (entry + left) + lending * entry


def quantity_for_loss(
    loss: Decimal, entry: Decimal, stop: Decimal, fee: Decimal, slippage: Decimal, lending: Decimal = _ZERO
) -> Decimal:
    """The quantity that loses `loss` (quote currency) at the stop, costs included. Leverage does not enter: the loss
    is that of the whole quantity, whoever has lent part of its price."""
    return floor_divide(loss, loss_at_stop(entry, stop, fee, slippage, lending))

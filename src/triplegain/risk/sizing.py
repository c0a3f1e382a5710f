"""How much one trade may be. All in base quantity; every division rounds down."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.proposal import Regime
from triplegain.risk.limits import RiskLimits
from triplegain.risk.numbers import floor_divide

_ZERO = Decimal(0)
_ONE = Decimal(1)


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


def loss_at_stop(entry: Decimal, stop: Decimal, fee: Decimal, slippage: Decimal) -> Decimal:
    """What one unit of base loses, in quote: bought at `entry`, sold `slippage` below `stop`, `fee` on both sides."""
    sold = stop * (_ONE - slippage)
    return entry - sold + fee * (entry + sold)


def quantity_for_loss(loss: Decimal, entry: Decimal, stop: Decimal, fee: Decimal, slippage: Decimal) -> Decimal:
    """The quantity that loses `loss` (quote currency) at the stop, costs included. Leverage does not enter: the loss
    is that of the whole quantity, whoever has lent part of its price."""
    return floor_divide(loss, loss_at_stop(entry, stop, fee, slippage))

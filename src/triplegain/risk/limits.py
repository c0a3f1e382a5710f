"""The limits of the gate. Fractions are of equity (sizes, losses) or of the entry price (stops)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from triplegain.domain.proposal import Regime


def _by_symbol() -> Mapping[str, Decimal]:
    return {"BTC/USDT": Decimal("0.03"), "XRP/USDT": Decimal("0.05"), "XRP/BTC": Decimal("0.05")}


def _regime_confidence() -> Mapping[Regime, Decimal]:
    return {
        Regime.TRENDING_BULL: Decimal("0.55"),
        Regime.TRENDING_BEAR: Decimal("0.55"),
        Regime.RANGING: Decimal("0.60"),
        Regime.VOLATILE_BULL: Decimal("0.65"),
        Regime.VOLATILE_BEAR: Decimal("0.65"),
        Regime.CHOPPY: Decimal("0.75"),
        Regime.BREAKOUT_POTENTIAL: Decimal("0.60"),
        Regime.UNKNOWN: Decimal("0.70"),
    }


def _regime_size() -> Mapping[Regime, Decimal]:
    return {
        Regime.TRENDING_BULL: Decimal("1"),
        Regime.TRENDING_BEAR: Decimal("1"),
        Regime.RANGING: Decimal("0.75"),
        Regime.VOLATILE_BULL: Decimal("0.5"),
        Regime.VOLATILE_BEAR: Decimal("0.5"),
        Regime.CHOPPY: Decimal("0.25"),
        Regime.BREAKOUT_POTENTIAL: Decimal("0.75"),
        Regime.UNKNOWN: Decimal("0.5"),
    }


def _confidence_size() -> tuple[tuple[Decimal, Decimal], ...]:
    rows = (("0.85", "1"), ("0.75", "0.75"), ("0.65", "0.5"), ("0.60", "0.25"))
    return tuple((Decimal(least), Decimal(multiplier)) for least, multiplier in rows)


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Every field is a rule of `gate.assess`.

    `risk_per_trade` sizes a trade by its stop; `loss_max` caps the loss at the stop with fees of what is then sent.
    `confidence_size` reads: from this confidence on, this multiplier; falling order. `market_buffer` is kept free
    for a market order that walks the book.
    """

    risk_per_trade: Decimal = Decimal("0.02")
    loss_max: Decimal = Decimal("0.02")
    size_max: Decimal = Decimal("0.20")
    exposure_max: Decimal = Decimal("0.80")
    stop_min: Decimal = Decimal("0.005")
    stop_max: Decimal = Decimal("0.05")
    stop_max_by_symbol: Mapping[str, Decimal] = field(default_factory=_by_symbol)
    reward_risk_min: Decimal = Decimal("1.5")
    confidence_min: Decimal = Decimal("0.60")
    confidence_min_by_regime: Mapping[Regime, Decimal] = field(default_factory=_regime_confidence)
    confidence_size: tuple[tuple[Decimal, Decimal], ...] = field(default_factory=_confidence_size)
    regime_size: Mapping[Regime, Decimal] = field(default_factory=_regime_size)
    positions_max: int = 5
    positions_per_symbol_max: int = 2
    leverage_max: int = 1
    market_buffer: Decimal = Decimal("0.01")

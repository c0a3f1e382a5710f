"""The tables of `risk.yaml`: by regime, by strictness, by losses in a row, by pair, by how a market moves."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, model_validator

from triplegain.config.values import AtLeastOne, Exact, Fraction, Percent, Positive, Section, Symbol, Word
from triplegain.domain.proposal import Strictness

SizeSteps = tuple[tuple[Fraction, Fraction], ...]
LeverageSteps = tuple[tuple[Fraction, AtLeastOne], ...]
DrawdownSteps = tuple[tuple[Percent, AtLeastOne], ...]
Addition = Annotated[Exact, Field(ge=-1, le=1)]
Pair = tuple[Symbol, Symbol, Fraction]


class RegimeRow(Section):
    """One condition of a market."""

    size_multiplier: Fraction = Field(description="size multiplier in this regime")
    min_confidence: Fraction = Field(description="a signal below this opens nothing in this regime")
    strictness: Annotated[Strictness, Word] = Field(description="the row of `strictness` that is added to it")
    max_leverage: AtLeastOne = Field(description="largest leverage in this regime")


def _row(size: str, confidence: str, strictness: Strictness, leverage: int) -> RegimeRow:
    return RegimeRow(
        size_multiplier=Decimal(size), min_confidence=Decimal(confidence), strictness=strictness, max_leverage=leverage
    )


class Regimes(Section):
    """One row per regime; what a row leaves out stays as it is."""

    trending_bull: RegimeRow = _row("1", "0.55", Strictness.NORMAL, 5)
    trending_bear: RegimeRow = _row("1", "0.55", Strictness.NORMAL, 3)
    ranging: RegimeRow = _row("0.75", "0.60", Strictness.STRICT, 2)
    volatile_bull: RegimeRow = _row("0.5", "0.65", Strictness.STRICT, 2)
    volatile_bear: RegimeRow = _row("0.5", "0.65", Strictness.STRICT, 2)
    choppy: RegimeRow = _row("0.25", "0.75", Strictness.VERY_STRICT, 1)
    breakout_potential: RegimeRow = _row("0.75", "0.60", Strictness.STRICT, 3)
    unknown: RegimeRow = _row("0.5", "0.70", Strictness.NORMAL, 1)

    @model_validator(mode="before")
    @classmethod
    def _rows_are_completed(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return {
            name: {**defaults[name].model_dump(), **row} if name in defaults and isinstance(row, Mapping) else row
            for name, row in given.items()
        }


class Strictnesses(Section):
    """Added to the least confidence by the regime's strictness."""

    relaxed: Addition = Field(Decimal("-0.05"), description="added where the regime is relaxed")
    normal: Addition = Field(Decimal(0), description="added where the regime is normal")
    strict: Addition = Field(Decimal("0.05"), description="added where the regime is strict")
    very_strict: Addition = Field(Decimal("0.10"), description="added where the regime is very strict")


class LosingStreak(Section):
    """From so many losses in a row on."""

    losses: AtLeastOne = Field(3, description="losses in a row from which this holds")
    confidence_add: Addition = Field(Decimal("0.10"), description="added to the least confidence")
    max_leverage: AtLeastOne = Field(2, description="largest leverage")


class LongLosingStreak(Section):
    """From so many losses in a row on, instead of `losing_streak`."""

    losses: AtLeastOne = Field(5, description="losses in a row from which this holds")
    confidence_add: Addition = Field(Decimal("0.20"), description="added to the least confidence")
    max_leverage: AtLeastOne = Field(1, description="largest leverage")
    next_size_multiplier: Fraction = Field(Decimal("0.5"), description="the next opening is of this share of its size")


class Volatility(Section):
    """What counts as a spike of volatility and as an unusual move."""

    atr_spike_ratio: Annotated[Positive, Field(ge=1)] = Field(
        Decimal(3), description="an ATR above this many times the mean of those before it is a spike"
    )
    atr_mean_period: AtLeastOne = Field(20, description="how many ATRs before it the mean is taken of")
    spike_size_multiplier: Fraction = Field(Decimal("0.5"), description="size multiplier while a spike lasts")
    unusual_move_pct: Annotated[Percent, Field(gt=0)] = Field(
        Decimal(3), description="a larger move of the price within the window, in percent, is unusual"
    )
    unusual_move_window_minutes: AtLeastOne = Field(5, description="the window of an unusual move")


class Correlations(Section):
    """Pairs that move together count together."""

    max_exposure_pct: Percent = Field(
        Decimal(40), description="largest sum of the new notional and each other one times its correlation with it"
    )
    counted_above: Fraction = Field(Decimal("0.5"), description="correlations up to this are not counted")
    pairs: tuple[Pair, ...] = Field(
        (
            ("BTC/USDT", "XRP/USDT", Decimal("0.75")),
            ("BTC/USDT", "XRP/BTC", Decimal("0.60")),
            ("XRP/USDT", "XRP/BTC", Decimal("0.85")),
        ),
        description="[pair, pair, correlation], in either order; a pair with itself is 1",
    )
    unlisted: Fraction = Field(Decimal(1), description="correlation of two pairs that are not listed")

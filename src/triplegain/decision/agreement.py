"""How far the analyses agree with a decision, and what that does to its confidence.

The agreement ratio r is the share of fresh views that look the decision's way. Whoever has no view (a ranging
market, a neutral bias, a sentiment near zero) is not counted; with no view at all r is unknown and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

from triplegain.agents.consensus import confidence_cap
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import EXACT, divide
from triplegain.domain.proposal import Regime
from triplegain.domain.written import FRACTION, SECONDS

_ZERO, _ONE = Decimal(0), Decimal(1)
_STEP = Decimal("0.000001")


class Direction(StrEnum):
    """Which way somebody expects a market to go."""

    UP = "up"
    DOWN = "down"


class Viewer(StrEnum):
    """Whose view it is."""

    TECHNICAL = "technical"
    REGIME = "regime"
    SENTIMENT = "sentiment"


@dataclass(frozen=True, slots=True)
class View:
    """What one analysis says of one symbol. `direction` None: no view. `at_ns` is the time of its material."""

    viewer: Viewer
    direction: Direction | None
    at_ns: int
    confidence: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class AgreementSettings:
    """How long a view is fresh; where the multiplier starts to rise and to fall, and how far it does."""

    technical_fresh_ns: int = key("technical_fresh_s", 120, SECONDS, "a technical analysis counts for so long")
    regime_fresh_ns: int = key("regime_fresh_s", 600, SECONDS, "a regime counts for so long")
    sentiment_fresh_ns: int = key("sentiment_fresh_s", 3600, SECONDS, "a sentiment counts for so long")
    sentiment_dead_band: Decimal = key(
        "sentiment_dead_band", "0.1", FRACTION, "a sentiment (-1..1) not farther from 0 than this is no view"
    )
    agree_from: Decimal = key("agree_from", "0.66", FRACTION, "from this share of agreeing views on, confidence rises")
    disagree_below: Decimal = key("disagree_below", "0.33", FRACTION, "below this share confidence falls")
    raise_max: Decimal = key("raise_max", "0.30", FRACTION, "it rises by this share when all agree")
    cut_max: Decimal = key("cut_max", "0.15", FRACTION, "it falls by this share when none agrees")
    confidence_max: Decimal = confidence_cap()

    def __post_init__(self) -> None:
        if not 0 < self.disagree_below <= self.agree_from < 1:
            raise AtOddsError("0 < disagree_below <= agree_from < 1 must hold")

    def fresh_ns(self, viewer: Viewer) -> int:
        match viewer:
            case Viewer.TECHNICAL:
                return self.technical_fresh_ns
            case Viewer.REGIME:
                return self.regime_fresh_ns
            case Viewer.SENTIMENT:
                return self.sentiment_fresh_ns
            case _:
                assert_never(viewer)


@dataclass(frozen=True, slots=True)
class Agreement:
    """`agreeing` of `fresh` views look the decision's way; `multiplier` is what that makes of its confidence."""

    agreeing: int
    fresh: int
    multiplier: Decimal


def regime_direction(regime: Regime) -> Direction | None:
    """The way a regime points; ranging, choppy, about to break out or unknown points nowhere."""
    match regime:
        case Regime.TRENDING_BULL | Regime.VOLATILE_BULL:
            return Direction.UP
        case Regime.TRENDING_BEAR | Regime.VOLATILE_BEAR:
            return Direction.DOWN
        case Regime.RANGING | Regime.CHOPPY | Regime.BREAKOUT_POTENTIAL | Regime.UNKNOWN:
            return None
        case _:
            assert_never(regime)


def sentiment_direction(score: Decimal | None, settings: AgreementSettings) -> Direction | None:
    """The sign of a score from -1 to 1; within the dead band, or without a score, no view."""
    if score is None or not score.is_finite() or abs(score) <= settings.sentiment_dead_band:
        return None
    return Direction.UP if score > 0 else Direction.DOWN


def fresh_views(views: Iterable[View], now_ns: int, settings: AgreementSettings) -> tuple[View, ...]:
    """Those of them that have a direction and whose material is not too old. One from the future is not fresh."""
    return tuple(
        view
        for view in views
        if view.direction is not None and 0 <= now_ns - view.at_ns <= settings.fresh_ns(view.viewer)
    )


def agreement(wanted: Direction, views: Iterable[View], now_ns: int, settings: AgreementSettings) -> Agreement:
    """How the fresh views (one of each viewer, all of the decision's symbol) stand to the `wanted` direction."""
    fresh = fresh_views(views, now_ns, settings)
    agreeing = sum(view.direction is wanted for view in fresh)
    return Agreement(agreeing, len(fresh), multiplier(agreeing, len(fresh), settings))


def multiplier(agreeing: int, fresh: int, settings: AgreementSettings) -> Decimal:
    """1 between the two bounds, rising to 1 + `raise_max` where all agree, falling to 1 - `cut_max` where none does.

    Exact until its last step, which rounds down to six decimals. 1 without a view.
    """
    if not 0 <= agreeing <= fresh:
        raise InvalidValueError(f"{agreeing} of {fresh} views cannot agree")
    if not fresh:
        return _ONE
    ratio = Fraction(agreeing, fresh)
    high, low = Fraction(settings.agree_from), Fraction(settings.disagree_below)
    factor = Fraction(1)
    if ratio >= high:
        factor += (ratio - high) / (1 - high) * Fraction(settings.raise_max)
    elif ratio < low:
        factor -= (low - ratio) / low * Fraction(settings.cut_max)
    return divide(Decimal(factor.numerator), Decimal(factor.denominator)).quantize(_STEP, ROUND_FLOOR)


def combine_confidence(base: Decimal, boost: Decimal, factor: Decimal, settings: AgreementSettings) -> Decimal:
    """`base` with the larger of two effects: the vote's boost (added) or the agreement's factor (multiplied).

    They are never both applied: votes and analyses rest on the same evidence. Larger is what moves the confidence
    farther, up or down; of two that move it equally far, the one that lowers it. Never above `confidence_max`.
    Raises InvalidValueError for a base outside 0 to 1, a boost below 0, a factor of 0 or less, and what is not finite.
    """
    if not all(number.is_finite() for number in (base, boost, factor)):
        raise InvalidValueError("confidence, boost and factor must be finite numbers")
    if not _ZERO <= base <= _ONE or boost < 0 or factor <= 0:
        raise InvalidValueError(f"confidence {base}, boost {boost} and factor {factor} cannot be")
    by_factor = EXACT.multiply(base, EXACT.subtract(factor, _ONE))
    effect = boost if boost > abs(by_factor) else by_factor
    return min(EXACT.add(base, effect), settings.confidence_max)

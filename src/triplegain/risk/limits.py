"""The limits of the risk engine. Fractions are of equity (sizes, losses) or of the entry price (stops)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from triplegain.domain.clock import MILLISECOND_NS, MINUTE_NS
from triplegain.domain.configured import AtOddsError, Key, Part, each, key, part
from triplegain.domain.proposal import Regime, Strictness
from triplegain.domain.values import FrozenMapping
from triplegain.domain.written import (
    ANY_HOURS,
    AT_LEAST_ONE,
    FRACTION,
    HOURS,
    LOSS_PERCENT,
    MINUTES,
    PERCENT,
    POSITIVE,
    SYMBOL,
    as_percent,
    choice,
    exact,
    fraction_of_percent,
    integer,
    listing,
    row,
    table,
    text,
)

_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ADDITION = exact(ge=-1, le=1)


class CoolDownKind(StrEnum):
    """Why new trades wait. Those of losses hold for every symbol, those of a rebalance for rebalances."""

    TRADE = "trade"
    LOSS = "loss"
    LOSING_STREAK = "losing_streak"
    LONG_LOSING_STREAK = "long_losing_streak"
    VOLATILITY_SPIKE = "volatility_spike"
    UNUSUAL_MOVE = "unusual_move"
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True)
class RegimeLimits:
    """What one condition of a market allows; what a row leaves out stays as it is."""

    size: Decimal = key("size_multiplier", 1, FRACTION, "size multiplier in this regime")
    confidence_min: Decimal = key(
        "min_confidence", "0.60", FRACTION, "a signal below this opens nothing in this regime"
    )
    strictness: Strictness = key(
        "strictness", "normal", choice(Strictness), "the row of `strictness` that is added to it"
    )
    leverage_max: int = key("max_leverage", 1, AT_LEAST_ONE, "largest leverage in this regime")


@dataclass(frozen=True, slots=True)
class StreakLimits:
    """From `losses` in a row on: so much more confidence, at most this leverage, the next size times `size`."""

    losses: int = key("losses", 3, AT_LEAST_ONE, "losses in a row from which this holds")
    confidence_add: Decimal = key("confidence_add", "0.10", _ADDITION, "added to the least confidence")
    leverage_max: int = key("max_leverage", 2, AT_LEAST_ONE, "largest leverage")
    size: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class LongStreakLimits(StreakLimits):
    """From so many losses in a row on, instead of those of the shorter streak."""

    size: Decimal = key("next_size_multiplier", "0.5", FRACTION, "the next opening is of this share of its size")


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Losses at which the account is protected from its trader, as fractions of the equity they are measured from.

    `tightened_stop` is the distance of a tightened stop, `weekly_close` the share of each position that is closed.
    """

    daily_loss: Decimal = key(
        "daily_loss_pct", 5, LOSS_PERCENT,
        "loss since 00:00 UTC, in percent, that ends trading until the next midnight",
    )  # fmt: skip
    tightened_stop: Decimal = key(
        "tightened_stop_pct", 1, LOSS_PERCENT,
        "after the daily breaker every stop is at most this far from the bid, in percent",
    )  # fmt: skip
    weekly_loss: Decimal = key(
        "weekly_loss_pct", 10, LOSS_PERCENT,
        "loss since Monday 00:00 UTC, in percent, that ends trading until the next Monday",
    )  # fmt: skip
    weekly_close: Decimal = key(
        "weekly_close_pct", 50, LOSS_PERCENT, "share of each position that the weekly breaker closes"
    )
    drawdown: Decimal = key(
        "drawdown_pct", 20, LOSS_PERCENT,
        "loss from the peak, in percent, that closes everything until an ADMIN reset",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class VolatilityLimits:
    """An ATR above `spike_ratio` times the mean of the `mean_period` before it; a move within `move_window_ns`."""

    spike_ratio: Decimal = key(
        "atr_spike_ratio", 3, exact(ge=1), "an ATR above this many times the mean of those before it is a spike"
    )
    mean_period: int = key("atr_mean_period", 20, AT_LEAST_ONE, "how many ATRs before it the mean is taken of")
    spike_size: Decimal = key("spike_size_multiplier", "0.5", FRACTION, "size multiplier while a spike lasts")
    move: Decimal = key(
        "unusual_move_pct", 3, LOSS_PERCENT,
        "a larger move of the price within the window, in percent, is unusual",
    )  # fmt: skip
    move_window_ns: int = key("unusual_move_window_minutes", 5, MINUTES, "the window of an unusual move")


@dataclass(frozen=True, slots=True)
class CorrelationLimits:
    """`pairs` may be asked in either order; symbols of no pair move together as much as `unlisted` says."""

    exposure_max: Decimal = key(
        "max_exposure_pct", 40, PERCENT,
        "largest sum of the new notional and each other one times its correlation with it",
    )  # fmt: skip
    counted_above: Decimal = key("counted_above", "0.5", FRACTION, "correlations up to this are not counted")
    pairs: Mapping[tuple[str, str], Decimal] = key(
        "pairs",
        (
            ("BTC/USDT", "XRP/USDT", "0.75"),
            ("BTC/USDT", "XRP/BTC", "0.60"),
            ("XRP/USDT", "XRP/BTC", "0.85"),
        ),
        listing(row(SYMBOL, SYMBOL, FRACTION)).into(
            lambda rows: FrozenMapping({(one, other): together for one, other, together in rows})
        ),
        "[pair, pair, correlation], in either order; a pair with itself is 1",
    )
    unlisted: Decimal = key("unlisted", 1, FRACTION, "correlation of two pairs that are not listed")

    def between(self, one: str, other: str) -> Decimal:
        """From 0 to 1; a symbol with itself 1."""
        if one == other:
            return Decimal(1)
        found = self.pairs.get((one, other))
        return found if found is not None else self.pairs.get((other, one), self.unlisted)


def _span(raw: str) -> str:
    hours = raw.replace(" ", "")
    if not _HOURS.fullmatch(hours) or hours[:5] == hours[6:]:
        raise ValueError(f"hours read 22:00-06:30, this is {raw!r}")
    return hours


def _weekday(raw: str) -> str:
    day = raw.strip().casefold()[:3]
    if day not in _WEEKDAYS:
        raise ValueError(f"a weekday is one of {', '.join(_WEEKDAYS)}, this is {raw!r}")
    return day


def _minutes(spans: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((int(at[:2]) * 60 + int(at[3:5]), int(at[6:8]) * 60 + int(at[9:])) for at in spans)


@dataclass(frozen=True, slots=True)
class TradingWindow:
    """When nothing is opened: minutes of the UTC day from (inclusive) to (exclusive), and weekdays (Monday is 0)."""

    banned_minutes: tuple[tuple[int, int], ...] = key(
        "banned_hours", (), listing(text().where(_span)).into(_minutes),
        'like `["22:00-06:30"]`; the end is not included',
    )  # fmt: skip
    banned_weekdays: frozenset[int] = key(
        "banned_weekdays", (),
        listing(text().where(_weekday)).into(lambda days: frozenset(_WEEKDAYS.index(day) for day in days)),
        "like `[sat, sun]`",
    )  # fmt: skip


def _regime(size: str, confidence: str, strictness: str, leverage: int) -> Part:
    written = {"size_multiplier": size, "min_confidence": confidence, "strictness": strictness}
    return Part(RegimeLimits, written={**written, "max_leverage": leverage})


def _added(default: str, strictness: str) -> Key:
    return Key("", default, _ADDITION, f"added where the regime is {strictness}")


def _cooldown(minutes: int, says: str) -> Key:
    return Key("", minutes, integer(MINUTE_NS, ge=0), says)


def _most_by(steps: tuple[tuple[Decimal, Any], ...], what: str, other: str, more_as_it_falls: bool = False) -> Any:
    """Steps whose level falls from row to row, and whose other number does not go the wrong way."""
    levels, most = [level for level, _ in steps], [number for _, number in steps]
    if levels != sorted(set(levels), reverse=True) or most != sorted(most, reverse=not more_as_it_falls):
        raise ValueError(f"the {what} must fall from row to row, and no {other}")
    return steps


def _sizes(steps: tuple[tuple[Decimal, Decimal], ...]) -> Any:
    if not steps:
        raise ValueError("the confidences must fall from row to row, and no size may rise")
    return _most_by(steps, "confidences", "size may rise")


def _risk_per_trade() -> Any:
    """One key, read twice: it sizes a trade by its stop, and caps the loss of what is sent."""
    return key("max_risk_per_trade_pct", 2, PERCENT, "largest loss at the stop, with costs")


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Every field is a rule of the gate or of the engine.

    `risk_per_trade` sizes a trade by its stop; `loss_max` caps the loss at the stop with costs of what is then sent.
    The steps of `confidence_size` and `confidence_leverage` read: from this confidence on; those of
    `drawdown_leverage`: from this drawdown on; all in falling order. `market_buffer` of the price is kept free for a
    market order that walks the book, `stop_slippage` is what a stop is reckoned to lose beyond its trigger.
    """

    timeout_ns: int = key(
        "timeout_ms", 100, integer(MILLISECOND_NS, ge=1), "a decision that took longer is refused; market time"
    )
    spread_max: Decimal = key(
        "max_spread_pct", 1, LOSS_PERCENT,
        "largest distance of bid and ask, in percent of the ask, at which anything is opened",
    )  # fmt: skip
    stop_min: Decimal = key("stop_loss.min_pct", "0.5", PERCENT, "a nearer stop is refused")
    stop_max: Decimal = key("stop_loss.max_pct", 5, PERCENT, "a wider stop is refused, whatever the pair")
    stop_max_by_symbol: Mapping[str, Decimal] = key(
        "stop_loss.per_symbol_max_pct", {"BTC/USDT": 3, "XRP/USDT": 5, "XRP/BTC": 5}, table(SYMBOL, PERCENT),
        "a wider stop is refused for this pair",
    )  # fmt: skip
    stop_slippage: Decimal = key(
        "stop_loss.slippage_pct", "0.1", exact(ge=0, lt=100).into(fraction_of_percent),
        "what a stop is reckoned to lose beyond its trigger, in percent of it",
    )  # fmt: skip
    reward_risk_min: Decimal = key(
        "min_reward_risk", "1.5", POSITIVE, "distance to the target over distance to the stop"
    )
    confidence_min: Decimal = key("min_confidence", "0.60", FRACTION, "a signal below this opens nothing")
    size_max: Decimal = key("max_position_pct", 20, PERCENT, "largest notional of one trade, leverage included")
    risk_per_trade: Decimal = _risk_per_trade()
    loss_max: Decimal = _risk_per_trade()
    confidence_size: tuple[tuple[Decimal, Decimal], ...] = key(
        "confidence_multipliers", (("0.85", 1), ("0.75", "0.75"), ("0.65", "0.5"), ("0.60", "0.25")),
        listing(row(FRACTION, FRACTION)).where(_sizes),
        "[confidence from, size multiplier], falling; below the last no trade",
    )  # fmt: skip
    confidence_leverage: tuple[tuple[Decimal, int], ...] = key(
        "confidence_leverage", (("0.85", 5), ("0.75", 4), ("0.65", 3), ("0.60", 2)),
        listing(row(FRACTION, AT_LEAST_ONE)).where(lambda steps: _most_by(steps, "confidences", "leverage may rise")),
        "[confidence from, largest leverage], falling; below the last 1",
    )  # fmt: skip
    regimes: Mapping[Regime, RegimeLimits] = each(
        "regimes",
        {
            Regime.TRENDING_BULL: _regime("1", "0.55", "normal", 5),
            Regime.TRENDING_BEAR: _regime("1", "0.55", "normal", 3),
            Regime.RANGING: _regime("0.75", "0.60", "strict", 2),
            Regime.VOLATILE_BULL: _regime("0.5", "0.65", "strict", 2),
            Regime.VOLATILE_BEAR: _regime("0.5", "0.65", "strict", 2),
            Regime.CHOPPY: _regime("0.25", "0.75", "very_strict", 1),
            Regime.BREAKOUT_POTENTIAL: _regime("0.75", "0.60", "strict", 3),
            Regime.UNKNOWN: _regime("0.5", "0.70", "normal", 1),
        },
    )
    strictness: Mapping[Strictness, Decimal] = each(
        "strictness",
        {
            Strictness.RELAXED: _added("-0.05", "relaxed"),
            Strictness.NORMAL: _added("0", "normal"),
            Strictness.STRICT: _added("0.05", "strict"),
            Strictness.VERY_STRICT: _added("0.10", "very strict"),
        },
    )
    losing_streak: StreakLimits = part(StreakLimits, "losing_streak")
    long_losing_streak: LongStreakLimits = part(
        LongStreakLimits, "long_losing_streak", losses=5, confidence_add="0.20", max_leverage=1
    )
    streak_memory_ns: int = key(
        "loss_streak_memory_hours", 24, HOURS,
        "losses in a row are forgotten after so many hours without another one",
    )  # fmt: skip
    volatility: VolatilityLimits = part(VolatilityLimits, "volatility")
    leverage_max: int = key("max_leverage", 5, AT_LEAST_ONE, "largest leverage; spot lends none, whatever stands here")
    drawdown_leverage: tuple[tuple[Decimal, int], ...] = key(
        "drawdown_leverage", ((15, 1), (10, 2), (5, 3)),
        listing(row(PERCENT, AT_LEAST_ONE)).where(
            lambda steps: _most_by(steps, "drawdowns", "leverage may fall with them", more_as_it_falls=True)
        ),
        "[drawdown from the peak in percent, largest leverage], falling",
    )  # fmt: skip
    exposure_max: Decimal = key("max_exposure_pct", 80, PERCENT, "largest sum of all notionals")
    exposure_warn: Decimal = key("warn_exposure_pct", 70, PERCENT, "sum of all notionals from which the verdict warns")
    correlation: CorrelationLimits = part(CorrelationLimits, "correlation")
    margin_utilisation_max: Decimal = key(
        "margin.max_utilisation_pct", 50, PERCENT, "largest margin in use after the trade"
    )
    margin_utilisation_warn: Decimal = key(
        "margin.warn_utilisation_pct", 40, PERCENT, "margin in use from which the verdict warns"
    )
    market_buffer: Decimal = key(
        "market_order_buffer_pct", 1, PERCENT,
        "kept free for a market order that walks the book, in percent of its price",
    )  # fmt: skip
    trading_window: TradingWindow = part(TradingWindow, "trading_hours")
    breakers: BreakerLimits = part(BreakerLimits, "breakers")
    leverage_one_after_reset_ns: int = key(
        "breakers.leverage_one_after_reset_hours", 24, ANY_HOURS,
        "hours at leverage 1 after an ADMIN reset",
    )  # fmt: skip
    cooldowns_ns: Mapping[CoolDownKind, int] = each(
        "cooldown_minutes",
        {
            CoolDownKind.TRADE: _cooldown(5, "after an opening, in the same pair"),
            CoolDownKind.LOSS: _cooldown(10, "after a loss, in every pair"),
            CoolDownKind.LOSING_STREAK: _cooldown(30, "after the losses of `losing_streak`, in every pair"),
            CoolDownKind.LONG_LOSING_STREAK: _cooldown(60, "after the losses of `long_losing_streak`, in every pair"),
            CoolDownKind.VOLATILITY_SPIKE: _cooldown(15, "from the beginning of a spike, in the same pair"),
            CoolDownKind.UNUSUAL_MOVE: _cooldown(10, "from the last sight of an unusual move, in the same pair"),
            CoolDownKind.REBALANCE: _cooldown(30, "after a rebalance, for the next one"),
        },
    )
    positions_per_symbol_max: int = key(
        "/execution.positions.max_per_symbol", 2, AT_LEAST_ONE, "open positions of one pair"
    )
    positions_max: int = key("/execution.positions.max_open", 5, AT_LEAST_ONE, "open positions in all")

    def __post_init__(self) -> None:
        if self.stop_min > self.stop_max:
            least, most = as_percent(self.stop_min), as_percent(self.stop_max)
            raise AtOddsError(f"min_pct {least} is above max_pct {most}: no stop would be allowed", "stop_loss")
        for symbol, limit in self.stop_max_by_symbol.items():
            if not self.stop_min <= limit <= self.stop_max:
                bounds = f"{as_percent(self.stop_min)} to {as_percent(self.stop_max)}"
                raise AtOddsError(f"per_symbol_max_pct of {symbol} is outside {bounds}", "stop_loss")
        if self.losing_streak.losses >= self.long_losing_streak.losses:
            raise AtOddsError("losing_streak.losses must be below long_losing_streak.losses")
        if self.positions_per_symbol_max > self.positions_max:
            raise AtOddsError("positions.max_per_symbol cannot be above positions.max_open", "/execution")

"""For every key of `risk.yaml` two scenes on either side of its threshold, and another value of the key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.risk.base_case import DAY, HOUR, MINUTE, MONDAY, NOON, WEEK, D
from tests.risk.scene import (
    Pair,
    Scene,
    at,
    bull,
    elsewhere,
    equity,
    lost,
    moved_to,
    proposed,
    swung,
    with_equity,
)

from triplegain.domain.instrument import Instrument
from triplegain.domain.proposal import Intent, Regime, Strictness

LTC = Instrument("LTC/USDT", D("0.1"), D("0.001"), D("0.01"), D("5"))
APART = {"correlation.unlisted": "0"}
LIFTED = {"max_position_pct": 100, "max_exposure_pct": 100, "correlation.max_exposure_pct": 100}
LATER = NOON + 2 * HOUR
TUESDAY, NEXT_WEEK = NOON + DAY, NOON + WEEK

PAIRS: dict[str, Pair] = {
    "timeout_ms": Pair(Scene(elapsed=100_000_000), Scene(elapsed=100_000_001), "timeout", 200),
    "max_spread_pct": Pair(Scene(market={"bid": D(99)}), Scene(market={"bid": D("98.9")}), "spread", 2),
    "stop_loss.min_pct": Pair(proposed(stop=D("99.5")), proposed(stop=D("99.6")), "stop_min", "0.3"),
    "stop_loss.max_pct": Pair(
        Scene({"symbol": "LTC/USDT", "stop": D(95), "target": D(110)}, market={"instrument": LTC}),
        Scene({"symbol": "LTC/USDT", "stop": D("94.9"), "target": D(110)}, market={"instrument": LTC}),
        "stop_max",
        6,
    ),
    "stop_loss.per_symbol_max_pct": Pair(
        proposed(stop=D(97), target=D(110)), proposed(stop=D("96.9"), target=D(110)), "stop_max", {"BTC/USDT": 5}
    ),
    # Lost at the stop: 2.098 + 0.4 % of 197.902 = 2.889608 each; 200 / that = 69.21
    "stop_loss.slippage_pct": Pair(
        proposed(quantity=D("69.2"), regime=Regime.TRENDING_BULL),
        proposed(quantity=D("69.3"), regime=Regime.TRENDING_BULL),
        "loss_max",
        0,
        LIFTED,
    ),
    "min_reward_risk": Pair(proposed(target=D(103)), proposed(target=D("102.9")), "reward_risk", "1.4"),
    "min_confidence": Pair(
        proposed(confidence=D("0.60"), regime=Regime.TRENDING_BULL),
        proposed(confidence=D("0.59"), regime=Regime.TRENDING_BULL),
        "confidence",
        "0.70",
    ),
    "max_position_pct": Pair(proposed(quantity=D(20)), proposed(quantity=D("20.1")), "size_max", 30),
    # 10 000 x 2 % / 2 % x 1 (confidence) x 0.5 (regime unknown) = 5 000 USD
    "max_risk_per_trade_pct": Pair(proposed(quantity=D(50)), proposed(quantity=D("50.1")), "sizing", "2.5", LIFTED),
    # 5 000 USD from 0.85 on, three quarters of it below
    "confidence_multipliers": Pair(
        proposed(quantity=D(40), confidence=D("0.85")),
        proposed(quantity=D(40), confidence=D("0.84")),
        "sizing",
        [["0.8", 1]],
        LIFTED,
    ),
    "confidence_leverage": Pair(bull(5, "0.85"), bull(5, "0.84"), "leverage_confidence", [["0.8", 5]]),
    "losing_streak.losses": Pair(
        at(LATER, lost(2), confidence=D("0.75")), at(LATER, lost(3), confidence=D("0.75")), "confidence", 4
    ),
    "losing_streak.confidence_add": Pair(
        at(LATER, lost(3), confidence=D("0.80")), at(LATER, lost(3), confidence=D("0.79")), "confidence", "0.05"
    ),
    "losing_streak.max_leverage": Pair(
        bull(2, before=lost(3), now=LATER), bull(3, before=lost(3), now=LATER), "leverage_losing_streak", 3
    ),
    "long_losing_streak.losses": Pair(
        at(LATER, lost(4), confidence=D("0.85")), at(LATER, lost(5), confidence=D("0.85")), "confidence", 6
    ),
    "long_losing_streak.confidence_add": Pair(
        at(LATER, lost(5), confidence=D("0.90")), at(LATER, lost(5), confidence=D("0.89")), "confidence", "0.1"
    ),
    "long_losing_streak.max_leverage": Pair(
        bull(1, before=lost(5), now=LATER), bull(2, before=lost(5), now=LATER), "leverage_losing_streak", 2
    ),
    "long_losing_streak.next_size_multiplier": Pair(
        at(LATER, lost(5, opened=True)), at(LATER, lost(5)), "losing_streak_size", "0.25"
    ),
    "loss_streak_memory_hours": Pair(
        at(NOON + DAY, lost(3), confidence=D("0.75")),
        at(NOON + DAY - 1, lost(3), confidence=D("0.75")),
        "confidence",
        23,
    ),
    "volatility.atr_spike_ratio": Pair(at(LATER, swung(20, "3")), at(LATER, swung(20, "3.1")), "volatility_spike", 4),
    "volatility.atr_mean_period": Pair(
        at(LATER, swung(19, "3.1")), at(LATER, swung(20, "3.1")), "volatility_spike", 21
    ),
    "volatility.spike_size_multiplier": Pair(at(LATER), at(LATER, swung(20, "9")), "volatility_spike", "0.25"),
    "volatility.unusual_move_pct": Pair(
        at(NOON + MINUTE, moved_to("103")), at(NOON + MINUTE, moved_to("103.1")), "cooldown_unusual_move", 4
    ),
    "volatility.unusual_move_window_minutes": Pair(
        at(NOON + 5 * MINUTE + 1, moved_to("103.1", 5 * MINUTE + 1)),
        at(NOON + 5 * MINUTE, moved_to("103.1", 5 * MINUTE)),
        "cooldown_unusual_move",
        4,
    ),
    "max_leverage": Pair(bull(5), bull(6), "leverage_max", 6),
    # The week opened at 9 600: 5 % below the peak of 10 000 is 9 500, 1 % below the day's opening
    "drawdown_leverage": Pair(
        bull(5, portfolio={"equity": D("9500.01")}, before=equity((NEXT_WEEK, "9600")), now=NEXT_WEEK + 1),
        bull(5, portfolio={"equity": D(9500)}, before=equity((NEXT_WEEK, "9600")), now=NEXT_WEEK + 1),
        "leverage_drawdown",
        [[6, 3]],
    ),
    "max_exposure_pct": Pair(
        Scene({"quantity": D(10)}, elsewhere(7000)),
        Scene({"quantity": D(10)}, elsewhere(7001)),
        "exposure_max",
        90,
        APART,
    ),
    "warn_exposure_pct": Pair(
        Scene({"quantity": D(10)}, elsewhere(5999)),
        Scene({"quantity": D(10)}, elsewhere(6000)),
        "exposure_max near",
        75,
        APART,
    ),
    "correlation.max_exposure_pct": Pair(
        Scene({"quantity": D(10)}, elsewhere(3000, "BTC/USDT")),
        Scene({"quantity": D(10)}, elsewhere(3001, "BTC/USDT")),
        "correlation_max",
        50,
    ),
    # 7 000 x 0.51 = 3 570 USD leave 430
    "correlation.counted_above": Pair(
        Scene({"quantity": D(10)}, elsewhere(7000, "A/B")),
        Scene({"quantity": D(10)}, elsewhere(7000, "C/D")),
        "correlation_max",
        "0.6",
        {"correlation.pairs": [["BTC/USDT", "A/B", "0.5"], ["C/D", "BTC/USDT", "0.51"]]},
    ),
    # 4 000 x 0.75 = 3 000 USD leave 1 000
    "correlation.pairs": Pair(
        Scene({"quantity": D(10)}, elsewhere(4000, "XRP/USDT")),
        Scene({"quantity": D(10)}, elsewhere(4001, "XRP/USDT")),
        "correlation_max",
        [["BTC/USDT", "XRP/USDT", "0.6"]],
    ),
    "correlation.unlisted": Pair(
        Scene({"quantity": D(10)}, elsewhere(3000)),
        Scene({"quantity": D(10)}, elsewhere(3001)),
        "correlation_max",
        "0.9",
    ),
    # 20 BTC at 100 / 4 = 500 USD of margin
    "margin.max_utilisation_pct": Pair(
        bull(4, proposal={"quantity": D(20)}, portfolio={"margin_used": D(4500)}),
        bull(4, proposal={"quantity": D(20)}, portfolio={"margin_used": D(4501)}),
        "margin_utilisation",
        60,
    ),
    "margin.warn_utilisation_pct": Pair(
        bull(4, proposal={"quantity": D(20)}, portfolio={"margin_used": D(3499)}),
        bull(4, proposal={"quantity": D(20)}, portfolio={"margin_used": D(3500)}),
        "margin_utilisation near",
        45,
    ),
    # 9.8 x 100 x 1.01 x 1.004 = 993.7592 USDT
    "market_order_buffer_pct": Pair(
        Scene({"quantity": D("9.8")}, {"free_quote": D("993.76")}),
        Scene({"quantity": D("9.8")}, {"free_quote": D("993.75")}),
        "funds",
        0,
    ),
    "trading_hours.banned_hours": Pair(
        at(MONDAY + 22 * HOUR - 1),
        at(MONDAY + 22 * HOUR),
        "trading_window",
        [],
        {"trading_hours.banned_hours": ["22:00-06:00"]},
    ),
    "trading_hours.banned_weekdays": Pair(
        at(MONDAY + 5 * DAY - 1), at(MONDAY + 5 * DAY), "trading_window", [], {"trading_hours.banned_weekdays": ["sat"]}
    ),
    "breakers.daily_loss_pct": Pair(with_equity("9500.01"), with_equity("9500"), "daily_loss", 6),
    "breakers.tightened_stop_pct": Pair(
        at(LATER, equity((NOON, "9500.01"))), at(LATER, equity((NOON, "9500"))), "halted", 2
    ),
    # Tuesday opened at 9 400: 9 000 is 4.3 % below it, 10 % below Monday's opening
    "breakers.weekly_loss_pct": Pair(
        with_equity("9000.01", equity((TUESDAY, "9400")), TUESDAY + 1),
        with_equity("9000", equity((TUESDAY, "9400")), TUESDAY + 1),
        "weekly_loss",
        12,
    ),
    "breakers.weekly_close_pct": Pair(
        at(TUESDAY + 2, equity((TUESDAY, "9400"), (TUESDAY + 1, "9000.01"))),
        at(TUESDAY + 2, equity((TUESDAY, "9400"), (TUESDAY + 1, "9000"))),
        "halted",
        25,
    ),
    # The week opened at 8 400: 8 000 is 4.8 % below it, 20 % below the peak
    "breakers.drawdown_pct": Pair(
        with_equity("8000.01", equity((NEXT_WEEK, "8400")), NEXT_WEEK + 1),
        with_equity("8000", equity((NEXT_WEEK, "8400")), NEXT_WEEK + 1),
        "drawdown",
        25,
    ),
    "breakers.leverage_one_after_reset_hours": Pair(
        bull(2, before=lambda engine: engine.reset(NOON, D(10_000)), now=NOON + DAY),
        bull(2, before=lambda engine: engine.reset(NOON, D(10_000)), now=NOON + DAY - 1),
        "leverage_after_reset",
        23,
    ),
    "cooldown_minutes.trade": Pair(
        at(NOON + 5 * MINUTE, lambda engine: engine.on_opened("BTC/USDT", NOON)),
        at(NOON + 5 * MINUTE - 1, lambda engine: engine.on_opened("BTC/USDT", NOON)),
        "cooldown_trade",
        4,
    ),
    "cooldown_minutes.loss": Pair(
        at(NOON + 10 * MINUTE, lost(1)), at(NOON + 10 * MINUTE - 1, lost(1)), "cooldown_loss", 9
    ),
    "cooldown_minutes.losing_streak": Pair(
        at(NOON + 30 * MINUTE, lost(3)), at(NOON + 30 * MINUTE - 1, lost(3)), "cooldown_losing_streak", 29
    ),
    "cooldown_minutes.long_losing_streak": Pair(
        at(NOON + HOUR, lost(5)), at(NOON + HOUR - 1, lost(5)), "cooldown_long_losing_streak", 59
    ),
    "cooldown_minutes.volatility_spike": Pair(
        at(NOON + 15 * MINUTE, swung(20, "9")),
        at(NOON + 15 * MINUTE - 1, swung(20, "9")),
        "cooldown_volatility_spike",
        14,
    ),
    "cooldown_minutes.unusual_move": Pair(
        at(NOON + 11 * MINUTE, moved_to("110")), at(NOON + 11 * MINUTE - 1, moved_to("110")), "cooldown_unusual_move", 9
    ),
    "cooldown_minutes.rebalance": Pair(
        at(NOON + 30 * MINUTE, lambda engine: engine.on_rebalanced(NOON), intent=Intent.REBALANCE),
        at(NOON + 30 * MINUTE - 1, lambda engine: engine.on_rebalanced(NOON), intent=Intent.REBALANCE),
        "cooldown_rebalance",
        29,
    ),
    "positions.max_open": Pair(
        Scene(portfolio={"open_positions": 4}), Scene(portfolio={"open_positions": 5}), "positions_max", 6
    ),
    "positions.max_per_symbol": Pair(
        Scene(portfolio={"open_in_symbol": 1}), Scene(portfolio={"open_in_symbol": 2}), "positions_per_symbol_max", 3
    ),
}

#: Regime -> size, least confidence of its own, what its strictness adds, leverage; as behaviour demands.
REGIMES = {
    Regime.TRENDING_BULL: ("1", "0.55", "0", 5),
    Regime.TRENDING_BEAR: ("1", "0.55", "0", 3),
    Regime.RANGING: ("0.75", "0.60", "0.05", 2),
    Regime.VOLATILE_BULL: ("0.5", "0.65", "0.05", 2),
    Regime.VOLATILE_BEAR: ("0.5", "0.65", "0.05", 2),
    Regime.CHOPPY: ("0.25", "0.75", "0.10", 1),
    Regime.BREAKOUT_POTENTIAL: ("0.75", "0.60", "0.05", 3),
    Regime.UNKNOWN: ("0.5", "0.70", "0", 1),
}


def of_regimes() -> Iterator[tuple[str, Pair]]:
    low = {"min_confidence": "0.5", "confidence_multipliers": [["0.5", "0.25"]]}
    for regime, (size, own, added, leverage) in REGIMES.items():
        row, least = f"regimes.{regime}", D(own) + D(added)
        # 10 000 x 2 % / 2 % x 0.25 x size USD, at 100
        most = 25 * D(size)
        yield (
            f"{row}.size_multiplier",
            Pair(
                proposed(regime=regime, quantity=most),
                proposed(regime=regime, quantity=most + D("0.1")),
                "sizing",
                "0.1",
                low,
            ),
        )
        confident = proposed(regime=regime, confidence=least)
        doubtful = proposed(regime=regime, confidence=least - D("0.01"))
        yield f"{row}.min_confidence", Pair(confident, doubtful, "confidence", str(D(own) + D("0.01")), low)
        other = Strictness.NORMAL if regime is Regime.CHOPPY else Strictness.VERY_STRICT
        yield f"{row}.strictness", Pair(confident, doubtful, "confidence", other.value, low)
        lent: dict[str, Any] = {"proposal": {"regime": regime}}
        plenty = {"max_leverage": 10, "confidence_leverage": [[0, 10]]}
        yield (
            f"{row}.max_leverage",
            Pair(bull(leverage, **lent), bull(leverage + 1, **lent), "leverage_regime", leverage + 1, plenty),
        )


def of_strictness() -> Iterator[tuple[str, Pair]]:
    for strictness, added in (("relaxed", "-0.05"), ("normal", "0"), ("strict", "0.05"), ("very_strict", "0.10")):
        least = D("0.70") + D(added)
        yield (
            f"strictness.{strictness}",
            Pair(
                proposed(confidence=least),
                proposed(confidence=least - D("0.01")),
                "confidence",
                str(D(added) + D("0.02")),
                {"regimes.unknown": {"strictness": strictness}},
            ),
        )


PAIRS |= dict(of_regimes()) | dict(of_strictness())

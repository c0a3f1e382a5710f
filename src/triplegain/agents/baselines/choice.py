"""Which baseline trades: its settings say which it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from triplegain.agents.baselines.baseline import (
    Baseline,
    BuyAndHold,
    BuyAndHoldSettings,
    EqualWeight,
    EqualWeightSettings,
    RandomSettings,
    RandomTrader,
)
from triplegain.agents.ema_baseline import BaselineSettings, EmaBaseline
from triplegain.domain.configured import AtOddsError, Key, key, part
from triplegain.domain.money import floor_to
from triplegain.domain.written import BOOLEAN, choice, text


class Trader(StrEnum):
    """Who decides what is opened."""

    AUTO = "auto"
    MODELS = "models"
    EMA = "ema"
    BUY_AND_HOLD = "buy_and_hold"
    EQUAL_WEIGHT = "equal_weight"
    RANDOM = "random"


BaselineChoice = BaselineSettings | BuyAndHoldSettings | EqualWeightSettings | RandomSettings

_STEP = Decimal("0.0001")
_DURATION = re.compile(r"[1-9][0-9]*[smhd]")


def _candle_length(raw: str) -> str:
    length = raw.strip().lower()
    if length != "auto" and not _DURATION.fullmatch(length):
        raise ValueError(f"a candle length reads 1s, 5m, 1h, 1d or auto, this is {raw!r}")
    return length


_CANDLE_LENGTH = text().where(_candle_length)


@dataclass(frozen=True, slots=True)
class TraderSettings:
    """Who trades, and each trader that goes by rules. The candles of the rules by feed: a length, or auto."""

    trader: Trader = key(
        "trader", "auto", choice(Trader),
        "models, ema, buy_and_hold, equal_weight or random; auto: models where any may vote, else ema",
    )  # fmt: skip
    ema: BaselineSettings | None = part(
        BaselineSettings, "baseline_ema", switch=Key("enabled", True, BOOLEAN, "false: it takes no part")
    )
    candle_live: str = key("baseline_ema.candle_length.live", "1h", _CANDLE_LENGTH, "on the live feed")
    candle_demo: str = key("baseline_ema.candle_length.demo", "1s", _CANDLE_LENGTH, "on the demo market")
    candle_replay: str = key(
        "baseline_ema.candle_length.replay", "auto", _CANDLE_LENGTH,
        "on a capture; auto: the longest that gives at least 200 candles",
    )  # fmt: skip
    buy_and_hold: BuyAndHoldSettings = part(BuyAndHoldSettings, "buy_and_hold")
    equal_weight: EqualWeightSettings = part(EqualWeightSettings, "equal_weight")
    random: RandomSettings = part(RandomSettings, "random")

    def __post_init__(self) -> None:
        if self.trader is Trader.EMA and self.ema is None:
            raise AtOddsError("trader is ema, but baseline_ema.enabled is false")

    def chosen(self, models_vote: bool) -> BaselineChoice | None:
        """Who trades by rules; None where models decide, or nobody does. `models_vote`: some model may vote."""
        match self.trader:
            case Trader.AUTO:
                return None if models_vote else self.ema
            case Trader.MODELS:
                return None
            case Trader.EMA:
                return self.ema
            case Trader.BUY_AND_HOLD:
                return self.buy_and_hold
            case Trader.EQUAL_WEIGHT:
                return self.equal_weight
            case Trader.RANDOM:
                return self.random
            case _:
                assert_never(self.trader)


def baselines(chosen: BaselineChoice, symbols: Iterable[str], cash: str = "USDT") -> list[Baseline]:
    """One trader per symbol. Those that divide the equity trade each coin against `cash` only, so once.

    Without any symbol quoted in `cash` they trade the first symbol of each base asset.
    """
    symbols = tuple(symbols)
    match chosen:
        case BaselineSettings():
            return [EmaBaseline(symbol, chosen) for symbol in symbols]
        case RandomSettings():
            return [RandomTrader(symbol, chosen) for symbol in symbols]
        case BuyAndHoldSettings(reserve=reserve):
            coins = _one_per_coin(symbols, cash)
            weight = floor_to((1 - reserve) / max(len(coins), 1), _STEP)
            return [BuyAndHold(symbol, weight) for symbol in coins]
        case EqualWeightSettings():
            coins = _one_per_coin(symbols, cash)
            weight = floor_to(Decimal(1) / (len(coins) + 1), _STEP)
            return [EqualWeight(symbol, weight, chosen) for symbol in coins]
        case _:
            assert_never(chosen)


def _one_per_coin(symbols: tuple[str, ...], cash: str) -> tuple[str, ...]:
    against_cash = tuple(symbol for symbol in symbols if symbol.partition("/")[2] == cash)
    first: dict[str, str] = {}
    for symbol in against_cash or symbols:
        first.setdefault(symbol.partition("/")[0], symbol)
    return tuple(first.values())

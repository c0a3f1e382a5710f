"""Which baseline trades: its settings say which it is."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import assert_never

from triplegain.agents.baselines.baseline import Baseline
from triplegain.agents.baselines.buy_and_hold import BuyAndHold, BuyAndHoldSettings
from triplegain.agents.baselines.equal_weight import EqualWeight, EqualWeightSettings
from triplegain.agents.baselines.random_trader import RandomSettings, RandomTrader
from triplegain.agents.ema_baseline import BaselineSettings, EmaBaseline
from triplegain.domain.money import floor_to

BaselineChoice = BaselineSettings | BuyAndHoldSettings | EqualWeightSettings | RandomSettings

_STEP = Decimal("0.0001")


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

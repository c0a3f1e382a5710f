"""Buy and hold: the equity is divided among the coins once, and then nothing is done any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.agents.answer import Action, AgentAnswer, Answer, TargetWeights
from triplegain.agents.baselines.baseline import check_next
from triplegain.domain.configured import key
from triplegain.domain.market import Candle
from triplegain.domain.written import percent


@dataclass(frozen=True, slots=True)
class BuyAndHoldSettings:
    """`reserve` is the share of equity that stays cash: fees and slippage of the purchases are paid from it."""

    reserve: Decimal = key(
        "cash_pct", 1, percent(lt=100), "share of the equity that stays cash: the purchases' fees are paid from it"
    )


class BuyAndHold:
    """One symbol's part: `weight` of the equity in its base asset. Asks for it until it was carried out, then holds."""

    name = "buy_and_hold"
    warm_up = 1

    def __init__(self, symbol: str, weight: Decimal) -> None:
        self.symbol = symbol
        self.last_close_ns = 0
        self._asset = symbol.partition("/")[0]
        self._weight = weight
        self._has_bought = False

    def on_candle(self, candle: Candle) -> Answer:
        check_next(self.symbol, self.last_close_ns, candle)
        self.last_close_ns = candle.close_time_ns
        if self._has_bought:
            return AgentAnswer(Action.HOLD, Decimal(1), f"{self._asset} was bought and is held")
        return TargetWeights({self._asset: self._weight}, f"{self._asset} is bought once and held")

    def carried_out(self) -> None:
        self._has_bought = True

    def state(self) -> dict[str, Any]:
        return {"last_close_ns": str(self.last_close_ns), "has_bought": self._has_bought}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.last_close_ns = int(state["last_close_ns"])
        self._has_bought = state["has_bought"]

"""What every trader without a model is to the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from triplegain.agents.answer import Answer
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle


class Baseline(Protocol):
    """One symbol's trader: closed candles in, an answer to each out. It knows the candles and no clock."""

    @property
    def name(self) -> str:
        """Under which its decisions are stored."""
        ...

    @property
    def symbol(self) -> str: ...

    @property
    def warm_up(self) -> int:
        """Candles before the first answer that is not an abstention."""
        ...

    @property
    def last_close_ns(self) -> int:
        """When the last candle it has seen closed; 0 before the first."""
        ...

    def on_candle(self, candle: Candle) -> Answer:
        """The answer to one closed candle. Candles come oldest first, each once; anything else is InvalidValueError."""
        ...

    def carried_out(self) -> None:
        """Its last answer was acted upon. Without this call nothing came of it: refused, paused or only warming up."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


def check_next(symbol: str, last_close_ns: int, candle: Candle) -> None:
    """Raises InvalidValueError unless `candle` is one of `symbol` and closed after `last_close_ns`."""
    if candle.symbol != symbol or candle.close_time_ns <= last_close_ns:
        raise InvalidValueError(f"{symbol}: a candle of {candle.symbol} is out of order")

"""What every trader without a model is to the session."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

from triplegain.agents.answer import Action, AgentAnswer, Answer, TargetWeights
from triplegain.domain.clock import DAY_NS, HOUR_NS
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle
from triplegain.domain.written import COUNT, FRACTION, LOSS_PERCENT, POSITIVE, exact_hours, percent


class BaselineState:
    """What has a memory: the attributes that `kept` names are its state, as JSON holds it, times as text."""

    kept: ClassVar[tuple[str, ...]]

    def state(self) -> dict[str, Any]:
        return {name.lstrip("_"): _written(name, getattr(self, name)) for name in self.kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name in self.kept:
            stored, now = state[name.lstrip("_")], getattr(self, name)
            if isinstance(now, BaselineState):
                now.restore(stored)
            else:
                setattr(self, name, int(stored) if name.endswith("_ns") else stored)


def _written(name: str, value: Any) -> Any:
    if isinstance(value, BaselineState):
        return value.state()
    return str(value) if name.endswith("_ns") else value


class Baseline(BaselineState):
    """One symbol's trader: closed candles in, an answer to each out. It knows the candles and no clock.

    Its decisions are stored under `name`. `warm_up` are the candles before its first answer that is not an abstention.
    """

    name: ClassVar[str]
    warm_up = 1

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        #: When the last candle it has seen closed; 0 before the first.
        self.last_close_ns = 0

    def on_candle(self, candle: Candle) -> Answer:
        """The answer to one closed candle. Candles come oldest first, each once; anything else is InvalidValueError."""
        if candle.symbol != self.symbol or candle.close_time_ns <= self.last_close_ns:
            raise InvalidValueError(f"{self.symbol}: a candle of {candle.symbol} is out of order")
        self.last_close_ns = candle.close_time_ns
        return self._answer_to(candle)

    def _answer_to(self, candle: Candle) -> Answer:
        raise NotImplementedError

    def carried_out(self) -> None:
        """Its last answer was acted upon. Without this call nothing came of it: refused, paused or only warming up."""


@dataclass(frozen=True, slots=True)
class BuyAndHoldSettings:
    """`reserve` is the share of equity that stays cash: fees and slippage of the purchases are paid from it."""

    reserve: Decimal = key(
        "cash_pct", 1, percent(lt=100), "share of the equity that stays cash: the purchases' fees are paid from it"
    )


class BuyAndHold(Baseline):
    """One symbol's part: `weight` of the equity in its base asset. Asks for it until it was carried out, then holds."""

    name = "buy_and_hold"
    kept = ("last_close_ns", "_has_bought")

    def __init__(self, symbol: str, weight: Decimal) -> None:
        super().__init__(symbol)
        self._asset = symbol.partition("/")[0]
        self._weight = weight
        self._has_bought = False

    def _answer_to(self, candle: Candle) -> Answer:
        if self._has_bought:
            return AgentAnswer(Action.HOLD, Decimal(1), f"{self._asset} was bought and is held")
        return TargetWeights({self._asset: self._weight}, f"{self._asset} is bought once and held")

    def carried_out(self) -> None:
        self._has_bought = True


@dataclass(frozen=True, slots=True)
class EqualWeightSettings:
    """`band` is how far an asset may stray from its weight, as a share of equity, before it is traded back."""

    band: Decimal = key("band_points", 5, LOSS_PERCENT, "percentage points an asset may stray before it is traded back")


class EqualWeight(Baseline):
    """One symbol's part. It does not see the holdings: it says the weight and the band, the same after each candle."""

    name = "equal_weight"
    kept = ("last_close_ns",)

    def __init__(self, symbol: str, weight: Decimal, settings: EqualWeightSettings | None = None) -> None:
        super().__init__(symbol)
        self._asset = symbol.partition("/")[0]
        self._weight = weight
        self._band = (settings or EqualWeightSettings()).band

    def _answer_to(self, candle: Candle) -> Answer:
        return TargetWeights({self._asset: self._weight}, f"{self._asset} has an equal share", self._band)


_FACES = 1 << 64


@dataclass(frozen=True, slots=True)
class RandomSettings:
    """`entries_per_day` of one symbol on average, the time spent holding counted in; `stop` is a fraction of the entry.

    Holding times are even between the two bounds. Raises InvalidValueError where so many entries leave no time to
    hold them.
    """

    seed: int = key("seed", 1, COUNT, "another seed is another run of luck")
    entries_per_day: Decimal = key("entries_per_day", 1, POSITIVE, "of each pair, on average, holding times counted in")
    holding_min_ns: int = key("holding_min_h", 4, exact_hours(gt=0), "shortest time until it leaves, in hours")
    holding_max_ns: int = key("holding_max_h", 24, exact_hours(gt=0), "longest, in hours")
    stop: Decimal = key("stop_pct", 2, LOSS_PERCENT, "distance of the stop, in percent")
    confidence: Decimal = key("confidence", "0.75", FRACTION, "confidence of each entry; risk sizes by it")

    def __post_init__(self) -> None:
        shortest, longest = (Decimal(each) / HOUR_NS for each in (self.holding_min_ns, self.holding_max_ns))
        if not 0 < shortest <= longest:
            raise AtOddsError(f"holding_min_h ({shortest:f}) is above holding_max_h ({longest:f})")
        if not self.entries_per_day > 0 or self.mean_flat_ns <= 0:
            mean = (shortest + longest) / 2
            raise AtOddsError(
                f"entries_per_day ({self.entries_per_day:f}) of {mean:f} h on average leave no time between them"
            )

    @property
    def mean_flat_ns(self) -> Fraction:
        """Time between an exit and the next entry, on average, that gives the number of entries wanted."""
        between_entries = DAY_NS / Fraction(self.entries_per_day)
        return between_entries - Fraction(self.holding_min_ns + self.holding_max_ns, 2)


class RandomTrader(Baseline):
    """One symbol's die. Its stop may take a position off before it would have left by itself.

    Every throw is a hash of seed, symbol, what it is for and the candle's close: the same candles and seed give the
    same trades, a restart throws nothing again, and no two symbols share their luck.
    """

    name = "random"
    kept = ("last_close_ns", "_holds_until_ns", "_wants_in")

    def __init__(self, symbol: str, settings: RandomSettings | None = None) -> None:
        super().__init__(symbol)
        self._settings = settings or RandomSettings()
        #: Until when it holds; 0 while it is flat.
        self._holds_until_ns = 0
        #: Whether the last answer was to buy.
        self._wants_in = False

    def _answer_to(self, candle: Candle) -> Answer:
        now_ns = candle.close_time_ns
        self._wants_in = False
        if self._holds_until_ns:
            if now_ns < self._holds_until_ns:
                return self._answer(Action.HOLD, "holding for a random time")
            # Whatever comes of it: a position that its stop has closed already must not keep us from the next.
            self._holds_until_ns = 0
            return self._answer(Action.SELL, "the random holding time is over")
        # With chance candle / mean flat time, in whole numbers: throw / faces < length / mean.
        if self._throw("entry", now_ns) * self._settings.mean_flat_ns < candle.length_ns * _FACES:
            self._wants_in = True
            return self._answer(Action.BUY, "a random entry")
        return self._answer(Action.HOLD, "no random entry")

    def carried_out(self) -> None:
        """If it was an entry, it is held from here on."""
        if self._wants_in:
            shortest, longest = self._settings.holding_min_ns, self._settings.holding_max_ns
            extra = self._throw("holding", self.last_close_ns) * (longest - shortest + 1) // _FACES
            self._holds_until_ns = self.last_close_ns + shortest + extra
            self._wants_in = False

    def _throw(self, what: str, now_ns: int) -> int:
        """A number below 2^64, even and the same each time it is asked for."""
        words = f"{self._settings.seed}/{self.symbol}/{what}/{now_ns}".encode()
        return int.from_bytes(hashlib.sha256(words).digest()[:8])

    def _answer(self, action: Action, reasoning: str) -> AgentAnswer:
        stop = self._settings.stop if action is Action.BUY else None
        return AgentAnswer(action, self._settings.confidence, reasoning, stop)

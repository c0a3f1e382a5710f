"""Three invented markets around a crash: a day and the forty hours before it in candles of a minute, from a seed.

Shaped like 19 May 2021: days of drift, a slide from midnight on, and at 13:00 UTC a fall by a fifth and more within
half an hour, of which half is made up for. BTC/USDT and XRP/USDT follow the points below with noise of their own, and
XRP/BTC is their ratio with a little more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import pairwise
from random import Random

from triplegain.domain.clock import SECOND_NS, from_datetime
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, CandleClosed, MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
#: The day begins at 18:00 UTC and has midnight and the crash (13:00) within it.
FROM_NS = from_datetime(datetime(2021, 5, 18, 18, tzinfo=UTC))
TO_NS = FROM_NS + 24 * HOUR_NS
#: Candles of before: the indicators of the hour need them.
WARM_UP_NS = 40 * HOUR_NS
_SEED = 19
#: Hours from the beginning of the day -> price in USDT.
_BTC = {-40: 44_700, -30: 45_500, -24: 42_600, -12: 45_000, -4: 45_300, 0: 43_400, 6: 42_800, 8: 40_600, 12: 40_300,
        17: 39_400, 19: 38_600, 19.4: 30_400, 20: 35_400, 21: 37_600, 22: 36_500, 24: 39_300}  # fmt: skip
_XRP = {-40: 1.38, -30: 1.54, -24: 1.48, -12: 1.51, -6: 1.66, 0: 1.60, 6: 1.59, 8: 1.49, 12: 1.45,
        17: 1.41, 19: 1.27, 19.4: 0.90, 20: 1.10, 21: 1.20, 22: 1.18, 24: 1.25}  # fmt: skip
_TICKS = {"BTC/USDT": "0.01", "XRP/BTC": "0.00000001", "XRP/USDT": "0.00001"}
_LEAST = {"BTC/USDT": ("0.00005", "0.5"), "XRP/BTC": ("10", "0.00002"), "XRP/USDT": ("10", "0.5")}
#: Coins traded in a quiet minute.
_VOLUME = {"BTC/USDT": 60.0, "XRP/BTC": 150_000.0, "XRP/USDT": 900_000.0}


@dataclass(frozen=True, slots=True)
class CrashFeed:
    """The three markets as a feed."""

    instruments: tuple[Instrument, ...]
    depth: Mapping[str, MarketDepth]
    candle_length_ns: Mapping[str, int]
    name: str = "crash"
    source: QuoteSource = QuoteSource.REPLAY
    synthetic: bool = True

    def events(self) -> Iterator[MarketEvent]:
        before, day = crash_events()
        yield from before
        yield from day


@cache
def crash_feed() -> CrashFeed:
    instruments = tuple(
        Instrument(
            symbol,
            tick=Decimal(tick),
            lot=Decimal("1E-8"),
            quantity_min=Decimal(_LEAST[symbol][0]),
            cost_min=Decimal(_LEAST[symbol][1]),
            cost_decimals=10 if symbol.endswith("BTC") else 5,
            venue="binance",
        )
        for symbol, tick in _TICKS.items()
    )
    return CrashFeed(instruments, dict.fromkeys(_TICKS, MarketDepth.CANDLES), dict.fromkeys(_TICKS, MINUTE_NS))


@cache
def crash_events() -> tuple[tuple[MarketEvent, ...], tuple[MarketEvent, ...]]:
    """The minutes of before, and those of the day; at equal times in the order of the symbols' names."""
    streams = [_closes(symbol) for symbol in _TICKS]
    before: list[MarketEvent] = []
    day: list[MarketEvent] = []
    minutes = (TO_NS - FROM_NS + WARM_UP_NS) // MINUTE_NS
    for minute in range(minutes + 1):
        closes_ns = FROM_NS - WARM_UP_NS + minute * MINUTE_NS
        for stream in streams:
            candle = next(stream)
            assert candle.close_time_ns == closes_ns
            (day if closes_ns >= FROM_NS else before).append(CandleClosed(candle.symbol, closes_ns, closes_ns, candle))
    return tuple(before), tuple(day)


def _closes(symbol: str) -> Iterator[Candle]:
    """Candles without end of one market, from the first of the warm-up on; each opens where the last one closed."""
    chance = Random(f"{_SEED}/{symbol}")
    tick = float(_TICKS[symbol])
    noise, close = 0.0, 0
    minute = 0
    while True:
        hour = minute / 60 - WARM_UP_NS / HOUR_NS
        quiet, rough = (
            _course(symbol, hour),
            1 + 1_500 * abs(_course(symbol, hour + 1 / 60) / _course(symbol, hour) - 1),
        )
        # The noise is drawn back to the course, half of it within an hour, and is larger where prices run.
        noise = 0.988 * noise + chance.gauss(0, 0.0009) * math.sqrt(rough)
        opened, close = close, round(quiet * math.exp(noise) / tick)
        opened = opened or close
        high = max(opened, close) + round(abs(chance.gauss(0, 0.0004)) * rough * close)
        low = min(opened, close) - round(abs(chance.gauss(0, 0.0004)) * rough * close)
        volume = round(_VOLUME[symbol] * rough * math.exp(chance.gauss(0, 0.5)) * 1e8)
        opens_ns = FROM_NS - WARM_UP_NS + (minute - 1) * MINUTE_NS
        yield Candle(symbol, opens_ns, MINUTE_NS, opened, high, low, close, volume)
        minute += 1


def _course(symbol: str, hour: float) -> float:
    """The price that the market tends to at this hour."""
    if symbol == "XRP/BTC":
        return _between(_XRP, hour) / _between(_BTC, hour)
    return _between(_BTC if symbol == "BTC/USDT" else _XRP, hour)


def _between(points: Mapping[float, float], hour: float) -> float:
    """On the straight line between the two points around this hour; beyond the last one, its price."""
    for (earlier, price), (later, next_price) in pairwise(points.items()):
        if hour <= later:
            return price + (next_price - price) * (hour - earlier) / (later - earlier)
    return next_price

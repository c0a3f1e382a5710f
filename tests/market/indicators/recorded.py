"""Recorded candles for the tests of indicators."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from triplegain.domain.market import Candle, CandleClosed
from triplegain.feeds.captures.replay import recognise
from triplegain.market.feed import CaptureError
from triplegain.market.indicators.indicator import CandleColumns, bar_of
from triplegain.market.timestamps import csv_time_ns

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS

_THREE_PAIRS = "binance_ohlcv_1m_three_pairs_2021-05"
BTC_USDT, XRP_USDT, XRP_BTC = (f"{_THREE_PAIRS}/{name}-1m.json" for name in ("BTC_USDT", "XRP_USDT", "XRP_BTC"))
KRAKEN_HOURS = "kraken_ohlcv_btcusdt/XBTUSDT_60.csv"


@cache
def candles_of(file: Path) -> tuple[Candle, ...]:
    """All candles of a recording, the flat ones of quiet intervals among them."""
    capture = recognise(file)
    if capture is None:
        raise CaptureError(file, "is no recording of candles")
    return tuple(event.candle for event in capture.events() if isinstance(event, CandleClosed))


def between(candles: tuple[Candle, ...], start: str, end: str) -> list[Candle]:
    """Those that open from `start` on and before `end`."""
    first, last = csv_time_ns(start), csv_time_ns(end)
    return [candle for candle in candles if first <= candle.open_time_ns < last]


def columns_of(candles: Sequence[Candle]) -> CandleColumns:
    """Of at least one candle."""
    times, *numbers = zip(*(bar_of(candle) for candle in candles), strict=True)
    columns = (np.array(column, dtype=np.float64) for column in numbers)
    return CandleColumns(candles[0].length_ns, np.array(times, dtype=np.int64), *columns)

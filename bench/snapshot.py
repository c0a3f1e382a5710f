"""Indicators and snapshots: how long they take on three instruments and six timeframes.

usage: snapshot.py [FOLDER]

The market is generated from a fixed seed: 90 days of minutes for the longer timeframes, of which each keeps what it is
configured to. FOLDER may name recorded candles instead (a month of minutes gives the days fewer candles).
Times are CPU time. Cold: nothing computed yet, but the candles are there. Warm: a minute has passed, then price and
book move.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import Candle, CandleClosed, PastCandles
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.feeds.captures.replay import open_replay
from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.candles.timeframe import TIMEFRAMES
from triplegain.market.indicators.indicator import bar_of
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.market.snapshot.book_features import BookLevels
from triplegain.market.snapshot.compact import compact
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import Snapshot

MINUTE_NS = 60_000_000_000
DAYS = 90
START_NS = 1_704_067_200_000_000_000
OPENING = {"BTC/USDT": 600_000, "XRP/USDT": 60_000, "XRP/BTC": 1_000}
LEVELS = 100


def generated(instrument: Instrument, seed: int) -> list[Candle]:
    draw = Random(f"{instrument.symbol} {seed}")
    price, candles = OPENING[instrument.symbol], []
    for number in range(DAYS * 1440):
        steps = [price + round(draw.gauss(0, price * 0.0004)) for _ in range(3)]
        close = max(1, steps[-1])
        prices = (price, max(price, *steps), max(1, min(price, *steps)), close)
        volume = draw.randrange(10**9)
        candles.append(Candle(instrument.symbol, START_NS + number * MINUTE_NS, MINUTE_NS, *prices, volume, 9))
        price = close
    return candles


def recorded(folder: Path) -> tuple[tuple[Instrument, ...], dict[str, list[Candle]]]:
    feed = open_replay(folder)
    candles: dict[str, list[Candle]] = {each.symbol: [] for each in feed.instruments}
    for event in feed.events():
        if isinstance(event, CandleClosed):
            candles[event.symbol].append(event.candle)
    return feed.instruments, candles


def book(price: int, move: int) -> BookLevels:
    bids = [(price - 1 - n * (1 + n // 10), 10**8 + n * move) for n in range(min(LEVELS, price // 20))]
    asks = [(price + 1 + n * (1 + n // 10), 10**8 + n) for n in range(LEVELS)]
    return bids, asks


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def shot(view: MarketView, instrument: Instrument, last: Candle, now_ns: int, move: int) -> Snapshot:
    levels = book(last.close, move)
    bid, ask = instrument.price(levels[0][0][0]), instrument.price(levels[1][0][0])
    close = instrument.price(last.close)
    quote = Quote(instrument.symbol, bid, ask, close, None, None, now_ns, now_ns, QuoteSource.LIVE)
    found = view.snapshot(instrument.symbol, now_ns, quote, levels)
    assert isinstance(found, Snapshot)
    return found


def indicators(candles: list[Candle]) -> dict[str, float]:
    suite = IndicatorSuite(IndicatorSettings())
    history = CandleHistory("", TIMEFRAMES["1m"], 1000)
    for candle in candles[:1000]:
        history.append(candle)
    thousand = history.columns(history.end_ns)
    batch = median(timed(lambda: suite.open(thousand)) for _ in range(30))
    stream = suite.open(thousand)
    bars = [bar_of(each) for each in candles[1000:4000]]
    updates = timed(lambda: [stream.update(bar) for bar in bars])
    return {"batch_1000_candles_ms": batch, "update_all_indicators_us": updates / len(bars) * 1e3}


def main(folder: Path | None) -> None:
    settings = SnapshotSettings()
    if folder is not None:
        instruments, candles = recorded(folder)
    else:
        instruments = KRAKEN_OFFLINE_DEFAULTS
        candles = {each.symbol: generated(each, 1) for each in instruments}
    view = MarketView(instruments, settings, IndicatorSettings())
    last_minutes = 20
    end = min(len(each) for each in candles.values()) - last_minutes
    for each in candles.values():
        close_ns = each[end - 1].close_time_ns
        view.on_event(PastCandles(each[0].symbol, close_ns, close_ns, tuple(each[:end])))
    gc.collect()

    def all_three(row: int, move: int) -> list[Snapshot]:
        now_ns = candles[instruments[0].symbol][row - 1].close_time_ns + move
        return [shot(view, each, candles[each.symbol][row - 1], now_ns, move) for each in instruments]

    snapshots: list[Snapshot] = []
    cold = timed(lambda: snapshots.extend(all_three(end, 0)))
    moved = [timed(lambda move=move: all_three(end, move)) / len(instruments) for move in range(1, 200)]
    minute: list[float] = []
    for row in range(end, end + last_minutes):
        for each in instruments:
            view.on_event(CandleClosed(each.symbol, 0, 0, candles[each.symbol][row]))
        minute.append(timed(lambda row=row: all_three(row + 1, 0)) / len(instruments))
    brief = median(timed(lambda: compact(snapshots[0], settings.token_budget)) for _ in range(30))
    figures = {
        **indicators(candles[instruments[0].symbol]),
        "snapshot_cold_all_ms": cold,
        "snapshot_warm_price_and_book_ms": median(moved),
        "snapshot_warm_price_and_book_p99_ms": sorted(moved)[-2],
        "snapshot_warm_candles_closed_ms": median(minute),
        "snapshot_warm_candles_closed_max_ms": max(minute),
        "compact_ms": brief,
        "json_bytes": float(len(snapshots[0].json)),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024),
    }
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

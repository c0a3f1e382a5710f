"""A market view as the tests of snapshots use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import BookUpdate, Candle, CandleClosed, FeedState, FeedStatus, MarketEvent, PastCandles
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot

BTC, XRP, CROSS = KRAKEN_OFFLINE_DEFAULTS
BINANCE_BTC = replace(BTC, tick=Decimal("0.01"))
SETTINGS = SnapshotSettings()
LEVELS = ([(599_999, 10**8)], [(600_001, 2 * 10**8)])


def new_view(*instruments: Instrument, settings: SnapshotSettings = SETTINGS, synthetic: bool = False) -> MarketView:
    return MarketView(instruments or (BTC,), settings, IndicatorSettings(), synthetic)


def as_event(each: Candle) -> CandleClosed:
    return CandleClosed(each.symbol, each.close_time_ns, each.close_time_ns, each)


def feed_status(time_ns: int, state: FeedState) -> FeedStatus:
    return FeedStatus(BTC.symbol, time_ns, time_ns, state)


def book_snapshot(time_ns: int) -> BookUpdate:
    return BookUpdate(BTC.symbol, time_ns, time_ns, ((599_999, 1),), ((600_001, 1),), snapshot=True)


def past_candles(time_ns: int, *candles: Candle) -> PastCandles:
    return PastCandles(BTC.symbol, time_ns, time_ns, candles)


def quote_at(instrument: Instrument, price: int, time_ns: int, source: QuoteSource = QuoteSource.REPLAY) -> Quote:
    last = instrument.price(price)
    return Quote(instrument.symbol, None, None, last, None, None, time_ns, time_ns, source)


def fed(view: MarketView, events: Iterable[MarketEvent]) -> MarketView:
    for event in events:
        view.on_event(event)
    return view


def snapshot_of(found: Snapshot | NoSnapshot) -> Snapshot:
    assert isinstance(found, Snapshot)
    return found


def shot(view: MarketView, now_ns: int, price: int = 600_000, symbol: Instrument = BTC) -> Snapshot:
    return snapshot_of(view.snapshot(symbol.symbol, now_ns, quote_at(symbol, price, now_ns), None))


def now_after(crash: Sequence[Candle]) -> int:
    return crash[-1].close_time_ns + 5 * SECOND_NS


def of_crash(view: MarketView, crash: Sequence[Candle]) -> Snapshot:
    now_ns, price = now_after(crash), crash[-1].close
    bids = [(price - 1 - 100 * n, 10**7 * (n + 1)) for n in range(50)]
    asks = [(price + 1 + 100 * n, 10**7) for n in range(50)]
    return snapshot_of(
        view.snapshot("BTC/USDT", now_ns, quote_at(BINANCE_BTC, price, now_ns - SECOND_NS), (bids, asks))
    )

"""A glance has the figures of the snapshot of the same moment."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot

START_NS = 1_767_225_600 * SECOND_NS


def quote_of(symbol: str, price: str, now_ns: int) -> Quote:
    last = Decimal(price)
    return Quote(symbol, None, None, last, None, None, now_ns, now_ns, QuoteSource.DEMO)


def test_a_glance_says_what_the_snapshot_says_at_every_minute() -> None:
    feed = DemoMarket(5, START_NS, duration_ns=15 * 60 * SECOND_NS)
    settings = SnapshotSettings(primary="1m")
    view = MarketView(feed.instruments, settings, IndicatorSettings(), synthetic=True)
    compared = 0
    for event in feed.events():
        if not view.on_event(event):
            continue
        for instrument in feed.instruments:
            quote = quote_of(instrument.symbol, "1.5", event.exchange_time_ns)
            sighted = view.sight(instrument.symbol, event.exchange_time_ns, quote)
            snapshot = view.snapshot(instrument.symbol, event.exchange_time_ns, quote, None)
            if isinstance(snapshot, NoSnapshot):
                assert sighted == snapshot
                continue
            assert isinstance(snapshot, Snapshot)
            assert isinstance(sighted, Sighting)
            glance = sighted.glance()
            assert (glance.symbol, glance.price, glance.primary) == (snapshot.symbol, snapshot.price, "1m")
            told, written = glance.primary_frame, snapshot.primary_frame
            assert (told is None) == (written is None)
            if told is not None and written is not None:
                assert {name: told.indicator(name) for name in written.indicators} == written.indicators
                assert (told.timeframe, told.trend, told.indicator("no such")) == ("1m", written.trend, None)
            assert glance.alignment == snapshot.alignment
            compared += 1
    assert compared > 30


def test_without_a_price_or_a_candle_both_say_so() -> None:
    feed = DemoMarket(5, START_NS, duration_ns=SECOND_NS)
    view = MarketView(feed.instruments, SnapshotSettings(), IndicatorSettings(), synthetic=True)
    symbol = feed.instruments[0].symbol
    assert view.sight(symbol, START_NS, None) == view.snapshot(symbol, START_NS, None, None)
    quote = quote_of(symbol, "1.5", START_NS)
    assert view.sight(symbol, START_NS, quote) == view.snapshot(symbol, START_NS, quote, None)

"""The demo market's past: does it lead to where the market begins, and are its candles those of one market?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice, pairwise
from statistics import fmean

import pytest

from triplegain.agents.regime import KnownRegime, RegimeAnswer, regime_rules
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, Candle, MarketEvent, PastCandles, PublicTrade
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.feeds.demo import demo
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.feeds.demo.past import past_candles
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import Snapshot

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MIDNIGHT = 1_767_225_600 * SECOND
#: Within a minute, an hour and a day, and on no step of the path.
ODD = MIDNIGHT + 7 * HOUR + 23 * MINUTE + 31 * SECOND + 7
BTC, XRP, CROSS = "BTC/USDT", "XRP/USDT", "XRP/BTC"
SYMBOLS = (BTC, XRP, CROSS)
LENGTHS = tuple(minutes * MINUTE for minutes in (1, 5, 15, 60, 240, 1440))

#: Candles by symbol and length, and the unfinished one.
Past = dict[tuple[str, int], PastCandles]


@pytest.fixture(autouse=True)
def told_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests do with less of it."""
    monkeypatch.setattr(demo, "past_candles", past_candles)


def past_of(seed: int = 1, start_ns: int = MIDNIGHT) -> Past:
    told = past_candles(seed, start_ns, start_ns, KRAKEN_OFFLINE_DEFAULTS)
    return {(each.symbol, each.candles[0].length_ns): each for each in told}


def added_up(candles: Sequence[Candle], length_ns: int) -> Candle:
    """One candle of consecutive shorter ones."""
    first = candles[0]
    return Candle(
        first.symbol,
        first.open_time_ns,
        length_ns,
        first.open,
        max(each.high for each in candles),
        min(each.low for each in candles),
        candles[-1].close,
        sum(each.volume for each in candles),
        sum(each.trades for each in candles),
    )


def everything(past: PastCandles) -> tuple[Candle, ...]:
    return past.candles if past.unfinished is None else (*past.candles, past.unfinished)


@pytest.mark.parametrize("start_ns", [MIDNIGHT, ODD])
def test_candles_of_all_lengths_are_there_without_a_hole_up_to_the_start(start_ns: int) -> None:
    past = past_of(start_ns=start_ns)
    assert set(past) == {(symbol, length) for symbol in SYMBOLS for length in LENGTHS}
    for (symbol, length), told in past.items():
        assert (told.symbol, told.exchange_time_ns) == (symbol, start_ns)
        assert len(told.candles) == (220 if length == DAY else 960)
        assert told.candles[-1].close_time_ns == start_ns - start_ns % length
        assert (told.unfinished is None) == (start_ns == MIDNIGHT)
        assert told.unfinished is None or told.unfinished.open_time_ns == start_ns - start_ns % length
        for candle in everything(told):
            assert candle.open_time_ns % length == 0
            assert 0 < candle.low <= min(candle.open, candle.close)
            assert max(candle.open, candle.close) <= candle.high
            assert candle.volume > 0
            assert candle.trades > 0
        for before, after in pairwise(everything(told)):
            assert (after.open_time_ns, after.open) == (before.close_time_ns, before.close)


@pytest.mark.parametrize("start_ns", [MIDNIGHT, ODD])
def test_longer_candles_are_made_of_the_shorter_ones(start_ns: int) -> None:
    past = past_of(start_ns=start_ns)
    compared = 0
    for symbol in SYMBOLS:
        for short, long in pairwise(LENGTHS):
            parts = {candle.open_time_ns: candle for candle in everything(past[symbol, short])}
            for candle in everything(past[symbol, long]):
                times = range(candle.open_time_ns, min(candle.close_time_ns, start_ns), short)
                if times[0] in parts:
                    assert added_up([parts[time] for time in times], long) == candle
                    compared += 1
    # 960 minutes are 192 of five, those 320 of fifteen, those 240 hours, those 240 of four, those 160 days.
    assert compared >= 3 * (191 + 319 + 239 + 239 + 159)


def test_the_past_ends_at_the_opening_price_and_the_market_goes_on_from_there() -> None:
    events = list(islice(DemoMarket(4, MIDNIGHT).events(), 200))
    past = [event for event in events if isinstance(event, PastCandles)]
    assert events[: len(past)] == past
    closes = {each.symbol: {one.candles[-1].close for one in past if one.symbol == each.symbol} for each in past}
    # 60 000, 0.6 and 0.00001 in ticks of 0.1, 0.00001 and 0.00000001.
    assert closes == {BTC: {600_000}, XRP: {60_000}, CROSS: {1_000}}
    first: dict[str, int] = {}
    for event in events:
        if isinstance(event, BookUpdate) and event.snapshot:
            assert event.bids[0][0] <= closes[event.symbol].pop() <= event.asks[0][0]
        elif isinstance(event, PublicTrade):
            first.setdefault(event.symbol, event.price)
    assert abs(first[BTC] - 600_000) <= 100
    assert abs(first[XRP] - 60_000) <= 50
    assert abs(first[CROSS] - 1_000) <= 3


def test_it_is_told_before_the_first_book_and_received_no_later() -> None:
    events = list(islice(DemoMarket(2, ODD).events(), 19))
    assert all(isinstance(event, PastCandles) for event in events[:18])
    assert isinstance(events[18], BookUpdate)
    for before, after in pairwise(events):
        assert before.exchange_time_ns == after.exchange_time_ns == ODD
        assert ODD < before.received_at_ns <= after.received_at_ns


def test_the_three_pairs_agree_at_every_close() -> None:
    """XRP/USDT = XRP/BTC * BTC/USDT but for the rounding of three prices: half a tick each, mostly that of XRP/BTC,

    which is up to 1 / 1 800 of it.
    """
    past = past_of()
    for length in LENGTHS:
        three = zip(*(past[symbol, length].candles for symbol in SYMBOLS), strict=True)
        for btc, xrp, cross in three:
            assert abs(btc.close * cross.close - xrp.close * 10_000) * 1_700 <= xrp.close * 10_000


def test_the_same_seed_has_the_same_past_and_another_seed_another() -> None:
    assert past_of(7) == past_of(7)
    assert past_of(7)[BTC, HOUR] != past_of(8)[BTC, HOUR]


def test_the_past_is_the_one_every_machine_makes() -> None:
    digest = hashlib.sha256(repr(past_candles(1, ODD, ODD, KRAKEN_OFFLINE_DEFAULTS)).encode()).hexdigest()
    assert digest == "710b53c7e8ed84ee669115200628d2286ea1978facc6e46374981cf87a104f64"


def test_a_pair_has_the_same_past_without_the_others_and_in_a_finer_tick() -> None:
    whole = past_of()
    alone = past_candles(1, MIDNIGHT, MIDNIGHT, KRAKEN_OFFLINE_DEFAULTS[2:])
    assert alone == tuple(whole[CROSS, length] for length in LENGTHS)
    fine = replace(KRAKEN_OFFLINE_DEFAULTS[0], tick=Decimal("0.0000000001"))
    for told in past_candles(1, MIDNIGHT, MIDNIGHT, (fine,)):
        for candle, coarse in zip(told.candles, whole[BTC, told.candles[0].length_ns].candles, strict=True):
            assert abs(candle.high - coarse.high * 10**9) <= 10**9 // 2


@pytest.mark.parametrize("start_ns", [0, 1, 20 * SECOND, MINUTE, 3 * HOUR + 1])
def test_nothing_is_told_from_before_1970(start_ns: int) -> None:
    for told in past_candles(1, start_ns, start_ns, KRAKEN_OFFLINE_DEFAULTS):
        assert told.candles[0].open_time_ns == 0
        assert told.candles[-1].close_time_ns <= start_ns
    market: list[MarketEvent] = list(islice(DemoMarket(1, start_ns).events(), 30))
    assert any(isinstance(event, BookUpdate) for event in market)


def test_it_moves_like_the_market_itself_and_stays_near_it() -> None:
    """The market's hours span 29 basis points of BTC/USDT in the mean, and 45 of XRP/USDT; ours have quieter and

    livelier ones among them.
    """
    for seed in range(3):
        past = past_of(seed)
        for symbol, least, most, contrast in ((BTC, 15, 35, 2), (XRP, 20, 45, 1.5)):
            hours = past[symbol, HOUR].candles
            spans = [(candle.high - candle.low) / candle.open * 10_000 for candle in hours]
            assert least <= fmean(spans) <= most
            days = [fmean(spans[hour : hour + 24]) for hour in range(0, 960, 24)]
            assert max(days) >= contrast * min(days), "no quiet and no lively times"
        for (symbol, _), told in past.items():
            opening = told.candles[-1].close
            assert min(candle.low for candle in told.candles) >= opening * 0.82
            assert max(candle.high for candle in told.candles) <= opening * 1.18, symbol


def test_lively_hours_have_more_trades() -> None:
    hours = sorted(past_of()[BTC, HOUR].candles, key=lambda candle: candle.high - candle.low)
    quarter = len(hours) // 4
    calm, lively = hours[:quarter], hours[-quarter:]
    assert sum(one.trades for one in lively) > 1.5 * sum(one.trades for one in calm)
    assert sum(one.volume for one in lively) > 1.5 * sum(one.volume for one in calm)


def view_at_the_start(seed: int) -> MarketView:
    view = MarketView(KRAKEN_OFFLINE_DEFAULTS, SnapshotSettings(), IndicatorSettings(), synthetic=True)
    for event in DemoMarket(seed, MIDNIGHT, duration_ns=SECOND).events():
        view.on_event(event)
    return view


def snapshot(view: MarketView, symbol: str) -> Snapshot:
    price = {BTC: Decimal(60_000), XRP: Decimal("0.6"), CROSS: Decimal("0.00001")}[symbol]
    now_ns = MIDNIGHT + SECOND
    quote = Quote(symbol, price, price, price, None, None, now_ns, now_ns, QuoteSource.DEMO)
    found = view.snapshot(symbol, now_ns, quote, None)
    assert isinstance(found, Snapshot)
    return found


def test_every_timeframe_is_warm_in_the_first_second() -> None:
    view = view_at_the_start(1)
    for symbol in SYMBOLS:
        seen = snapshot(view, symbol)
        assert not [flag for flag in seen.flags if flag.startswith(("few", "missing", "late", "doubtful", "no_day"))]
        assert "synthetic" in seen.flags
        for name, frame in seen.timeframes.items():
            # Of 00:00 there is no minute yet to weigh by volume.
            unknown = {each for each, value in frame.closed.indicators.items() if value is None}
            assert unknown <= ({"vwap"} if name == "1m" else set()), name


@pytest.mark.slow
def test_seeds_begin_in_all_regimes() -> None:
    found = set()
    for seed in range(8):
        view = view_at_the_start(seed)
        for symbol in SYMBOLS:
            answer = regime_rules(snapshot(view, symbol))
            assert isinstance(answer, RegimeAnswer)
            found.add(answer.regime)
    assert found >= {
        KnownRegime.TRENDING_BULL,
        KnownRegime.TRENDING_BEAR,
        KnownRegime.RANGING,
        KnownRegime.CHOPPY,
    }

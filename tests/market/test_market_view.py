from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.market.indicators.recorded import BTC_USDT, XRP_BTC, between, candles_of, columns_of
from tests.market.timeframes.market_steps import DAY, HOUR, MINUTE, candle, trade
from tests.market.viewed_market import (
    BINANCE_BTC,
    BTC,
    CROSS,
    LEVELS,
    SETTINGS,
    as_event,
    book_snapshot,
    fed,
    feed_status,
    new_view,
    now_after,
    of_crash,
    past_candles,
    quote_at,
    shot,
    snapshot_of,
)

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import (
    Candle,
    FeedState,
    Heartbeat,
    MarketEvent,
    TimePassed,
)
from triplegain.domain.money import text
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.market.indicators.indicator import Unit
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.market.snapshot.frame import averages, trend
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import NoSnapshot


@pytest.fixture(scope="module")
def crash(captures: Path) -> list[Candle]:
    return between(candles_of(captures / BTC_USDT), "2021-05-16 00:00:00", "2021-05-19 13:00:00")


@pytest.fixture(scope="module")
def crashed(crash: list[Candle]) -> MarketView:
    return fed(new_view(BINANCE_BTC), map(as_event, crash))


# -- what is in it ---------------------------------------------------------------------------------------------------


def test_the_json_is_canonical_and_its_hash_is_the_snapshots(crashed: MarketView, crash: list[Candle]) -> None:
    snapshot = of_crash(crashed, crash)

    def sorted_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs)
        return dict(pairs)

    seen = json.loads(snapshot.json, object_pairs_hook=sorted_keys)
    assert snapshot.hash == hashlib.sha256(snapshot.json.encode()).hexdigest()
    assert " " not in snapshot.json and "NaN" not in snapshot.json and "Infinity" not in snapshot.json
    assert (seen["symbol"], seen["time"], seen["primary"]) == ("BTC/USDT", "2021-05-19T13:00:05.000000Z", "1h")
    assert seen["price"]["age_s"] == 1 and seen["price"]["mark"] == seen["price"]["last"]
    assert isinstance(seen["price"]["mark"], str), "money is text"
    assert set(seen["timeframes"]) == {"1m", "5m", "15m", "1h", "4h", "1d"}
    assert seen["book"]["imbalance"] > 0.9 and set(seen["book"]["bid_depth"]) == {"0.5", "1", "2"}


def test_candles_and_indicators_are_those_of_the_recording(crashed: MarketView, crash: list[Candle]) -> None:
    snapshot = of_crash(crashed, crash)
    minute = snapshot.timeframes["1m"].closed
    assert list(minute.candles) == crash[-60:]
    first, row = crash[-60], json.loads(snapshot.json)["timeframes"]["1m"]["candles"][0]
    prices = (first.open, first.high, first.low, first.close)
    assert row[0] == first.open_time_ns // SECOND_NS
    assert row[1:] == [*(text(BINANCE_BTC.price(each)) for each in prices), text(BINANCE_BTC.quantity(first.volume))]
    suite = IndicatorSuite(IndicatorSettings())
    kept = crashed.candles("BTC/USDT", "1m")
    assert 2048 <= len(kept) < 4096
    for name, value in suite.open(columns_of(kept)).reading().items():
        there = minute.indicators[name]
        scale = {Unit.PRICE: 0.01, Unit.QUANTITY: 1e-8}.get(suite.units[name], 1)
        assert value is not None and there == pytest.approx(value * scale, rel=1e-7, abs=5.1e-5), name
    lengths = {name: len(frame.closed.candles) for name, frame in snapshot.timeframes.items()}
    assert lengths == {"1m": 60, "5m": 48, "15m": 32, "1h": 85, "4h": 21, "1d": 3}


def test_the_last_day_is_that_of_the_minutes(crashed: MarketView, crash: list[Candle]) -> None:
    day = of_crash(crashed, crash).day
    last = crash[-1440:]
    assert day is not None and day.timeframe == "1m"
    assert day.volume == BINANCE_BTC.quantity(sum(each.volume for each in last))
    assert (day.high, day.low) == (Decimal(max(c.high for c in last)) / 100, Decimal(min(c.low for c in last)) / 100)
    assert day.change_pct == pytest.approx((crash[-1].close / last[0].open - 1) * 100)


def test_the_open_candle_is_shown_beside_the_closed_ones() -> None:
    view = fed(new_view(), [book_snapshot(0), *(trade(n * MINUTE, 600_000 + n, 10**8) for n in range(62))])
    snapshot = shot(view, 61 * MINUTE + 1)
    assert snapshot.timeframes["1h"].unfinished == candle(
        HOUR, (600_060, 600_061, 600_060, 600_061), 2 * 10**8, 2, HOUR
    )
    hour = json.loads(snapshot.json)["timeframes"]["1h"]
    assert hour["unfinished"] == [3600, "60006", "60006.1", "60006", "60006.1", "2"]


def test_a_cheap_pair_keeps_its_digits(captures: Path) -> None:
    candles = between(candles_of(captures / XRP_BTC), "2021-05-19 00:00:00", "2021-05-19 13:00:00")
    view = fed(new_view(CROSS), map(as_event, candles))
    now_ns = candles[-1].close_time_ns
    levels = ([(3040, 10**12)], [(3041, 10**12)])
    snapshot = snapshot_of(view.snapshot("XRP/BTC", now_ns, quote_at(CROSS, 3040, now_ns), levels))
    values = snapshot.timeframes["1m"].closed.indicators
    for name in ("atr", "macd", "macd_histogram", "bollinger_width_pct"):
        assert values[name] not in (0, None), name
    seen = json.loads(snapshot.json)
    assert seen["book"]["mid"] == "0.000030405" and seen["price"]["mark"] == "0.0000304"
    assert "e-0" not in snapshot.json


def test_alignment_is_the_mean_of_the_known_trends(crashed: MarketView, crash: list[Candle]) -> None:
    snapshot = of_crash(crashed, crash)
    trends = {name: frame.closed.trend for name, frame in snapshot.timeframes.items()}
    # Hours: 9 under 21 under 50, the close above neither. Days and 4 h have too few candles for EMA 50.
    assert trends["1h"] == -1 and trends["1d"] is None and trends["4h"] is None
    known = [each for each in trends.values() if each is not None]
    assert snapshot.alignment == pytest.approx(sum(known) / len(known))


def test_a_market_that_stands_still_has_no_trend_and_no_strength() -> None:
    minutes = [candle(n * MINUTE, (600_000,) * 4, 0) for n in range(1500)]
    snapshot = shot(fed(new_view(), map(as_event, minutes)), 1500 * MINUTE)
    minute = snapshot.timeframes["1m"].closed
    assert (minute.trend, snapshot.alignment) == (0, 0)
    assert (minute.indicators["rsi"], minute.indicators["squeeze"], minute.indicators["vwap"]) == (50, None, None)
    assert "quiet:1m:1500" in snapshot.flags and snapshot.day is not None and snapshot.day.change_pct == 0


@pytest.mark.parametrize(("apart", "direction"), [(0.0, 0), (0.009, 0), (0.02, 1), (-0.02, -1)])
def test_averages_less_than_a_hundredth_of_a_tick_apart_are_level(apart: float, direction: int) -> None:
    reading: dict[str, float | None] = {"ema_9": 100 + 2 * apart, "ema_21": 100 + apart, "ema_50": 100.0}
    assert trend(reading, 100, averages((200, 50, 21, 9))) == pytest.approx(2 * direction / 3)


def test_candles_the_exchange_tells_better_are_shown_at_once() -> None:
    minutes = [candle(n * MINUTE, (600_000,) * 4, 5, 1) for n in range(10)]
    view = fed(new_view(), [past_candles(10 * MINUTE, *minutes)])
    before = shot(view, 10 * MINUTE)
    better = [candle(n * MINUTE, (610_000,) * 4, 7, 1) for n in range(8, 10)]
    after = shot(fed(view, [past_candles(10 * MINUTE, *better)]), 10 * MINUTE)
    assert after.timeframes["1m"].closed.candles == (*minutes[:8], *better)
    assert [row[1] for row in json.loads(after.json)["timeframes"]["1m"]["candles"]] == ["60000"] * 8 + ["61000"] * 2
    assert before.hash != after.hash


# -- when there is none ----------------------------------------------------------------------------------------------


def test_without_a_fresh_price_there_is_no_snapshot(crashed: MarketView, crash: list[Candle]) -> None:
    now_ns = now_after(crash)
    nothing = Quote("BTC/USDT", Decimal(1), None, None, None, None, now_ns, now_ns, QuoteSource.REPLAY)
    for quote in (None, nothing, quote_at(BINANCE_BTC, 0, now_ns)):
        found = crashed.snapshot("BTC/USDT", now_ns, quote, None)
        assert isinstance(found, NoSnapshot)
        assert (found.code, "no fresh price of BTC/USDT" in found.reason) == ("no_price", True)


def test_without_a_candle_there_is_no_snapshot() -> None:
    view = fed(new_view(), [book_snapshot(0), trade(5, 600_000)])
    found = view.snapshot("BTC/USDT", 50, quote_at(BTC, 600_000, 50), LEVELS)
    assert isinstance(found, NoSnapshot)
    assert (found.code, "no candle of BTC/USDT" in found.reason) == ("no_candles", True)


def test_a_symbol_or_quote_that_does_not_belong_is_an_error(crashed: MarketView) -> None:
    with pytest.raises(InvalidValueError, match="only BTC/USDT"):
        crashed.snapshot("ETH/USDT", 0, None, None)
    with pytest.raises(InvalidValueError, match="a quote of XRP/BTC"):
        crashed.snapshot("BTC/USDT", 0, quote_at(CROSS, 1, 0), None)


# -- flags -----------------------------------------------------------------------------------------------------------


def test_flags_say_what_is_missing_in_a_young_session() -> None:
    view = fed(new_view(synthetic=True), [book_snapshot(0), *(trade(n * MINUTE, 600_000) for n in range(8))])
    now_ns = 7 * MINUTE + 1
    found = snapshot_of(view.snapshot("BTC/USDT", now_ns, quote_at(BTC, 600_000, now_ns, QuoteSource.MOCK), LEVELS))
    assert found.flags == (
        "synthetic",
        "price_source:mock",
        "book_reach:0.0001",  # both sides end 0.1 of 60,000 from the middle
        "no_day",
        "few:1m:7/200",
        "few:5m:1/200",
        "missing:15m",
        "missing:1h",
        "missing:4h",
        "missing:1d",
    )
    assert json.loads(found.json)["timeframes"]["1h"] is None
    assert found.primary not in found.timeframes


def test_a_price_from_candles_says_so(crashed: MarketView, crash: list[Candle]) -> None:
    assert of_crash(crashed, crash).flags[0] == "price_is_close"


def test_a_candle_that_should_be_there_is_late() -> None:
    view = fed(new_view(), [book_snapshot(0), *(trade(n * MINUTE, 600_000) for n in range(4))])
    last_close = 3 * MINUTE
    on_time = shot(view, last_close + MINUTE + 10 * SECOND_NS - 1)
    late = shot(view, last_close + MINUTE + 10 * SECOND_NS)
    assert ("late:1m" in on_time.flags, "late:1m" in late.flags) == (False, True)


def test_trades_lost_in_a_gap_make_their_candles_doubtful() -> None:
    events: list[MarketEvent] = [book_snapshot(0), *(trade(n * MINUTE + 5, 600_000) for n in range(10))]
    events += [feed_status(10 * MINUTE + 30, FeedState.GAP), Heartbeat(12 * MINUTE, 12 * MINUTE)]
    view = fed(new_view(), events)
    blind = shot(view, 12 * MINUTE)
    # Nothing was heard since 9:00; minutes 9, 10 and 11 have closed.
    assert "feed:gap" in blind.flags and "doubtful:1m:3" in blind.flags
    fed(view, [book_snapshot(12 * MINUTE + 1), Heartbeat(14 * MINUTE, 14 * MINUTE)])
    after = shot(view, 14 * MINUTE)
    assert "feed:gap" not in after.flags and "doubtful:1m:4" in after.flags, "9 to 12, and 13 is whole"
    told = [candle(n * MINUTE, (600_000,) * 4, 5, 1) for n in range(5, 14)]
    fed(view, [past_candles(14 * MINUTE, *told)])
    assert not [flag for flag in shot(view, 14 * MINUTE).flags if flag.startswith("doubtful")]


def test_our_own_clock_closes_no_candle() -> None:
    view = fed(new_view(), [book_snapshot(0), trade(1, 600_000), TimePassed(5 * MINUTE, 5 * MINUTE)])
    assert view.candles("BTC/USDT", "1m") == []
    assert view.on_event(Heartbeat(5 * MINUTE, 5 * MINUTE))
    assert len(view.candles("BTC/USDT", "1m")) == 5


# -- the same again --------------------------------------------------------------------------------------------------


def test_the_same_market_gives_the_same_snapshot_however_often_one_looked(crash: list[Candle]) -> None:
    busy, idle = new_view(BINANCE_BTC), new_view(BINANCE_BTC)
    for number, each in enumerate(crash):
        busy.on_event(as_event(each))
        idle.on_event(as_event(each))
        if number % 50 == 49:
            of_crash(busy, crash[: number + 1])
    assert of_crash(busy, crash) == of_crash(idle, crash)


# -- settings --------------------------------------------------------------------------------------------------------


def test_other_timeframes_can_be_looked_at() -> None:
    settings = SnapshotSettings(look_back={"30m": 4, "1w": 2}, primary="30m")
    minutes = [candle(n * 30 * MINUTE, (600_000,) * 4, 5, 1, 30 * MINUTE) for n in range(48 * 20)]
    snapshot = shot(fed(new_view(settings=settings), map(as_event, minutes)), 20 * DAY)
    assert [each.open_time_ns // DAY for each in snapshot.timeframes["1w"].closed.candles] == [4, 11]
    assert len(snapshot.timeframes["30m"].closed.candles) == 4


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"primary": "2h"}, "primary is 2h"),
        ({"look_back": {"1h": 5, "7m": 3}}, "one of 1m"),
        ({"history_candles": 100}, "too few: 1440"),
        ({"depth_pcts": (Decimal(2), Decimal(1))}, "must rise"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        SnapshotSettings(**wrong)


def test_a_history_too_short_for_the_longest_average_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="4000"):
        MarketView([BTC], SETTINGS, IndicatorSettings(sma=(1000,)))

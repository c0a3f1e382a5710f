from __future__ import annotations

from pathlib import Path

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.trades_capture import TradesCapture
from triplegain.market.candles.candles import CandleBuilder

MINUTE = 60 * SECOND_NS


def _trade(second: float, price: int, quantity: int) -> PublicTrade:
    time_ns = int(second * SECOND_NS)
    return PublicTrade("BTC/USDT", time_ns, time_ns, price, quantity, Side.BUY)


def _candle(open_time_ns: int, prices: tuple[int, int, int, int], volume: int, trades: int) -> Candle:
    return Candle("BTC/USDT", open_time_ns, MINUTE, *prices, volume, trades)


def test_a_trade_on_the_boundary_belongs_to_the_next_candle() -> None:
    builder = CandleBuilder("BTC/USDT", MINUTE)
    assert builder.on_trade(_trade(61, 100, 1)) == []
    assert builder.on_trade(_trade(70, 103, 2)) == []
    assert builder.on_trade(_trade(119.999, 99, 3)) == []
    assert builder.on_trade(_trade(120, 101, 4)) == [_candle(MINUTE, (100, 103, 99, 99), 6, 3)]


def test_time_alone_closes_a_candle_and_fills_quiet_intervals_flat() -> None:
    builder = CandleBuilder("BTC/USDT", MINUTE)
    assert builder.advance_to(10 * MINUTE) == []  # nothing before the first trade
    builder.on_trade(_trade(601, 100, 5))
    assert builder.advance_to(11 * MINUTE - 1) == []
    assert builder.advance_to(11 * MINUTE) == [_candle(10 * MINUTE, (100,) * 4, 5, 1)]
    assert builder.advance_to(13 * MINUTE + 1) == [
        _candle(11 * MINUTE, (100,) * 4, 0, 0),
        _candle(12 * MINUTE, (100,) * 4, 0, 0),
    ]
    assert builder.on_trade(_trade(13 * 60 + 5, 90, 1)) == []
    assert builder.advance_to(14 * MINUTE) == [_candle(13 * MINUTE, (90,) * 4, 1, 1)]


def test_more_than_a_day_of_silence_is_a_hole_and_not_a_quiet_market() -> None:
    builder = CandleBuilder("BTC/USDT", MINUTE)
    builder.on_trade(_trade(0, 100, 1))
    day = 1440
    assert len(builder.on_trade(_trade(60 * (day + 1), 100, 1))) == day + 1  # the candle and a day of flat ones
    assert len(builder.on_trade(_trade(60 * (2 * day + 3), 100, 1))) == 1


def test_finer_candles_add_up() -> None:
    builder = CandleBuilder("BTC/USDT", 2 * MINUTE)
    assert builder.on_candle(_candle(0, (10, 12, 9, 11), 5, 2)) == []
    assert builder.on_candle(_candle(MINUTE, (11, 15, 11, 14), 7, 3)) == [
        Candle("BTC/USDT", 0, 2 * MINUTE, 10, 15, 9, 14, 12, 5)
    ]


def test_candles_that_do_not_divide_the_length_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="do not add up"):
        CandleBuilder("BTC/USDT", 90 * SECOND_NS).on_candle(_candle(0, (1, 1, 1, 1), 1, 1))


@pytest.mark.parametrize("stop", range(7))
def test_a_builder_stopped_anywhere_goes_on_alike(stop: int) -> None:
    trades = [_trade(second, 100 + second % 7, 10**17) for second in (1, 30, 61, 65, 250, 251, 400)]
    whole = CandleBuilder("BTC/USDT", MINUTE)
    expected = [candle for trade in trades for candle in whole.on_trade(trade)]
    first, second = CandleBuilder("BTC/USDT", MINUTE), CandleBuilder("BTC/USDT", MINUTE)
    candles = [candle for trade in trades[:stop] for candle in first.on_trade(trade)]
    second.restore(first.state())
    candles += [candle for trade in trades[stop:] for candle in second.on_trade(trade)]
    assert candles == expected


def test_recorded_trades_rebuild_the_recorded_minutes(captures: Path) -> None:
    folder = captures / "kraken_trades_btcusdt_2023-11"
    builder = CandleBuilder("BTC/USDT", MINUTE)
    built = []
    for event in TradesCapture(folder / "BTC_USDT-trades.feather", "trades-feather", "BTC/USDT").events():
        assert isinstance(event, PublicTrade)
        built += builder.on_trade(event)
    # The recording's last minute (08:41) holds every trade the file has.
    built += builder.advance_to(event.exchange_time_ns + MINUTE)
    recorded = list(CandlesCapture(folder / "BTC_USDT-1m.feather", "candles-feather", "BTC/USDT").recorded())
    traded = [candle for candle in built if candle.trades]
    assert len(recorded) == len(traded) == 5388
    assert len(built) - len(traded) == 2334  # minutes without a trade
    for ours, theirs in zip(traded, recorded, strict=True):
        assert ours.open_time_ns == theirs.open_time_ns
        assert (ours.open, ours.high, ours.low, ours.close) == (theirs.open, theirs.high, theirs.low, theirs.close)
        assert abs(ours.volume - theirs.volume) <= 1  # one lot is 1e-8


def test_finer_candles_that_do_not_follow_each_other_make_up_nothing() -> None:
    builder = CandleBuilder("BTC/USDT", 2 * MINUTE)
    told = [
        each for minute in (0, 1, 2, 7, 8, 9) for each in builder.on_candle(_candle(minute * MINUTE, (10,) * 4, 1, 1))
    ]
    # [2, 4) as far as it is known, nothing of [4, 6), [6, 8) by its second half.
    assert [(each.open_time_ns // MINUTE, each.volume) for each in told] == [(0, 2), (2, 1), (6, 1), (8, 2)]


@pytest.mark.parametrize("stop", range(7))
def test_a_builder_of_candles_stopped_anywhere_goes_on_alike(stop: int) -> None:
    fed = [_candle(minute * MINUTE, (10 + minute,) * 4, 1, 1) for minute in (0, 1, 2, 7, 8, 9)]
    whole, first, second = (CandleBuilder("BTC/USDT", 2 * MINUTE) for _ in range(3))
    expected = [each for candle in fed for each in whole.on_candle(candle)]
    told = [each for candle in fed[:stop] for each in first.on_candle(candle)]
    second.restore(first.state())
    assert told + [each for candle in fed[stop:] for each in second.on_candle(candle)] == expected

from __future__ import annotations

from tests.market.timeframes.market_steps import DAY, HOUR, MINUTE, SYMBOL, candle, flat, trade

from triplegain.domain.market import Candle, PublicTrade
from triplegain.market.candles.symbol_candles import UnfinishedCandle
from triplegain.market.candles.timeframe import TIMEFRAMES


def _begun(name: str = "1m", at_ns: int = 0) -> UnfinishedCandle:
    unfinished = UnfinishedCandle(SYMBOL, TIMEFRAMES[name])
    unfinished.begin(at_ns)
    return unfinished


def _tell(unfinished: UnfinishedCandle, told: PublicTrade) -> list[Candle]:
    closed = unfinished.advance(told.exchange_time_ns)
    unfinished.add(told.exchange_time_ns, (told.price,) * 4, told.quantity, 1)
    return closed


def test_trades_make_a_candle_and_the_one_on_the_boundary_belongs_to_the_next() -> None:
    unfinished = _begun()
    for second, price, quantity in ((1, 100, 5), (30, 103, 1), (59, 99, 2)):
        assert _tell(unfinished, trade(second * 10**9, price, quantity)) == []
    assert unfinished.candle == candle(0, (100, 103, 99, 99), 8, 3)
    assert _tell(unfinished, trade(MINUTE, 101)) == [candle(0, (100, 103, 99, 99), 8, 3)]
    assert unfinished.candle == candle(MINUTE, (101,) * 4, 1, 1)


def test_quiet_intervals_are_flat_at_the_last_price() -> None:
    unfinished = _begun()
    _tell(unfinished, trade(0, 100, 5))
    closed = unfinished.advance(3 * MINUTE + 1)
    assert closed == [candle(0, (100,) * 4, 5, 1), flat(MINUTE, 100), flat(2 * MINUTE, 100)]
    assert unfinished.candle is None


def test_before_the_first_trade_there_is_nothing_not_even_a_flat_candle() -> None:
    unfinished = _begun()
    assert unfinished.advance(10 * MINUTE) == []
    assert _tell(unfinished, trade(10 * MINUTE + 5, 100)) == []
    assert unfinished.advance(11 * MINUTE) == [candle(10 * MINUTE, (100,) * 4, 1, 1)]


def test_a_candle_whose_beginning_was_not_seen_is_never_told() -> None:
    unfinished = _begun(at_ns=10)
    _tell(unfinished, trade(11, 100))
    assert unfinished.candle is None
    assert unfinished.advance(2 * MINUTE) == [flat(MINUTE, 100)]


def test_more_than_a_day_of_silence_is_a_hole_and_the_next_candle_is_a_new_beginning() -> None:
    unfinished = _begun()
    _tell(unfinished, trade(0, 100))
    assert len(unfinished.advance(DAY + MINUTE)) == 1 + 1440
    _tell(unfinished, trade(DAY + MINUTE, 100))
    late = 2 * DAY + 3 * MINUTE
    assert unfinished.advance(late) == [candle(DAY + MINUTE, (100,) * 4, 1, 1)]
    assert unfinished.advance(late + 5 * MINUTE) == []


def test_a_quiet_minute_lends_no_price_to_the_hour() -> None:
    """Kraken's hour opens with its first trade, whatever the last price before it was."""
    hour = _begun("1h")
    minutes = [
        candle(0, (100, 100, 100, 100), 7, 2),
        *(flat(n * MINUTE, 100) for n in range(1, 61)),
        candle(61 * MINUTE, (120, 121, 119, 120), 3, 1),
        *(flat(n * MINUTE, 120) for n in range(62, 180)),
    ]
    closed = [each for minute in minutes for each in hour.take(minute)]
    assert closed == [
        candle(0, (100,) * 4, 7, 2, HOUR),
        candle(HOUR, (120, 121, 119, 120), 3, 1, HOUR),
        flat(2 * HOUR, 120, HOUR),
    ]


def test_what_the_exchange_has_counted_is_not_counted_again() -> None:
    hour = UnfinishedCandle(SYMBOL, TIMEFRAMES["1h"])
    hour.take_open(candle(0, (100, 110, 90, 105), 50, 9, HOUR))
    hour.known_before_ns = 30 * MINUTE
    _tell(hour, trade(30 * MINUTE - 1, 500))
    _tell(hour, trade(30 * MINUTE, 111, 2))
    assert hour.candle == candle(0, (100, 111, 90, 111), 52, 10, HOUR)

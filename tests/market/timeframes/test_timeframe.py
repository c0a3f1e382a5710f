from __future__ import annotations

import pytest

from triplegain.domain.clock import DAY_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.market.candles.timeframe import TIMEFRAMES, timeframe
from triplegain.market.timestamps import csv_time_ns


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("1m", "2021-05-19 13:57:00"),
        ("5m", "2021-05-19 13:55:00"),
        ("15m", "2021-05-19 13:45:00"),
        ("30m", "2021-05-19 13:30:00"),
        ("1h", "2021-05-19 13:00:00"),
        ("4h", "2021-05-19 12:00:00"),
        ("12h", "2021-05-19 12:00:00"),
        ("1d", "2021-05-19 00:00:00"),
        ("1w", "2021-05-17 00:00:00"),  # a Monday
    ],
)
def test_intervals_are_aligned_to_utc_and_weeks_to_monday(name: str, start: str) -> None:
    assert timeframe(name).start(csv_time_ns("2021-05-19 13:57:31")) == csv_time_ns(start)
    assert timeframe(name).start(csv_time_ns(start)) == csv_time_ns(start)


def test_weeks_that_begin_on_thursday_are_no_weeks_of_ours() -> None:
    week = TIMEFRAMES["1w"]
    assert week.holds(csv_time_ns("2021-05-17 00:00:00"), 7 * DAY_NS)
    assert not week.holds(csv_time_ns("2021-05-20 00:00:00"), 7 * DAY_NS)
    assert week.holds(csv_time_ns("2021-05-20 00:00:00"), DAY_NS)


def test_only_lengths_that_divide_add_up() -> None:
    hour = TIMEFRAMES["1h"]
    assert hour.holds(0, TIMEFRAMES["15m"].length_ns)
    assert not hour.holds(0, TIMEFRAMES["4h"].length_ns)
    assert not hour.holds(0, 7 * TIMEFRAMES["1m"].length_ns)


def test_another_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidValueError, match=r"one of 1m, 5m, .* this is '2h'"):
        timeframe("2h")


def test_a_candle_is_held_where_it_lies_in_one_interval_on_the_grid_of_its_own_length() -> None:
    for frame in TIMEFRAMES.values():
        for finer in TIMEFRAMES.values():
            for open_ns in range(frame.offset_ns, frame.offset_ns + 2 * frame.length_ns, max(finer.length_ns // 2, 1)):
                last_ns = open_ns + finer.length_ns - 1
                lies = frame.length_ns % finer.length_ns == 0 and frame.start(open_ns) == frame.start(last_ns)
                is_on_grid = (open_ns - frame.offset_ns) % finer.length_ns == 0
                assert frame.holds(open_ns, finer.length_ns) == (lies and is_on_grid)
                if open_ns > frame.offset_ns + 400 * finer.length_ns:
                    break

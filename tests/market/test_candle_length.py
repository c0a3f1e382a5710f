from __future__ import annotations

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.market.candles.timeframe import auto_candle_length, candle_length_text, parse_candle_length


def test_a_length_is_read_and_written() -> None:
    assert parse_candle_length(" 5M ") == 300 * SECOND_NS
    assert candle_length_text(parse_candle_length("4h")) == "4h"
    assert candle_length_text(30 * SECOND_NS) == "30s"


def test_an_unknown_length_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidValueError, match="15m"):
        parse_candle_length("7m")


@pytest.mark.parametrize(
    ("seconds", "length"),
    [
        (650, "1s"),  # 650 / 5 = 130 candles are too few
        (1000, "5s"),  # exactly 200
        (999, "1s"),
        (3_000, "15s"),
        (463_000, "15m"),  # five days of trades: 128 hours, 514 quarters
        (31_536_000, "1h"),
        (60, "1s"),  # never 200: the shortest
    ],
)
def test_the_automatic_length_is_the_longest_with_two_hundred_candles(seconds: int, length: str) -> None:
    assert auto_candle_length(seconds * SECOND_NS) == parse_candle_length(length)


def test_the_automatic_length_is_never_finer_than_what_was_recorded() -> None:
    assert auto_candle_length(86_400 * SECOND_NS, parse_candle_length("1h")) == parse_candle_length("1h")

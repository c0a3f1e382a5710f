"""A silence of L intervals is a hole where N x p^L < 0.001."""

from __future__ import annotations

from pathlib import Path

import pytest

from triplegain.feeds.captures.replay import recognise
from triplegain.market.candles.holes import longest_quiet


@pytest.mark.parametrize(
    ("rows", "intervals", "longest"),
    [
        (1000, 2000, 19),  # p = 0.5: 1,000 x 0.5^19 = 0.0019, 1,000 x 0.5^20 = 0.00095
        (1000, 1111, 5),  # p = 0.0999: 1,000 x p^5 = 0.00996, x p^6 = 0.000995
        (900, 1000, 5),  # p = 0.1: 900 x 0.1^5 = 0.009, x 0.1^6 = 0.0009
        (9_000_000, 10_000_000, 9),  # p = 0.1: 9e6 x 1e-9 = 0.009, x 1e-10 = 0.0009
        (3, 4, 5),  # p = 0.25: 3 x 0.25^5 = 0.0029, x 0.25^6 = 0.0007
        (11, 100, 79),  # p = 0.89: 11 x 0.89^79 = 0.0011, x 0.89^80 = 0.00098
        (99, 100, 2),  # p = 0.01 is not under 1 %: 99 x 0.01^2 = 0.0099, x 0.01^3 = 0.000099
        (9901, 10_000, 0),  # p = 0.0099: any missing candle
        (100, 100, 0),
        (1, 1, 0),
        (0, 0, 0),
    ],
)
def test_the_quiet_of_a_market_says_how_long_it_may_be_quiet(rows: int, intervals: int, longest: int) -> None:
    assert longest_quiet(rows, intervals) == longest


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("binance_ohlcv_1h_2021_2023/BTCUSDT_1h.csv", 0),
        ("binance_ohlcv_5m_2024", 0),
        ("kraken_ohlcv_btcusdt/XBTUSDT_60.csv", 4),
    ],
)
def test_recorded_markets_are_judged_by_themselves(captures: Path, path: str, longest: int) -> None:
    files = sorted((captures / path).glob("*.*")) if (captures / path).is_dir() else [captures / path]
    for file in files:
        capture = recognise(file)
        assert capture is not None and getattr(capture, "longest_quiet") == longest  # noqa: B009

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.market.indicators.recorded import BTC_USDT, between, candles_of
from tests.market.viewed_market import BINANCE_BTC, as_event, fed, new_view, of_crash

from triplegain.domain.errors import InvalidValueError
from triplegain.market.snapshot.compact import compact, tokens_at_most
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import Snapshot


@pytest.fixture(scope="module")
def snapshot(captures: Path) -> Snapshot:
    crash = between(candles_of(captures / BTC_USDT), "2021-05-16 00:00:00", "2021-05-19 13:00:00")
    return of_crash(fed(new_view(BINANCE_BTC), map(as_event, crash)), crash)


def _shown(text: str) -> dict[str, int]:
    return {name: len(rows) for name, rows in json.loads(text)["ohlcv"].items()}


def test_with_room_enough_every_candle_is_there_the_primary_timeframe_first(snapshot: Snapshot) -> None:
    seen = json.loads(compact(snapshot, 100_000))
    assert seen["candles_shown"] == "249 of 249"
    assert list(seen["ohlcv"]) == seen["indicators"]["timeframes"] == ["1h", "1m", "5m", "15m", "4h", "1d"]
    last = snapshot.timeframes["1h"].closed.candles[-1]
    assert seen["ohlcv"]["1h"][-1][:4] == [each / 100 for each in (last.open, last.high, last.low, last.close)]
    assert seen["indicators"]["rsi"][0] == pytest.approx(snapshot.timeframes["1h"].closed.indicators["rsi"], rel=1e-3)
    assert (seen["snapshot"], seen["symbol"], seen["primary"]) == (snapshot.hash, "BTC/USDT", "1h")


def test_the_oldest_candles_go_first_and_of_every_timeframe_the_same_share(snapshot: Snapshot) -> None:
    whole, less = json.loads(compact(snapshot, 100_000)), compact(snapshot, 6000)
    assert tokens_at_most(less) <= 6000
    shown = _shown(less)
    share = shown["1h"] / len(whole["ohlcv"]["1h"])
    assert 0.1 < share < 0.9
    for name, rows in whole["ohlcv"].items():
        assert abs(shown[name] - share * len(rows)) <= 1
        assert json.loads(less)["ohlcv"][name] == rows[len(rows) - shown[name] :]
    head = {key: value for key, value in whole.items() if key not in ("ohlcv", "candles_shown")}
    assert {key: value for key, value in json.loads(less).items() if key in head} == head


def test_without_room_for_a_candle_indicators_go_the_finest_first_and_the_primary_last(snapshot: Snapshot) -> None:
    kept: list[list[str]] = []
    for budget in range(4000, 700, -25):
        text = compact(snapshot, budget)
        assert tokens_at_most(text) <= budget
        indicators = json.loads(text)["indicators"]
        names = indicators["timeframes"] if indicators else []
        if not kept or kept[-1] != names:
            kept.append(names)
        assert json.loads(text)["flags"] == list(snapshot.flags) and json.loads(text)["snapshot"] == snapshot.hash
    assert kept == [
        ["1h", "1m", "5m", "15m", "4h", "1d"],
        ["1h", "5m", "15m", "4h", "1d"],
        ["1h", "15m", "4h", "1d"],
        ["1h", "4h", "1d"],
        ["1h", "1d"],
        ["1h"],
        [],
    ]


def test_no_budget_is_overrun_by_a_single_token(snapshot: Snapshot, captures: Path) -> None:
    """Every budget between two cuts of the candles is tried."""
    crash = between(candles_of(captures / BTC_USDT), "2021-05-19 00:00:00", "2021-05-19 13:00:00")
    settings = SnapshotSettings(look_back={"1m": 120}, primary="1m")
    single = of_crash(fed(new_view(BINANCE_BTC, settings=settings), map(as_event, crash)), crash)
    for shown, budgets in ((snapshot, range(6000, 6400)), (single, range(6000, 6200))):
        assert [budget for budget in budgets if tokens_at_most(compact(shown, budget)) > budget] == []


def test_a_budget_below_the_head_is_refused_with_what_it_needs(snapshot: Snapshot) -> None:
    with pytest.raises(InvalidValueError, match=r"100 tokens do not hold .* which has [0-9]+: raise token_budget"):
        compact(snapshot, 100)


@given(st.integers(800, 30_000))
@settings(max_examples=60, deadline=None)
def test_any_budget_is_kept_and_the_text_is_always_the_same(snapshot: Snapshot, budget: int) -> None:
    text = compact(snapshot, budget)
    assert tokens_at_most(text) <= budget
    assert text == compact(snapshot, budget)
    more = compact(snapshot, budget + 500)
    assert all(_shown(text)[name] <= count for name, count in _shown(more).items())

"""Every explanation of random orders on the recorded markets, worked out a second time: equal in each field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec import UNSET
from tests.exchange.differential import Pair, reference_for, take
from tests.exchange.differential_candles import captured_candles, drawn_for
from tests.exchange.differential_captures import capture_plan, capture_stream
from tests.exchange.differential_streams import Plan, Step, plan_of
from tests.exchange.slow_explanations import (
    ExplainedOnCandles,
    ExplainedOnTape,
    ExplainedWithBook,
    SlowExplanations,
)

from triplegain.domain.exchange_events import OrderCancelled, OrderFilled, OrderRejected, OrderSubmitted
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import text
from triplegain.domain.queue_path import QueueChange, QueuePoint

_SLOW = {
    MarketDepth.BOOK: ExplainedWithBook, MarketDepth.TAPE: ExplainedOnTape, MarketDepth.CANDLES: ExplainedOnCandles,
}  # fmt: skip
_ALL = 10**9


def slow_pair(plan: Plan, depth: MarketDepth) -> tuple[Pair, SlowExplanations]:
    """One account on both sides, of which the slow one explains."""
    pair = Pair(plan, depth)
    plain = pair.reference
    assert type(plain) is reference_for(depth)
    slow = _SLOW[depth](pair.instrument, plain.purse.total, plain.settings)
    pair.reference = slow
    return pair, slow


def play(plan: Plan, depth: MarketDepth, steps: Iterable[Step], fills: int = _ALL) -> Counter[str]:
    """Compares what is told step by step until so many fills have been compared, or to the end; counts what it was."""
    pair, slow = slow_pair(plan, depth)
    pair.exchange.paths.keep()
    counts: Counter[str] = Counter()
    names: dict[int, str] = {}
    points: list[QueuePoint] = []
    for step in steps:
        take(pair.exchange, step)
        take(slow, step)
        points += pair.exchange.paths.drain()
        for event in pair.exchange.drain_events():
            if isinstance(event, OrderSubmitted):
                names[event.order_number] = event.request.client_order_id
            elif isinstance(event, OrderFilled):
                check_fill(event, slow, counts)
            elif isinstance(event, OrderCancelled | OrderRejected) and event.seen is not UNSET:
                check_end(event, slow, counts)
        assert not slow.explanations, "a fill that the exchange has not told"
        assert not slow.ends, "an end that the exchange has not told"
        pair.wallet.drain_entries()
        slow.drain()
        if counts["fills"] >= fills:
            break
    check_paths(points, names, slow, counts)
    return counts


def recorded(captures: Path, folder: str, symbol: str, every: int, fills: int = _ALL, seed: int = 1) -> Counter[str]:
    """A capture, its depth and its tape told against each other, with an order action every so many messages."""
    path = captures / folder
    plan, depth = capture_plan(path, symbol, seed)
    is_candles = depth is MarketDepth.CANDLES
    return play(
        plan, depth, captured_candles(path, plan) if is_candles else capture_stream(path, plan, depth, every), fills
    )


def check_fill(fill: OrderFilled, slow: SlowExplanations, counts: Counter[str]) -> None:
    expected, notional = slow.explanations.pop(0), slow.notionals.pop(0)
    for name in sorted({*expected, *fill.explanation}):
        assert (name, fill.explanation.get(name)) == (name, expected.get(name)), fill
    assert Fraction(fill.notional) == notional, fill
    counts["fills"] += 1
    counts[expected["model"]] += 1
    counts["stops"] += expected["cause"]["event"] == "stop"
    counts["taken"] += any(len(rung) == 3 for side in expected.get("book", {}).values() for rung in side)


def check_end(event: OrderCancelled | OrderRejected, slow: SlowExplanations, counts: Counter[str]) -> None:
    """How the market stood then, and how near it came to an order that waited."""
    assert event.seen is not UNSET
    expected = slow.ends.pop(0)
    for name in sorted({*expected, *event.seen}):
        assert (name, event.seen.get(name)) == (name, expected.get(name)), event
    counts["ends"] += 1
    counts["near"] += expected.get("nearest") is not None
    counts["queued"] += "queue_ahead" in expected


def check_paths(
    points: Iterable[QueuePoint], names: Mapping[int, str], slow: SlowExplanations, counts: Counter[str]
) -> None:
    """How the queue in front of every order went."""
    told: dict[str, list[str]] = {}
    for each in points:
        path = told.setdefault(names[each.order_number], [])
        ahead = "unknown" if each.ahead is None else text(each.ahead)
        path.append(f"{each.time_ns} {ahead} {text(each.traded)} {each.why.value}")
        counts[f"queue {each.why.value}"] += 1
    diaries = slow.diaries if isinstance(slow, ExplainedWithBook) else {}
    expected = {name: list(map(slow.point, diary.told())) for name, diary in diaries.items() if diary.moments}
    for name in sorted({*told, *expected}):
        assert told.get(name) == expected.get(name), name
        counts["longest path"] = max(counts["longest path"], len(expected[name]))


BINANCE = "binance_spot_l2_trades_btcusdt_2024-08"
TAPE = "kraken_trades_btcusdt_2023-11"
CANDLES = "binance_ohlcv_1h_2021_2023"


def test_fills_on_the_beginning_of_the_binance_capture(captures: Path) -> None:
    counts = recorded(captures, BINANCE, "BTC/USDT", every=12, fills=60)
    assert counts["fills"] >= 60
    assert min(counts["ends"], counts["near"], counts["queued"]) > 5
    assert min(counts[kind] for kind in ("book", "trade_through", "quote_through", "stops", "taken")) > 0
    assert min(counts[f"queue {why}"] for why in ("cancelled", "traded", "passed", "filled", "ended")) > 0


@pytest.mark.slow
def test_a_thousand_fills_over_the_whole_binance_capture(captures: Path) -> None:
    counts = recorded(captures, BINANCE, "BTC/USDT", every=50)
    assert counts["fills"] >= 1000
    assert counts["ends"] >= 200
    assert min(counts[kind] for kind in ("book", "queue", "trade_through", "quote_through", "stops", "taken")) > 10


def test_fills_on_the_kraken_books(captures: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(1, 4):
        counts += recorded(captures, "kraken_wsv2_btcusd_book", "BTC/USD", every=1, seed=seed)
        thin = recorded(captures, "kraken_wsv2_minagbp_book", "MINA/GBP", every=1, seed=seed)
        assert thin["fills"] > 0
        counts += thin
    assert min(counts[kind] for kind in ("book", "quote_through", "taken")) > 10


def test_fills_on_a_kraken_tape(captures: Path) -> None:
    counts = recorded(captures, TAPE, "BTC/USDT", every=5, fills=200)
    assert min(counts[kind] for kind in ("tape", "tape_through", "tape_stop")) > 0


def test_fills_on_candles(captures: Path) -> None:
    counts = recorded(captures, CANDLES, "XRP/USDT", every=1, fills=200)
    assert min(counts[kind] for kind in ("candle", "candle_through", "candle_stop")) > 10


@pytest.mark.parametrize("depth", list(MarketDepth))
def test_fills_on_random_markets(depth: MarketDepth) -> None:
    """All queue models, tiers of fees that a few fills reach, fees in coins, depth and tape late."""
    counts: Counter[str] = Counter()
    for seed in range(24, 32):
        plan = replace(plan_of(seed, 400, depth), rough=False)
        counts += play(plan, depth, drawn_for(plan, depth))
    assert counts["fills"] > 100
    assert counts["ends"] > 200
    if depth is MarketDepth.BOOK:
        assert min(counts[f"queue {why}"] for why in QueueChange if why is not QueueChange.UNSEEN) > 0

"""The exchange against its reference: equal in every answer and every balance, on random and on recorded markets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from tests.exchange.differential import Pair, compare, minimal, shrunk, take
from tests.exchange.differential_candles import captured_candles, drawn_for
from tests.exchange.differential_captures import capture_plan, capture_stream
from tests.exchange.differential_margin import drawn_margin, margin_plan
from tests.exchange.differential_orders import drawn_stream
from tests.exchange.differential_streams import Plan, Step, drawn_plan, plan_of
from tests.exchange.reference_margin_level import ReferenceMargin

from triplegain.domain.market import MarketDepth, PublicTrade

STEPS = 400


def check(seeds: range, depth: MarketDepth) -> None:
    for seed in seeds:
        plan = plan_of(seed, STEPS, depth)
        stream = drawn_for(plan, depth)
        if compare(plan, stream, depth) is not None:
            pytest.fail(minimal(plan, stream, depth))


@pytest.mark.parametrize("depth", list(MarketDepth))
def test_neither_is_better_and_neither_is_worse(depth: MarketDepth) -> None:
    check(range(8), depth)


def test_a_purchase_by_cost_that_meets_an_own_order_inside_a_level_spends_no_more_than_that() -> None:
    """2.90 for 12 and 10 lots of 0.01 at 10.2, cut in two by the own order, and the rest at 10.4, costs in tenths: 1.3,
    1.1, and of the 0.5 that are left 4 lots, though the level in one (2.3) would have left enough for 5."""
    plan = plan_of(1_000_017, 1000, MarketDepth.BOOK)
    stream = drawn_for(plan, MarketDepth.BOOK)
    if compare(plan, stream, MarketDepth.BOOK) is not None:
        pytest.fail(minimal(plan, stream, MarketDepth.BOOK))


@pytest.mark.slow
@pytest.mark.parametrize("depth", list(MarketDepth))
@pytest.mark.parametrize("part", range(4))
def test_neither_is_better_and_neither_is_worse_over_a_hundred_thousand_steps(depth: MarketDepth, part: int) -> None:
    seeds = {MarketDepth.BOOK: 65, MarketDepth.TAPE: 30, MarketDepth.CANDLES: 15}[depth]
    check(range(1000 + part * seeds, 1000 + (part + 1) * seeds), depth)


def check_margin(seeds: range, depth: MarketDepth) -> None:
    for seed in seeds:
        plan = margin_plan(seed, STEPS // 2)
        stream = drawn_margin(plan, depth)
        if compare(plan, stream, depth) is not None:
            pytest.fail(minimal(plan, stream, depth))


@pytest.mark.parametrize("depth", list(MarketDepth))
def test_nor_is_either_on_margin(depth: MarketDepth) -> None:
    check_margin(range(4), depth)


@pytest.mark.slow
@pytest.mark.parametrize("depth", list(MarketDepth))
def test_nor_is_either_on_margin_over_twenty_thousand_steps(depth: MarketDepth) -> None:
    check_margin(range(1000, 1034), depth)


def test_whatever_may_happen_on_margin_happens_in_the_streams() -> None:
    kinds: set[str] = set()
    for seed in range(8):
        plan = margin_plan(seed, STEPS)
        reference = Pair(plan, MarketDepth.TAPE).reference
        for step in drawn_margin(plan, MarketDepth.TAPE):
            take(reference, step)
        told = reference.drain()
        kinds |= {each.kind for each in told} | {str(each.said[1]) for each in told if each.kind == "cancelled"}
        kinds |= {"liquidated" for each in told if each.kind == "filled" and each.name.startswith("tg-liq-")}
        assert isinstance(reference, ReferenceMargin)
        kinds |= {"owed"} if reference.debt else set()
    assert kinds >= {"margin_call", "rollover", "liquidation", "liquidated", "reduced", "owed", "amended"}


def test_whatever_may_be_answered_is_answered_in_the_streams() -> None:
    kinds: set[str] = set()
    for seed in range(12):
        plan = drawn_plan(seed, STEPS)
        reference = Pair(plan).reference
        for step in drawn_stream(plan):
            take(reference, step)
        kinds |= {told.kind for told in reference.drain()}
    assert kinds == {
        "submitted", "accepted", "rejected", "filled", "cancelled", "triggered", "priced", "refilled",
        "amended", "refused", "scheduled",
    }  # fmt: skip


def test_a_difference_is_found_and_shrunk() -> None:
    """The exchange is told of a trade a lot larger than the reference is told of."""
    plan = Plan(seed=3, steps=STEPS, rough=False)
    stream = drawn_stream(plan)

    def differs(steps: Sequence[Step]) -> bool:
        pair = Pair(plan)
        for number, step in enumerate(steps):
            larger = step
            if isinstance(step, PublicTrade):
                larger = msgspec.structs.replace(step, quantity=step.quantity + 1)
            if pair.step(number, step, larger) is not None:
                return True
        return False

    assert differs(stream)
    assert len(shrunk(stream, differs)) <= 4  # a book, an order, one print: and what the order waits behind


CAPTURES = (
    ("binance_spot_l2_trades_btcusdt_2024-08", "BTC/USDT", 12, 6_000),
    ("kraken_wsv2_btcusd_book", "BTC/USD", 2, 2_000),
    ("kraken_wsv2_minagbp_book", "MINA/GBP", 2, 2_000),
    ("kraken_trades_btcusdt_2023-11", "BTC/USDT", 5, 4_000),
)


@pytest.mark.parametrize(
    ("folder", "symbol", "every", "limit"),
    [
        *((*each, limit // 3) for *each, limit in CAPTURES),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in CAPTURES),
    ],
)
def test_on_recorded_markets_with_depth_and_tape_told_against_each_other(
    captures: Path, folder: str, symbol: str, every: int, limit: int
) -> None:
    plan, depth = capture_plan(captures / folder, symbol, seed=1)
    stream = list(islice(capture_stream(captures / folder, plan, depth, every), limit))
    assert str(compare(plan, stream, depth)) == "None"


@pytest.mark.parametrize(("folder", "symbol"), [("binance_ohlcv_1h_2021_2023", "XRP/USDT")])
@pytest.mark.parametrize("limit", [500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_on_recorded_candles(captures: Path, folder: str, symbol: str, limit: int) -> None:
    plan, depth = capture_plan(captures / folder, symbol, seed=1)
    stream = list(islice(captured_candles(captures / folder, plan), limit))
    assert str(compare(plan, stream, depth)) == "None"

"""Order types where no book is known. Slippage 0.1 %, tick 0.1, always against the trader. Worked here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.test_simple_models import PARTIAL, WHOLE, candle

from triplegain.domain.market import MarketDepth
from triplegain.domain.orders import Limit, TimeInForce
from triplegain.domain.price import read_price
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    OrderKind,
    OrderTerms,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    terms_of,
)
from triplegain.exchange.settings import ExchangeSettings

D = Decimal


def trailing(offset: str) -> OrderTerms:
    return terms_of(OrderKind.TRAILING_STOP, read_price(offset))


@pytest.fixture
def tape(bench: Callable[..., Any]) -> Any:
    b = bench(settings=WHOLE, depth=MarketDepth.TAPE)
    b.trade("buy", "1", "100.0")
    return b


@pytest.fixture
def candles(bench: Callable[..., Any]) -> Callable[..., Any]:
    def make(settings: ExchangeSettings = WHOLE) -> Any:
        b = bench(settings=settings, depth=MarketDepth.CANDLES)
        candle(b, "100 100 100 100", "100", 0)
        return b

    return make


@pytest.mark.parametrize(
    ("side", "terms", "trades", "fills"),
    [
        # 98 is worse than the trigger: 97.902, rounded down to 97.9.
        ("sell", StopLossLimit(D("99"), D("97.9")), ["98"], ["1 @ 97.9 taker"]),
        # It would not get its limit of 98: it waits for a trade through it.
        ("sell", StopLossLimit(D("99"), D("98")), ["98"], []),
        ("sell", StopLossLimit(D("99"), D("98")), ["98", "98", "98.1"], ["1 @ 98 maker"]),
        # The trigger is worse than the trade: 101 less 0.1 %, 100.899, rounded down.
        ("sell", TakeProfit(D("101")), ["102"], ["1 @ 100.8 taker"]),
        ("sell", TakeProfitLimit(D("101"), D("100.5")), ["102"], ["1 @ 100.8 taker"]),
        ("sell", TakeProfitLimit(D("101"), D("100.9")), ["102", "101"], ["1 @ 100.9 maker"]),
        ("buy", TakeProfit(D("99")), ["98"], ["1 @ 99.1 taker"]),
    ],
)
def test_a_trigger_on_the_tape(tape: Any, side: str, terms: OrderTerms, trades: list[str], fills: list[str]) -> None:
    tape.order("o", side, "1", terms)
    for price in trades:
        tape.trade("buy", "5", price)
    assert tape.fills() == fills


def test_a_trailing_stop_on_the_tape(tape: Any) -> None:
    tape.order("o", "sell", "1", trailing("+2"))
    for price in ("103", "101.1", "101"):
        tape.trade("buy", "5", price)
    assert tape.fills() == ["1 @ 100.8 taker"]  # 101 less 0.1 %


@pytest.mark.parametrize(
    ("side", "terms", "bar", "fills"),
    [
        # At the trigger of 99 less 0.1 %, 98.901, rounded down; the open of 98 is worse.
        ("sell", StopLossLimit(D("99"), D("98.8")), "100 100 98 99", ["1 @ 98.9 taker"]),
        ("sell", StopLossLimit(D("99"), D("97.5")), "98 98 97 97", ["1 @ 97.9 taker"]),
        # It does not get its limit, and what came after in the same candle is not its own.
        ("sell", StopLossLimit(D("99"), D("99")), "100 100 98 100", []),
        ("sell", TakeProfit(D("101")), "100 102 100 100", ["1 @ 100.8 taker"]),
        # Opened beyond it: the trigger is the worse of the two.
        ("sell", TakeProfit(D("101")), "103 103 102 102", ["1 @ 100.8 taker"]),
        ("buy", TakeProfit(D("99")), "100 100 98 100", ["1 @ 99.1 taker"]),
        # The low comes before the high has moved the trigger: 98 holds, then 103 - 2 = 101 and the close is there.
        ("sell", trailing("+2"), "100 103 98.1 100.5", ["1 @ 100.3 taker"]),
        ("sell", trailing("+2"), "100 103 98.1 101.1", []),
        ("sell", trailing("+2"), "100 103 98 103", ["1 @ 97.9 taker"]),
        ("sell", trailing("+2"), "97 97 97 97", ["1 @ 96.9 taker"]),
        ("buy", trailing("+2"), "100 101.9 97 99.5", ["1 @ 99.6 taker"]),
    ],
)
def test_a_trigger_in_a_candle(
    candles: Callable[..., Any], side: str, terms: OrderTerms, bar: str, fills: list[str]
) -> None:
    b = candles()
    b.order("o", side, "1", terms)
    candle(b, bar, "100", 100)
    assert b.fills() == fills


def test_a_limit_that_was_triggered_waits_from_the_next_candle_on(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("o", "sell", "1", StopLossLimit(D("99"), D("99")))
    candle(b, "100 100 98 98.5", "100", 100)
    candle(b, "98.5 99 98 98", "100", 200)
    assert b.fills() == []
    candle(b, "98 99.1 98 98", "100", 300)
    assert b.fills() == ["1 @ 99 maker"]


def test_of_a_candle_that_was_open_only_what_is_against_the_trader_counts(bench: Callable[..., Any]) -> None:
    b = bench(settings=WHOLE, depth=MarketDepth.CANDLES)
    candle(b, "100 100 100 100", "100", 0)
    b.exchange.run_through(150)
    b.order("profit", "sell", "1", TakeProfit(D("101")))
    b.order("trail", "sell", "1", trailing("+2"))
    candle(b, "100 105 99 102", "100", 100)  # its high may have been before the orders
    assert b.fills() == []
    assert b.exchange.orders["trail"].standing().peak == D(102)  # its close was not


@pytest.mark.parametrize(
    ("lots", "price", "ends"),
    [("5", "100", "filled"), ("1", "100", "filled"), ("0.9", "100", "killed"), ("5", "102", "killed")],
)
def test_fill_or_kill_on_the_tape(tape: Any, lots: str, price: str, ends: str) -> None:
    tape.order("k", "buy", "1", Limit(D("101")), time_in_force=TimeInForce.FOK)
    tape.trade("buy", lots, price)
    assert ("killed" if tape.ends("k").startswith("cancelled: fill or kill") else tape.ends("k")) == ends


def test_by_cost_on_the_tape_and_in_candles(tape: Any, candles: Callable[..., Any]) -> None:
    tape.order("c", "buy", "0", MarketByCost(D(50)))
    tape.trade("buy", "5", "100")
    # 100.1 with slippage: 50 / 100.1 = 0.49950049..
    assert tape.fills() == ["0.49950049 @ 100.1 taker"]
    assert (tape.ends("c"), tape.held("USDT")) == ("filled", "0")
    b = candles(PARTIAL)
    b.order("c", "buy", "0", MarketByCost(D(50)))
    candle(b, "100 100 100 100", "3", 100)  # 10 % of the volume: 0.3
    candle(b, "200 200 200 200", "30", 200)
    # 50 - 0.3 x 100.1 = 19.97, and 19.97 / 200.2 = 0.09975024..
    assert b.fills() == ["0.3 @ 100.1 taker", "0.09975024 @ 200.2 taker"]
    assert (b.ends("c"), b.held("USDT")) == ("filled", "0")


def test_an_iceberg_is_a_limit_where_there_is_no_queue(tape: Any) -> None:
    tape.order("i", "buy", "3", Iceberg(D("99"), D("1")))
    tape.trade("sell", "5", "99.5")
    tape.trade("sell", "5", "98.9")
    assert tape.fills() == ["3 @ 99 maker"]

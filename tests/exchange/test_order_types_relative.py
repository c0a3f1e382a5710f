"""Prices by their distance from the last trade.

docs.kraken.com websocket-v1/addorder: "`+` adds the amount to the last traded price. `-` subtracts the amount from the
last traded price. `#` will either add or subtract the amount to the last traded price, depending on the direction";
"`%` ... signify the relative amount as a percentage ... to specify a price as 2% from last price use +2%". Where `#`
leads, and the rounding, are worked here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderPriced
from triplegain.domain.money import text
from triplegain.domain.price import read_price
from triplegain.domain.terms import OrderKind, terms_of


def asked(kind: str, price: str, limit: str | None = None) -> Any:
    return terms_of(OrderKind(kind), read_price(price), limit_price=None if limit is None else read_price(limit))


@pytest.mark.parametrize(
    ("kind", "side", "price", "stands"),
    [
        # The last trade is 100.
        ("limit", "buy", "-5", "95"),
        ("limit", "sell", "+5", "105"),
        ("limit", "sell", "+2%", "102"),
        ("limit", "buy", "#5", "95"),
        ("limit", "sell", "#5", "105"),
        ("stop-loss", "sell", "#5", "95"),
        ("stop-loss", "buy", "#5", "105"),
        ("stop-loss", "sell", "-2%", "98"),
        ("take-profit", "sell", "#5", "105"),
        ("take-profit", "buy", "#5", "95"),
        # Rounded to where it is reached later: 100 - 0.55 = 99.45, 100 + 0.55 = 100.55.
        ("limit", "buy", "-0.55", "99.4"),
        ("limit", "sell", "+0.55", "100.6"),
        ("stop-loss", "sell", "-0.55", "99.4"),
        ("stop-loss", "buy", "+0.55", "100.6"),
        ("take-profit", "sell", "+0.55", "100.6"),
        ("take-profit", "buy", "-0.55", "99.4"),
        ("limit", "buy", "-0%", "100"),
    ],
)
def test_it_is_worked_out_at_arrival(usual: Any, kind: str, side: str, price: str, stands: str) -> None:
    usual.book(bids="100.0x5", asks="100.1x0 100.2x0 110.0x5")
    usual.trade("buy", "0.0001", "100")
    usual.order("o", side, "1", asked(kind, price))
    assert [text(event.price) for event in usual.drain() if isinstance(event, OrderPriced)] == [stands]
    usual.trade("buy", "0.0001", "100.2")
    assert text(usual.instrument.price(usual.exchange.orders["o"].price)) == stands


@pytest.mark.parametrize(
    ("kind", "side", "price", "limit", "trigger", "then"),
    [
        ("stop-loss-limit", "sell", "-2", "-3", "98", "97"),
        ("stop-loss-limit", "sell", "#2", "#3", "98", "97"),
        ("stop-loss-limit", "buy", "#2", "#3", "102", "103"),
        ("take-profit-limit", "sell", "#3%", "#2%", "103", "102"),
        ("take-profit-limit", "buy", "#3%", "#2%", "97", "98"),
        ("stop-loss-limit", "sell", "98", "-3", "98", "97"),
        ("stop-loss-limit", "sell", "-2", "97", "98", "97"),
    ],
)
def test_the_second_price_hangs_on_the_same_trade(
    usual: Any, kind: str, side: str, price: str, limit: str, trigger: str, then: str
) -> None:
    usual.trade("buy", "0.0001", "100")
    usual.order("o", side, "1", asked(kind, price, limit))
    standing = usual.exchange.orders["o"].standing()
    assert (text(standing.trigger), text(standing.limit)) == (trigger, then)


def test_the_trade_at_arrival_counts_and_not_the_one_at_sending(bench: Any) -> None:

    b = bench(settings=replace(bench().settings, place_delay_ns=10))
    b.book(bids="90.0x5", asks="110.0x5", snapshot=True, at=1)
    b.trade("buy", "0.0001", "100", at=2)
    b.order("o", "buy", "1", asked("limit", "-5"))
    b.trade("buy", "0.0001", "101", at=3)
    b.trade("buy", "0.0001", "101", at=20)
    assert [text(event.price) for event in b.drain() if isinstance(event, OrderPriced)] == ["96"]


@pytest.mark.parametrize("price", ["-5", "#5", "-5%"])
def test_without_a_trade_it_is_refused(usual: Any, price: str) -> None:
    usual.order("o", "buy", "1", asked("limit", price))
    assert usual.ends("o") == "rejected: EGeneral:Invalid arguments:price"
    assert usual.held("USDT") == "0"


@pytest.mark.parametrize("price", ["-100", "-101", "-100%", "+9999999999999999999", "+9999999999999999999%"])
def test_what_is_not_above_zero_or_too_large_is_refused(usual: Any, price: str) -> None:
    usual.trade("buy", "0.0001", "100")
    usual.order("o", "buy", "1", asked("limit", price))
    assert usual.ends("o") == "rejected: EGeneral:Invalid arguments:price"


def test_it_is_held_for_at_the_price_it_came_to(usual: Any) -> None:
    usual.trade("buy", "0.0001", "100")
    usual.order("o", "buy", "1", asked("limit", "-5"))
    assert usual.held("USDT") == "95.38"  # 95 x 1.004

"""What a client may send, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from triplegain.api.requests import Trade
from triplegain.domain.money import text
from triplegain.domain.orders import Limit, Market, StopLoss, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)

ORDER: dict[str, Any] = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.1", "price": "900"}
#: 2023-11-14 22:13:20 UTC.
NOW_NS = 1_700_000_000 * 10**9


@pytest.mark.parametrize("field", ["quantity", "price", "limit_price", "display_quantity", "cost", "stop", "target"])
@pytest.mark.parametrize(
    "amount",
    [0, 1, 0.1, -1, True, "", "0", "0.0", "-1", "+1", "1e5", "1E+1", "NaN", "Infinity", " 1", "1 ", "1\n", "1,5", "0x1",
     "1_0", ".5", "5.", "\u0661", "1" * 21, "0." + "1" * 19, [], {}, "+-1", "1%", "#", "+5%%", "+ 5"],
)  # fmt: skip
def test_an_amount_is_plain_decimal_text_above_zero(field: str, amount: object) -> None:
    if field in ("price", "limit_price") and amount in ("-1", "+1"):
        pytest.skip("a distance from the last trade")
    with pytest.raises(ValidationError) as refused:
        Trade.model_validate({**ORDER, field: amount})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


@given(st.decimals(min_value="0.000000000000000001", max_value="9999999999999999999", places=18, allow_nan=False))
def test_every_exact_amount_arrives_as_it_was_sent(amount: Decimal) -> None:
    quantity = Trade.model_validate({**ORDER, "quantity": text(amount)}).quantity
    assert quantity is not None and text(quantity) == text(amount)


@given(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.booleans(), st.binary(max_size=5)))
def test_no_other_value_becomes_an_amount_that_is_not_exact_and_above_zero(amount: object) -> None:
    try:
        trade = Trade.model_validate({**ORDER, "quantity": amount})
    except ValidationError:
        return
    assert isinstance(amount, str) and amount.isascii()
    assert trade.quantity == Decimal(amount) and trade.quantity.is_finite() and trade.quantity > 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"limit": "1"}, "limit"),
        ({"symbol": "BTCUSDT"}, "symbol"),
        ({"symbol": "BTC/US\u0000DT"}, "symbol"),
        ({"symbol": "BTC/USDT\n"}, "symbol"),
        ({"side": "hold"}, "side"),
        ({"order_type": "market"}, "takes no price"),
        ({"order_type": "limit", "price": None}, "needs a price"),
        ({"order_type": "stop-loss", "price": None}, "needs a price"),
        ({"order_type": "stop-loss", "post_only": True}, "post_only"),
        ({"time_in_force": "gtd"}, "expires"),
        ({"time_in_force": "ioc", "expires": "1h"}, "gtd"),
        ({"expires": "soon"}, "expires"),
        ({"expires": "0s"}, "expires"),
        ({"expires": "2025-11-20T12:00:00"}, "expires"),
        ({"expires": "9999-12-31T23:59:59Z"}, "expires"),
        # Before the first year, seen from Greenwich.
        ({"expires": "0001-01-01T00:00:00+14:00"}, "expires"),
        ({"client_order_id": "a b"}, "client_order_id"),
        ({"client_order_id": ".."}, "client_order_id"),
        ({"client_order_id": "x" * 65}, "client_order_id"),
        ({"leverage": "2"}, "leverage"),
        ({"entry_price": "901"}, "entry_price"),
        ({"quantity": None}, "quantity"),
        ({"price": None, "cost": "100"}, "one of them"),
        ({"quantity": None, "cost": "100"}, "takes no cost"),
        ({"limit_price": "899"}, "takes no limit price"),
        ({"display_quantity": "0.05"}, "takes no display quantity"),
        ({"order_type": "iceberg"}, "needs a display quantity"),
        ({"order_type": "stop-loss-limit"}, "needs a limit price"),
        ({"order_type": "take-profit-limit", "limit_price": "899", "post_only": True}, "post_only"),
        ({"order_type": "trailing-stop"}, "how far it trails"),
        ({"order_type": "trailing-stop", "price": "-5"}, "how far it trails"),
        ({"order_type": "trailing-stop-limit", "price": "+5", "limit_price": "#1"}, "distance from the trigger"),
        ({"order_type": "market-by-cost", "price": None}, "needs a cost"),
    ],
)
def test_what_makes_no_order_is_refused_by_name(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Trade.model_validate({**ORDER, **change})


@pytest.mark.parametrize(
    ("change", "terms", "tif", "expires_at_ns"),
    [
        ({"price": None}, Market(), TimeInForce.GTC, None),
        ({}, Limit(Decimal(900)), TimeInForce.GTC, None),
        ({"post_only": True}, Limit(Decimal(900), post_only=True), TimeInForce.GTC, None),
        ({"order_type": "STOP-LOSS"}, StopLoss(Decimal(900)), TimeInForce.GTC, None),
        ({"time_in_force": "IOC"}, Limit(Decimal(900)), TimeInForce.IOC, None),
        ({"time_in_force": "fok"}, Limit(Decimal(900)), TimeInForce.FOK, None),
        ({"price": "-2%"}, Limit(Offset(Sign.MINUS, Decimal(2), percent=True)), TimeInForce.GTC, None),
        (
            {"order_type": "iceberg", "display_quantity": "0.05"},
            Iceberg(Decimal(900), Decimal("0.05")),
            TimeInForce.GTC,
            None,
        ),
        ({"order_type": "take-profit"}, TakeProfit(Decimal(900)), TimeInForce.GTC, None),
        (
            {"order_type": "stop-loss-limit", "limit_price": "899"},
            StopLossLimit(Decimal(900), Decimal(899)),
            TimeInForce.GTC,
            None,
        ),
        (
            {"order_type": "take-profit-limit", "limit_price": "#1"},
            TakeProfitLimit(Decimal(900), Offset(Sign.AHEAD, Decimal(1))),
            TimeInForce.GTC,
            None,
        ),
        (
            {"order_type": "trailing-stop", "price": "+100"},
            TrailingStop(Offset(Sign.PLUS, Decimal(100))),
            TimeInForce.GTC,
            None,
        ),
        (
            {"order_type": "trailing-stop-limit", "price": "+2%", "limit_price": "-10"},
            TrailingStopLimit(Offset(Sign.PLUS, Decimal(2), percent=True), Offset(Sign.MINUS, Decimal(10))),
            TimeInForce.GTC,
            None,
        ),
        (
            {"order_type": "market", "price": None, "quantity": None, "cost": "100"},
            MarketByCost(Decimal(100)),
            TimeInForce.GTC,
            None,
        ),
        # One hour of market time: 3600 s after the session's now.
        ({"expires": "1h"}, Limit(Decimal(900)), TimeInForce.GTD, NOW_NS + 3600 * 10**9),
        # 80 s after 22:13:20 it is 22:14:40.
        ({"expires": "2023-11-14T22:14:40Z"}, Limit(Decimal(900)), TimeInForce.GTD, NOW_NS + 80 * 10**9),
    ],
)
def test_an_order_means_what_it_says(
    change: dict[str, Any], terms: object, tif: TimeInForce, expires_at_ns: int | None
) -> None:
    order = Trade.model_validate({**ORDER, **change}).order("mine", NOW_NS)
    assert (order.terms, order.time_in_force, order.expires_at_ns) == (terms, tif, expires_at_ns)

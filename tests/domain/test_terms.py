"""Terms as they are asked for, said and stored."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Limit, Market, StopLoss
from triplegain.domain.price import Offset, Sign, price_text, read_price
from triplegain.domain.storable import encode
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    OrderKind,
    OrderTerms,
    SettlePosition,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
    terms_of,
)

D = Decimal
PERCENT = Offset(Sign.PLUS, D(2), percent=True)
BELOW = Offset(Sign.MINUS, D(10))
EVERY: list[tuple[OrderTerms, str, str]] = [
    # as it is stored, in words
    (Market(), '{"kind":"market"}', "at market"),
    (MarketByCost(D(50)), '{"kind":"market-by-cost","cost":"50"}', "at market"),
    (Limit(D(100)), '{"kind":"limit","price":"100","post_only":false}', "limit 100"),
    (Iceberg(D(100), D(1)), '{"kind":"iceberg","price":"100","display":"1","post_only":false}', "iceberg 100"),
    (StopLoss(D(99)), '{"kind":"stop-loss","trigger":"99"}', "stop-loss 99"),
    (
        StopLossLimit(D(99), D(98)),
        '{"kind":"stop-loss-limit","trigger":"99","limit":"98"}',
        "stop-loss-limit 99, 98",
    ),
    (TakeProfit(D(101)), '{"kind":"take-profit","trigger":"101"}', "take-profit 101"),
    (
        TakeProfitLimit(D(101), BELOW),
        '{"kind":"take-profit-limit","trigger":"101","limit":{"sign":"-","amount":"10","percent":false}}',
        "take-profit-limit 101, -10",
    ),
    (
        TrailingStop(PERCENT),
        '{"kind":"trailing-stop","offset":{"sign":"+","amount":"2","percent":true}}',
        "trailing-stop +2%",
    ),
    (
        TrailingStopLimit(PERCENT, BELOW),
        '{"kind":"trailing-stop-limit","offset":{"sign":"+","amount":"2","percent":true},'
        '"limit_offset":{"sign":"-","amount":"10","percent":false}}',
        "trailing-stop-limit +2%, -10",
    ),
    (SettlePosition(), '{"kind":"settle-position"}', "settle-position"),
]


@pytest.mark.parametrize(("terms", "stored", "words"), EVERY, ids=lambda each: getattr(each, "kind", None))
def test_every_type_is_stored_and_said(terms: OrderTerms, stored: str, words: str) -> None:
    assert encode(terms).decode() == stored
    assert msgspec.json.decode(stored, type=OrderTerms) == terms
    assert terms.words == words


def test_no_type_is_left_out() -> None:
    assert {terms.kind for terms, _, _ in EVERY} == set(OrderKind)


@pytest.mark.parametrize(
    ("terms", "worst"),
    [
        # While a coin is offered at 100.
        (Market(), "100"),
        (MarketByCost(D(50)), "100"),
        (Limit(D(99)), "99"),
        (Limit(Offset(Sign.PLUS, D(5))), "105"),
        (Limit(BELOW), "90"),
        (Iceberg(D(99), D(1)), "99"),
        (StopLoss(D(101)), "101"),
        (StopLoss(D(99)), "100"),
        (StopLossLimit(D(101), D(103)), "103"),
        (StopLossLimit(D(101), D(99)), "101"),
        (TakeProfit(D(99)), "100"),
        (TakeProfitLimit(D(99), D("99.5")), "99.5"),
        (TrailingStop(PERCENT), "102"),
        (TrailingStopLimit(PERCENT, Offset(Sign.PLUS, D(1))), "103"),
        (TrailingStopLimit(PERCENT, BELOW), "102"),
    ],
)
def test_what_a_coin_may_come_to_cost(terms: OrderTerms, worst: str) -> None:
    assert terms.worst(D(100)) == D(worst)


@pytest.mark.parametrize(
    ("terms", "purchase", "sale"),
    [
        # Where the market must go to reach it.
        (Limit(D(1)), -1, 1),
        (Iceberg(D(1), D(1)), -1, 1),
        (StopLoss(D(1)), 1, -1),
        (StopLossLimit(D(1), D(1)), 1, -1),
        (TakeProfit(D(1)), -1, 1),
        (TakeProfitLimit(D(1), D(1)), -1, 1),
        (TrailingStop(PERCENT), 1, -1),
    ],
)
def test_where_it_is_reached(terms: OrderTerms, purchase: int, sale: int) -> None:
    assert (terms.heading(0), terms.heading(1)) == (purchase, sale)


@pytest.mark.parametrize(
    ("words", "price"),
    [
        ("100", D(100)),
        ("+5", Offset(Sign.PLUS, D(5))),
        ("-2%", Offset(Sign.MINUS, D(2), percent=True)),
        ("#1.5%", Offset(Sign.AHEAD, D("1.5"), percent=True)),
        ("", None),
        ("+", None),
        ("5%", None),
        ("+5e1", None),
        ("++5", None),
        ("+5 ", None),
        ("+5\n", None),
    ],
)
def test_a_price_is_read(words: str, price: object) -> None:
    assert read_price(words) == price


@given(st.sampled_from(list(Sign)), st.decimals("0", "99999999", places=6), st.booleans())
def test_a_relative_price_is_read_as_it_is_written(sign: Sign, amount: Decimal, percent: bool) -> None:
    offset = Offset(sign, amount, percent)
    assert read_price(price_text(offset)) == offset


@pytest.mark.parametrize(
    ("kind", "price", "more"),
    [
        (OrderKind.MARKET, "100", {}),
        (OrderKind.LIMIT, None, {}),
        (OrderKind.LIMIT, "100", {"limit_price": D(99)}),
        (OrderKind.ICEBERG, "100", {}),
        (OrderKind.STOP_LOSS_LIMIT, "100", {}),
        (OrderKind.STOP_LOSS, "100", {"post_only": True}),
        (OrderKind.TRAILING_STOP, "100", {}),
        (OrderKind.TRAILING_STOP, "#5", {}),
        (OrderKind.TRAILING_STOP_LIMIT, "+5", {"limit_price": D(99)}),
        (OrderKind.MARKET_BY_COST, None, {}),
        (OrderKind.LIMIT, "100", {"cost": D(5)}),
    ],
)
def test_what_does_not_go_together_is_refused(kind: OrderKind, price: str | None, more: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        terms_of(kind, None if price is None else read_price(price), **more)  # type: ignore[arg-type]

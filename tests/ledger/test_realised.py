"""Average cost, against arithmetic by hand and against sums of cash flows."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.stored_parts import all_said, kept, taken_up

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts
from triplegain.ledger.realised import CostBook, cost_share, in_usd

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
ONE = D(1)


def test_average_cost_with_fees_counted_when_they_are_paid() -> None:
    book = CostBook()
    assert book.book("BTC/USDT", BUY, D(1), D(100), D("0.4"), ONE) == D("-0.4")
    assert book.book("BTC/USDT", BUY, D(3), D(360), D("1.44"), ONE) == D("-1.44")
    # average cost (100 + 360) / 4 = 115; 2 sold for 250 less 1 of fee: 250 - 230 - 1
    assert book.book("BTC/USDT", SELL, D(2), D(250), D(1), ONE) == D(19)
    assert (book.pool("BTC/USDT").quantity, book.pool("BTC/USDT").cost) == (D(2), D(230))
    assert book.pool("BTC/USDT").realised == book.realised_usd() == D("17.16")  # 19 - 0.4 - 1.44
    assert book.unrealised("BTC/USDT", D(120)) == D(10)  # 2 x 120 - 230


def test_each_symbol_keeps_its_own_currency_and_usd_takes_the_price_of_the_time() -> None:
    book = CostBook()
    book.book("XRP/BTC", BUY, D(100), D("0.01"), D(0), D(40_000))
    book.book("XRP/BTC", SELL, D(100), D("0.012"), D(0), D(50_000))
    book.book("BTC/USDT", BUY, D(1), D(50_000), D(200), ONE)
    assert book.pool("XRP/BTC").realised == D("0.002")
    assert book.realised_usd() == D(-100)  # 0.002 x 50 000 - 200


def test_unknown_stays_unknown() -> None:
    book = CostBook()
    book.open_with("BTC/USDT", ONE, None)
    assert book.unrealised("BTC/USDT", D(100)) is None
    assert book.book("BTC/USDT", SELL, D("0.5"), D(50), D(0), ONE) is None
    assert book.book("BTC/USDT", SELL, D("0.5"), D(50), D(0), ONE) is None
    book.book("BTC/USDT", BUY, ONE, D(100), D(0), ONE)
    assert book.pool("BTC/USDT").cost == D(100)  # the coins of unknown cost are gone
    assert book.book("BTC/USDT", SELL, ONE, D(110), D(0), ONE) == D(10)
    assert (book.pool("BTC/USDT").realised, book.realised_usd()) == (None, None)


def test_opening_coins_have_the_cost_of_the_opening_price() -> None:
    book = CostBook()
    book.open_with("BTC/USDT", D(2), D(100))
    assert book.book("BTC/USDT", SELL, ONE, D(130), D(0), ONE) == D(30)


def test_selling_what_was_never_bought_here_has_an_unknown_cost() -> None:
    book = CostBook()
    book.book("BTC/USDT", BUY, ONE, D(100), D(0), ONE)
    assert book.book("BTC/USDT", SELL, D(2), D(300), D(0), ONE) is None
    assert book.pool("BTC/USDT").quantity == 0


def test_no_usd_price_leaves_usd_unknown_and_the_own_currency_known() -> None:
    book = CostBook()
    book.book("XRP/BTC", BUY, D(1), D(1), D("0.1"), None)
    assert (book.pool("XRP/BTC").realised, book.realised_usd()) == (D("-0.1"), None)


def test_rounding_goes_against_the_trader() -> None:
    assert cost_share(D(1), D(1), D(3)) == D("0.333333333333333334")  # cost up
    assert in_usd(D("1e-18"), D("0.5")) == 0  # a gain down
    assert in_usd(D("-1e-18"), D("0.5")) == D("-1e-18")  # a loss down
    assert in_usd(D(0), None) == 0


def test_an_execution_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        CostBook().book("BTC/USDT", BUY, D(0), D(0), D(0), ONE)


TRADES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 1000), st.integers(1, 10**6), st.integers(0, 99)), max_size=40
)


@given(TRADES)
def test_realised_plus_unrealised_is_every_cash_flow_plus_the_coins_to_the_last_atom(
    trades: list[tuple[bool, int, int, int]],
) -> None:
    book = CostBook()
    parts = kept(book)
    cash, coins = Fraction(0), 0
    for is_buy, lots, price, fee in trades:
        lots = lots if is_buy else min(lots, coins)
        if not lots:
            continue
        quantity, notional = D(lots).scaleb(-8), D(lots).scaleb(-8) * price
        book.book("BTC/USDT", BUY if is_buy else SELL, quantity, notional, D(fee), ONE)
        coins += lots if is_buy else -lots
        cash += Fraction(-notional if is_buy else notional) - fee
    realised, unrealised = book.pool("BTC/USDT").realised, book.unrealised("BTC/USDT", D(777))
    assert realised is not None and unrealised is not None
    assert Fraction(realised) + Fraction(unrealised) == cash + Fraction(coins, 10**8) * 777
    again = taken_up(parts, CostBook())
    assert (again.pool("BTC/USDT").realised, again.unrealised("BTC/USDT", D(777))) == (realised, unrealised)


def test_fees_add_up_and_symbols_are_told_in_order() -> None:
    book = CostBook()
    book.book("XRP/BTC", BUY, D(100), D("0.01"), D("0.00001"), ONE)
    book.book("BTC/USDT", BUY, D(1), D(100), D("0.4"), ONE)
    book.book("BTC/USDT", SELL, D(1), D(100), D("0.25"), ONE)
    assert book.pool("BTC/USDT").fees == D("0.65")
    assert book.symbols() == ("BTC/USDT", "XRP/BTC")


def test_coins_that_were_there_are_stored() -> None:
    parts, book = Parts(), CostBook()
    book.register(parts)
    book.open_with("BTC/USDT", D(2), D(100))
    assert json.loads(all_said(parts)["ledger.cost", "BTC/USDT"])["cost"] == "200"

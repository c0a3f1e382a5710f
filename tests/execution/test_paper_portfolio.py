"""The portfolio's rules of buying and selling, its memory, and its two ways of learning of a trade."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import kept, rows_of, taken_up

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderStatus, Side
from triplegain.execution.paper_portfolio import InsufficientBalanceError, InvalidTradeError, PaperPortfolio
from triplegain.ledger.wallet import Wallet

D = Decimal
MARKS = {"BTC/USDT": D(50_000), "XRP/USDT": D("0.5"), "XRP/BTC": D("0.00001")}


def portfolio(marks: dict[str, Decimal] | None = None, **balances: str) -> PaperPortfolio:
    amounts = {asset: D(amount) for asset, amount in (balances or {"USDT": "10000"}).items()}
    mark = (MARKS if marks is None else marks).get
    return PaperPortfolio("paper_20240801_000000", amounts, KRAKEN_OFFLINE_DEFAULTS, mark, 5, max_trade_history=2)


def standing(book: PaperPortfolio) -> Any:
    """All that it would store, and its money."""
    return {name: json.loads(state) for name, state in rows_of(book).items()}, book.balances()


def test_a_buy_pays_value_and_fee_and_a_sell_receives_value_less_fee() -> None:
    book = portfolio()
    book.execute_trade("btc/usdt", "buy", D("0.1"), D(50_000), 6, D(20))
    assert (book.total("USDT"), book.total("btc")) == (D(4980), D("0.1"))
    trade = book.execute_trade("BTC/USDT", "SELL", D("0.05"), D(52_000), 7, D(10))
    assert (book.available("usdt"), book.available("BTC"), book.held("BTC")) == (D(7570), D("0.05"), D(0))
    assert trade.realised == D(90)  # 2 600 - 2 500 - 10
    assert book.realised_pnl == {"BTC/USDT": D(70)}  # less the 20 of the buy
    assert (book.fees_paid, book.trade_count, book.wins, book.losses) == ({"USDT": D(30)}, 2, 1, 0)
    assert (book.created_at_ns, book.updated_at_ns, book.total("DOGE")) == (5, 7, D(0))


def test_the_fee_is_the_first_taker_tier_rounded_up_unless_it_is_given() -> None:
    trade = portfolio().execute_trade("XRP/USDT", Side.BUY, D("10.00000001"), D("0.50001"), 6)
    # 10.00000001 x 0.50001 x 0.4 % = 0.0200004000..., up to five places
    assert trade.fee == D("0.02001")


def test_exactly_enough_is_enough_and_an_atom_less_is_not() -> None:
    portfolio(USDT="5020").execute_trade("BTC/USDT", "buy", D("0.1"), D(50_000), 6, D(20))
    poor = portfolio(USDT="5019.99")
    with pytest.raises(InsufficientBalanceError) as caught:
        poor.execute_trade("BTC/USDT", "buy", D("0.1"), D(50_000), 6, D(20))
    error = caught.value
    assert (error.asset, error.held, error.needed, error.missing) == ("USDT", D("5019.99"), D(5020), D("0.01"))
    assert (poor.total("USDT"), poor.trade_count, poor.trade_history) == (D("5019.99"), 0, ())
    seller = portfolio(BTC="0.1")
    seller.execute_trade("BTC/USDT", "sell", D("0.1"), D(50_000), 6, D(20))
    with pytest.raises(InsufficientBalanceError, match="BTC"):
        seller.execute_trade("BTC/USDT", "sell", D("0.1"), D(50_000), 6, D(20))


def test_held_coins_cannot_be_sold() -> None:
    wallet = Wallet()
    wallet.deposit({"BTC": atoms(D(1))}, 1)
    wallet.reserve(1, "BTC", atoms(D("0.6")))
    book = PaperPortfolio("s", {"BTC": D(1)}, KRAKEN_OFFLINE_DEFAULTS, MARKS.get, 5, wallet=wallet)
    assert (book.total("BTC"), book.held("BTC"), book.available("BTC")) == (D(1), D("0.6"), D("0.4"))
    with pytest.raises(InsufficientBalanceError):
        book.execute_trade("BTC/USDT", "sell", D("0.5"), D(50_000), 6)


@pytest.mark.parametrize(
    ("symbol", "side", "quantity", "price", "fee"),
    [
        ("BTCUSDT", "buy", D(1), D(1), D(0)),
        ("BTC/", "buy", D(1), D(1), D(0)),
        ("BTC/USDT", "hold", D(1), D(1), D(0)),
        ("BTC/USDT", "buy", D(0), D(1), D(0)),
        ("BTC/USDT", "buy", D(-1), D(1), D(0)),
        ("BTC/USDT", "buy", D(1), D(0), D(0)),
        ("BTC/USDT", "buy", D("NaN"), D(1), D(0)),
        ("BTC/USDT", "buy", D(1), D("Infinity"), D(0)),
        ("BTC/USDT", "buy", D(1), D(1), D(-1)),
        ("BTC/USDT", "buy", D("1e-19"), D(1), D(0)),
        ("DOGE/USDT", "buy", D(1), D(1), None),
    ],
)
def test_a_trade_that_cannot_be_is_refused_and_changes_nothing(
    symbol: str, side: str, quantity: Decimal, price: Decimal, fee: Decimal | None
) -> None:
    book = portfolio()
    before = standing(book)
    with pytest.raises(InvalidTradeError):
        book.execute_trade(symbol, side, quantity, price, 6, fee)
    assert standing(book) == before


def test_a_fill_of_the_exchange_is_followed_and_not_booked_a_second_time() -> None:
    wallet = Wallet()
    wallet.deposit({"USDT": atoms(D(10_000))}, 1)
    book = PaperPortfolio("s", {"USDT": D(10_000)}, KRAKEN_OFFLINE_DEFAULTS, MARKS.get, 5, wallet=wallet)
    legs: dict[str, Any] = {"paid": ("USDT", atoms(D(5000))), "received": ("BTC", atoms(D("0.1")))}
    wallet.book_fill(9, 1, 1, **legs, fee=("USDT", atoms(D(20))), draw=0)
    terms = (D(50_000), D("0.1"), D(5000), D(20), "USDT", False, D("0.1"), OrderStatus.FILLED)
    trade = book.on_fill(OrderFilled(1, 9, 10, 1, "c", 1, "TABC", "BTC/USDT", Side.BUY, *terms, {}))
    assert (book.total("USDT"), book.total("BTC")) == (D(4980), D("0.1"))
    assert trade is not None
    assert (trade.realised, trade.fill_id, book.trade_count, book.fees_paid) == (D(-20), "TABC", 1, {"USDT": D(20)})
    assert len(wallet.drain_entries()) == 2 + 6  # one deposit, one fill of three legs


def test_equity_is_unknown_without_a_price_and_never_a_guess() -> None:
    marks = dict(MARKS)
    book = portfolio(marks, USDT="100", BTC="0.1", XRP="0")
    assert book.equity_usd() == D(5100)
    assert book.equity_usd({"BTC/USDT": D(60_000)}.get) == D(6100)
    marks.clear()
    assert book.equity_usd() is None


def test_the_summary_explains_the_change_of_equity() -> None:
    marks = dict(MARKS)
    book = portfolio(marks, USDT="10000", BTC="0.1")
    assert book.pnl_summary().opening is None
    assert book.observe_opening(5)
    book.execute_trade("BTC/USDT", "buy", D("0.1"), D(50_000), 6, D(20))
    marks["BTC/USDT"] = D(60_000)
    book.execute_trade("BTC/USDT", "sell", D("0.05"), D(60_000), 7, D(12))
    summary = book.pnl_summary()
    # 15 000 at the start; 4 980 + 2 988 + 0.15 x 60 000 = 16 968 now; average cost 50 000
    assert (summary.opening, summary.equity, summary.profit) == (D(15_000), D(16_968), D(1968))
    assert summary.profit_percent == D("13.12")
    assert (summary.realised_usd, summary.unrealised_usd) == (D(468), D(1500))  # 500 - 32; 0.15 x 10 000
    assert summary.fees_usd == D(32)
    assert summary.buy_and_hold == D(16_000)
    assert (summary.wins, summary.losses, summary.win_rate_percent) == (1, 0, D(100))


def test_history_in_memory_is_bounded_and_the_counters_are_not() -> None:
    book = portfolio()
    for number in range(4):
        book.execute_trade("XRP/USDT", "buy", D(10), D("0.5"), 6 + number)
    assert [trade.number for trade in book.trade_history] == [3, 4]
    assert book.trade_count == 4


def test_it_survives_json_without_loss_and_goes_on_alike() -> None:
    book = portfolio(USDT="10000.000000000000000001", BTC="0.1")
    parts = kept(book)
    book.observe_opening(5)
    book.execute_trade("BTC/USDT", "buy", D("0.03"), D("33333.3"), 6)
    left = {balance.asset: str(balance.total) for balance in book.balances()}
    again = taken_up(parts, portfolio(None, **left))
    assert standing(again) == standing(book)
    for one in (book, again):
        one.execute_trade("BTC/USDT", "sell", D("0.13"), D("33333.3"), 7)
    assert standing(again) == standing(book)
    assert again.pnl_summary() == book.pnl_summary()


def test_the_public_view_shows_money_as_text_and_no_inner_state() -> None:
    book = portfolio()
    book.execute_trade("BTC/USDT", "buy", D("0.1"), D(50_000), 6, D(20))
    public = book.to_dict_public()
    assert public["balances"]["BTC"] == {"total": "0.1", "held": "0", "available": "0.1"}
    assert public["created_at"] == "1970-01-01T00:00:00.000000Z"
    assert not {"wallet", "cost_book", "reservations", "history"} & set(public)
    assert "balance" not in json.dumps(book.trade_history[0].to_dict_public())

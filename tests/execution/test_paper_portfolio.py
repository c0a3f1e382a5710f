"""How the portfolio follows fills, and its memory."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.session.stored_parts import kept, rows_of, taken_up

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderStatus, Side
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.ledger.wallet import Wallet

D = Decimal
MARKS = {"BTC/USDT": D(50_000), "XRP/USDT": D("0.5"), "XRP/BTC": D("0.00001")}


def portfolio(marks: dict[str, Decimal] | None = None, **balances: str) -> tuple[PaperPortfolio, Wallet]:
    amounts = {asset: D(amount) for asset, amount in (balances or {"USDT": "10000"}).items()}
    mark, wallet = (MARKS if marks is None else marks).get, Wallet()
    wallet.deposit({asset: atoms(amount) for asset, amount in amounts.items()}, 5)
    at = amounts, KRAKEN_OFFLINE_DEFAULTS, mark, 5
    return PaperPortfolio(*at, wallet=wallet, max_trade_history=2), wallet


def fill(
    book: PaperPortfolio, wallet: Wallet, symbol: str, side: Side, quantity: str, price: str, time_ns: int, fee: str
) -> D | None:
    """As the exchange books it and tells it."""
    base, quote = symbol.split("/")
    notional = D(quantity) * D(price)
    legs = (quote, atoms(notional)), (base, atoms(D(quantity)))
    paid, received = legs if side is Side.BUY else legs[::-1]
    number = book.state.trade_count + 1
    wallet.book_fill(time_ns, 1, number, paid=paid, received=received, fee=(quote, atoms(D(fee))), draw=0)
    terms = (D(price), D(quantity), notional, D(fee), quote, False, D(quantity), OrderStatus.FILLED)
    return book.on_fill(OrderFilled(number, time_ns, time_ns, 1, "c", symbol, number, "TABC", side, *terms, {}))


def standing(book: PaperPortfolio) -> Any:
    """All that it would store, and its money."""
    return {name: json.loads(state) for name, state in rows_of(book).items()}, book.balances()


def test_a_fill_of_the_exchange_is_followed_and_not_booked_a_second_time() -> None:
    book, wallet = portfolio()
    fill(book, wallet, "BTC/USDT", Side.BUY, "0.1", "50000", 6, "20")
    assert (book.total("USDT"), book.total("btc")) == (D(4980), D("0.1"))
    realised = fill(book, wallet, "BTC/USDT", Side.SELL, "0.05", "52000", 7, "10")
    assert (book.total("usdt"), book.total("BTC"), book.held("BTC")) == (D(7570), D("0.05"), D(0))
    assert (realised, book.trade_history[-1].fill_id) == (D(90), "TABC")  # 2 600 - 2 500 - 10
    assert book.cost_book.pool("BTC/USDT").realised == D(70)  # less the 20 of the buy
    assert (book.state.fees_paid, book.state.trade_count) == ({"USDT": D(30)}, 2)
    assert (book.state.updated_at_ns, book.total("DOGE")) == (7, D(0))
    assert len(wallet.drain_entries()) == 2 + 6 + 6  # one deposit, two fills of three legs


def test_equity_is_unknown_without_a_price_and_never_a_guess() -> None:
    marks = dict(MARKS)
    book, _ = portfolio(marks, USDT="100", BTC="0.1", XRP="0")
    assert book.equity_usd() == D(5100)
    marks["BTC/USDT"] = D(60_000)
    assert book.equity_usd() == D(6100)
    marks.clear()
    assert book.equity_usd() is None


def test_the_summary_explains_the_change_of_equity() -> None:
    marks = dict(MARKS)
    book, wallet = portfolio(marks, USDT="10000", BTC="0.1")
    assert book.pnl_summary().opening is None
    assert book.observe_opening(5)
    fill(book, wallet, "BTC/USDT", Side.BUY, "0.1", "50000", 6, "20")
    marks["BTC/USDT"] = D(60_000)
    fill(book, wallet, "BTC/USDT", Side.SELL, "0.05", "60000", 7, "12")
    summary = book.pnl_summary()
    # 15 000 at the start; 4 980 + 2 988 + 0.15 x 60 000 = 16 968 now; average cost 50 000
    assert (summary.opening, summary.equity, summary.profit) == (D(15_000), D(16_968), D(1968))
    assert summary.profit_percent == D("13.12")
    assert (summary.realised_usd, summary.unrealised_usd) == (D(468), D(1500))  # 500 - 32; 0.15 x 10 000
    assert summary.fees_usd == D(32)
    assert summary.buy_and_hold == D(16_000)


def test_history_in_memory_is_bounded_and_the_counters_are_not() -> None:
    book, wallet = portfolio()
    for number in range(4):
        fill(book, wallet, "XRP/USDT", Side.BUY, "10", "0.5", 6 + number, "0.02")
    assert [each.fill_number for each in book.trade_history] == [3, 4]
    assert book.state.trade_count == 4


def test_it_survives_json_without_loss_and_goes_on_alike() -> None:
    book, wallet = portfolio(USDT="10000.000000000000000001", BTC="0.1")
    parts = kept(book)
    book.observe_opening(5)
    fill(book, wallet, "BTC/USDT", Side.BUY, "0.03", "33333.3", 6, "4")
    left = {balance.asset: str(balance.total) for balance in book.balances()}
    fresh, other = portfolio(None, **left)
    again = taken_up(parts, fresh)
    assert standing(again) == standing(book)
    for one, its in ((book, wallet), (again, other)):
        fill(one, its, "BTC/USDT", Side.SELL, "0.13", "33333.3", 7, "17.3")
    assert standing(again) == standing(book)
    assert again.pnl_summary() == book.pnl_summary()


def test_a_fee_in_coins_is_counted_in_coins_and_its_worth_in_dollars() -> None:
    book, wallet = portfolio()
    wallet.book_fill(
        6,
        1,
        1,
        paid=("USDT", atoms(D(5000))),
        received=("BTC", atoms(D("0.1"))),
        fee=("BTC", atoms(D("0.0004"))),
        draw=0,
    )
    terms = (D(50_000), D("0.1"), D(5000), D("0.0004"), "BTC", False, D("0.1"), OrderStatus.FILLED)
    realised = book.on_fill(OrderFilled(1, 6, 6, 1, "c", "BTC/USDT", 1, "T", Side.BUY, *terms, {}))
    pool = book.cost_book.pool("BTC/USDT")
    # 0.0004 x 50 000 = 20; the 0.0996 that came cost 4980
    assert (realised, pool.quantity, pool.cost, pool.fees) == (D(-20), D("0.0996"), D(4980), D(20))
    assert (book.state.fees_paid, book.state.fees_usd) == ({"BTC": D("0.0004")}, D(20))
    assert (book.total("USDT"), book.total("BTC")) == (D(5000), D("0.0996"))
    assert book.equity_usd() == D(9980)


def test_coins_that_are_owed_are_no_cash() -> None:
    """A loss beside dollars alone; dollars that are owed are cash."""
    for asset, is_cash in (("BTC", False), ("USDT", True)):
        book, wallet = portfolio()
        assert book.is_cash
        wallet.book_margin(6, asset, [(EntryKind.MARGIN, LedgerAccount.MARKET, atoms(D(-20_000)))])
        assert wallet.owed(asset) > 0
        assert book.is_cash is is_cash

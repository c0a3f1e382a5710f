"""Totals, holds and the entries behind them, in atoms."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.session.stored_parts import all_said, rows_of

from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.parts import Parts
from triplegain.ledger.wallet import LedgerError, Wallet


@pytest.fixture
def wallet() -> Wallet:
    opened = Wallet()
    opened.deposit({"USDT": 1000, "BTC": 50}, 1)
    return opened


def restored(rows: dict[tuple[str, str], bytes]) -> Wallet:
    again, parts = Wallet(), Parts()
    again.register(parts)
    parts.restore(rows)
    return again


def test_a_deposit_is_capital_coming_in(wallet: Wallet) -> None:
    entries = wallet.drain_entries()
    assert [(e.account, e.asset, e.amount_atoms) for e in entries] == [
        (LedgerAccount.WALLET, "USDT", 1000),
        (LedgerAccount.CAPITAL, "USDT", -1000),
        (LedgerAccount.WALLET, "BTC", 50),
        (LedgerAccount.CAPITAL, "BTC", -50),
    ]
    assert wallet.drain_entries() == []


def test_a_negative_deposit_changes_nothing() -> None:
    wallet = Wallet()
    with pytest.raises(LedgerError):
        wallet.deposit({"USDT": 1, "BTC": -1}, 1)
    assert (wallet.assets(), wallet.drain_entries()) == ([], [])


def test_a_reservation_moves_from_available_to_held_and_back_once(wallet: Wallet) -> None:
    assert wallet.reserve(1, "USDT", 400)
    assert (wallet.total("USDT"), wallet.held("USDT"), wallet.available("USDT")) == (1000, 400, 600)
    assert wallet.release(1) == 400
    assert wallet.release(1) == 0
    assert wallet.available("USDT") == 1000


def test_what_is_not_there_cannot_be_reserved(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 400)
    assert not wallet.reserve(2, "USDT", 601)
    assert not wallet.reserve(3, "DOGE", 1)
    assert wallet.reserve(2, "USDT", 600)
    assert (wallet.available("USDT"), wallet.held("DOGE")) == (0, 0)


def test_an_order_reserves_once_and_never_less_than_nothing(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 1)
    with pytest.raises(LedgerError):
        wallet.reserve(1, "USDT", 1)
    with pytest.raises(LedgerError):
        wallet.reserve(2, "USDT", -1)


def test_a_reservation_is_resized_within_what_is_available(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 400)
    assert wallet.resize(1, 1000)
    assert not wallet.resize(1, 1001)
    assert wallet.resize(1, 10)
    assert (wallet.held("USDT"), wallet.reserved(1)) == (10, 10)


def test_a_purchase_is_one_balanced_transaction(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 500)
    wallet.drain_entries()
    wallet.book_fill(2, 1, 7, paid=("USDT", 300), received=("BTC", 3), fee=("USDT", 2), draw=310)
    entries = wallet.drain_entries()
    assert len({entry.transaction for entry in entries}) == 1
    balance: Counter[str] = Counter()
    for entry in entries:
        balance[entry.asset] += entry.amount_atoms
        assert (entry.order_number, entry.fill_number) == (1, 7)
    assert not any(balance.values())
    assert [e.amount_atoms for e in entries if e.kind is EntryKind.FEE] == [-2, 2]
    # 1000 - 300 - 2; 500 - 310 still held
    assert (wallet.total("USDT"), wallet.held("USDT"), wallet.total("BTC")) == (698, 190, 53)


@pytest.mark.parametrize(
    ("paid", "draw"),
    [(300, 501), (999, 0)],  # more than was reserved; 1000 - 999 - 2 < 0
)
def test_a_fill_that_would_break_the_books_is_a_fault_and_changes_nothing(wallet: Wallet, paid: int, draw: int) -> None:
    wallet.reserve(1, "USDT", 500)
    before = rows_of(wallet), wallet.held("USDT")
    with pytest.raises(LedgerError):
        wallet.book_fill(2, 1, 1, paid=("USDT", paid), received=("BTC", 3), fee=("USDT", 2), draw=draw)
    assert (rows_of(wallet), wallet.held("USDT")) == before


def test_a_fill_may_not_spend_what_another_order_holds(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 900)
    before = rows_of(wallet), wallet.held("USDT")
    with pytest.raises(LedgerError):
        wallet.book_fill(2, 2, 1, paid=("USDT", 101), received=("BTC", 3), fee=("USDT", 0), draw=0)
    assert (rows_of(wallet), wallet.held("USDT")) == before


def test_state_and_back(wallet: Wallet) -> None:
    wallet.reserve(3, "BTC", 20)
    wallet.drain_entries()
    again = restored(rows_of(wallet))
    assert rows_of(again) == rows_of(wallet)
    assert (again.held("BTC"), again.reserved(3)) == (20, 20)
    again.deposit({"BTC": 1}, 9)
    assert again.drain_entries()[0].sequence == 5  # four entries before


def test_a_stored_state_that_holds_more_than_it_has_is_refused(wallet: Wallet) -> None:
    # 1001 atoms of the 1000 there are.
    held = b'{"asset": "USDT", "amount": "0.000000000000001001", "account": "wallet"}'
    with pytest.raises(LedgerError):
        restored({**rows_of(wallet), ("ledger.reservation", "1"): held})


HODL = LedgerAccount.HODL


def test_what_is_set_aside_leaves_the_wallet_and_nothing_brings_it_back(wallet: Wallet) -> None:
    wallet.drain_entries()
    assert wallet.set_aside("USDT", 300, 5)
    assert (wallet.total("USDT"), wallet.total("USDT", HODL)) == (700, 300)
    entries = wallet.drain_entries()
    assert [(e.kind, e.account, e.amount_atoms) for e in entries] == [
        (EntryKind.TRANSFER, LedgerAccount.WALLET, -300),
        (EntryKind.TRANSFER, HODL, 300),
    ]
    assert len({e.transaction for e in entries}) == 1
    assert not wallet.reserve(1, "USDT", 701)  # the 300 are not there for an order of the wallet


def test_only_what_no_order_holds_can_be_set_aside(wallet: Wallet) -> None:
    wallet.reserve(1, "USDT", 800)
    wallet.drain_entries()
    assert not wallet.set_aside("USDT", 201, 5)
    assert (wallet.total("USDT"), wallet.total("USDT", HODL), wallet.drain_entries()) == (1000, 0, [])
    with pytest.raises(LedgerError):
        wallet.set_aside("USDT", 0, 5)


def test_an_order_of_the_hodl_account_pays_from_there_and_is_paid_there(wallet: Wallet) -> None:
    wallet.set_aside("USDT", 300, 5)
    wallet.drain_entries()
    assert not wallet.reserve(2, "USDT", 301, HODL)  # the wallet's 700 do not help
    assert wallet.reserve(2, "USDT", 250, HODL)
    assert (wallet.available("USDT", HODL), wallet.available("USDT")) == (50, 700)
    wallet.book_fill(6, 2, 1, paid=("USDT", 240), received=("BTC", 4), fee=("USDT", 1), draw=241)
    assert wallet.release(2) == 9
    assert (wallet.total("USDT"), wallet.total("BTC")) == (700, 50)
    assert (wallet.total("USDT", HODL), wallet.total("BTC", HODL)) == (59, 4)
    assert {e.account for e in wallet.drain_entries()} == {HODL, LedgerAccount.MARKET, LedgerAccount.FEES}


def test_both_accounts_survive_a_restart(wallet: Wallet) -> None:
    wallet.set_aside("USDT", 300, 5)
    wallet.reserve(1, "USDT", 600)
    wallet.reserve(2, "USDT", 250, HODL)
    again = restored(rows_of(wallet))
    assert rows_of(again) == rows_of(wallet)
    assert (again.held("USDT"), again.held("USDT", HODL)) == (600, 250)
    assert (again.available("USDT"), again.available("USDT", HODL)) == (100, 50)


def test_every_change_of_a_balance_or_a_hold_is_said() -> None:
    wallet, parts = Wallet(), Parts()
    wallet.register(parts)
    wallet.deposit({"USDT": 1000, "BTC": 50}, 1)
    all_said(parts)
    wallet.set_aside("USDT", 300, 2)
    all_said(parts)
    wallet.reserve(1, "USDT", 250, HODL)
    all_said(parts)
    wallet.resize(1, 240)
    all_said(parts)
    wallet.book_fill(3, 1, 1, paid=("USDT", 100), received=("BTC", 4), fee=("USDT", 1), draw=101)
    all_said(parts)
    wallet.release(1)
    rows = all_said(parts)
    assert {key: state for (part, key), state in rows.items() if part != "ledger.numbers"} == {
        "wallet USDT": b'"7E-16"',
        "wallet BTC": b'"5E-17"',
        "hodl USDT": b'"1.99E-16"',  # 300 - 100 - 1
        "hodl BTC": b'"4E-18"',
    }

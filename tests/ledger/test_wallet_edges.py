"""The wallet at its edges: the last atom, the amount of nothing, and how entries are numbered. Amounts are atoms."""

from __future__ import annotations

import pytest

from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.ledger.wallet import LedgerError, Wallet


@pytest.fixture
def wallet() -> Wallet:
    opened = Wallet()
    opened.deposit({"USDT": 100, "BTC": 10}, 1)
    return opened


def test_entries_count_from_one_and_each_movement_is_a_transaction_of_its_own(wallet: Wallet) -> None:
    assert wallet.set_aside("USDT", 5, 2)
    wallet.reserve(1, "USDT", 60)
    wallet.book_fill(3, 1, 1, paid=("USDT", 50), received=("BTC", 1), fee=("USDT", 2), draw=52)
    wallet.book_fill(4, 1, 2, paid=("USDT", 8), received=("BTC", 1), fee=("USDT", 0), draw=8)
    numbers = [(entry.sequence, entry.transaction) for entry in wallet.drain_entries()]
    transactions = [1] * 4 + [2] * 2 + [3] * 6 + [4] * 4  # two legs an asset; a fee of nothing is no entry
    assert numbers == list(enumerate(transactions, start=1))


def test_a_deposit_may_be_nothing_or_an_atom() -> None:
    wallet = Wallet()
    wallet.deposit({"USDT": 0, "BTC": 1}, 1)
    assert (wallet.total("USDT"), wallet.total("BTC")) == (0, 1)


def test_what_belongs_to_no_order_and_no_fill_is_of_number_nothing(wallet: Wallet) -> None:
    wallet.drain_entries()
    wallet.book_margin(2, "USDT", [(EntryKind.ROLLOVER, LedgerAccount.FEES, -1)])
    assert [(entry.order_number, entry.fill_number) for entry in wallet.drain_entries()] == [(0, 0), (0, 0)]


def test_what_was_never_here_is_nothing(wallet: Wallet) -> None:
    assert (wallet.total("DOGE"), wallet.held("DOGE"), wallet.available("DOGE"), wallet.reserved(9)) == (0, 0, 0, 0)


def test_all_of_it_down_to_one_atom_can_be_set_aside(wallet: Wallet) -> None:
    assert wallet.set_aside("BTC", 9, 2) and wallet.set_aside("BTC", 1, 3)
    assert not wallet.set_aside("BTC", 1, 4)
    with pytest.raises(LedgerError):
        wallet.set_aside("USDT", 0, 5)


def test_an_order_may_reserve_nothing_and_an_atom_and_the_last(wallet: Wallet) -> None:
    assert [wallet.reserve(number, "BTC", amount) for number, amount in ((1, 0), (2, 1), (3, 9), (4, 1))] == [
        True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reserved", "paid", "received", "fee", "draw", "left"),
    [
        # All that is there, and all that was reserved.
        (100, ("USDT", 98), ("BTC", 1), ("USDT", 2), 100, (0, 11)),
        # An atom more than is there: of what is paid, and with the fee.
        (100, ("USDT", 101), ("BTC", 1), ("USDT", 0), 100, None),
        (100, ("USDT", 99), ("BTC", 1), ("USDT", 2), 100, None),
        # More than was reserved.
        (50, ("USDT", 50), ("BTC", 1), ("USDT", 0), 51, None),
        # What is not drawn stays held: 40 of the 100 are not for this.
        (60, ("USDT", 60), ("BTC", 1), ("USDT", 0), 20, (40, 11)),
        (60, ("USDT", 61), ("BTC", 1), ("USDT", 0), 20, None),
        # A fee is paid of what is received, up to all of it, also in a currency that was never here.
        (100, ("USDT", 100), ("XRP", 7), ("XRP", 7), 100, (0, 10)),
        (100, ("USDT", 100), ("XRP", 7), ("XRP", 8), 100, None),
        (100, ("USDT", 100), ("BTC", 7), ("BTC", 17), 100, (0, 0)),
        (100, ("USDT", 100), ("BTC", 7), ("BTC", 18), 100, None),
        # Nothing is reserved, and all of it paid.
        (0, ("USDT", 100), ("BTC", 1), ("USDT", 0), 0, (0, 11)),
        (0, ("USDT", 101), ("BTC", 1), ("USDT", 0), 0, None),
    ],
)
def test_a_fill_takes_what_is_there_and_not_an_atom_more(
    wallet: Wallet,
    reserved: int,
    paid: tuple[str, int],
    received: tuple[str, int],
    fee: tuple[str, int],
    draw: int,
    left: tuple[int, int] | None,
) -> None:
    """`left`: USDT and BTC afterwards; None: it cannot be."""
    wallet.reserve(1, "USDT", reserved)
    if left is not None:
        wallet.book_fill(2, 1, 1, paid=paid, received=received, fee=fee, draw=draw)
        assert (wallet.total("USDT"), wallet.total("BTC"), wallet.held("USDT")) == (*left, reserved - draw)
        return
    with pytest.raises(LedgerError):
        wallet.book_fill(2, 1, 1, paid=paid, received=received, fee=fee, draw=draw)
    assert (wallet.total("USDT"), wallet.total("BTC"), wallet.held("USDT")) == (100, 10, reserved)


def test_what_positions_earn_cost_and_settle_is_numbered_like_the_rest(wallet: Wallet) -> None:
    """80 of a loss and 40 of a fee leave 100 dollars 20 short, which are lent; 15 that come in pay back their part."""
    fees, market = LedgerAccount.FEES, LedgerAccount.MARKET
    assert wallet.book_margin(2, "USDT", [(EntryKind.FEE, fees, -40), (EntryKind.TRADE, market, -80)]) == 20
    assert (wallet.total("USDT"), wallet.owed("USDT")) == (0, 20)
    wallet.repay(3)  # there is nothing to pay with
    wallet.deposit({"USDT": 15}, 4)
    wallet.repay(5)
    assert (wallet.total("USDT"), wallet.owed("USDT")) == (0, 5)
    assert not wallet.settle(6, 1, 1, paid=("BTC", 11), received=("USDT", 7))
    assert wallet.settle(7, 1, 1, paid=("BTC", 10), received=("USDT", 7))
    assert (wallet.total("BTC"), wallet.total("USDT")) == (0, 7)
    numbers = [(entry.sequence, entry.transaction) for entry in wallet.drain_entries()]
    transactions = [1] * 4 + [2] * 6 + [3] * 2 + [4] * 2 + [5] * 4
    assert numbers == list(enumerate(transactions, start=1))

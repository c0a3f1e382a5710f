"""What must agree, and how a difference is told."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import atoms
from triplegain.ledger import reconcile
from triplegain.ledger.reconcile import ReconcileError

D = Decimal
WALLET, HODL = LedgerAccount.WALLET, LedgerAccount.HODL
ONE, TWO = atoms(D(1)), atoms(D(2))


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (reconcile.balance("BTC", WALLET, TWO, ONE), "the wallet holds 2 BTC, its ledger entries come to 1"),
        (reconcile.balance("BTC", HODL, 0, 1), "hodl holds 0 BTC, its ledger entries come to 0.000000000000000001"),
        (reconcile.holds("BTC", WALLET, TWO, ONE, TWO), "2 BTC of the wallet are held, open orders have reserved 1"),
        (reconcile.holds("BTC", WALLET, TWO, TWO, ONE), "2 BTC of the wallet are held, it holds 1"),
        (reconcile.owned("BTC", D("1.5"), D(1)), "positions own 1.5 BTC, the wallet holds 1"),
        (reconcile.on_sale("pos-3", D(2), D("1.9")), "orders sell 2 of pos-3, which holds 1.9"),
        (reconcile.filled(7, D(1), D("0.5")), "order 7 is filled with 1, its fills come to 0.5"),
        (reconcile.stored("order", "7", D(1), None), "order 7: the session's state says 1, its record says nothing"),
    ],
)
def test_a_difference_is_told_with_both_figures(differences: Iterator[str], words: str) -> None:
    with pytest.raises(ReconcileError, match="the books do not agree: ") as told:
        reconcile.check(differences)
    assert words in str(told.value)


def test_what_agrees_says_nothing() -> None:
    for agrees in (
        reconcile.balance("BTC", WALLET, ONE, ONE),
        reconcile.holds("BTC", WALLET, ONE, ONE, ONE),
        reconcile.owned("BTC", D(1), D("1.0")),
        reconcile.on_sale("pos-3", D(1), D(1)),
        reconcile.filled(7, D("0.50"), D("0.5")),
        reconcile.stored("order", "7", D(1), D("1.00")),
    ):
        reconcile.check(agrees)


@pytest.mark.parametrize(
    ("held", "total", "agrees"),
    [(0, 0, True), (0, 5, True), (5, 5, True), (1, 5, True), (6, 5, False), (-1, 5, False)],
)
def test_what_is_held_is_between_nothing_and_all(held: int, total: int, agrees: bool) -> None:
    assert (list(reconcile.holds("BTC", WALLET, held, held, total)) == []) is agrees


@pytest.mark.parametrize(("state", "row", "words"), [(D(1), None, "1, its record says nothing"),
                                                    (None, D(2), "nothing, its record says 2")])  # fmt: skip
def test_of_what_is_not_there_nothing_is_said(state: Decimal | None, row: Decimal | None, words: str) -> None:
    assert list(reconcile.stored("order", "7", state, row)) == [f"order 7: the session's state says {words}"]

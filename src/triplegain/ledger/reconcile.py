"""What must agree, whatever happens: pure functions that give a difference in words, with both figures.

Amounts of a wallet are atoms. What holds for a spot account: coins of positions lie in the wallet.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from triplegain.domain.errors import TripleGainError
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import from_atoms, text


class ReconcileError(TripleGainError):
    """Two figures that must agree do not. Nothing of the step is stored; the session halts."""


def balance(asset: str, account: LedgerAccount, total: int, entries: int) -> Iterator[str]:
    """A balance is the sum of its ledger entries."""
    if total != entries:
        yield f"the {account} holds {_coins(total)} {asset}, its ledger entries come to {_coins(entries)}"


def holds(asset: str, account: LedgerAccount, held: int, reserved: int, total: int) -> Iterator[str]:
    """What is held is what open orders have reserved, and it is there."""
    if held != reserved:
        yield f"{_coins(held)} {asset} of the {account} are held, open orders have reserved {_coins(reserved)}"
    if not 0 <= held <= total:
        yield f"{_coins(held)} {asset} of the {account} are held, it holds {_coins(total)}"


def owned(asset: str, positions: Decimal, total: Decimal) -> Iterator[str]:
    """The coins of all positions lie in the wallet."""
    if positions > total:
        yield f"positions own {text(positions)} {asset}, the wallet holds {text(total)}"


def on_sale(position_id: str, sales: Decimal, quantity: Decimal) -> Iterator[str]:
    """What the venue has taken of stops and exits is no more than the position holds."""
    if sales > quantity:
        yield f"orders sell {text(sales)} of {position_id}, which holds {text(quantity)}"


def filled(order_number: int, quantity: Decimal, fills: Decimal) -> Iterator[str]:
    """An order is filled as far as its fills say."""
    if quantity != fills:
        yield f"order {order_number} is filled with {text(quantity)}, its fills come to {text(fills)}"


def stored(kind: str, key: str, state: Decimal | None, row: Decimal | None) -> Iterator[str]:
    """What is taken up is what the rows say; None: not there."""
    if state != row:
        said = ["nothing" if each is None else text(each) for each in (state, row)]
        yield f"{kind} {key}: the session's state says {said[0]}, its record says {said[1]}"


def check(differences: Iterator[str]) -> None:
    """Raises ReconcileError with everything that does not agree."""
    found = list(differences)
    if found:
        raise ReconcileError("the books do not agree: " + "; ".join(found))


def _coins(atoms: int) -> str:
    return text(from_atoms(atoms))

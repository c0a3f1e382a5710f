"""A price as it is asked for: named, or by its distance from another one."""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from enum import StrEnum

import msgspec

from triplegain.domain.money import text
from triplegain.domain.values import AMOUNT, read_amount

#: How a relative price is written; the amount is one of `AMOUNT`.
RELATIVE_PRICE = rf"[+\-#]{AMOUNT}%?"
_RELATIVE = re.compile(RELATIVE_PRICE)
#: What a coin may come to cost, never too little.
_RECKONING = Context(prec=60, rounding=ROUND_UP)


class Sign(StrEnum):
    """Where from the other price. AHEAD: where the market must come to before the order is reached."""

    PLUS = "+"
    MINUS = "-"
    AHEAD = "#"


class Offset(msgspec.Struct, frozen=True):
    """A price by its distance from another one: in the quote currency, or in percent of the other."""

    sign: Sign
    amount: Decimal
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.sign}{text(self.amount)}{'%' if self.percent else ''}"

    def most(self, near: Decimal) -> Decimal:
        """The highest price that this can come to beside `near`."""
        share = _RECKONING.scaleb(_RECKONING.multiply(near, self.amount), -2) if self.percent else self.amount
        return _RECKONING.subtract(near, share) if self.sign is Sign.MINUS else _RECKONING.add(near, share)


Price = Decimal | Offset


def read_price(words: str) -> Price | None:
    """A plain decimal, or `+5`, `-2%`, `#1.5%`. None for anything else."""
    if not _RELATIVE.fullmatch(words):
        return read_amount(words)
    return Offset(Sign(words[0]), Decimal(words[1:].removesuffix("%")), words.endswith("%"))


def price_text(price: Price) -> str:
    """As `read_price` takes it."""
    return text(price) if isinstance(price, Decimal) else str(price)


def most(price: Price, near: Decimal) -> Decimal:
    """The highest that a price can come to while the market is at `near`."""
    return price if isinstance(price, Decimal) else price.most(near)

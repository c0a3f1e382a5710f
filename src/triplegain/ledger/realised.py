"""Realised profit and loss at average cost.

Fees count when they are paid, on both sides. So at any moment realised + (mark - average cost) x quantity is what
trading earned, to the last atom. The cost of what is sold is rounded up to an atom (against the trader) and taken
off the pool exactly, so nothing is lost: once a pool is empty, its realised P&L is the sum of its cash flows.
Gains on the quote currency itself (holding BTC while trading XRP/BTC) show in equity, not here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, localcontext

from msgspec import Struct

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import EXACT, plain
from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts

#: Asset to USD, or None where there is no fresh price.
UsdPrice = Callable[[str], Decimal | None]

_ATOM = Decimal("1e-18")
_WIDE = Context(prec=80)
_ZERO = Decimal(0)


def cost_share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`cost x part / whole` rounded up to an atom; exactly `cost` when `part` is the whole."""
    with localcontext(prec=80):
        return plain((cost * part / whole).quantize(_ATOM, ROUND_CEILING))


def in_usd(amount: Decimal, price: Decimal | None) -> Decimal | None:
    """`amount` x `price` rounded down to an atom, None where the price is unknown. Zero is zero at any price."""
    if not amount:
        return _ZERO
    if price is None:
        return None
    return plain(_WIDE.multiply(amount, price).quantize(_ATOM, ROUND_FLOOR, _WIDE))


def add_known(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """A sum; unknown stays unknown."""
    return None if one is None or other is None else EXACT.add(one, other)


class Pool(Struct):
    """Coins of one symbol: how many, what they cost in the quote currency (None: unknown), what they earned."""

    quantity: Decimal = _ZERO
    cost: Decimal | None = _ZERO
    realised: Decimal | None = _ZERO
    realised_usd: Decimal | None = _ZERO
    fees: Decimal = _ZERO


class CostBook:
    """Average cost and realised P&L per symbol, in its quote currency and in USD at the time of each execution."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._touch: Callable[[str], None] = lambda symbol: None

    def open_with(self, symbol: str, quantity: Decimal, price: Decimal | None) -> None:
        """Coins that were there before the first trade, at the opening price; None leaves their cost unknown."""
        pool = self._pools.setdefault(symbol, Pool())
        self._touch(symbol)
        pool.quantity = EXACT.add(pool.quantity, quantity)
        pool.cost = add_known(pool.cost, None if price is None else EXACT.multiply(quantity, price))

    def book(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        notional: Decimal,
        fee: Decimal,
        quote_usd: Decimal | None,
    ) -> Decimal | None:
        """Take one execution in; what it realised in the quote currency, or None if the cost of the coins is unknown.

        A buy realises its fee (a loss). Selling more than was ever bought here has an unknown cost.
        """
        if quantity <= 0:
            raise InvalidValueError(f"{symbol}: an execution needs a quantity above zero, this is {quantity}")
        pool = self._pools.setdefault(symbol, Pool())
        self._touch(symbol)
        pool.fees = EXACT.add(pool.fees, fee)
        if side is Side.BUY:
            pool.quantity = EXACT.add(pool.quantity, quantity)
            pool.cost = add_known(pool.cost, notional)
            gain: Decimal | None = EXACT.minus(fee)
        else:
            gain = self._sell(pool, quantity, EXACT.subtract(notional, fee))
        pool.realised = add_known(pool.realised, gain)
        pool.realised_usd = add_known(pool.realised_usd, None if gain is None else in_usd(gain, quote_usd))
        return gain

    @staticmethod
    def _sell(pool: Pool, quantity: Decimal, proceeds: Decimal) -> Decimal | None:
        if quantity > pool.quantity:
            pool.quantity, pool.cost = _ZERO, _ZERO
            return None
        cost = None if pool.cost is None else cost_share(pool.cost, quantity, pool.quantity)
        pool.quantity = EXACT.subtract(pool.quantity, quantity)
        if not pool.quantity:
            pool.cost = _ZERO
        elif pool.cost is not None and cost is not None:
            pool.cost = EXACT.subtract(pool.cost, cost)
        return None if cost is None else EXACT.subtract(proceeds, cost)

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._pools))

    def held(self) -> tuple[str, ...]:
        """Those of which coins are there."""
        return tuple(sorted(symbol for symbol, pool in self._pools.items() if pool.quantity))

    def pool(self, symbol: str) -> Pool:
        """What is known of the coins of a symbol; their realised P&L is net of fees."""
        return self._pools.get(symbol, Pool())

    def realised_usd(self) -> Decimal | None:
        """Realised P&L of all symbols in USD, each execution at the price of its time."""
        total: Decimal | None = _ZERO
        for pool in self._pools.values():
            total = add_known(total, pool.realised_usd)
        return total

    def unrealised(self, symbol: str, mark: Decimal | None) -> Decimal | None:
        """Value of the coins at `mark` less their cost, in the quote currency."""
        pool = self.pool(symbol)
        if not pool.quantity:
            return _ZERO
        if mark is None or pool.cost is None:
            return None
        return EXACT.subtract(EXACT.multiply(pool.quantity, mark), pool.cost)

    def register(self, parts: Parts) -> None:
        self._touch = parts.table("ledger.cost", Pool, self._pools)

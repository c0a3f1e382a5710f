"""A tradable pair and its rules. Prices are whole ticks and quantities whole lots everywhere inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, Inexact
from functools import lru_cache

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.fees import KRAKEN_SPOT_FEES, FeeSchedule
from triplegain.domain.money import ATOM_DECIMALS, EXACT, atoms, plain
from triplegain.domain.values import is_usable

#: In how many places Kraken keeps balances of an asset (its `Assets`). Of others: as the pair tells its costs.
BALANCE_DECIMALS = {
    "USD": 4, "EUR": 4, "GBP": 4, "CHF": 4, "CAD": 4, "AUD": 4, "USDT": 8, "USDC": 8, "BTC": 10, "ETH": 10,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instrument:
    """One pair of one venue.

    `tick` is the price step (quote per base), `lot` the quantity step (base), `quantity_min` in base, `cost_min` in
    quote, `cost_decimals` the places of the quote currency in which costs and fees are told.
    """

    symbol: str
    tick: Decimal
    lot: Decimal
    quantity_min: Decimal
    cost_min: Decimal
    cost_decimals: int = 10
    fees: FeeSchedule = KRAKEN_SPOT_FEES
    venue: str = "kraken"
    #: What leverages the exchange offers to purchases and to sales; None where whoever describes the pair does not say.
    leverages: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    #: The largest position on margin of a purchase and of a sale, in base; None where nobody says.
    position_limits: tuple[Decimal, Decimal] | None = None
    base: str = field(init=False)
    quote: str = field(init=False)
    #: Atoms of the quote currency in one tick times one lot.
    atoms_per_tick_lot: int = field(init=False)
    #: Atoms of the base currency in one lot.
    atoms_per_lot: int = field(init=False)
    #: The minimum quantity in lots and the minimum cost in atoms of the quote currency.
    lots_min: int = field(init=False)
    cost_min_atoms: int = field(init=False)
    #: Atoms of the quote currency in the smallest step of a cost or fee, and of its balance.
    cost_unit_atoms: int = field(init=False)
    balance_unit_atoms: int = field(init=False)

    def __post_init__(self) -> None:
        base, slash, quote = self.symbol.partition("/")
        if not (slash and base and quote) or self.symbol != self.symbol.upper():
            raise InvalidValueError(f"a symbol reads BASE/QUOTE, this is {self.symbol!r}")
        if not all(map(is_usable, (self.tick, self.lot, self.quantity_min, self.cost_min))):
            raise InvalidValueError(f"{self.symbol}: its steps and minimums cannot be computed with")
        if self.tick <= 0 or self.lot <= 0:
            raise InvalidValueError(f"{self.symbol}: tick and lot must be above zero")
        if self.cost_min < 0 or not 0 <= self.cost_decimals <= ATOM_DECIMALS:
            raise InvalidValueError(f"{self.symbol}: a minimum cost and decimals of a cost are not below zero")
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "quote", quote)
        object.__setattr__(self, "atoms_per_tick_lot", atoms(EXACT.multiply(self.tick, self.lot)))
        object.__setattr__(self, "atoms_per_lot", atoms(self.lot))
        object.__setattr__(self, "lots_min", self.lots(self.quantity_min))
        object.__setattr__(self, "cost_min_atoms", atoms(self.cost_min))
        object.__setattr__(self, "cost_unit_atoms", 10 ** (ATOM_DECIMALS - self.cost_decimals))
        kept = BALANCE_DECIMALS.get(quote, self.cost_decimals)
        object.__setattr__(self, "balance_unit_atoms", 10 ** (ATOM_DECIMALS - kept))

    def ticks(self, price: Decimal) -> int:
        """`price` as whole ticks. Raises InvalidValueError off the tick or not above zero."""
        count = _whole(price, self.tick)
        if count is None or count <= 0:
            raise InvalidValueError(f"{self.symbol}: price {price} is not a positive multiple of the tick {self.tick}")
        return count

    def lots(self, quantity: Decimal) -> int:
        """`quantity` as whole lots. Raises InvalidValueError off the lot or below zero."""
        count = _whole(quantity, self.lot)
        if count is None or count < 0:
            raise InvalidValueError(f"{self.symbol}: quantity {quantity} is not a multiple of the lot {self.lot}")
        return count

    def whole_lots(self, quantity: Decimal) -> int:
        """`quantity`, not below zero, cut to the lot: never rounded up."""
        return int(EXACT.divide_int(quantity, self.lot))

    def tradable_lots(self, quantity: Decimal) -> int | None:
        """What can be traded of it, cut to the lot. None where it is no quantity at all."""
        return _whole_steps(quantity, self.lot) if is_usable(quantity) and quantity > 0 else None

    def tick_count(self, price: Decimal) -> int | None:
        """A price that is usable, in ticks; None where it lies off the tick."""
        return _exact_steps(price, self.tick)

    def price(self, ticks: int) -> Decimal:
        return _of_steps(self.tick, ticks)

    def quantity(self, lots: int) -> Decimal:
        return _of_steps(self.lot, lots)


# Prices and quantities of a market come again and again. What these are given is finite and of a usable size.
_again = lru_cache(maxsize=4096)


@_again
def _of_steps(step: Decimal, count: int) -> Decimal:
    return plain(EXACT.multiply(step, count))


@_again
def _whole_steps(value: Decimal, step: Decimal) -> int:
    return int(EXACT.divide_int(value, step))


def _whole(value: Decimal, step: Decimal) -> int | None:
    """`value / step` if that is a whole number."""
    return _quotient(value, step) if value.is_finite() else None


def _quotient(value: Decimal, step: Decimal) -> int | None:
    try:
        count = EXACT.divide(value, step)
    except Inexact:
        return None
    return int(count) if count == count.to_integral_value() else None


_exact_steps = _again(_quotient)


#: Used when the exchange cannot be asked. XRP minimum and cost minima are the last ones recorded (2021, by analogy).
KRAKEN_OFFLINE_DEFAULTS: tuple[Instrument, ...] = (
    Instrument("BTC/USDT", Decimal("0.1"), Decimal("1e-8"), Decimal("0.00005"), Decimal("0.5"), cost_decimals=5),
    Instrument("XRP/USDT", Decimal("0.00001"), Decimal("1e-8"), Decimal("10"), Decimal("0.5"), cost_decimals=5),
    Instrument("XRP/BTC", Decimal("1e-8"), Decimal("1e-8"), Decimal("10"), Decimal("0.00002"), cost_decimals=10),
)

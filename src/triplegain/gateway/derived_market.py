"""XRP pairs made from BTC/USDT: the same book and trades at another price, so that several instruments move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.gateway.served_book import SideChange
from triplegain.gateway.served_market import Outgoing, ServedMarket
from triplegain.venues.kraken.wire.writer import TapeTrade

#: The pair they are made from.
SOURCE = "BTC/USDT"


@dataclass(frozen=True, slots=True)
class Derivation:
    """Price and quantity of the source times these are price and quantity of the derived pair."""

    symbol: str
    price: Decimal
    quantity: int


#: One XRP is 2.28 USDT and 0.000037 BTC when a BTC is 61,700 USDT, and each level is worth what it was. Both pairs
#: follow BTC/USDT alone: away from that price no triangle holds between the three.
DERIVATIONS = (
    Derivation("XRP/BTC", Decimal("6e-10"), 27_000),
    Derivation("XRP/USDT", Decimal("3.7e-5"), 27_000),
)


class DerivedMarket:
    """Takes over every change of its source. Levels that fall on one tick are added up; bids are rounded down, asks up,
    so that the book stays uncrossed; a trade is rounded like the side it took from.
    """

    def __init__(self, derivation: Derivation, source: Instrument) -> None:
        instrument = next(one for one in KRAKEN_OFFLINE_DEFAULTS if one.symbol == derivation.symbol)
        self.market = ServedMarket(instrument, only_trades=False)
        self._ratio = Fraction(source.tick) * Fraction(derivation.price) / Fraction(instrument.tick)
        self._lots = derivation.quantity
        #: Lots at each price of the derived bids and asks.
        self._sizes: dict[bool, dict[int, int]] = {True: {}, False: {}}

    def on_change(self, change: SideChange, time_ns: int) -> Iterator[Outgoing]:
        """Frames of the same change in the derived book."""
        sizes = self._sizes[change.bids]
        touched: dict[int, int] = {}
        for price, more in change.moves:
            derived = self._price(price, up=not change.bids)
            sizes[derived] = touched[derived] = sizes.get(derived, 0) + more * self._lots
            if not sizes[derived]:
                del sizes[derived]
        levels = list(touched.items())
        book = self.market.book
        for derived_change in book.change(levels, ()) if change.bids else book.change((), levels):
            yield from self.market.on_change(derived_change, time_ns)

    def on_trade(self, trade: TapeTrade) -> list[Outgoing]:
        """Frames of the same trade."""
        price = self._price(trade.price, up=trade.side == "buy")
        told = self.market.tape.take(
            TapeTrade(trade.time_ns, price, trade.quantity * self._lots, trade.side, trade.number)
        )
        return self.market.on_trade(told)

    def _price(self, ticks: int, *, up: bool) -> int:
        numerator, denominator = self._ratio.numerator, self._ratio.denominator
        return max(1, (-(-ticks * numerator // denominator)) if up else ticks * numerator // denominator)

"""The last quote of each symbol the desk was told of. It may be old: nobody tells what asks for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.money import text


@dataclass(frozen=True, slots=True)
class Told:
    """One quote, and when it was told (market time). None: not known."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    at_ns: int = -1

    @property
    def market(self) -> Decimal | None:
        """What selling brings: the bid, without a book the last trade."""
        return self.last if self.bid is None and self.ask is None else self.bid

    @property
    def offer(self) -> Decimal | None:
        """What buying costs: the ask, without a book the last trade."""
        return self.last if self.bid is None and self.ask is None else self.ask


_NOTHING = Told()


class ToldQuotes:
    """By symbol. A symbol nobody spoke of has a quote without prices."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}

    def tell(self, symbol: str, told: Told) -> None:
        self._told[symbol] = told

    def of(self, symbol: str) -> Told:
        return self._told.get(symbol, _NOTHING)

    def offer(self, symbol: str) -> Decimal | None:
        """What buying costs."""
        return self.of(symbol).offer

    def is_below(self, symbol: str, price: Decimal) -> bool:
        """Whether a stop to sell at `price` would rest: neither bid nor last trade is there, as far as is known."""
        told = self.of(symbol)
        return all(price < known for known in (told.bid, told.last) if known is not None)

    def state(self) -> dict[str, Any]:
        return {symbol: _to_json(told) for symbol, told in self._told.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._told = {symbol: _from_json(*told) for symbol, told in state.items()}


def _to_json(told: Told) -> list[str | None]:
    prices = (told.bid, told.ask, told.last)
    return [*(None if price is None else text(price) for price in prices), str(told.at_ns)]


def _from_json(bid: str | None, ask: str | None, last: str | None, at_ns: str) -> Told:
    def known(value: str | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    return Told(known(bid), known(ask), known(last), int(at_ns))

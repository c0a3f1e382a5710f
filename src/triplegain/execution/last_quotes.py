"""The last known quote of each symbol. It may be old: nobody is asked for what nothing waits for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct

from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts
from triplegain.execution.protection.protection import is_tighter


class LastQuote(Struct, frozen=True):
    """One quote, and when it was known (market time). None: not known."""

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

    def leaving(self, side: Side) -> Decimal | None:
        """At what a position that was entered on this side is left."""
        return self.market if side is Side.BUY else self.offer


_NOTHING = LastQuote()


class LastQuotes:
    """By symbol. A symbol that no quote came of has one without prices."""

    def __init__(self) -> None:
        self._quotes: dict[str, LastQuote] = {}
        self._changed: Callable[[str], None] = lambda symbol: None

    def update(self, symbol: str, quote: LastQuote) -> None:
        self._quotes[symbol] = quote
        self._changed(symbol)

    def of(self, symbol: str) -> LastQuote:
        return self._quotes.get(symbol, _NOTHING)

    def offer(self, symbol: str) -> Decimal | None:
        """What buying costs."""
        return self.of(symbol).offer

    def would_rest(self, symbol: str, price: Decimal, side: Side = Side.BUY) -> bool:
        """Whether a stop at `price` of a position that was entered on `side` would rest: neither last trade nor bid (of
        a short: ask) is there, as far as is known."""
        quote = self.of(symbol)
        near = quote.bid if side is Side.BUY else quote.ask
        return all(is_tighter(side, known, price) for known in (near, quote.last) if known is not None)

    def register(self, parts: Parts) -> None:
        self._changed = parts.table("execution.quote", LastQuote, self._quotes)

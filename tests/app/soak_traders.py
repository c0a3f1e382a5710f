"""Customers of a live session over HTTP: in every market one that tries orders all the time."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from decimal import Decimal

import httpx
from tests.app.database_kills import Told, Toll, Trader

#: Of ten orders in a row this one takes from the book and this one rests near it; the others are far away. Before the
#: last one positions are closed.
_TAKES, _RESTS, _CLOSES = 4, 8, 7
_FAR, _NEAR = Decimal("0.8"), Decimal("0.9998")


@dataclass(frozen=True, slots=True)
class Wares:
    """What is traded, how much of it at once, and the tick of its price."""

    symbol: str
    quantity: str
    tick: Decimal


WARES = (
    Wares("BTC/USDT", "0.001", Decimal("0.01")),
    Wares("XRP/USDT", "20", Decimal("0.00001")),
    Wares("XRP/BTC", "20", Decimal("0.00000001")),
)


class SoakTrader(Trader):
    """Closes what it has bought and takes back what rests; where that is refused, it asks again later."""

    def __init__(
        self, client: httpx.Client, number: int, chance: random.Random, toll: Toll, pace_s: float = 0.25
    ) -> None:
        super().__init__(client, number, chance, toll)
        self._wares = WARES[number]
        self._pace_s = pace_s
        self._turn = 0
        self._price = Decimal(0)
        #: Names of orders that rest, with what was told of them.
        self._resting: deque[tuple[str, Told]] = deque()

    def next_order(self) -> dict[str, str]:
        self.over.wait(self._pace_s)
        self._turn += 1
        self._settle()
        order = {"symbol": self._wares.symbol, "side": "buy", "quantity": self._wares.quantity}
        if self._turn % 10 == _TAKES:
            return order
        near = _NEAR if self._turn % 10 == _RESTS else _FAR
        price = self._price_now() * near // self._wares.tick * self._wares.tick
        return {**order, "price": f"{price or self._wares.tick:f}"}

    def was_placed(self, name: str, order: dict[str, str], told: Told) -> None:
        if "price" not in order:
            return
        if self._turn % 10 == _RESTS:
            self._resting.append((name, told))
        else:
            self._take_back(name, told)

    def run(self) -> None:
        """At the end nothing of it is left in the market, where the market lets it go."""
        super().run()
        self._close()
        for _ in range(len(self._resting)):
            self._take_back(*self._resting.popleft())

    def _settle(self) -> None:
        """One order and, now and then, every position that should be gone."""
        if self._resting:
            self._take_back(*self._resting.popleft())
        if self._turn % 10 == _CLOSES:
            self._close()

    def _close(self) -> None:
        answer = self.client.get("/paper/positions")
        for position in answer.json()["items"] if answer.is_success else ():
            if position["symbol"] == self._wares.symbol:
                # One that is refused now is asked for again.
                self.client.post(f"/paper/positions/{position['position_id']}/close")

    def _take_back(self, name: str, told: Told) -> None:
        told.cancelled = self.client.delete(f"/paper/orders/{name}")
        if told.cancelled.status_code in (503, 504):
            self._resting.append((name, told))

    def _price_now(self) -> Decimal:
        """The last one known where there is none."""
        answer = self.client.get("/paper/portfolio")
        price = answer.json()["prices"].get(self._wares.symbol) if answer.is_success else None
        if price and price["bid"]:
            self._price = Decimal(price["bid"])
        return self._price

"""What the exchange does for a message or an order is the change's size, not the book's or the orders' that wait."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import Bench

from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import TrailingStop
from triplegain.exchange.book import OrderBook
from triplegain.exchange.order import WorkingOrder

pytestmark = pytest.mark.slow


def _looked_at(monkeypatch: pytest.MonkeyPatch, levels: int) -> int:
    """Levels that a market order for one lot looks at in a book of so many."""
    looked: list[int] = []
    available = OrderBook.available

    def counted(self: OrderBook, side: int, price: int) -> int:
        looked.append(price)
        return available(self, side, price)

    b = Bench()
    b.book(bids="99.0x1", asks=" ".join(f"{100 + n / 10:.1f}x1" for n in range(levels)), snapshot=True)
    with monkeypatch.context() as patch:
        patch.setattr(OrderBook, "available", counted)
        b.order("buy", "buy", "0.5")
    assert b.fills() == ["0.5 @ 100 taker"]
    return len(looked)


def test_a_market_order_looks_at_the_levels_it_takes_however_deep_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _looked_at(monkeypatch, 2000) == _looked_at(monkeypatch, 10)


def test_a_trade_looks_at_the_stops_that_it_reaches_or_moves_and_at_no_other() -> None:
    b = Bench()
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.trade("sell", "0.1", "100.0")
    for number in range(200):
        b.stop(f"stop-{number}", "sell", "0.1", f"{50 + number / 10:.1f}")
        b.order(f"trail-{number}", "sell", "0.1", TrailingStop(Offset(Sign.PLUS, Decimal(70))))
    stops = b.market.triggers
    assert len(stops._orders) == 400
    looked = stops._orders = _Looked(stops._orders)
    # Stops wait up to 69.9 and trail at 30.0.
    for price, reached in (("100.0", 0), ("69.9", 1), ("69.8", 1), ("69.5", 3)):
        looked.times = 0
        b.trade("sell", "0.1", price)
        assert (b.market.last, looked.times) == (int(Decimal(price) * 10), reached)
    looked.times = 0
    b.trade("buy", "0.1", "100.1")
    assert (looked.times, {each.price for each in stops._orders.values() if each.peak}) == (200, {301})


class _Looked(dict[int, Any]):
    times = 0

    def __getitem__(self, turn: int) -> Any:
        self.times += 1
        return super().__getitem__(turn)


def test_an_order_without_leverage_looks_at_no_other_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Bench()
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    for number in range(50):
        b.order(f"resting-{number}", "buy", "0.01", "90.0")
    looked: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(WorkingOrder, "request", _Read(vars(WorkingOrder)["request"], looked))
        b.exchange.place(b.request("last", "buy", "0.01", "90.0"))
        b.exchange.cancel("last")
        b.exchange.run_through(b.now)
    assert set(looked) == {51}


class _Read:
    """An attribute of orders that tells which of them it is read of."""

    def __init__(self, slot: Any, looked: list[int]) -> None:
        self._slot, self._looked = slot, looked

    def __get__(self, order: WorkingOrder, kind: type) -> Any:
        self._looked.append(order.number)
        return self._slot.__get__(order, kind)

    def __set__(self, order: WorkingOrder, value: Any) -> None:
        self._slot.__set__(order, value)

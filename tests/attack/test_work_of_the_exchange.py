"""What the exchange does for a message or an order is the change's size, not the book's or the orders' that wait."""

from __future__ import annotations

from typing import Any

import pytest
from tests.exchange.conftest import Bench

from triplegain.exchange.book import OrderBook

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


def test_a_trade_that_reaches_no_stop_looks_at_none() -> None:
    """Whoever looks at one reads its price."""
    b = Bench()
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    for number in range(200):
        b.stop(f"stop-{number}", "sell", "0.001", f"{50 + number / 10:.1f}")
    stops = b.market.triggers
    seen = stops._orders
    stops._orders = _Untouchable(seen)
    b.trade("sell", "0.1", "100.0")
    assert b.market.last == 1000


class _Untouchable(dict[int, Any]):
    def values(self) -> Any:
        raise AssertionError("every stop is looked at")

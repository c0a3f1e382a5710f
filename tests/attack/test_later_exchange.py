"""What later work mends at the exchange: each fails here for what it names as missing, until it is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.attack.later import later
from tests.exchange.conftest import INSTRUMENT, Bench

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, CandleClosed, MarketDepth
from triplegain.exchange.book import OrderBook
from triplegain.exchange.settings import AccountTier, ExchangeSettings

pytestmark = pytest.mark.slow


# -- the exchange ----------------------------------------------------------------------------------------------------


@later("an order decided at the close of a candle is carried out at the next open, its stop taken back in the same act")
def test_what_is_sold_at_a_close_is_sold_at_the_next_open() -> None:
    """The stop is taken back 100 ms after 11:00, the sale comes 200 ms after: the candle from 11:00 is passed over."""
    hour = 3600 * SECOND_NS
    b = Bench(depth=MarketDepth.CANDLES, settings=ExchangeSettings(account_tier=AccountTier.UNLIMITED))

    def candle(number: int, price: int) -> None:
        shape = Candle(INSTRUMENT.symbol, number * hour, hour, price, price, price, price, 10**12)
        close_ns = (number + 1) * hour
        b.exchange.on_event(CandleClosed(INSTRUMENT.symbol, close_ns, close_ns, shape))

    candle(10, 1000)
    b.exchange.run_through(11 * hour + 200 * MILLISECOND_NS)
    b.order("sell", "sell", "1")
    candle(11, 1010)
    candle(12, 1020)
    (fill,) = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert fill.time_ns == 12 * hour


def test_a_cost_has_no_digits_that_the_exchange_does_not_write() -> None:
    """105.02014889 x 0.121 = 12.70743801569, Kraken writes 12.70744."""
    pair = Instrument("MATIC/USDT", Decimal("0.001"), Decimal("1e-8"), Decimal(1), Decimal("0.5"), cost_decimals=5)
    b = Bench(instrument=pair)
    b.book(bids="0.120x1000", asks="0.121x1000", snapshot=True)
    b.order("buy", "buy", "105.02014889")
    (fill,) = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert fill.notional == Decimal("12.70744")


def test_the_fee_tier_does_not_move_within_one_order() -> None:
    """10 BTC at 3,000 and 7,000 each: 10,000 USD of volume are reached by the first fill."""
    b = Bench(balances={"USDT": "10000000"})
    b.book(bids="2999.0x1", asks="3000.0x4 3001.0x6", snapshot=True)
    b.order("buy", "buy", "10")
    fills = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert {(fill.fee / fill.notional).quantize(Decimal("0.0001")) for fill in fills} == {Decimal("0.0040")}


# -- work is the change's, not the book's (these hold) -----------------------------------------------------------------


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

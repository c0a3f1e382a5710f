"""What an order holds, what it pays, and what comes back. Fees: 0.25 % maker, 0.40 % taker; from 10,000 USD 0.20, 0.35.

Book of `usual`: bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import rows_of

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.exchange_events import OrderAccepted, OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.money import atoms, text
from triplegain.domain.orders import Market, OrderRequest, Side, TimeInForce
from triplegain.domain.parts import Parts
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.exchange.simple_fills import UNAFFORDABLE
from triplegain.exchange.volume_tier import VolumeTier
from triplegain.ledger.wallet import Wallet

DAY_NS = 86_400 * SECOND_NS


def accepted(bench: Any) -> list[str]:
    return [f"{text(e.held)} {e.held_asset}" for e in bench.drain() if isinstance(e, OrderAccepted)]


def fees(bench: Any) -> list[str]:
    return [text(event.fee) for event in bench.drain() if isinstance(event, OrderFilled)]


def test_a_limit_purchase_holds_its_price_and_the_taker_fee(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    assert accepted(usual) == ["100.4 USDT"]  # 100 + 0.4 %
    assert (usual.held("USDT"), usual.total("USDT")) == ("100.4", "1000000")


def test_a_market_purchase_holds_what_the_book_asks(usual: Any) -> None:
    usual.order("buy", "buy", "2")
    assert accepted(usual) == ["201.1012 USDT"]  # (100.1 + 100.2) x 1.004
    assert usual.held("USDT") == "0"


def test_a_sale_holds_its_coins_and_pays_its_fee_from_the_proceeds(usual: Any) -> None:
    usual.order("sell", "sell", "2")
    assert accepted(usual) == ["2 BTC"]
    # 2 x 100.0 = 200, fee 0.8
    assert (usual.total("USDT"), usual.total("BTC"), usual.held("BTC")) == ("1000199.2", "998", "0")


def test_where_positions_own_more_than_there_is_a_sale_pays_its_fee_all_the_same(usual: Any) -> None:
    """Books of an earlier program may lack coins: nobody is paid for that."""
    usual.exchange.account.funds.owned = lambda asset: atoms(Decimal(2_000_000)) if asset == "USDT" else 0
    usual.order("sell", "sell", "2")
    assert fees(usual) == ["0.8"]


def test_a_partial_fill_holds_for_the_rest_only_and_a_cancel_releases_it_once(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.trade("sell", "5.4", "100.0")  # 5.0 in front, 0.4 ours: 40 and 0.25 % = 0.1
    assert (usual.total("USDT"), usual.held("USDT")) == ("999959.9", "60.24")  # 60 x 1.004
    usual.cancel("bid")
    usual.cancel("bid")
    assert (usual.total("USDT"), usual.held("USDT")) == ("999959.9", "0")


def test_price_improvement_is_released(usual: Any) -> None:
    usual.order("buy", "buy", "1.5", "105.0")
    assert accepted(usual) == ["158.13 USDT"]  # 157.5 x 1.004
    # paid: 100.1 + 0.5 x 100.2 = 150.2, fee 0.6008
    assert (usual.total("USDT"), usual.held("USDT")) == ("999849.1992", "0")


def test_an_expired_order_releases_once(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0", time_in_force=TimeInForce.GTD, expires_at_ns=50)
    usual.cancel("bid")
    usual.book(bids="99.0x1", at=60)
    assert usual.held("USDT") == "0"
    assert usual.ends("bid").startswith("cancelled")


def test_an_amendment_moves_the_hold_both_ways(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.amend("bid", quantity="2")
    assert usual.held("USDT") == "200.8"
    usual.amend("bid", quantity="0.5", price="90.0")
    assert usual.held("USDT") == "45.18"  # 45 x 1.004
    usual.order("ask", "sell", "1", "101.0")
    usual.amend("ask", quantity="3")
    assert usual.held("BTC") == "3"


def test_the_maker_pays_the_maker_fee(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.trade("sell", "6", "100.0")
    assert fees(usual) == ["0.25"]


def test_the_tier_moves_from_order_to_order(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(9950)))
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("one", "buy", "0.5")  # 50.05 x 0.40 %; 9950 + 50.05 = 10000.05 from here on
    b.order("two", "buy", "0.5")  # 50.05 x 0.35 % = 0.175175, rounded up
    assert fees(b) == ["0.2002", "0.17518"]


def test_the_tier_is_that_of_the_first_fill_whatever_it_was_at_acceptance(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(20_000)))
    b.book(bids="100.0x5", asks="100.1x5 101.0x5", snapshot=True)
    b.order("small", "buy", "0.01")  # starts the 30 days: 1.001 x 0.35 % = 0.0035035
    b.stop("stop", "buy", "1", "101.0")
    b.drain()
    b.trade("buy", "1", "101.0", at=31 * DAY_NS)  # the volume is gone, the rate is 0.40 %
    assert fees(b) == ["0.00351", "0.404"]
    b.order("new", "sell", "1")
    assert fees(b)[2] == "0.4"


def test_a_tier_that_was_lost_meanwhile_buys_what_the_funds_pay_for(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(20_000)), balances={"USDT": "103"})
    b.book(bids="100.0x5", asks="100.1x5 101.0x5", snapshot=True)
    b.order("small", "buy", "0.01")  # 1.001 + 0.00351: 101.99549 are left
    b.stop("stop", "buy", "1.006", "101.0")  # holds 101.606 + 0.35 %, 0.35563: 101.96163
    b.trade("buy", "1", "101.0", at=31 * DAY_NS)
    # At 0.40 % it would need 101.606 + 0.40643 = 102.01243. 1.00583297 cost 101.58913 and 0.40636 of fee: all there is.
    assert b.fills("stop") == ["1.00583297 @ 101 taker"]
    assert (b.ends("stop"), b.total("USDT")) == ("cancelled: " + UNAFFORDABLE, "0")


def test_the_opening_volume_leaves_with_its_thirty_days_and_does_not_come_back() -> None:
    volume = VolumeTier(Decimal(50_000))
    assert volume.volume_usd(0) == 50_000
    volume.add(0, atoms(Decimal(7)))
    assert volume.volume_usd(29 * DAY_NS) == 50_007
    for _ in range(2):
        assert volume.volume_usd(31 * DAY_NS) == 0
    volume.add(31 * DAY_NS, atoms(Decimal(5)))
    assert volume.volume_usd(31 * DAY_NS) == 5
    again, parts = VolumeTier(Decimal(50_000)), Parts()
    again.register(parts)
    parts.restore(rows_of(volume))
    assert again.volume_usd(31 * DAY_NS) == 5


@pytest.mark.parametrize(("crossed", "volume"), [(True, 2500), (False, 0)])
def test_volume_quoted_in_coins_counts_over_the_cross(crossed: bool, volume: int) -> None:
    eth = Instrument("ETH/BTC", Decimal("0.00001"), Decimal("1e-8"), Decimal("0.002"), Decimal("0.00002"))
    btc = Instrument("BTC/USDT", Decimal("0.1"), Decimal("1e-8"), Decimal("0.00005"), Decimal("0.5"), cost_decimals=5)
    wallet = Wallet()
    wallet.deposit({"BTC": atoms(Decimal(1))}, 0)
    settings = ExchangeSettings(place_delay_ns=0, account_tier=AccountTier.UNLIMITED)
    exchange = PaperExchange("x", public_markets({eth: MarketDepth.BOOK, btc: MarketDepth.BOOK}), wallet, settings)
    if crossed:
        exchange.on_event(PublicTrade("BTC/USDT", 1, 1, btc.ticks(Decimal(50_000)), 1, Side.BUY))
    book = BookUpdate("ETH/BTC", 2, 2, (), ((5000, eth.lots(Decimal(1))),), snapshot=True)
    exchange.on_event(book)
    exchange.place(OrderRequest("x", "ETH/BTC", Side.BUY, Decimal(1), Market()))
    exchange.run_through(3)
    # 1 ETH x 0.05 BTC x 50,000 USDT = 2500; without a price of the BTC nothing is counted
    assert exchange.account.volume.volume_usd(3) == volume


def test_what_a_purchase_can_pay_is_found_even_where_a_lot_is_tiny(bench: Callable[..., Any]) -> None:
    small = Instrument("AAA/USDT", Decimal("1e-5"), Decimal("1e-8"), Decimal("1e-8"), Decimal(0), cost_decimals=2)
    b = bench({"USDT": "1"}, instrument=small)
    b.book(asks="0.00001x100 0.50000x100", bids="0.00001x0", snapshot=True)
    b.trade("buy", "1", "0.00001")
    b.stop("stop", "buy", "50", "0.00002")  # holds 0.001 + 0.01; at 0.5 its rest costs more than the 1 USDT
    b.book(asks="0.00001x0")
    b.trade("buy", "1", "0.50000")
    # 1 USDT = 1.98 x 0.5 + 0.01 of fee (0.00396 rounded up to the cent)
    assert b.fills() == ["1.98 @ 0.5 taker"]
    assert b.total("USDT") == "0"

"""What a fill costs to the last digit: worked cases, each with its arithmetic. Fees: 0.25 % maker, 0.40 % taker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.exchange.conftest import INSTRUMENT, Bench

from triplegain.domain.exchange_events import OrderAccepted, OrderFilled
from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import FeePreference, OrderOptions, StopLoss
from triplegain.exchange.order import StoredOrder, stored_order, working_order
from triplegain.exchange.settings import ExchangeSettings

BASE, QUOTE = OrderOptions(fee_preference=FeePreference.BASE), OrderOptions()


def pair(symbol: str, tick: str, cost_decimals: int, taker_ppm: int = 4000) -> Instrument:
    fees = FeeSchedule((FeeTier(0, 2500, taker_ppm),))
    return Instrument(symbol, Decimal(tick), Decimal("1e-8"), Decimal("1e-8"), Decimal(0), cost_decimals, fees)


MATIC_USD, BTC_USD = pair("MATIC/USD", "0.001", 5), pair("BTC/USD", "0.1", 5)
ETH_EUR, XRP_BTC = pair("ETH/EUR", "0.0001", 5, 2400), pair("XRP/BTC", "1e-8", 10)
RICH = {"USD": "1000", "EUR": "1000", "USDT": "1000", "BTC": "1000", "MATIC": "1000", "ETH": "1000", "XRP": "1000"}


def filled(b: Bench) -> list[OrderFilled]:
    return [event for event in b.drain() if isinstance(event, OrderFilled)]


def taken(instrument: Instrument, side: str, quantity: str, price: str, **more: Any) -> tuple[Bench, OrderFilled]:
    """A market order that meets one price."""
    b = Bench(RICH, instrument=instrument)
    far = instrument.price(instrument.ticks(Decimal(price)) + (-1 if side == "buy" else 1))
    bids, asks = (far, price) if side == "buy" else (price, far)
    b.book(bids=f"{bids}x1000", asks=f"{asks}x1000", snapshot=True)
    b.order("one", side, quantity, **more)
    (fill,) = filled(b)
    return b, fill


#: Pair, side, quantity, price; cost and fee as told; what the balance of the quote currency moves by.
CASES = [
    # The one execution of Kraken's with more digits than it told: 12.70743801569, told as 12.70744 with a fee of
    # 0.05083 (0.05082975). It is what up gives, and what nearest would give: it cannot tell them apart.
    # USD is kept in four places: 12.7075 and 0.0509 leave.
    (MATIC_USD, "buy", "105.02014889", "0.121", "12.70744", "0.05083", "-12.7584"),
    # The same sold: 12.70743 comes, kept as 12.7074, less 0.0509.
    (MATIC_USD, "sell", "105.02014889", "0.121", "12.70743", "0.05083", "12.6565"),
    # Executions of Kraken's that others have published. 0.4 x 171.0673 = 68.42692, and 0.24 % of it 0.164224608:
    # Kraken told 0.16422 and its ledger 68.4269 and 0.1642, which is the nearest; here a fee goes up, by a step.
    (ETH_EUR, "sell", "0.4", "171.0673", "68.42692", "0.16423", "68.2626"),
    # 112007.9 x 0.0001 = 11.20079, 0.4 % of it 0.04480316: Kraken told 0.0448.
    (BTC_USD, "buy", "0.0001", "112007.9", "11.20079", "0.04481", "-11.2457"),
    # 112091.1 x 0.0001 = 11.20911, 0.4 % of it 0.04483644: Kraken told 0.04484.
    (BTC_USD, "sell", "0.0001", "112091.1", "11.20911", "0.04484", "11.1642"),
    # 123.45678901 x 0.00000953 = 0.0011765431992653 BTC, 0.4 % of it 0.000004706...
    (XRP_BTC, "buy", "123.45678901", "0.00000953", "0.0011765432", "0.0000047062", "-0.0011812494"),
    (XRP_BTC, "sell", "123.45678901", "0.00000953", "0.0011765431", "0.0000047062", "0.0011718369"),
    # 0.00005001 x 10001 = 0.50015001, 0.4 % of it 0.00200060004
    (INSTRUMENT, "buy", "0.00005001", "10001.0", "0.50016", "0.00201", "-0.50217"),
    (INSTRUMENT, "sell", "0.00005001", "10001.0", "0.50015", "0.00201", "0.49814"),
]


@pytest.mark.parametrize(("instrument", "side", "quantity", "price", "cost", "fee", "moved"), CASES)
def test_what_is_told_and_what_moves(
    instrument: Instrument, side: str, quantity: str, price: str, cost: str, fee: str, moved: str
) -> None:
    b, fill = taken(instrument, side, quantity, price)
    assert (text(fill.notional), text(fill.fee), fill.fee_asset) == (cost, fee, instrument.quote)
    assert from_atoms(b.wallet.total(instrument.quote)) - 1000 == Decimal(moved)
    assert b.held(instrument.quote) == b.held(instrument.base) == "0"


def test_what_is_too_small_to_be_paid_is_sold_for_nothing_and_bought_for_a_step(usual: Any) -> None:
    usual.order("bid", "buy", "0.02", "100.0")
    usual.order("ask", "sell", "0.02", "100.1")
    usual.trade("sell", "5.00000001", "100.0")  # a lot of ours: 0.000001
    usual.trade("buy", "1.00000001", "100.1")
    bought, sold = filled(usual)
    assert (text(bought.notional), text(bought.fee)) == ("0.00001", "0.00001")
    assert (text(sold.notional), text(sold.fee)) == ("0", "0")
    entries = [e for e in usual.wallet.drain_entries() if e.fill_number == sold.fill_number]
    # The coins went; there is nothing to book for what came.
    assert {(e.account, e.asset, e.amount_atoms) for e in entries} == {
        (LedgerAccount.WALLET, "BTC", -(10**10)), (LedgerAccount.MARKET, "BTC", 10**10)
    }  # fmt: skip


def test_each_fill_of_an_order_is_rounded_by_itself(usual: Any) -> None:
    usual.order("bid", "buy", "0.02", "100.0")
    usual.trade("sell", "5.0011", "100.0")  # 0.11 x 0.25 % = 0.000275, up to 0.00028
    usual.trade("sell", "0.0011", "100.0")  # again
    assert [text(fill.fee) for fill in filled(usual)] == ["0.00028", "0.00028"]


def test_rounding_beyond_the_hold_is_paid_from_what_is_free(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "2"})
    b.book(bids="100.0x5", asks="100.1x0.00333333 101.0x5", snapshot=True)
    b.order("bid", "buy", "0.01", "100.1")
    (accepted,) = [event for event in b.drain() if isinstance(event, OrderAccepted)]
    assert text(accepted.held) == "1.00501"  # 1.001 and 0.004004 rounded up
    # 0.333666333 costs 0.33367 and a fee of 0.00134 (0.001334...). The rest, 0.667333667, holds 0.66734 and 0.00267:
    # 0.335 of the hold for what costs 0.33501.
    assert (b.total("USDT"), b.held("USDT")) == ("1.66499", "0.67001")


def test_rounding_that_nobody_can_pay_is_not_charged(bench: Callable[..., Any]) -> None:
    """Twelve lots, 0.000012, one at a time: each would cost a step of 0.00001 and a step of fee, and there are four."""
    b = bench({"USDT": "0.00004"}, instrument=pair("BTC/USDT", "0.1", 5))
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("bid", "buy", "0.00000012", "100.0")  # 0.000012: 0.00002, fee 0.00001
    assert b.held("USDT") == "0.00003"
    b.trade("sell", "5.00000001", "100.0")
    # Eleven lots, 0.000011, still hold 0.00002 and 0.00001: a step was free, and pays for the first one.
    (first,) = filled(b)
    assert (text(first.notional), text(first.fee)) == ("0.00001", "0")
    b.trade("sell", "0.00000001", "100.0")
    second = filled(b)[-1]
    # Ten lots, 0.00001, hold 0.00001 and 0.00001: a step comes free. What is held then stays so until the last lot.
    assert (text(second.notional), text(second.fee)) == ("0.00001", "0")
    for _ in range(10):
        b.trade("sell", "0.00000001", "100.0")
    assert b.ends("bid") == "filled"
    assert (b.total("USDT"), b.held("USDT"), b.total("BTC")) == ("0", "0", "0.00000012")
    assert [text(fill.notional) for fill in filled(b)[2:]] == ["0"] * 9 + ["0.00001"]
    assert text(filled(b)[-1].fee) == "0.00001"


def test_a_market_purchase_holds_for_each_level_what_its_fill_will_cost(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "2.00803"})
    b.book(bids="99.0x5", asks="100.1x0.00333333 100.2x0.00333333 100.3x5", snapshot=True)
    b.order("buy", "buy", "0.01")
    (accepted,) = [event for event in b.drain() if isinstance(event, OrderAccepted)]
    # 0.333666333: 0.33367 and 0.00134; 0.333999666: 0.334 and 0.00134; 0.334333..: 0.33434 and 0.00134
    assert text(accepted.held) == "1.00603"
    assert [(text(fill.notional), text(fill.fee)) for fill in filled(b)] == [
        ("0.33367", "0.00134"), ("0.334", "0.00134"), ("0.33434", "0.00134")
    ]  # fmt: skip
    assert (b.total("USDT"), b.held("USDT")) == ("1.002", "0")


# -- in which currency the fee is taken --------------------------------------------------------------------------------


def test_a_fee_in_coins_comes_off_what_is_bought(usual: Any) -> None:
    usual.order("buy", "buy", "0.5", options=BASE)
    (accepted,) = [event for event in usual.drain() if isinstance(event, OrderAccepted)]
    assert (text(accepted.held), accepted.held_asset) == ("50.05", "USDT")  # 0.5 x 100.1, and nothing for the fee
    (fill,) = filled(usual)
    assert (text(fill.notional), text(fill.fee), fill.fee_asset) == ("50.05", "0.002", "BTC")
    assert (usual.total("USDT"), usual.total("BTC")) == ("999949.95", "1000.498")
    # 0.002 x 100.1 = 0.2002; the 0.498 that came cost 50.05 - 0.2002
    assert (text(fill.coins), text(fill.fee_value), text(fill.coins_value)) == ("0.498", "0.2002", "49.8498")
    assert fill.explanation["fee_asset"] == "BTC"
    assert fill.explanation["shortfall"]["fee"] == "0.2002"


def test_a_fee_in_coins_goes_on_top_of_what_is_sold_and_is_held_with_it(usual: Any) -> None:
    usual.order("ask", "sell", "2", "100.2", options=BASE)
    (accepted,) = [event for event in usual.drain() if isinstance(event, OrderAccepted)]
    assert (text(accepted.held), accepted.held_asset) == ("2.008", "BTC")  # 2 and 0.4 %
    usual.trade("buy", "11", "100.2")  # 10 in front; 1 of ours at the maker's 0.25 %
    (fill,) = filled(usual)
    assert (text(fill.notional), text(fill.fee), fill.fee_asset) == ("100.2", "0.0025", "BTC")
    # 0.0025 x 100.2 = 0.2505; the 1.0025 that went brought 100.2 and paid that
    assert (text(fill.coins), text(fill.fee_value), text(fill.coins_value)) == ("1.0025", "0.2505", "100.4505")
    assert (usual.total("USDT"), usual.total("BTC"), usual.held("BTC")) == ("1000100.2", "998.9975", "1.004")
    usual.cancel("ask")
    assert usual.held("BTC") == "0"


def test_a_sale_that_pays_in_coins_needs_them(bench: Callable[..., Any]) -> None:
    b = bench({"BTC": "1"})
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("all", "sell", "1", options=BASE)
    assert b.ends("all") == "rejected: EOrder:Insufficient funds"
    # 0.99601593 and 0.4 % of it, 0.00398406372, up to 0.00398407: 1
    b.order("most", "sell", "0.99601593", options=BASE)
    assert b.ends("most") == "filled"
    assert (b.total("BTC"), b.total("USDT")) == ("0", "99.60159")  # 99.601593
    b.order("rest", "sell", "1")
    assert b.ends("rest") == "rejected: EOrder:Insufficient funds"


def test_a_fee_in_coins_is_whole_lots_and_leaves_a_purchase_one(usual: Any) -> None:
    usual.order("bid", "buy", "0.02", "100.0", options=BASE)
    for lots in ("5.00000001", "0.00000002", "0.00000401"):
        usual.trade("sell", lots, "100.0")
    # A lot is left as it is; of two one goes; 401 x 0.25 % = 1.0025, up
    assert [text(fill.fee) for fill in filled(usual)] == ["0", "0.00000001", "0.00000002"]


def test_every_fill_is_one_balanced_transaction_whatever_the_fee_is_taken_in(usual: Any) -> None:
    for name, side, preference in (("a", "buy", BASE), ("b", "sell", BASE), ("c", "buy", QUOTE), ("d", "sell", QUOTE)):
        usual.order(name, side, "0.33333333", options=preference)
    by_fill: dict[int, Counter[str]] = {}
    fees: dict[int, str] = {}
    for entry in usual.wallet.drain_entries():
        by_fill.setdefault(entry.fill_number, Counter())[entry.asset] += entry.amount_atoms
        if entry.kind is EntryKind.FEE and entry.account is LedgerAccount.FEES:
            fees[entry.fill_number] = entry.asset
    assert not any(amount for balance in by_fill.values() for amount in balance.values())
    assert fees == {1: "BTC", 2: "BTC", 3: "USDT", 4: "USDT"}


def test_a_stop_that_buys_pays_in_coins_too(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "100"})
    b.book(bids="99.0x5", asks="99.9x5", snapshot=True)
    b.order("stop", "buy", "1", StopLoss(Decimal("100.0")), options=BASE)
    assert b.held("USDT") == "100"  # no room for a fee is needed
    b.book(asks="99.9x0 100.0x5")
    b.trade("buy", "0.1", "100.0")
    assert b.ends("stop") == "filled"
    assert (b.total("USDT"), b.total("BTC")) == ("0", "0.996")


# -- which tier --------------------------------------------------------------------------------------------------------


def test_all_fills_of_an_order_have_the_tier_of_its_first(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(9950)))
    b.book(bids="100.0x5", asks="100.1x0.5 100.2x0.5", snapshot=True)
    b.order("one", "buy", "1")  # 9950, then 10000.05: 50.05 and 50.1 at 0.40 % both
    b.order("two", "sell", "1")  # 100 at 0.35 %
    assert [text(fill.fee) for fill in filled(b)] == ["0.2002", "0.2004", "0.35"]
    assert [fill.explanation["volume_30d_usd"] for fill in filled(b)] == [9950, 9950, 10050]


def test_a_maker_has_the_makers_rate_of_the_tier_of_the_first_fill(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(9950)))
    b.book(bids="100.0x5", asks="100.1x0.5 101.0x5", snapshot=True)
    b.order("bid", "buy", "1", "100.1")  # takes 50.05 at 0.40 %; the volume has passed the tier
    b.trade("sell", "0.5", "100.1")  # 50.05 at 0.25 %, not 0.20 %
    assert [text(fill.fee) for fill in filled(b)] == ["0.2002", "0.12513"]


def test_the_tier_is_that_before_the_first_fill_and_not_that_at_acceptance(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(9950)))
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("bid", "buy", "1", "99.0")
    b.order("other", "sell", "1")  # 100: the volume passes the tier while the first one waits
    b.trade("sell", "10", "98.0")
    fees = {fill.client_order_id: text(fill.fee) for fill in filled(b)}
    assert fees == {"other": "0.4", "bid": "0.198"}  # 99 x 0.20 %


def test_the_tier_comes_back_with_the_order_and_an_earlier_one_has_none(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, fee_volume_30d_usd=Decimal(9950)))
    b.book(bids="100.0x5", asks="100.1x0.5 101.0x5", snapshot=True)
    b.order("bid", "buy", "1", "100.1", options=BASE)
    order = b.exchange.orders["bid"]
    raw = msgspec.json.encode(stored_order(order))
    again = working_order(msgspec.json.decode(raw, type=StoredOrder), b.instrument)
    assert (again.tier, again.tier_volume_usd) == (FeeTier(0, 2500, 4000), 9950)
    assert again.request == order.request
    earlier = msgspec.json.decode(raw) | {"fee_exact": "1", "fee_charged": "2", "spent_atoms": "3"}
    del earlier["tier"], earlier["tier_volume_usd"], earlier["request"]["options"]
    opened = working_order(msgspec.json.decode(msgspec.json.encode(earlier), type=StoredOrder), b.instrument)
    assert (opened.tier, opened.tier_volume_usd, opened.request.fee_asset) == (None, 0, "USDT")


def test_on_the_tape_money_is_the_same(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "10"}, depth=MarketDepth.TAPE, instrument=pair("BTC/USDT", "0.1", 5))
    b.trade("buy", "1", "100.0")
    b.order("buy", "buy", "0.00333333")
    b.trade("buy", "1", "100.0")  # and 0.1 % of slippage: 100.1, 0.333666333
    (fill,) = filled(b)
    assert (text(fill.notional), text(fill.fee)) == ("0.33367", "0.00134")
    assert (b.total("USDT"), b.held("USDT")) == ("9.66499", "0")

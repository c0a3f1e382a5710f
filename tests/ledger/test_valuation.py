"""Worth in USD: directly, through crosses, or unknown."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from triplegain.domain.storable import encode
from triplegain.domain.usd import UsdPrices
from triplegain.ledger.valuation import Opening, equity_usd

D = Decimal
SYMBOLS = ("BTC/USDT", "XRP/USDT", "XRP/BTC")
MARKS = {"BTC/USDT": D(50_000), "XRP/USDT": D("0.5"), "XRP/BTC": D("0.00002")}


def prices(**marks: Decimal) -> UsdPrices:
    return UsdPrices(SYMBOLS, {symbol.replace("_", "/"): mark for symbol, mark in marks.items()}.get)


@pytest.mark.parametrize(
    ("marks", "asset", "expected"),
    [
        ({}, "USDT", D(1)),  # USDT counts as one dollar
        ({"XRP_USDT": D("0.5"), "XRP_BTC": D("0.00002"), "BTC_USDT": D(50_000)}, "xrp", D("0.5")),  # direct first
        ({"XRP_BTC": D("0.00002"), "BTC_USDT": D(50_000)}, "XRP", D(1)),  # 0.00002 x 50 000
        ({"XRP_BTC": D("0.00002"), "XRP_USDT": D("0.5")}, "BTC", D(25_000)),  # 0.5 / 0.00002
        ({"XRP_BTC": D("0.00002")}, "XRP", None),
        ({"BTC_USDT": D(50_000)}, "DOGE", None),
        ({"BTC_USDT": D(0)}, "BTC", None),
    ],
)
def test_an_asset_is_priced_directly_else_over_the_fewest_crosses(
    marks: dict[str, Decimal], asset: str, expected: Decimal | None
) -> None:
    assert prices(**marks)(asset) == expected


def test_one_asset_without_a_price_makes_equity_unknown_and_an_empty_one_does_not() -> None:
    btc_only = prices(BTC_USDT=D(50_000))
    assert equity_usd({"USDT": D(100), "BTC": D("0.1"), "XRP": D(0)}, btc_only) == D(5100)
    assert equity_usd({"USDT": D(100), "BTC": D("0.1"), "XRP": D(1)}, btc_only) is None


def test_the_opening_is_valued_once_at_the_first_moment_everything_has_a_price() -> None:
    opening = Opening.of({"USDT": D(100), "btc": D("0.1"), "XRP": D(0)}, "BTC")
    assert not opening.observed(prices(), 5).is_frozen
    assert (opening.equity, opening.buy_and_hold(prices(BTC_USDT=D(1)))) == (None, None)
    opening = opening.observed(prices(BTC_USDT=D(50_000)), 7)
    assert opening.is_frozen and opening.observed(prices(BTC_USDT=D(60_000)), 8) is opening
    assert (opening.time_ns, opening.equity) == (7, D(5100))
    assert opening.buy_and_hold(prices(BTC_USDT=D(60_000))) == D(6100)  # left alone: 100 + 0.1 x 60 000
    assert opening.buy_and_hold(prices()) is None


def test_an_opening_in_dollars_only_is_measured_against_buying_the_first_instrument() -> None:
    opening = Opening.of({"USDT": D(10_000)}, "BTC").observed(prices(BTC_USDT=D(30_000)), 1)
    # 10 000 / 30 000 = 0.33333333 BTC and 10 000 - 9 999.9999 = 0.0001 dollars
    assert opening.buy_and_hold(prices(BTC_USDT=D(30_000))) == D(10_000)
    assert opening.buy_and_hold(prices(BTC_USDT=D(60_000))) == D("19999.9999")


def test_the_opening_survives_json() -> None:
    opening = Opening.of({"USDT": D(10_000)}, "BTC").observed(UsdPrices(SYMBOLS, MARKS.get), 1)
    assert msgspec.json.decode(encode(opening), type=Opening) == opening


def test_dollars_measured_against_dollars_stay_what_they_are() -> None:
    opening = Opening.of({"USDT": D(10_000)}, "USDT").observed(prices(), 1)
    assert opening.held == {"USDT": D(10_000)}
    assert opening.buy_and_hold(prices()) == D(10_000)

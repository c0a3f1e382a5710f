"""The plan of a rebalance: what is traded, what is left alone, and that it pays for itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import (
    NoRebalance,
    RebalanceBatch,
    RebalancePlan,
    RebalanceSettings,
    batches_of,
    plan,
)
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.orders import Side
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.storable import encode

NOW_NS = 1_700_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
SETTINGS = RebalanceSettings()
INSTRUMENTS = {each.symbol: each for each in KRAKEN_OFFLINE_DEFAULTS}


def quote(symbol: str, bid: str | None, ask: str | None, last: str | None = None) -> Quote:
    bid_, ask_, last_ = (None if each is None else Decimal(each) for each in (bid, ask, last))
    return Quote(symbol, bid_, ask_, last_, None, None, NOW_NS, NOW_NS, QuoteSource.REPLAY)


#: Without a spread, so that the arithmetic is short: BTC 50 000, XRP 0.5 USD.
FLAT: dict[str, Quote | None] = {
    "BTC/USDT": quote("BTC/USDT", "50000", "50000"),
    "XRP/USDT": quote("XRP/USDT", "0.5", "0.5"),
}


def holding(btc: str, xrp: str, usdt: str) -> dict[str, Decimal]:
    return {"BTC": Decimal(btc), "XRP": Decimal(xrp), "USDT": Decimal(usdt)}


def made(held: dict[str, Decimal], settings: RebalanceSettings = SETTINGS) -> RebalancePlan:
    found = plan(held, FLAT, KRAKEN_OFFLINE_DEFAULTS, settings, NOW_NS)
    assert isinstance(found, RebalancePlan), found
    return found


def refused(held: dict[str, Decimal], quotes: dict[str, Quote | None] = FLAT) -> str:
    found = plan(held, quotes, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS)
    assert isinstance(found, NoRebalance), found
    return found.reason


def test_ten_thousand_in_cash_becomes_two_thirds_coins() -> None:
    found = made(holding("0", "0", "10000"))
    # 10 000 / 3 = 3333.33.. USD each: 0.06666666|6 BTC and 6666.66666666|6 XRP, cut to the lot of 1e-8.
    assert [(leg.symbol, leg.side, leg.quantity) for leg in found.buys] == [
        ("BTC/USDT", Side.BUY, Decimal("0.06666666")),
        ("XRP/USDT", Side.BUY, Decimal("6666.66666666")),
    ]
    # 0.06666666 x 50 000 x 1.004 (0.4 % taker) = 3346.666332
    assert found.buys[0].notional == Decimal("3346.666332")
    assert found.sells == ()
    assert (found.total_usd, found.moved_usd) == (Decimal("10000"), Decimal("6666.66633333"))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        # Thirds of 3000 are 1000 each. BTC 1149.5 is 38.317 %, 4.98 points off; XRP and USDT less.
        (holding("0.02299", "1851", "925"), "BTC is +4.98 points off its target, less than 5"),
        (holding("0", "0", "0"), "nothing free to divide"),
        (holding("0.02", "2000", "1000"), "less than 5"),
    ],
)
def test_a_small_deviation_is_left_alone(held: dict[str, Decimal], said: str) -> None:
    assert said in refused(held)


def test_exactly_five_points_are_enough() -> None:
    # Parts 2:1:1 of 1000 USD: targets 500, 250, 250. BTC 550 is 55 %, exactly 5 points above.
    settings = replace(SETTINGS, targets={"BTC": Decimal(2), "XRP": Decimal(1), "USDT": Decimal(1)})
    found = made(holding("0.011", "450", "225"), settings)
    assert [(leg.symbol, leg.quantity) for leg in found.sells] == [("BTC/USDT", Decimal("0.001"))]
    # XRP is 225, 25 USD short: 50 XRP.
    assert [(leg.symbol, leg.quantity) for leg in found.buys] == [("XRP/USDT", Decimal("50"))]
    # 0.0109 BTC is 545 of 995 USD, 54.77 %: not enough.
    just_under = plan(holding("0.0109", "450", "225"), FLAT, KRAKEN_OFFLINE_DEFAULTS, settings, NOW_NS)
    assert isinstance(just_under, NoRebalance)


def test_coins_are_sold_before_others_are_bought_and_always_against_usdt() -> None:
    found = made(holding("0.04", "1000", "500"))
    # Total 2000 + 500 + 500 = 3000: sell 1000 USD of BTC, buy 500 USD of XRP, 500 USD stay.
    assert [(leg.symbol, leg.quantity) for leg in found.sells] == [("BTC/USDT", Decimal("0.02"))]
    assert [(leg.symbol, leg.quantity) for leg in found.buys] == [("XRP/USDT", Decimal("1000"))]
    # A sale brings 0.02 x 50 000 x 0.996.
    assert found.sells[0].notional == Decimal("996")
    assert found.moved_usd == Decimal(1000)


def test_trades_below_ten_dollars_are_left_out_and_said() -> None:
    # Total 300: BTC 120 is 20 over, XRP 91 is 9 short, USDT 89 is 11 short.
    found = made(holding("0.0024", "182", "89"))
    assert found.buys == ()
    assert [leg.symbol for leg in found.sells] == ["BTC/USDT"]
    assert found.left_out == ("buy 9.00 USD of XRP is below 10 USD",)


def test_trades_below_the_exchange_minimum_are_left_out() -> None:
    # XRP costs 5 USD, the minimum of 10 XRP is 50 USD. Total 300: XRP 60 is 40 short (8 XRP), BTC 140 is 40 over.
    quotes = {**FLAT, "XRP/USDT": quote("XRP/USDT", "5", "5")}
    found = plan(holding("0.0028", "12", "100"), quotes, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS)
    # What is left, selling 40 USD of BTC for cash that is on its target, brings it no nearer: half a rebalance.
    assert isinstance(found, NoRebalance)
    assert "no nearer: 8 XRP is below the exchange's minimum 10" in found.reason


def test_purchases_never_cost_more_than_cash_and_sales_bring() -> None:
    # No cash is meant to stay: all of it is spent, and the fee of 0.4 % must come out of it.
    settings = replace(SETTINGS, targets={"BTC": Decimal(1), "XRP": Decimal(1), "USDT": Decimal(0)})
    found = made(holding("0", "0", "1000"), settings)
    spent = sum(leg.notional for leg in found.buys)
    # 500 / 50 000 / 1.004 = 0.009960159..
    assert found.buys[0].quantity == Decimal("0.00996015")
    assert Decimal("999.99") < spent <= 1000


@pytest.mark.parametrize(
    ("quotes", "said"),
    [
        ({"BTC/USDT": FLAT["BTC/USDT"]}, "no fresh price of XRP/USDT"),
        ({**FLAT, "BTC/USDT": None}, "no fresh price of BTC/USDT"),
        ({**FLAT, "BTC/USDT": quote("BTC/USDT", None, "50000")}, "no fresh price of BTC/USDT"),
        ({**FLAT, "BTC/USDT": quote("BTC/USDT", "NaN", "50000")}, "no fresh price of BTC/USDT"),
        ({**FLAT, "BTC/USDT": quote("BTC/USDT", "50001", "50000")}, "no fresh price of BTC/USDT"),
        ({**FLAT, "BTC/USDT": quote("BTC/USDT", "0", "50000")}, "no fresh price of BTC/USDT"),
    ],
)
def test_without_every_price_there_is_no_plan(quotes: dict[str, Quote | None], said: str) -> None:
    assert refused(holding("0", "0", "10000"), quotes) == said


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-1"])
def test_a_holding_that_cannot_be_is_no_basis(amount: str) -> None:
    assert "cannot be" in refused(holding(amount, "0", "10000"))


def test_a_pair_the_session_does_not_trade_is_said() -> None:
    found = plan(holding("0", "0", "1"), FLAT, [INSTRUMENTS["BTC/USDT"]], SETTINGS, NOW_NS)
    assert found == NoRebalance("XRP/USDT is not among the instruments of this session")


def test_a_tape_without_a_book_is_reckoned_with_its_last_trade() -> None:
    quotes = {**FLAT, "BTC/USDT": quote("BTC/USDT", None, None, "50000")}
    assert plan(holding("0", "0", "10000"), quotes, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS) == made(
        holding("0", "0", "10000")
    )


@pytest.mark.parametrize(
    ("mode", "moved", "batches"),
    [
        # Sales of 498 USD and of 500 USD at the market price, on either side of the size that is split.
        (RebalanceMode.LIMIT_ORDERS, "498", 1),
        (RebalanceMode.LIMIT_ORDERS, "500", 6),
        (RebalanceMode.IMMEDIATE, "498", 1),
        (RebalanceMode.IMMEDIATE, "500", 6),
        (RebalanceMode.DCA_24H, "498", 6),
        (RebalanceMode.DEFER, "500", 0),
    ],
)
def test_from_five_hundred_dollars_on_it_is_split(mode: RebalanceMode, moved: str, batches: int) -> None:
    found = replace(made(holding("0.04", "1000", "500")), moved_usd=Decimal(moved))
    cut = batches_of(found, mode, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS)
    assert [batch.due_ns for batch in cut] == [NOW_NS + number * 4 * HOUR_NS for number in range(batches)]
    assert [batch.until_ns for batch in cut] == [NOW_NS + number * 4 * HOUR_NS for number in range(1, batches + 1)]


def test_a_leg_too_small_for_six_goes_into_fewer_sales_first_and_purchases_last() -> None:
    # Total 3000: BTC 1550 is 550 over, XRP 960 is 40 short, USDT 490 is 510 short. 40 USD are three parts of 13.
    found = made(holding("0.031", "1920", "490"))
    cut = batches_of(found, RebalanceMode.DCA_24H, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS)
    assert [len(batch.sells) for batch in cut] == [1, 1, 1, 1, 1, 1]
    assert [len(batch.buys) for batch in cut] == [0, 0, 1, 1, 1, 1]
    assert all(leg.notional >= 10 for batch in cut for leg in batch.buys)


def test_batches_survive_being_stored() -> None:
    for batch in batches_of(
        made(holding("0.04", "1000", "500")), RebalanceMode.DCA_24H, KRAKEN_OFFLINE_DEFAULTS, SETTINGS, NOW_NS
    ):
        assert msgspec.json.decode(encode(batch), type=RebalanceBatch) == batch


amounts = st.decimals(0, 20_000, places=2)


@given(btc=amounts, xrp=amounts, usdt=amounts, parts=st.tuples(*[st.integers(0, 5)] * 3).filter(any), dca=st.booleans())
def test_a_plan_and_each_of_its_batches_pays_for_itself_and_touches_no_more_than_is_free(
    btc: Decimal, xrp: Decimal, usdt: Decimal, parts: tuple[int, int, int], dca: bool
) -> None:
    settings = replace(SETTINGS, targets=dict(zip(("BTC", "XRP", "USDT"), map(Decimal, parts), strict=True)))
    quotes = {"BTC/USDT": quote("BTC/USDT", "49990", "50010"), "XRP/USDT": quote("XRP/USDT", "0.499", "0.501")}
    # Amounts in USD, so that all three matter.
    held = {"BTC": (btc / 50_000).quantize(Decimal("1e-8")), "XRP": xrp * 2, "USDT": usdt}
    found = plan(held, quotes, KRAKEN_OFFLINE_DEFAULTS, settings, NOW_NS)
    if isinstance(found, NoRebalance):
        assert found.reason
        return
    for leg in found.sells:
        assert leg.quantity <= held[leg.symbol.partition("/")[0]]
    cut = batches_of(
        found, RebalanceMode.DCA_24H if dca else RebalanceMode.LIMIT_ORDERS, KRAKEN_OFFLINE_DEFAULTS, settings, NOW_NS
    )
    cash = usdt
    for batch in cut:
        cash += sum(leg.notional for leg in batch.sells) - sum(leg.notional for leg in batch.buys)
        assert cash >= Decimal("-0.000001")
        for part in (*batch.sells, *batch.buys):
            instrument = INSTRUMENTS[part.symbol]
            instrument.lots(part.quantity)
            assert part.quantity >= instrument.quantity_min
    for side in ("sells", "buys"):
        for leg in getattr(found, side):
            of_leg = [part for batch in cut for part in getattr(batch, side) if part.symbol == leg.symbol]
            assert sum(part.quantity for part in of_leg) == leg.quantity
            assert sum(part.notional for part in of_leg) == leg.notional

"""The parts of what a fill cost against what the wallet has moved by, on every kind of market.

What was paid (received) worse than the reference at the decision would have been is, of a purchase and of a sale,
`-moved quote - moved base x reference`, where coins that a fee took count at the price of the fill.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from tests.exchange.conftest import Bench
from tests.exchange.margin_bench import USUAL, USUAL_FEES, MarginBench, btc
from tests.exchange.test_simple_models import WHOLE, candle

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import MarketDepth
from triplegain.domain.orders import FeePreference, OrderOptions, StopLoss
from triplegain.domain.terms import MarketByCost
from triplegain.domain.told_fills import told_steps, totals_of

IN_COINS = OrderOptions(fee_preference=FeePreference.BASE)


def cost_of(b: Bench) -> Decimal:
    """All parts of all fills."""
    fills = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert fills
    return sum((Decimal(part) for fill in fills for part in fill.explanation["shortfall"].values()), Decimal(0))


def moved(b: Bench, asset: str, opening: str) -> Decimal:
    return Decimal(b.total(asset)) - Decimal(opening)


def on_a_book(b: Bench, order: Callable[[Bench], None]) -> None:
    b.book(bids="100.0x5 98.9x50", asks="100.1x1 100.2x10", snapshot=True)
    order(b)
    # Whatever rests is met, and a stop reached.
    b.trade("sell", "20", "99.0")


def on_a_tape(b: Bench, order: Callable[[Bench], None]) -> None:
    b.trade("sell", "1", "100.0")
    order(b)
    b.trade("buy", "20", "100.3")
    b.trade("sell", "20", "99.0")


def in_candles(b: Bench, order: Callable[[Bench], None]) -> None:
    candle(b, "100 100 100 100", "100", 0)
    order(b)
    candle(b, "100.3 101 98 99", "100", 100)


#: How an order comes to fill there, and the middle at its decision; that of a stop is its trigger.
MARKETS = {
    MarketDepth.BOOK: (on_a_book, "100.05"),
    MarketDepth.TAPE: (on_a_tape, "100"),
    MarketDepth.CANDLES: (in_candles, "100"),
}
ORDERS: dict[str, tuple[Callable[[Bench], None], str]] = {
    "bought": (lambda b: b.order("o", "buy", "1.00000001"), ""),
    "sold": (lambda b: b.order("o", "sell", "1.00000001"), ""),
    "bought, fee in coins": (lambda b: b.order("o", "buy", "1.00000001", options=IN_COINS), ""),
    "sold, fee in coins": (lambda b: b.order("o", "sell", "1.00000001", options=IN_COINS), ""),
    "bought for a cost": (lambda b: b.order("o", "buy", "0", MarketByCost(Decimal("150.01"))), ""),
    "a limit that waits": (lambda b: b.order("o", "buy", "1.00000001", "99.5"), ""),
    "a stop": (lambda b: b.order("o", "sell", "1.00000001", StopLoss(Decimal("99.3"))), "99.3"),
}


@pytest.mark.parametrize("depth", MARKETS)
@pytest.mark.parametrize("case", ORDERS)
def test_the_parts_are_what_the_wallet_has_moved_by(case: str, depth: MarketDepth) -> None:
    play, middle = MARKETS[depth]
    order, trigger = ORDERS[case]
    b = Bench({"USDT": "1000", "BTC": "10"}, WHOLE, depth)
    play(b, order)
    dollars, coins = moved(b, "USDT", "1000"), moved(b, "BTC", "10")
    fills = [event for event in b.drain() if isinstance(event, OrderFilled)]
    in_coins = [fill for fill in fills if fill.fee_asset == "BTC"]
    taken = sum((fill.fee for fill in in_coins), Decimal(0))
    valued = sum((fill.fee * fill.price for fill in in_coins), Decimal(0))
    assert cost_of(b) == -dollars - (coins + taken) * Decimal(trigger or middle) + valued


def test_of_a_position_the_fee_for_opening_it_is_one_of_them() -> None:
    """Sold short at a middle of 99.95 and bought back at one of 99.05, 1 coin: 0.9 less than the wallet has gained."""
    b = MarginBench({"USDT": "1000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("short", "sell", "1", 2)
    b.market_at("99.0", "99.1")
    b.open("back", "buy", "1", 2)
    fills = [event for event in b.drain() if isinstance(event, OrderFilled)]
    opening = Decimal(fills[0].explanation["margin"]["opening_fee"])
    assert opening > 0 and [Decimal(each.explanation["shortfall"]["fee"]) for each in fills] == [
        fills[0].fee + opening, fills[1].fee,
    ]  # fmt: skip
    cost = totals_of(fills).cost
    assert cost is not None and cost.total == Decimal("0.9") - moved(b, "USDT", "1000")
    assert f"Opening the position on margin is {opening} USDT beside it." in told_steps(fills)[0].words
    assert "on margin" not in told_steps(fills)[1].words

"""What of a stored order another program can be asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET

from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import OrderAmended, OrderPriced, OrderTriggered
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import atoms
from triplegain.domain.orders import FeePreference, OrderOptions, OrderRequest, OrderStatus, Side, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code
from triplegain.domain.terms import (
    Iceberg,
    Limit,
    Market,
    MarketByCost,
    OrderTerms,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
)
from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.recorded import Change, LeftOut, Recorded, Repricing, recorded

#: Ticks of 0.1, lots of 0.01.
INSTRUMENT = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.01"), Decimal("0.01"), Decimal(1))
ABOVE = Offset(Sign.PLUS, Decimal(5))


def stored(
    terms: OrderTerms, status: OrderStatus = OrderStatus.OPEN, side: Side = Side.BUY, **more: Any
) -> OrderRecord:
    quantity = more.pop("quantity", Decimal("0.5"))
    named = {name: more.pop(name) for name in ("time_in_force", "expires_at_ns", "options", "leverage") if name in more}
    request = OrderRequest("c-1", "BTC/USDT", side, Decimal("0.5"), terms, **named)
    return OrderRecord(1, "o-1", request, status, 100, 900, quantity, **more)


def amended(time_ns: int, quantity: str, price: str, terms: OrderTerms | None = None) -> OrderAmended:
    what = UNSET if terms is None else terms
    return OrderAmended(1, time_ns, time_ns, 1, "c-1", "BTC/USDT", Decimal(quantity), Decimal(price), True, what)


def priced(price: str) -> OrderPriced:
    return OrderPriced(1, 150, 150, 1, "c-1", "BTC/USDT", Decimal(price))


@pytest.mark.parametrize(
    ("terms", "side", "asked"),
    [
        (Market(), Side.BUY, Asked(0, Shape.MARKET, 50)),
        (Limit(Decimal("99.9")), Side.SELL, Asked(1, Shape.LIMIT, 50, 999)),
        (Limit(Decimal("99.9"), post_only=True), Side.BUY, Asked(0, Shape.POST_ONLY, 50, 999)),
        (Iceberg(Decimal("99.9"), Decimal("0.1")), Side.BUY, Asked(0, Shape.LIMIT, 50, 999)),
        (StopLoss(Decimal("95")), Side.SELL, Asked(1, Shape.STOP, 50, 950)),
        (StopLossLimit(Decimal("95"), Decimal("94")), Side.SELL, Asked(1, Shape.STOP_LIMIT, 50, 950, 940)),
        (TakeProfit(Decimal("105")), Side.SELL, Asked(1, Shape.TAKE_PROFIT, 50, 1050)),
    ],
)
def test_orders_are_asked_for_in_ticks_and_lots(terms: OrderTerms, side: Side, asked: Asked) -> None:
    assert recorded(stored(terms, side=side), (), INSTRUMENT) == Recorded(
        1, "BTC/USDT", 100, asked, (), NEVER, NEVER, 0, 0, 0
    )


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (stored(TrailingStop(ABOVE)), LeftOut.KIND),
        (stored(Limit(Decimal(99)), leverage=2), LeftOut.MARGIN),
        (stored(TakeProfitLimit(Decimal(105), Decimal(104))), LeftOut.KIND),
        (stored(Limit(ABOVE)), LeftOut.RELATIVE),
        (stored(StopLossLimit(Decimal(95), ABOVE)), LeftOut.RELATIVE),
        (stored(Market(), OrderStatus.REJECTED, code=Code.INSUFFICIENT_FUNDS), LeftOut.REFUSED),
        (stored(Limit(Decimal("99.95"))), LeftOut.NOTHING_ASKED),
        (stored(MarketByCost(Decimal(50)), quantity=Decimal(0)), LeftOut.NOTHING_ASKED),
    ],
)
def test_what_nobody_can_be_asked_for_says_why(order: OrderRecord, why: LeftOut) -> None:
    assert recorded(order, (), INSTRUMENT) is why


def found(order: OrderRecord, *events: Repricing) -> Recorded:
    taken = recorded(order, events, INSTRUMENT)
    assert isinstance(taken, Recorded)
    return taken


def test_a_price_by_its_distance_is_the_one_that_it_came_to() -> None:
    # Afterwards, as its trigger is reached, a limit takes the place of it: that is no amendment.
    assert found(stored(StopLoss(ABOVE)), priced("96"), priced("97")).asked.price == 960
    fired = found(stored(StopLossLimit(Decimal(95), Decimal(94))), priced("94"))
    assert (fired.asked.price, fired.asked.limit, fired.changes) == (950, 940, ())


def test_amendments_stand_with_their_times() -> None:
    # The quantity of the record is the last one; what was asked for at first was 0.5.
    order = stored(StopLossLimit(Decimal(95), Decimal(94)), side=Side.SELL, quantity=Decimal("0.3"))
    changed = StopLossLimit(Decimal(96), Decimal("95.5"))
    taken = found(order, amended(200, "0.5", "96"), amended(300, "0.3", "96", changed))
    assert taken.asked == Asked(1, Shape.STOP_LIMIT, 50, 950, 940)
    assert taken.changes == (
        Change(200, Asked(1, Shape.STOP_LIMIT, 50, 960, 940)),
        Change(300, Asked(1, Shape.STOP_LIMIT, 30, 960, 955)),
    )


def test_an_amendment_of_what_has_fired_changes_its_limit() -> None:
    order = stored(StopLossLimit(Decimal(95), Decimal(94)), side=Side.SELL)
    fired = OrderTriggered(1, 200, 200, 1, "c-1", "BTC/USDT", Decimal(95), Decimal(95))
    taken = found(order, fired, priced("94"), amended(300, "0.5", "93"))
    assert taken.changes == (Change(300, Asked(1, Shape.STOP_LIMIT, 50, 950, 930)),)


def test_it_is_taken_back_when_it_was_over_here_unless_it_was_filled() -> None:
    limit = Limit(Decimal(99))
    dated: dict[str, Any] = {"time_in_force": TimeInForce.GTD, "expires_at_ns": 2000}
    refused = stored(Limit(Decimal(99), True), OrderStatus.REJECTED, code=Code.POST_ONLY)
    told = {
        name: (each.over_ns, each.taken_back_ns)
        for name, each in {
            "open": found(stored(limit)),
            "open, with a date": found(stored(limit, **dated)),
            "cancelled": found(stored(limit, OrderStatus.CANCELLED, **dated)),
            "refused for taking": found(refused),
            "at once or not": found(stored(limit, OrderStatus.FILLED, time_in_force=TimeInForce.IOC)),
            "filled": found(stored(limit, OrderStatus.FILLED, filled_quantity=Decimal("0.5"))),
            "filled, with a date": found(stored(limit, OrderStatus.FILLED, **dated)),
        }.items()
    }
    assert told == {
        "open": (NEVER, NEVER), "open, with a date": (NEVER, 2000), "cancelled": (900, 900),
        "refused for taking": (900, NEVER), "at once or not": (900, 100),
        "filled": (900, NEVER), "filled, with a date": (900, 2000),
    }  # fmt: skip
    assert found(stored(limit, options=OrderOptions(starts_at_ns=500))).sent_ns == 500


def test_what_was_filled_here_is_in_atoms_of_the_quote_currency() -> None:
    filled: dict[str, Any] = {"filled_quantity": Decimal("0.5"), "filled_notional": Decimal(50), "fees": Decimal("0.2")}
    quoted = found(stored(Market(), OrderStatus.FILLED, **filled))
    assert (quoted.lots, quoted.cost, quoted.fee) == (50, atoms(Decimal(50)), atoms(Decimal("0.2")))
    # 0.002 coins at 50 / 0.5 = 100 each.
    coins = filled | {"fees": Decimal("0.002"), "options": OrderOptions(fee_preference=FeePreference.BASE)}
    assert found(stored(Market(), OrderStatus.FILLED, **coins)).fee == atoms(Decimal("0.2"))

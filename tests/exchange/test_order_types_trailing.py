"""Trailing stops: the trigger follows the best trade since arrival. Worked here unless a page is named."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.test_checkpoint import shuffled
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import OrderPriced, OrderTriggered
from triplegain.domain.money import text
from triplegain.domain.price import Offset, Sign, read_price
from triplegain.domain.terms import OrderKind, TrailingStop, TrailingStopLimit, terms_of


def trailing(offset: str) -> TrailingStop:
    found = terms_of(OrderKind.TRAILING_STOP, read_price(offset))
    assert isinstance(found, TrailingStop)
    return found


def trailing_limit(offset: str, limit: str) -> TrailingStopLimit:
    found = terms_of(OrderKind.TRAILING_STOP_LIMIT, read_price(offset), limit_price=read_price(limit))
    assert isinstance(found, TrailingStopLimit)
    return found


def fired(b: Any) -> list[str]:
    return [f"{text(e.trigger)} by {text(e.last)}" for e in b.drain() if isinstance(e, OrderTriggered)]


def priced(b: Any) -> list[str]:
    return [text(e.price) for e in b.drain() if isinstance(e, OrderPriced)]


@pytest.fixture
def at_20000(bench: Callable[..., Any]) -> Any:
    b = bench({"USDT": "1000000", "BTC": "1000"})
    b.book(bids="19999x5", asks="20001x5", snapshot=True)
    b.trade("buy", "0.1", "20000")
    return b


def test_krakens_trailing_stop_limit_by_percent(at_20000: Any) -> None:
    """support.kraken.com trailing-stop-limit-orders: "% Trailing offset of 5% and a limit offset of 0%": "If the price
    increases after order entry at $20,000 to a high of $22,000, and then declines by 5% or $1,100, the Trailing Stop
    Limit Order will trigger at a price of $20,900 and submit a Limit Sell Order at $20,900"."""
    b = at_20000
    b.order("t", "sell", "1", trailing_limit("+5%", "+0%"))
    assert priced(b) == ["19000"]  # 20,000 less 5 %
    b.trade("buy", "0.1", "22000")
    b.trade("sell", "0.1", "20900.1")
    assert fired(b) == []
    b.book(bids="19999x0 20899.9x5", asks="20001x0 22000x5")
    b.trade("sell", "0.1", "20900")
    assert fired(b) == ["20900 by 20900"]
    assert priced(b) == ["19000", "20900"]
    assert (b.fills(), b.exchange.orders["t"].price) == ([], 209000)


def test_kraken_s_trailing_stop_limit_in_usd(at_20000: Any) -> None:
    """The same page: "a USD trailing offset of $1000 and limit offset of -10 USD". From the high of 22,000 that is a
    trigger of 21,000 and a limit of 20,990."""
    b = at_20000
    b.order("t", "sell", "1", trailing_limit("+1000", "-10"))
    b.trade("buy", "0.1", "22000")
    b.book(bids="19999x0 20995x0.4", asks="20001x0 22000x5")
    b.trade("sell", "0.1", "21000")
    assert fired(b) == ["21000 by 21000"]
    assert b.fills() == ["0.4 @ 20995 taker"]
    assert b.exchange.orders["t"].price == 209900


def test_krakens_trailing_stop_of_a_swing_trader(bench: Callable[..., Any]) -> None:
    """blog.kraken.com, "Announcing trailing stop orders on Kraken Pro": placed at 28,000 with an offset of $100; at
    30,000 the stop is 29,900, and "if the price falls from $30,000 to $29,900, a market sell" follows."""
    b = bench()
    b.book(bids="27999x5", asks="28001x5", snapshot=True)
    b.trade("buy", "0.1", "28000")
    b.order("t", "sell", "1", trailing("+100"))
    for price in ("28500", "28450", "29000", "30000", "29900.1"):
        b.trade("buy", "0.1", price)
    assert fired(b) == []
    b.book(bids="27999x0 29899x5", asks="28001x0 29901x5")
    b.trade("sell", "0.1", "29900")
    assert fired(b) == ["29900 by 29900"]
    assert b.fills() == ["1 @ 29899 taker"]


def test_a_purchase_follows_the_market_down(at_20000: Any) -> None:
    b = at_20000
    b.order("t", "buy", "1", trailing("+5%"))
    assert priced(b) == ["21000"]
    b.trade("sell", "0.1", "18000")
    b.trade("buy", "0.1", "18899.9")
    assert fired(b) == []
    b.book(bids="19999x0 18800x5", asks="20001x0 18950x5")
    b.trade("buy", "0.1", "18900")  # 18,000 and 5 %
    assert fired(b) == ["18900 by 18900"]
    assert b.fills() == ["1 @ 18950 taker"]


@pytest.mark.parametrize(
    ("side", "offset", "last", "trigger"),
    [
        # Rounded away from the price, so that it never fires early: 100.3 x 0.98 = 98.294, x 1.02 = 102.306.
        ("sell", "+2%", "100.3", "98.2"),
        ("buy", "+2%", "100.3", "102.4"),
        ("sell", "+1.05", "100.0", "98.9"),
        ("buy", "+1.05", "100.0", "101.1"),
        ("sell", "+2%", "100", "98"),
    ],
)
def test_the_trigger_is_rounded_away_from_the_price(
    usual: Any, side: str, offset: str, last: str, trigger: str
) -> None:
    usual.trade("buy", "0.0001", last)
    usual.order("t", side, "1", trailing(offset))
    assert priced(usual) == [trigger]


@pytest.mark.parametrize(
    ("side", "limit", "stands"),
    [
        # Trigger 98 and 102. A limit is rounded to where it is reached later: 98 - 0.05 = 97.95, 102 + 0.05 = 102.05.
        ("sell", "-0.05", "98"),
        ("sell", "+0.05", "98.1"),
        ("sell", "-1%", "97.1"),  # 97.02
        ("buy", "+0.05", "102"),
        ("buy", "-1%", "100.9"),  # 100.98
    ],
)
def test_its_limit_hangs_on_the_trigger(usual: Any, side: str, limit: str, stands: str) -> None:
    usual.trade("buy", "0.0001", "100.0")
    usual.order("t", side, "1", trailing_limit("+2", limit))
    assert usual.exchange.orders["t"].standing().limit == Decimal(stands)


def test_trades_from_before_it_stood_move_nothing(usual: Any) -> None:
    usual.trade("buy", "0.0001", "100.0", at=10)
    usual.exchange.run_through(20)
    usual.order("t", "sell", "1", trailing("+1"))
    usual.trade("buy", "0.0001", "105.0", at=19)
    assert usual.exchange.orders["t"].price == 990
    usual.trade("buy", "0.0001", "105.0", at=21)
    assert usual.exchange.orders["t"].price == 1040
    # A print from before the peak does not reach a trigger that did not stand there yet.
    usual.trade("sell", "0.0001", "103.0", at=20)
    assert fired(usual) == []


def test_a_move_of_the_peak_is_told_by_no_event_and_seen(usual: Any) -> None:
    usual.trade("buy", "0.0001", "100.0")
    usual.order("t", "sell", "1", trailing("+1"))
    before = len(usual.drain())
    usual.trade("buy", "0.0001", "105.0")
    assert len(usual.drain()) == before
    standing = usual.exchange.orders["t"].standing()
    assert (standing.trigger, standing.peak, standing.limit) == (Decimal(104), Decimal(105), None)


@pytest.mark.parametrize("offset", ["+100%", "+200", "+0"])
def test_a_distance_that_leaves_no_price_is_refused(usual: Any, offset: str) -> None:
    usual.trade("buy", "0.0001", "100.0")
    usual.order("t", "sell", "1", TrailingStop(Offset(Sign.PLUS, Decimal(offset.strip("+%")), offset.endswith("%"))))
    assert usual.ends("t") == "rejected: EGeneral:Invalid arguments:price"


@pytest.mark.parametrize(
    ("offset", "limit"),
    [("+9999999999999999999", "+0"), ("+1", "+9999999999999999999"), ("+1", "+9999999999999999999%")],
)
def test_a_distance_that_leads_beyond_every_price_is_refused(usual: Any, offset: str, limit: str) -> None:
    usual.trade("buy", "0.0001", "100.0")
    usual.order("t", "buy", "1", trailing_limit(offset, limit))
    assert usual.ends("t") == "rejected: EGeneral:Invalid arguments:price"


def test_without_a_trade_there_is_nothing_to_trail_behind(usual: Any) -> None:
    usual.order("t", "sell", "1", trailing("+1"))
    assert usual.ends("t") == "rejected: EGeneral:Invalid arguments:price"


def test_its_price_cannot_be_amended_and_its_quantity_can(usual: Any) -> None:
    usual.trade("buy", "0.0001", "100.0")
    usual.order("t", "sell", "1", trailing("+1"))
    usual.amend("t", price="99.5")
    assert usual.refused("t") == ["EGeneral:Invalid arguments:price"]
    usual.amend("t", quantity="0.5")
    assert usual.held("BTC") == "0.5"


def test_a_purchase_holds_its_first_trigger_or_limit_and_gives_the_rest_back(at_20000: Any) -> None:
    b = at_20000
    b.order("t", "buy", "1", trailing_limit("+1000", "+50"))
    assert b.held("USDT") == "21134.2"  # 21,050 x 1.004
    b.trade("sell", "0.1", "18000")
    b.book(bids="19999x0 18800x5", asks="20001x0 19020x5")
    b.trade("buy", "0.1", "19000")
    assert b.fills() == ["1 @ 19020 taker"]
    # 1,000,000 - 19,020 - 76.08
    assert (b.total("USDT"), b.held("USDT")) == ("980903.92", "0")


def test_an_order_that_trails_goes_on_from_its_peak_after_a_restart(bench: Callable[..., Any]) -> None:

    b = bench()
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=1)
    b.trade("buy", "0.0001", "100.0", at=2)
    b.order("t", "sell", "1", trailing("+1"))
    b.trade("buy", "0.0001", "105.0", at=3)
    again = bench()
    again.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=3)
    again.parts.restore(shuffled(all_said(b.parts)))
    again.trade("buy", "0.0001", "104.1", at=4)
    assert fired(again) == []
    again.trade("buy", "0.0001", "104.0", at=5)
    assert fired(again) == ["104 by 104"]

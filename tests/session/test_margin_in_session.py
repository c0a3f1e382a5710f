"""Orders with leverage in a whole session: by hand, told, stored, taken up again, and in its statement."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.session.candle_session import Told
from tests.session.sessions import settings_for
from tests.session.stored_parts import stored

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import HOUR_NS
from triplegain.domain.money import EXACT
from triplegain.domain.orders import Limit, Market, OrderOptions, OrderRequest, Side
from triplegain.domain.refusals import Refusal
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.settings import ExchangeSettings
from triplegain.session.trading_session import TradingSession

MARGIN = ExchangeSettings(margin=MarginSettings(position_max={}))


class Lent(Told):
    """Candles of an hour, 10,000 USDT. A purchase at an open of 100 pays 100.1, a sale 99.9."""

    def __init__(self) -> None:
        super().__init__(exchange=MARGIN)
        self.candle("100 100 100 100")

    def order(self, name: str, side: Side, quantity: str, leverage: int, **more: Any) -> Any:
        request = OrderRequest(name, "BTC/USDT", side, Decimal(quantity), Market(), leverage=leverage, **more)
        sent = self.session.by_hand.place(request)
        self.take()
        return sent

    def take(self) -> None:
        batch = self.session.take_batch(0, 0)
        self.alerts += [alert.kind for alert in batch.alerts]


def check_statement(session: TradingSession) -> None:
    """Opening + realised + unrealised is equity."""
    summary = session.portfolio.pnl_summary()
    assert summary.opening is not None
    assert summary.realised_usd is not None
    assert summary.unrealised_usd is not None
    parts = EXACT.add(EXACT.add(summary.opening, summary.realised_usd), summary.unrealised_usd)
    assert summary.equity == parts


def test_a_position_on_margin_is_in_the_statement_and_no_coins_are_in_the_wallet() -> None:
    """100 at 100.1: 10,010; fee 40.04, lending 2.5025; at 102.0: 190 gained."""
    told = Lent()
    assert not isinstance(told.order("long", Side.BUY, "100", 5), Refusal)
    told.candle("100 102 100 102")
    session = told.session
    assert (int(session.portfolio.total("BTC")), session.portfolio.total("USDT")) == (0, Decimal("9957.4575"))
    assert session.portfolio.equity_usd() == Decimal("10147.4575")
    assert session.portfolio.pnl_summary().fees == {"USDT": Decimal("42.5425")}
    assert session.desk.open_positions() == ()
    check_statement(session)


def test_it_is_closed_by_hand_and_what_it_gained_is_realised() -> None:
    told = Lent()
    told.order("long", Side.BUY, "100", 5)
    told.candle("100 102 100 102")
    told.order("out", Side.SELL, "100", 2, options=OrderOptions(reduce_only=True))
    told.candle("102 102 102 102")
    assert not told.session.exchange.margin.positions
    check_statement(told.session)
    assert told.session.portfolio.unrealised_usd() == 0


def test_a_short_gains_where_the_price_falls() -> None:
    told = Lent()
    told.order("short", Side.SELL, "100", 5)
    told.candle("100 100 90 90")
    assert told.session.portfolio.unrealised_usd() == 990  # 100 x (99.9 - 90)
    check_statement(told.session)


def test_a_stop_beside_it_is_a_reduce_only_order_of_its_own() -> None:
    told = Lent()
    request = OrderRequest("long", "BTC/USDT", Side.BUY, Decimal(100), Market(), leverage=5)
    refused = told.session.by_hand.place(request, Decimal(90))
    assert isinstance(refused, Refusal)
    assert "reduce-only" in refused.reason


def test_a_call_and_a_liquidation_are_told() -> None:
    """400 at 100.1 with leverage 5 use 8,008; at 80 all is lost."""
    told = Lent()
    told.order("long", Side.BUY, "400", 5)
    told.candle("100 100 99 99")
    told.candle("99 99 70 75")
    assert AlertKind.MARGIN_CALL in told.alerts
    assert not told.session.exchange.margin.positions
    check_statement(told.session)


def test_what_is_owed_is_less_equity_and_the_books_agree() -> None:
    """At the open of 60: 400 x 59.9 - 40,040 is lost, twice what there was."""
    told = Lent()
    told.order("long", Side.BUY, "400", 5)
    told.candle("100 100 99 99")
    told.candle("60 60 60 60")
    equity = told.session.portfolio.equity_usd()
    assert equity is not None
    assert equity < -5000
    assert told.session.portfolio.total("USDT") == 0
    check_statement(told.session)


@pytest.mark.parametrize("hours", [0, 1, 3, 6])
def test_a_session_that_is_stored_with_positions_goes_on_identically(hours: int) -> None:
    def play(told: Lent, first: int, last: int) -> None:
        for hour in range(first, last):
            told.candle(f"{100 - hour} 101 {99 - hour} {100 - hour}")

    def opened() -> Lent:
        told = Lent()
        told.order("long", Side.BUY, "100", 5)
        told.order("stop", Side.SELL, "1", 2)
        return told

    whole, half = opened(), opened()
    play(whole, 0, 14)
    play(half, 0, hours)
    rows = stored(half.session)
    again = Lent()
    again.session = TradingSession(settings_for(half.feed, exchange=MARGIN, baseline=None, candle_ns=HOUR_NS))
    events = Told(exchange=MARGIN)
    events.session = again.session
    events.session.on_event = events.session.observe  # type: ignore[method-assign, assignment]
    events.candle("100 100 100 100")
    play_only(events, hours)
    del events.session.on_event
    again.session.restore(rows)
    again.hour = events.hour
    play(again, hours, 14)
    assert stored(again.session) == stored(whole.session)


def play_only(told: Told, hours: int) -> None:
    for hour in range(hours):
        told.candle(f"{100 - hour} 101 {99 - hour} {100 - hour}")


def test_margin_that_is_turned_off_again_lends_nothing_and_lets_out() -> None:
    told = Lent()
    told.order("long", Side.BUY, "100", 5)
    told.candle("100 100 100 100")
    told.session.exchange.margin.settings = None
    more = told.order("more", Side.BUY, "1", 2)
    told.order("out", Side.SELL, "100", 2)
    told.candle("100 100 100 100")
    assert not isinstance(more, Refusal)
    assert not told.session.exchange.margin.positions
    assert told.session.executor.order("more").code == "EOrder:Margin allowance exceeded"  # type: ignore[union-attr]


def test_flat_takes_off_what_is_held_on_margin_and_takes_back_what_could_open_more() -> None:
    told = Lent()
    told.order("long", Side.BUY, "100", 5)
    told.candle("100 100 100 100")
    request = OrderRequest("more", "BTC/USDT", Side.BUY, Decimal(10), Limit(Decimal(90)), leverage=5)
    told.session.by_hand.place(request)
    told.take()
    for _ in range(2):
        told.session.by_hand.flat()
    told.candle("100 100 100 100")
    assert not told.session.exchange.margin.positions
    assert not told.session.exchange.orders
    told.candle("100 100 80 80")
    assert not told.session.exchange.margin.positions


def test_the_drawdown_breaker_takes_off_what_is_held_on_margin() -> None:
    """200 at 100.1; at 88 a loss of 24 % of 10,000."""
    told = Lent()
    told.order("long", Side.BUY, "200", 5)
    told.candle("100 100 100 100")
    told.candle("100 100 88 88")
    told.candle("88 88 88 88")
    told.candle("88 88 88 88")
    assert not told.session.exchange.margin.positions
    assert AlertKind.BREAKER in told.alerts
    more = OrderRequest("short", "BTC/USDT", Side.SELL, Decimal(1), Market(), leverage=2)
    assert isinstance(told.session.by_hand.place(more), Refusal)


def test_risk_knows_what_is_held_on_margin() -> None:
    """40 at 100: of 10,000 that is exposure, and leverage 5 uses a fifth of what they cost."""
    told = Lent()
    told.order("short", Side.SELL, "40", 5)
    told.candle("100 100 100 100")
    seen = told.session.look("BTC/USDT", "test").portfolio
    assert (seen.exposure, seen.exposure_by_symbol) == (Decimal(4000), {"BTC/USDT": Decimal(4000)})
    assert seen.margin_used == 800
    assert seen.free_quote < 9200


def test_settings_without_margin_lend_nothing() -> None:
    assert replace(MARGIN, margin=None) == ExchangeSettings()

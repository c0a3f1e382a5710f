"""Where candles are all there is: what is decided at a close is one act at the next open.

Slippage 0.1 %, tick 0.1: a purchase at 100.0 pays 100.1, a sale at 99.0 gets 98.901, rounded down to 98.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.session.candle_session import START_NS, CandleAudit, Told
from tests.session.crash_day import crash_settings, warm
from tests.session.crash_market import crash_events, crash_feed
from tests.session.scripted_models import ScriptedModels
from tests.session.sessions import settings_for
from tests.session.stored_parts import stored
from tests.session.test_rebalance_run import RULES

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import DecisionSettings
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import HOUR_NS, MINUTE_NS
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import Candle, CandleClosed, MarketEvent
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.protection.trailing import ProtectionSettings
from triplegain.execution.settings import DeskSettings
from triplegain.feeds.captures.replay import open_replay
from triplegain.risk.limits import RiskLimits
from triplegain.session.trading_session import TradingSession

QUIET = "100 100.5 99.5 100"


def buy(told: Told, stop: str | None = "98", target: str | None = None, symbol: str = "BTC/USDT") -> None:
    request = OrderRequest(f"hand-{symbol}", symbol, Side.BUY, Decimal(1), Market(), purpose="manual")
    levels = (None if level is None else Decimal(level) for level in (stop, target))
    assert not hasattr(told.session.by_hand.place(request, *levels), "code")
    told.take()


def holding(stop: str | None = "98", target: str | None = None, **changes: Any) -> Told:
    """One coin was bought at the open of hour 1."""
    told = Told(**changes)
    told.candle(QUIET)
    buy(told, stop, target)
    told.candle(QUIET)
    assert told.fills() == ["manual 1 @ 100.1 (hour 1)"]
    return told


def test_a_position_sold_at_a_close_is_sold_at_the_next_open() -> None:
    told = holding()
    assert told.session.by_hand.close_position("pos-1")
    told.candle("99 99 97 97.5")  # the low is below the stop, which is not there any more: it was sold at the open
    assert told.fills("manual") == ["manual 1 @ 100.1 (hour 1)", "manual 1 @ 98.9 (hour 2)"]
    assert told.audit.bare() == (1, [])


@pytest.mark.parametrize("minutes", [0, 20])
@pytest.mark.parametrize(("volume", "overdue"), [("100000", 0), ("0", 1)])
def test_a_sale_is_overdue_when_the_candle_at_whose_open_it_was_due_has_not_sold(
    minutes: int, volume: str, overdue: int
) -> None:
    """Begun at a close it is due at that open, and told an hour later; begun inside a candle, with the next one."""
    told = holding()
    told.wait(minutes)
    assert told.session.by_hand.close_position("pos-1")
    for _ in range(2 if minutes else 1):
        told.wait(59)
        assert AlertKind.OVERDUE not in told.alerts
        told.candle(QUIET, volume=volume)
    told.wait(1)
    assert told.alerts.count(AlertKind.OVERDUE) == overdue


def test_what_is_sold_inside_a_candle_keeps_its_stop_until_the_next_open() -> None:
    told = holding()
    told.wait(20)
    assert told.session.by_hand.close_position("pos-1")
    told.wait(40)
    assert [order.status for order in told.session.executor.orders.open_orders()] == ["open"]
    told.candle(QUIET)
    told.candle("99 99 99 99")
    assert told.fills()[1:] == ["manual 1 @ 98.9 (hour 3)"]
    assert told.audit.bare() == (2, [])


def test_a_stop_that_fires_before_its_sale_sells_and_nothing_is_sold_twice() -> None:
    told = holding()
    told.wait(20)
    assert told.session.by_hand.close_position("pos-1")
    told.candle("100 100 97 97")
    told.candle(QUIET)
    assert told.fills()[1:] == ["stop_loss 1 @ 97.9 (hour 2)"]  # 98 x 0.999 = 97.902
    assert told.session.wallet.total("BTC") == 0
    assert told.audit.bare() == (2, [])


def test_a_low_in_the_candle_of_the_purchase_sells_in_it() -> None:
    told = Told()
    told.candle(QUIET)
    buy(told)
    told.candle("100 101 97 100")
    assert told.fills() == ["manual 1 @ 100.1 (hour 1)", "stop_loss 1 @ 97.9 (hour 1)"]
    assert told.audit.bare() == (1, [])


@pytest.mark.parametrize(
    ("hour", "way_out"),
    [
        ("100 101 97 100", "stop_loss 1 @ 97.9 (hour 1)"),
        ("100 101 98.1 100", "manual 1 @ 98.9 (hour 2)"),
    ],
)
def test_what_is_to_be_closed_inside_the_candle_of_its_purchase_has_its_stop_there(hour: str, way_out: str) -> None:
    told = Told()
    told.candle(QUIET)
    buy(told)
    told.wait(20)
    assert told.session.by_hand.close_position("pos-1")
    told.candle(hour)
    told.candle("99 99 97 97.5")
    assert told.fills() == ["manual 1 @ 100.1 (hour 1)", way_out]
    assert told.session.wallet.total("BTC") == 0
    assert told.audit.bare()[1] == []


def test_a_candle_that_holds_both_stop_and_target_is_the_stops() -> None:
    told = holding(target="104")
    told.candle("100 105 97 105")
    told.candle(QUIET)
    assert told.fills()[1:] == ["stop_loss 1 @ 97.9 (hour 2)"]


def test_a_target_reached_at_a_close_is_taken_at_the_next_open() -> None:
    told = holding(target="104")
    told.candle("100 104 100 104")
    told.candle("105 105 90 90")  # 104.895
    assert told.fills()[1:] == ["take_profit 1 @ 104.8 (hour 3)"]
    assert told.audit.bare() == (2, [])


def test_a_position_held_for_long_enough_is_sold_at_the_next_open() -> None:
    protection = ProtectionSettings(max_holding_ns=2 * HOUR_NS)
    told = holding(desk=DeskSettings(protection=protection))  # known at the close of hour 1: until that of hour 3
    told.candle(QUIET)
    told.candle(QUIET)
    told.candle("99 99 90 90")
    assert told.fills()[1:] == ["time_exit 1 @ 98.9 (hour 4)"]
    assert told.audit.bare() == (3, [])


def test_a_stop_meets_its_markets_candle_though_another_market_was_told_first() -> None:
    protection = ProtectionSettings(max_holding_ns=2 * HOUR_NS)
    told = Told("AAA/USDT", "BTC/USDT", desk=DeskSettings(protection=protection))
    told.candle(QUIET, QUIET)
    buy(told)
    told.candle(QUIET, QUIET)
    told.candle(QUIET, QUIET)
    told.candle(QUIET, "100 100 97 97")  # its time is over with the first market's candle
    told.candle(QUIET, QUIET)
    assert told.fills()[1:] == ["stop_loss 1 @ 97.9 (hour 3)"]


def test_the_sale_of_a_part_is_one_act_too() -> None:
    told = holding()
    assert told.session.by_hand.reduce_position("pos-1", Decimal("0.4")) is None
    told.candle("99 99 97 97")
    assert told.fills()[1:] == ["stop_loss 0.6 @ 97.9 (hour 2)", "manual 0.4 @ 98.9 (hour 2)"]
    assert told.audit.bare() == (2, [])


def test_a_stop_moved_at_a_close_stands_there_at_the_open() -> None:
    told = holding()
    told.session.by_hand.amend(AmendRequest("tg-stop-1", price=Decimal("99")))
    told.candle("100 100 98.5 100")  # 99 x 0.999 = 98.901
    assert told.fills()[1:] == ["stop_loss 1 @ 98.9 (hour 2)"]


def test_a_breaker_sells_at_the_next_open() -> None:
    told = holding(stop=None, limits=RiskLimits())
    told.candle("100 100 10 10")  # -90 USDT of 10,000 is nothing; what it would be worth is looked at below
    told.session.by_hand.flat()
    told.candle("9.9 9.9 9.9 9.9")  # 9.8901
    assert told.fills()[1:] == ["manual 1 @ 9.8 (hour 3)"]


def test_no_time_passes_in_which_a_position_is_called_late() -> None:
    told = holding()
    told.session.by_hand.close_position("pos-1")
    told.candle(QUIET)
    alerts = [alert.kind for alert in told.session.take_batch(0, 0).alerts]
    assert AlertKind.PROTECTION_LATE not in alerts


def test_a_session_restored_between_a_close_and_its_open_goes_on_alike() -> None:
    def tale(cut: bool) -> list[str]:
        told = holding(target="104")
        told.session.advance_to(told.now_ns)
        told.hour += 1
        one = told.feed.instruments[0]
        bar = _bar(one.symbol, told, "1000 1040 1000 1040")
        told.session.on_event(bar)
        told.audit.candle(bar.candle)
        told.take()
        if cut:
            again = TradingSession(told.session.settings)
            for hour in (1, 2):
                again.observe(_bar(one.symbol, told, "1000 1005 995 1000", hour))
            again.observe(bar)
            again.restore(stored(told.session))
            told.session = again
        told.candle("105 105 90 90")
        return told.fills()

    assert tale(True) == tale(False)


def test_the_bag_buys_at_the_open_after_the_profit_is_known() -> None:
    half = Decimal("0.5")
    bag = HodlSettings(split={"USDT": half, "BTC": half}, thresholds={"USDT": Decimal(1), "BTC": Decimal(1)})
    told = holding(stop=None, hodl=bag)
    told.candle("200 200 200 200")
    told.session.by_hand.close_position("pos-1")
    told.candle("200 200 200 200")  # sold at 199.8; a tenth of some 99 USD is set aside, half of it for BTC
    told.candle("210 210 210 210")  # 210.21
    assert [words.split(" @ ")[1] for words in told.fills("hodl")] == ["210.3 (hour 4)"]


def test_a_rebalance_trades_at_the_open_of_the_moment_it_was_decided() -> None:
    before, day = crash_events()
    rebalance = RebalanceSettings(mode=RebalanceMode.DCA_24H)
    session = warm(TradingSession(crash_settings(decision=RULES, rebalance=rebalance)), before)
    audit = followed(session, day[: 9 * 180], MINUTE_NS)
    # Two coins in each of three batches.
    assert (audit.at_next_open["rebalance"], audit.late["rebalance"]) == (6, 0)


def test_time_that_passes_in_slices_changes_nothing() -> None:
    def told(slices: int) -> list[Any]:
        session = TradingSession(settings_for(crash_feed(), candle_ns=MINUTE_NS))
        fills: list[OrderFilled] = []
        before = 0
        for event in crash_events()[1][: 5 * 180]:
            for part in range(1, slices) if before else ():
                session.advance_to(before + (event.exchange_time_ns - before) * part // slices - 1)
            before = event.exchange_time_ns
            session.on_event(event)
            fills += session.take_batch(0, 0).fills
        return [(fill.client_order_id, fill.price, fill.time_ns) for fill in fills]

    whole = told(1)
    assert len(whole) > 5
    assert told(4) == whole


def followed(session: TradingSession, events: Iterable[MarketEvent], length_ns: int, models: Any = None) -> CandleAudit:
    audit = CandleAudit(length_ns)
    for event in events:
        if models is None:
            session.on_event(event)
        else:
            models.take(session, event)
        assert isinstance(event, CandleClosed)
        audit.candle(event.candle)
        if session.must_commit:
            audit.take(session.take_batch(0, 0).events)
    audit.take(session.take_batch(0, 0).events)
    return audit


@pytest.mark.slow
def test_models_that_think_inside_a_candle_leave_no_position_without_a_stop() -> None:
    """The crash of May 2021 by minutes, with six models: they answer seconds after a close."""
    before, day = crash_events()
    audit = followed(warm(TradingSession(crash_settings()), before), day, MINUTE_NS, ScriptedModels())
    looked, bare = audit.bare()
    assert looked > 100
    assert bare == []


@pytest.mark.slow
def test_every_entry_and_exit_of_three_years_of_hours_is_of_the_next_open(captures: Path) -> None:
    """The trader by rules on BTC/USDT and XRP/USDT, 2021-04 to 2023-12."""
    feed = open_replay(captures / "binance_ohlcv_1h_2021_2023")
    # Analyses change nothing of what a trader by rules does.
    settings = settings_for(feed, candle_ns=HOUR_NS, limits=RiskLimits(), decision=DecisionSettings(tasks=()))
    audit = followed(TradingSession(settings), feed.events(), HOUR_NS)
    looked, bare = audit.bare()
    assert not audit.late
    assert audit.at_next_open["entry"] > 150
    assert sum(audit.at_next_open[kind] for kind in ("signal", "take_profit", "time_exit", "breaker")) > 100
    assert looked > 1000
    assert bare == []


def _bar(symbol: str, told: Told, ticks: str, hour: int | None = None) -> CandleClosed:
    closes = START_NS + (told.hour if hour is None else hour) * HOUR_NS
    opened, high, low, close = (int(word) for word in ticks.split())
    bar = Candle(symbol, closes - HOUR_NS, HOUR_NS, opened, high, low, close, 10**13)
    return CandleClosed(symbol, closes, closes, bar)

"""The hodl bag against a scripted venue. BTC at 100, XRP at 2; lots of 0.001, smallest orders 0.05 BTC and 5 XRP.

With the fee of 0.4 % and the headroom of 0.5 % one BTC needs 100 x 1.005 x 1.004 = 100.902, one XRP 2.01804.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.execution.hodl_scene import Scene

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import DAY_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import Side
from triplegain.domain.records import PositionRecord
from triplegain.execution.hodl.settings import HodlSettings


@pytest.fixture(params=[False, True], ids=["one run", "a restart after every step"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(restarts=request.param)


def pending(scene: Scene) -> dict[str, str]:
    return {asset: f"{balance.pending:f}" for asset, balance in scene.balances.items()}


def test_a_tenth_of_a_profit_is_set_aside_and_split_and_the_rest_of_rounding_is_dollars(scene: Scene) -> None:
    scene.close("10.00000005")
    # 10 % of 10.00000005, cut to 1e-8, is 1.00000000; XRP and BTC get 0.3333 each, USDT the other 0.3334.
    assert pending(scene) == {"USDT": "0.3334", "XRP": "0.3333", "BTC": "0.3333"}
    assert (scene.aside, scene.free_usdt) == (Decimal(1), Decimal(9999))
    assert [(r.kind, r.asset, r.usd, r.position_id) for r in scene.records] == [
        ("allocated", "USDT", Decimal("0.3334"), "pos-1"),
        ("allocated", "XRP", Decimal("0.3333"), "pos-1"),
        ("allocated", "BTC", Decimal("0.3333"), "pos-1"),
    ]
    assert scene.drain_sent() == []


def test_nothing_is_kept_of_a_profit_below_one_dollar_but_small_profits_add_up(scene: Scene) -> None:
    scene.close("0.6")
    assert scene.aside == 0
    scene.close("0.6")
    assert scene.aside == Decimal("0.12")  # 10 % of 1.2
    assert scene.bag.state.allocation.mark.high_water == Decimal("1.2")


def test_a_loss_must_be_earned_back_before_anything_is_kept_again(scene: Scene) -> None:
    scene.close("100")
    assert scene.aside == 10
    scene.close("-80")
    scene.close("79")  # 99 in all, below the mark of 100
    scene.close("1.5")  # 100.5: half a dollar above it
    assert scene.aside == 10
    scene.close("10")  # 110.5: 10.5 above the mark of 100
    assert scene.aside == Decimal("11.05")
    assert scene.adds_up()


def test_an_account_that_loses_more_than_it_wins_keeps_nothing(scene: Scene) -> None:
    scene.close("-50")
    for _ in range(4):
        scene.close("10")
    assert scene.aside == 0
    assert scene.records == []


def test_one_profit_gives_at_most_a_thousand_and_a_day_at_most_five_thousand(scene: Scene) -> None:
    for profit in ("8000", "20000", "20000", "20000", "20000", "20000"):
        scene.close(profit)
    # 800 + 4 x 1000 leave 200 of the 5000 for the sixth.
    day = [record.usd or Decimal(0) for record in scene.kinds("allocated")]
    assert [sum(day[n : n + 3]) for n in range(0, 18, 3)] == [800, 1000, 1000, 1000, 1000, 200]
    scene.close("50")
    assert scene.aside == 5000
    scene.now_ns += DAY_NS - 3600 * SECOND_NS  # midnight UTC; nothing of what was cut off is caught up on
    scene.close("50")
    assert scene.aside == 5005


def test_dollars_are_kept_from_one_dollar_on_and_need_no_order(scene: Scene) -> None:
    scene.close("20")  # 0.6668 of 2
    assert scene.bag.holdings()["USDT"] == 0
    scene.close("20")
    assert scene.bag.holdings()["USDT"] == Decimal("1.3336")
    assert scene.balances["USDT"].cost == Decimal("1.3336")
    assert scene.balances["USDT"].pending == 0
    assert scene.drain_sent() == []
    assert scene.adds_up()


def test_coins_are_bought_once_their_share_has_reached_the_threshold(scene: Scene) -> None:
    scene.close("450")  # 14.9985 for BTC
    assert scene.drain_sent() == []
    scene.close("1")  # 15.03183; 15.03183 / 100.902 = 0.14897...
    assert scene.drain_sent() == ["tg-hodl-1: buy 0.148 BTC/USDT"]
    scene.accept("tg-hodl-1")
    scene.fill("tg-hodl-1", "0.148", "100", "0.0592")
    assert scene.bag.holdings()["BTC"] == Decimal("0.148")
    assert scene.balances["BTC"].cost == Decimal("14.8592")
    assert scene.balances["BTC"].pending == Decimal("0.17263")  # 15.03183 - 14.8592
    assert [(r.kind, r.client_order_id, r.quantity, r.usd) for r in scene.records[-2:]] == [
        ("sent", "tg-hodl-1", Decimal("0.148"), Decimal("14.8")),
        ("bought", "tg-hodl-1", Decimal("0.148"), Decimal("14.8592")),
    ]
    assert scene.adds_up()
    assert scene.words() == []


def test_the_exchanges_smallest_order_counts_where_it_is_more_than_the_threshold() -> None:
    scene = Scene()
    scene.prices["XRP/USDT"] = Decimal(6)  # five XRP cost 30.2706 with fee and headroom
    scene.close("900")  # 29.997 for XRP
    assert [line for line in scene.drain_sent() if "XRP" in line] == []
    assert scene.words() == []
    scene.close("10")  # 30.3303
    assert [line for line in scene.drain_sent() if "XRP" in line] == ["tg-hodl-2: buy 5.009 XRP/USDT"]


def test_a_refused_order_is_tried_three_times_thirty_seconds_apart_under_three_names(scene: Scene) -> None:
    scene.close("451")
    scene.drain_sent()
    scene.reject("tg-hodl-1")
    scene.wait(29)
    assert scene.drain_sent() == []
    scene.wait(1)
    assert scene.drain_sent() == ["tg-hodl-2: buy 0.148 BTC/USDT"]
    scene.reject("tg-hodl-2")
    scene.wait(30)
    scene.reject("tg-hodl-3")
    scene.wait(3600)
    assert [request.client_order_id for request in scene.placed] == ["tg-hodl-1", "tg-hodl-2", "tg-hodl-3"]
    assert [record.details["attempt"] for record in scene.kinds("failed")] == [1, 2, 3]
    assert scene.alerts[-1].kind is AlertKind.HODL_FAILED
    assert scene.words() == [
        "buying BTC has failed 3 times, last with: EService:Unavailable: the market is down; the money stays pending"
    ]
    scene.close("10")  # another allocation: another three attempts
    assert scene.drain_sent()[-1].startswith("tg-hodl-4: buy")
    assert scene.adds_up()


def test_what_is_due_and_cannot_be_done_is_due_again_later_and_never_now(scene: Scene) -> None:
    """A refused order, and then no price, or a halt: time must go on all the same."""
    scene.close("451")
    scene.reject("tg-hodl-1")
    scene.prices["BTC/USDT"] = None
    for _ in range(3):
        due_ns = scene.bag.due_ns
        assert due_ns is not None and due_ns > scene.now_ns
        scene.now_ns = due_ns
        scene.bag.on_timer(scene.now_ns)
    scene.prices["BTC/USDT"] = Decimal(100)
    scene.blocked = "trading is paused"
    scene.bag.on_timer(scene.now_ns)
    due_ns = scene.bag.due_ns
    assert due_ns is not None and due_ns > scene.now_ns
    scene.blocked = ""
    scene.drain_sent()
    scene.wait(30)
    assert scene.drain_sent() == ["tg-hodl-2: buy 0.148 BTC/USDT"]


def test_an_order_without_an_answer_is_the_same_order_when_it_is_sent_again(scene: Scene) -> None:
    scene.close("451")
    scene.wait(3600)
    assert [request.client_order_id for request in scene.placed] == ["tg-hodl-1", "tg-hodl-1", "tg-hodl-1"]
    assert len(set(scene.placed)) == 1
    assert scene.words() == ["tg-hodl-1 waits: the exchange has not said how it ended"]
    scene.close("5000")  # much more is pending, but nothing is sent beside an order in doubt
    assert [r.symbol for r in scene.placed[3:]] == ["XRP/USDT"]


def test_an_order_the_venue_knows_is_waited_for_and_not_sent_again(scene: Scene) -> None:
    scene.close("451")
    scene.accept("tg-hodl-1")
    scene.wait(600)
    assert len(scene.placed) == 1
    scene.fill("tg-hodl-1", "0.148", "100")
    scene.wait(600)
    assert len(scene.placed) == 1
    assert scene.bag.holdings()["BTC"] == Decimal("0.148")


def test_what_a_thin_book_did_not_give_is_bought_later(scene: Scene) -> None:
    scene.close("1400")  # 46.662 for BTC: 0.462
    assert "tg-hodl-2: buy 0.462 BTC/USDT" in scene.drain_sent()
    scene.accept("tg-hodl-2")
    scene.fill("tg-hodl-2", "0.1", "100")
    scene.finish("tg-hodl-2")
    assert scene.balances["BTC"].pending == Decimal("36.662")
    assert scene.drain_sent() == []
    scene.accept("tg-hodl-1")
    scene.wait(30)
    assert scene.drain_sent() == ["tg-hodl-3: buy 0.363 BTC/USDT"]  # 36.662 / 100.902 = 0.3633
    assert scene.adds_up()


def test_a_fill_dearer_than_half_a_percent_is_told(scene: Scene) -> None:
    scene.close("451")
    scene.accept("tg-hodl-1")
    scene.fill("tg-hodl-1", "0.148", "100.5")  # exactly 0.5 % is not above it
    assert scene.words() == []
    scene.close("500")
    scene.wait(30)
    name = [r for r in scene.placed if r.symbol == "BTC/USDT"][-1].client_order_id
    quantity = [r for r in scene.placed if r.symbol == "BTC/USDT"][-1].quantity
    scene.accept(name)
    scene.fill(name, str(quantity), "101")
    assert scene.alerts[-1].kind is AlertKind.HODL_SLIPPAGE
    assert scene.words() == [f"{name} was filled 1 % above the 100 it was decided on"]


def test_a_purchase_that_cost_more_than_was_pending_is_paid_back_by_the_next_allocation(scene: Scene) -> None:
    scene.close("451")
    scene.accept("tg-hodl-1")
    scene.fill("tg-hodl-1", "0.148", "110")  # 16.28 of 15.03183
    assert scene.balances["BTC"].pending == Decimal("-1.24817")
    assert scene.adds_up()
    scene.close("100")  # 3.333 for BTC
    assert scene.balances["BTC"].pending == Decimal("2.08483")


def test_a_profit_in_bitcoin_waits_for_a_price_and_keeps_the_later_ones_waiting(scene: Scene) -> None:
    scene.prices["BTC/USDT"] = None
    scene.close("0.5", symbol="XRP/BTC", usd=None)
    scene.close("-40")
    assert scene.aside == 0
    assert scene.words() == ["the profit of closed positions waits: BTC has no fresh price in USD"]
    scene.prices["BTC/USDT"] = Decimal(100)
    scene.wait(30)
    assert scene.aside == 5  # 10 % of 50; the loss of 40 came after it
    scene.close("30")  # 40 in all, below the mark of 50
    assert scene.aside == 5


def test_without_free_dollars_the_share_is_owed_and_said_once(scene: Scene) -> None:
    scene.free_usdt = Decimal("9.99")
    scene.close("100")
    scene.wait(300)
    assert (scene.aside, scene.due) == (Decimal(0), Decimal(10))
    assert scene.words() == ["setting money aside waits: not enough free USDT for the 10 of pos-1"]
    scene.free_usdt = Decimal(10)
    scene.wait(30)
    assert (scene.aside, scene.due, scene.free_usdt) == (Decimal(10), Decimal(0), Decimal(0))


def test_without_a_fresh_price_nothing_is_bought(scene: Scene) -> None:
    scene.prices["BTC/USDT"] = None
    scene.close("451", usd="451")
    scene.wait(90)
    assert scene.drain_sent() == []
    assert scene.words() == ["buying BTC waits: no fresh price of BTC/USDT"]
    scene.prices["BTC/USDT"] = Decimal(100)
    scene.wait(30)
    assert scene.drain_sent() == ["tg-hodl-1: buy 0.148 BTC/USDT"]


def test_while_trading_is_halted_nothing_is_set_aside_or_bought(scene: Scene) -> None:
    scene.blocked = "trading is halted: the emergency stop"
    scene.close("451")
    assert scene.aside == 0
    assert scene.drain_sent() == []
    assert scene.words() == ["setting money aside waits: trading is halted: the emergency stop"]
    scene.blocked = ""
    scene.wait(30)
    assert scene.drain_sent() == ["tg-hodl-1: buy 0.148 BTC/USDT"]


def test_once_a_day_the_bag_is_valued_and_an_unknown_price_is_no_price(scene: Scene) -> None:
    scene.close("451")
    scene.accept("tg-hodl-1")
    scene.fill("tg-hodl-1", "0.148", "100")
    scene.prices["BTC/USDT"] = Decimal(120)
    scene.wait(3 * 86_400)
    valued = [(r.asset, r.quantity, r.usd) for r in scene.kinds("valued")]
    assert len(valued) == 9  # three assets on three midnights
    assert (
        valued[:3]
        == [
            ("USDT", Decimal("15.03634"), Decimal("15.03634")),  # 45.1 - 2 x 15.03183
            ("XRP", Decimal(0), Decimal(0)),
            ("BTC", Decimal("0.148"), Decimal("17.76")),
        ]
        or scene.bag.holdings()["XRP"] > 0
    )
    scene.prices["BTC/USDT"] = None
    scene.wait(86_400)
    assert scene.kinds("valued")[-1].usd is None


def test_an_asset_without_a_market_stays_pending_and_says_so_once() -> None:
    split = {"USDT": Decimal("0.5"), "SOL": Decimal("0.5")}
    scene = Scene(HodlSettings(split=split, thresholds={"USDT": Decimal(1), "SOL": Decimal(15)}))
    scene.close("400")
    scene.close("400")
    assert pending(scene) == {"USDT": "0", "SOL": "40"}
    assert scene.words() == ["buying SOL waits: SOL/USDT is not traded in this session"]


def test_an_open_position_has_no_profit_to_count(scene: Scene) -> None:
    record = PositionRecord(
        *("pos-1", "BTC/USDT", Side.BUY, 1, Decimal(1), Decimal(1), Decimal(100)),
        *(Decimal(5), Decimal(5), Decimal(0), 1, 2),
    )
    with pytest.raises(InvalidValueError, match="pos-1 is not closed"):
        scene.bag.on_position_closed(record, scene.now_ns)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": {"USDT": Decimal("0.5")}}, "adds up to 50, not to 100"),
        ({"split": {"BTC": Decimal(1)}}, "must name the currency USDT"),
        ({"thresholds": {"USDT": Decimal(1)}}, "nothing for XRP, BTC"),
    ],
)
def test_settings_that_do_not_add_up_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        replace(HodlSettings(), **change)

"""Edits, batches, conditional closes and the dead man's switch in a session, with its desk and its record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.session.test_session_commands import AUDIT, play
from tests.session.test_venue_conditions import PAIR, Scene

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.commands import (
    CancelAllAfter,
    CancelOrders,
    Done,
    EditOrder,
    NotDone,
    PlaceBatch,
    PlaceOrder,
    ValidateOrder,
)
from triplegain.domain.ids import Origin
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderOptions, OrderRequest, Side
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import Iceberg
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.session.commands import SessionCommands
from triplegain.session.trading_session import TradingSession


@pytest.fixture
def scene(open_session: Any, market: Any) -> Scene:
    feed = market(seconds=900)
    settings = ExchangeSettings(account_tier=AccountTier.PRO)

    def again() -> TradingSession:
        session: TradingSession = open_session(feed, baseline=None, exchange=settings)
        return session

    made = Scene(again(), feed.events(), again)
    made.play(2)
    return made


def buy(name: str, price: str | None = "50000", **options: Any) -> OrderRequest:
    terms = Market() if price is None else Limit(Decimal(price))
    return OrderRequest(name, PAIR, Side.BUY, Decimal("0.01"), terms, options=OrderOptions(**options))


def edit(scene: Scene, name: str, new: str, price: str) -> None:
    sent = scene.session.by_hand.edit(scene.order(name), new, None, Decimal(price), None)
    assert not isinstance(sent, Refusal), sent
    scene.play(1)


# -- edits ---------------------------------------------------------------------------------------------------------


def test_an_edited_entry_is_another_position_with_the_same_stop(scene: Scene) -> None:
    scene.session.by_hand.place(buy("first"), Decimal(40_000), Decimal(200_000))
    scene.play(1)
    scene.sent()
    edit(scene, "first", "second", "150000")
    told = scene.sent()
    assert told[:3] == [("cancelled", "first"), ("accepted", "second"), ("filled", "second")]
    [position] = scene.session.desk.open_positions()
    assert (position.position_id, position.quantity) == ("pos-2", Decimal("0.01"))
    protection = scene.session.desk.protection("pos-2")
    assert protection is not None and (protection.stop, protection.target) == (Decimal(40_000), Decimal(200_000))
    assert told[3] == ("accepted", "tg-stop-1")


def test_an_edit_goes_by_the_terms_as_amended(scene: Scene) -> None:
    asked = Iceberg(Decimal("50000"), Decimal("0.002"))
    scene.session.by_hand.place(replace(buy("first"), terms=asked), None)
    scene.play(1)
    scene.session.by_hand.amend(AmendRequest("first", display=Decimal("0.005")))
    scene.play(1)
    record = scene.order("first")
    assert (record.request.terms, record.request_now.terms) == (asked, replace(asked, display=Decimal("0.005")))
    edit(scene, "first", "second", "51000")
    assert scene.order("second").request.terms == Iceberg(Decimal("51000"), Decimal("0.005"))


def test_an_edit_that_the_exchange_refuses_changes_nothing(scene: Scene) -> None:
    scene.session.by_hand.place(buy("first"), Decimal(40_000))
    scene.play(1)
    edit(scene, "first", "second", "50000.05")
    assert scene.sent()[-1] == ("rejected", "second")
    assert (scene.order("first").status, scene.order("second").code) == ("open", "EOrder:Tick size check failed")
    assert [each.position_id for each in scene.session.desk.open_positions()] == ["pos-1"]


def test_a_stop_of_a_position_is_not_edited_by_hand(scene: Scene) -> None:
    scene.buy()
    scene.play(1)
    sent = scene.session.by_hand.edit(scene.order("tg-stop-1"), "mine", None, Decimal(51_000), None)
    assert isinstance(sent, Refusal) and "pos-1" in sent.reason


# -- conditional close ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_fill_opens_belongs_to_no_position_and_survives_a_restart(scene: Scene, restarts: bool) -> None:
    scene.session.by_hand.place(buy("first", None, close=Limit(Decimal(200_000))))
    scene.play(1)
    assert scene.session.desk.open_positions() == ()
    answers = scene.sent()
    assert answers[-1] == ("accepted", "tg-close-1-1")
    closing = scene.order("tg-close-1-1")
    assert (closing.request.side, closing.request.options.closes) == (Side.SELL, "first")
    if restarts:
        scene.restart()
        scene.play(1)
    assert scene.session.exchange.wallet.held("BTC") == scene.session.exchange.wallet.total("BTC") > 0
    assert not isinstance(scene.session.by_hand.cancel("tg-close-1-1"), Refusal)
    scene.play(1)
    assert scene.order("tg-close-1-1").status == "cancelled"


def test_with_a_conditional_close_there_is_no_stop_beside_it(scene: Scene) -> None:
    refused = scene.session.by_hand.place(buy("first", None, close=Limit(Decimal(200_000))), Decimal(40_000))
    assert isinstance(refused, Refusal)


# -- the switch ----------------------------------------------------------------------------------------------------


def test_the_switch_takes_stops_too_and_the_desk_places_them_again(scene: Scene) -> None:
    scene.buy()
    scene.session.by_hand.place(buy("low"))
    scene.play(1)
    scene.sent()
    switch = scene.session.by_hand.cancel_all_after(5)
    assert not isinstance(switch, Refusal) and switch.cancels_at_ns is not None
    scene.play(7)
    told = scene.sent()
    assert {("cancelled", "tg-stop-1"), ("cancelled", "low"), ("accepted", "tg-stop-2")} <= set(told)
    assert AlertKind.STOP_LOST in scene.alerts
    assert scene.session.positions_left() == ("pos-1",)


# -- commands ------------------------------------------------------------------------------------------------------


async def test_commands_are_answered_when_the_exchange_has(open_session: Any, market: Any) -> None:
    asked = (PlaceOrder(buy("a")), PlaceOrder(buy("b", "49000")))

    async def act(commands: SessionCommands, session: TradingSession) -> None:
        placed = await commands.submit(PlaceBatch(asked), Origin.HAND, AUDIT)
        assert isinstance(placed, Done) and [each.status for each in placed.record] == ["open", "open"]
        again = await commands.submit(PlaceBatch(asked), Origin.HAND, AUDIT)
        assert isinstance(again, Done) and again.again and again.record == placed.record
        part = await commands.submit(PlaceBatch((asked[0], PlaceOrder(buy("c")))), Origin.HAND, AUDIT)
        assert isinstance(part, NotDone) and part.refusal.code == "client_order_id_in_use"
        alone = await commands.submit(PlaceBatch(asked[:1]), Origin.HAND, AUDIT)
        assert isinstance(alone, NotDone) and alone.refusal.code == "EGeneral:Invalid arguments:orders"
        asks = ValidateOrder(buy("q", "50000.05"))
        answer = await commands.submit(asks, Origin.HAND, AUDIT)
        assert isinstance(answer, NotDone) and answer.refusal.code == "EOrder:Tick size check failed"
        good = await commands.submit(ValidateOrder(buy("q")), Origin.HAND, AUDIT)
        assert isinstance(good, Done) and session.executor.orders.by_client_id("q") is None
        change = EditOrder("a", "d", price=Decimal(48_000))
        edited = await commands.submit(change, Origin.HAND, AUDIT)
        assert isinstance(edited, Done) and edited.record.price == Decimal(48_000)
        twice = await commands.submit(change, Origin.HAND, AUDIT)
        assert isinstance(twice, Done) and twice.again
        over = await commands.submit(EditOrder("a", "e", price=Decimal(47_000)), Origin.HAND, AUDIT)
        assert isinstance(over, NotDone) and over.refusal.code == "order_final"
        later = replace(buy("later"), options=OrderOptions(starts_at_ns=session.now_ns + 600 * SECOND_NS))
        waits = await commands.submit(PlaceOrder(later), Origin.HAND, AUDIT)
        assert isinstance(waits, Done) and waits.record.status == "pending"
        gone = await commands.submit(CancelOrders(("b", "d", "later", "a")), Origin.HAND, AUDIT)
        assert isinstance(gone, Done) and set(gone.record.cancelled) == {"b", "d", "later"}
        assert set(gone.record.left) == {"a"}
        switch = await commands.submit(CancelAllAfter(60), Origin.HAND, AUDIT)
        assert isinstance(switch, Done) and switch.record.cancels_at_ns is not None
        assert switch.record.cancels_at_ns - switch.record.set_at_ns > 60 * SECOND_NS

    batches = await play(open_session, market, act, beside=True)
    kinds = [event.kind for batch in batches for event in batch.events]
    assert kinds.count("scheduled") == 1

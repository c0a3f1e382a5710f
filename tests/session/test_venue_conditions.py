"""What stands between a session and its exchange: a market it has closed, a clock behind ours, a limit of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import stored
from tests.session.test_session_commands import AUDIT, play

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.commands import CancelAll, Flat, NotDone, PlaceOrder, Stands
from triplegain.domain.exchange_events import OrderSubmitted
from triplegain.domain.ids import Origin
from triplegain.domain.market import (
    BookUpdate,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, Side, TimeInForce
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.session.commands import SessionCommands
from triplegain.session.trading_session import TradingSession

PAIR = "BTC/USDT"
CLOSED = "Kraken is in maintenance mode"


@dataclass
class Scene:
    """A session on a made-up market, and all it said so far."""

    session: TradingSession
    events: Iterator[MarketEvent]
    again: Callable[[], TradingSession]
    said: list[Any] = field(default_factory=list)

    def play(self, seconds: float) -> None:
        until_ns = self.session.now_ns + int(seconds * SECOND_NS)
        for event in self.events:
            self.session.on_event(event)
            if event.exchange_time_ns >= until_ns:
                break

    def status(self, state: FeedState, words: str = "") -> None:
        now_ns = self.session.now_ns
        self.session.on_event(FeedStatus(PAIR, now_ns, now_ns, state, words))

    def wait(self, seconds: float) -> None:
        """Nothing is said of the market, and time passes."""
        until_ns = self.session.now_ns + int(seconds * SECOND_NS)
        self.session.advance_to(until_ns)
        self.session.on_event(Heartbeat(until_ns, until_ns))

    def buy(self) -> None:
        request = OrderRequest("in", PAIR, Side.BUY, Decimal("0.01"), Market())
        assert not isinstance(self.session.by_hand.place(request, Decimal(50_000)), Refusal)
        self.play(1)

    def sent(self) -> list[tuple[str, str]]:
        """Kind and order of everything the exchange answered since this was asked last."""
        batch = self.session.take_batch(0, 0)
        self.said += batch.alerts
        answers = [event for event in batch.events if not isinstance(event, OrderSubmitted)]
        return [(answer.kind, answer.client_order_id) for answer in answers]

    @property
    def alerts(self) -> list[AlertKind]:
        self.said += self.session.take_batch(0, 0).alerts
        return [alert.kind for alert in self.said]

    def order(self, name: str) -> OrderRecord:
        found = self.session.executor.orders.by_client_id(name)
        assert found is not None
        return found

    def restart(self) -> None:
        """A live session goes on from what is stored."""
        parts = stored(self.session)
        self.session = self.again()
        self.session.restore(parts)
        self.session.begin_away()


@pytest.fixture
def scene(open_session: Any, market: Any) -> Scene:
    """A position of 0.01 BTC under a stop far below the market."""
    feed = market(seconds=900)
    settings = ExchangeSettings(account_tier=AccountTier.STARTER)

    def again() -> TradingSession:
        session: TradingSession = open_session(feed, baseline=None, exchange=settings)
        return session

    made = Scene(again(), feed.events(), again)
    made.play(2)
    made.buy()
    made.sent()
    return made


# -- closed by the exchange --------------------------------------------------------------------------------------------


def test_in_maintenance_flat_stands_without_a_command_and_goes_out_at_the_opening(scene: Scene) -> None:
    scene.status(FeedState.MAINTENANCE, CLOSED)
    assert scene.session.by_hand.flat() == ("pos-1",)
    scene.wait(120)
    assert scene.sent() == []
    assert CLOSED in scene.session.why_stands([PAIR])
    scene.status(FeedState.SYNCED)
    scene.play(1)
    assert scene.sent() == [("cancelled", "tg-stop-1"), ("accepted", "tg-exit-1"), ("filled", "tg-exit-1")]
    assert scene.session.positions_left() == ()


def test_what_stands_survives_a_restart_in_the_maintenance(scene: Scene) -> None:
    scene.status(FeedState.MAINTENANCE, CLOSED)
    scene.session.by_hand.flat()
    scene.restart()
    scene.wait(30)
    assert scene.sent() == []
    scene.status(FeedState.SYNCED)
    scene.play(1)
    assert [kind for kind, _ in scene.sent()] == ["cancelled", "accepted", "filled"]


def test_a_moved_stop_stands_and_is_moved_at_the_opening(scene: Scene) -> None:
    scene.status(FeedState.MAINTENANCE, CLOSED)
    assert scene.session.by_hand.amend(AmendRequest("tg-stop-1", price=Decimal(51_000))) == 0
    scene.wait(60)
    assert (scene.sent(), scene.order("tg-stop-1").price) == ([], Decimal(50_000))
    scene.status(FeedState.SYNCED)
    scene.play(1)
    assert scene.sent() == [("amended", "tg-stop-1")]
    assert scene.order("tg-stop-1").price == Decimal(51_000)


def test_a_stop_that_met_the_closing_door_is_placed_at_the_opening_and_the_position_is_kept(scene: Scene) -> None:
    """Its entry filled, then the exchange closed while the stop was on its way."""
    request = OrderRequest("second", PAIR, Side.BUY, Decimal("0.01"), Market())
    scene.session.by_hand.place(request, Decimal(50_000))
    while ("filled", "second") not in scene.sent():
        scene.session.on_event(next(scene.events))
    while scene.session.executor.orders.by_client_id("tg-stop-2") is None:
        scene.session.on_event(next(scene.events))
    scene.status(FeedState.MAINTENANCE, CLOSED)
    scene.wait(60)
    assert ("rejected", "tg-stop-2") in scene.sent()
    scene.status(FeedState.SYNCED)
    scene.play(1)
    assert scene.sent() == [("accepted", "tg-stop-3")]
    assert scene.session.positions_left() == ("pos-1", "pos-2")


def test_the_closing_is_alerted_once_and_a_way_out_that_waits_names_it(scene: Scene) -> None:
    scene.status(FeedState.MAINTENANCE, CLOSED)
    scene.session.by_hand.flat()
    scene.wait(3600)
    assert scene.alerts.count(AlertKind.MARKET_CLOSED) == 1
    (overdue,) = [alert for alert in scene.said if alert.kind is AlertKind.OVERDUE]
    assert CLOSED in overdue.message


def test_an_own_order_cannot_be_cancelled_meanwhile_and_its_date_counts_at_the_opening(scene: Scene) -> None:
    expires_ns = scene.session.now_ns + 20 * SECOND_NS
    request = OrderRequest("bid", PAIR, Side.BUY, Decimal("0.01"), Limit(Decimal(40_000)), TimeInForce.GTD, expires_ns)
    scene.session.by_hand.place(request)
    scene.play(1)
    scene.status(FeedState.MAINTENANCE, CLOSED)
    scene.session.by_hand.cancel("bid")
    scene.wait(60)
    assert [kind for kind, name in scene.sent() if name == "bid"] == ["accepted", "refused"]
    scene.status(FeedState.SYNCED)
    assert scene.sent() == [("cancelled", "bid")]
    assert scene.order("bid").status == "expired"


def test_where_we_are_only_blind_flat_takes_the_stop_back_at_once(scene: Scene) -> None:
    scene.status(FeedState.GAP, "connection lost")
    scene.session.by_hand.flat()
    scene.wait(1)
    assert scene.sent()[0] == ("cancelled", "tg-stop-1")
    assert scene.session.why_stands([PAIR]) == ""


# -- trades that cannot have been -------------------------------------------------------------------------------------


def test_a_trade_that_cannot_have_been_moves_no_candle_and_is_told_once_a_minute(scene: Scene) -> None:
    candles = scene.session.market_view.views[PAIR].candles.unfinished["1m"]
    last = scene.session.exchange.markets[PAIR].last

    def slip() -> None:
        now_ns = scene.session.now_ns
        before = candles.seen()
        scene.session.on_event(PublicTrade(PAIR, now_ns, now_ns, 1, 10**8, Side.SELL, "9999999"))
        assert candles.seen() == before

    for _ in range(3):
        slip()
    assert (scene.session.exchange.markets[PAIR].last, scene.alerts) == (last, [AlertKind.TRADE_DOUBTED])
    scene.restart()
    slip()
    assert AlertKind.TRADE_DOUBTED not in scene.alerts[1:]
    scene.play(61)
    slip()
    assert scene.alerts[1:].count(AlertKind.TRADE_DOUBTED) == 1


# -- a clock behind ours -----------------------------------------------------------------------------------------------


# -- other steps -------------------------------------------------------------------------------------------------------


def test_where_the_exchange_counts_in_other_steps_nothing_is_sent_but_cancels_and_it_is_said_once(scene: Scene) -> None:
    words = "Kraken has changed the steps of BTC/USDT"
    resting = OrderRequest("low", PAIR, Side.BUY, Decimal("0.01"), Limit(Decimal(50_000)))
    assert not isinstance(scene.session.by_hand.place(resting), Refusal)
    scene.play(1)
    scene.sent()
    scene.status(FeedState.STEPS_CHANGED, words)
    assert scene.session.exchange.markets[PAIR].condition == words
    assert scene.alerts == [AlertKind.STEPS_CHANGED]
    scene.session.by_hand.place(OrderRequest("x", PAIR, Side.BUY, Decimal("0.01"), Market()))
    scene.session.by_hand.cancel("low")
    scene.wait(5)
    assert scene.sent() == [("rejected", "x"), ("cancelled", "low")]
    assert scene.order("x").reason == f"matching of {PAIR} is paused: {words}"
    scene.status(FeedState.SYNCED)
    assert scene.session.exchange.markets[PAIR].condition == ""


def behind(scene: Scene, seconds: float) -> None:
    """The feed says a time that long before the session's."""
    time_ns = scene.session.now_ns - int(seconds * SECOND_NS)
    scene.session.on_event(TimePassed(time_ns, scene.session.now_ns))


def test_a_clock_behind_ours_is_a_condition_and_orders_are_refused_in_words_at_once(scene: Scene) -> None:
    behind(scene, 16)
    words = "the exchange's clock is 16 s behind this session"
    refused = scene.session.by_hand.place(OrderRequest("x", PAIR, Side.BUY, Decimal("0.01"), Market()))
    assert isinstance(refused, Refusal)
    assert refused.code is Code.UNAVAILABLE
    assert words in refused.reason
    assert isinstance(scene.session.by_hand.cancel("tg-stop-1"), Refusal)
    assert scene.session.conditions.why_unready == words
    assert scene.session.exchange.markets[PAIR].condition == words
    assert scene.session.prices.quote(PAIR) is None
    assert scene.alerts.count(AlertKind.CLOCK_BEHIND) == 1


def test_it_ends_when_the_clock_has_caught_up_and_what_stood_goes_out(scene: Scene) -> None:
    now_ns = scene.session.now_ns
    behind(scene, 16)
    scene.session.by_hand.flat()
    assert "16 s behind" in scene.session.why_stands([PAIR])
    behind(scene, 1)
    assert scene.session.conditions.clock.words == "the exchange's clock is 1 s behind this session"
    assert (scene.sent(), scene.session.now_ns) == ([], now_ns)
    scene.play(1)
    assert scene.session.conditions.clock.words == ""
    assert [kind for kind, _ in scene.sent()] == ["cancelled", "accepted", "filled"]
    assert scene.alerts.count(AlertKind.CLOCK_BEHIND) == 1


def test_a_small_lag_is_none(scene: Scene) -> None:
    behind(scene, 4.9)
    assert scene.session.conditions.clock.words == ""


def test_what_is_told_of_an_earlier_time_says_nothing_of_the_clock(scene: Scene) -> None:
    """The trades of the time away begin with the time of the last one, and a book may be older than its message."""
    before_ns = scene.session.now_ns - 60 * SECOND_NS
    scene.session.on_event(FeedStatus(PAIR, before_ns, before_ns, FeedState.CATCH_UP, "the trades since"))
    levels = ((600_000, 10**8),), ((600_001, 10**8),)
    scene.session.on_event(BookUpdate(PAIR, before_ns, before_ns, *levels, snapshot=True))
    assert scene.session.conditions.clock.words == ""
    scene.session.on_event(BookUpdate(PAIR, before_ns, before_ns, *levels))
    assert scene.session.conditions.clock.words == ""
    scene.session.on_event(FeedStatus(PAIR, before_ns, before_ns, FeedState.SYNCED, "the book is back"))
    assert scene.session.conditions.clock.words == "the exchange's clock is 60 s behind this session"


def test_a_price_is_as_old_as_it_says_and_not_as_young_as_our_time(scene: Scene) -> None:
    scene.wait(3)
    told_ns = scene.session.now_ns - 2 * SECOND_NS
    levels = ((600_000, 10**8),), ((600_001, 10**8),)
    scene.session.on_event(BookUpdate(PAIR, told_ns, scene.session.now_ns, *levels, snapshot=True))
    quote = scene.session.prices.quote(PAIR)
    assert quote is not None
    assert quote.exchange_time_ns == told_ns


# -- room for ways out -------------------------------------------------------------------------------------------------


def flood(scene: Scene, orders: int) -> list[Refusal]:
    """So many orders at once, far from the market; those that were not sent."""
    answers = []
    for number in range(orders):
        request = OrderRequest(f"f{number}", PAIR, Side.BUY, Decimal("0.001"), Limit(Decimal(20_000)))
        answers.append(scene.session.by_hand.place(request))
    return [each for each in answers if isinstance(each, Refusal)]


def test_a_flood_of_orders_leaves_room_for_the_way_out(scene: Scene) -> None:
    """The exchange counts to 60. Every order may become a position, so half of that is kept for their ways out."""
    refused = flood(scene, 100)
    assert 70 <= len(refused) <= 74
    assert {each.code for each in refused} == {Code.RATE_LIMIT}
    scene.play(0.5)
    scene.sent()
    scene.session.by_hand.flat()
    scene.play(1)
    assert [kind for kind, name in scene.sent() if name.startswith("tg-")] == ["cancelled", "accepted", "filled"]


def test_a_stop_is_not_taken_back_before_its_sale_is_within_the_limit(scene: Scene) -> None:
    """The counter stands at 59.9: the sale would be refused, so the stop stays until there is room."""
    rate = scene.session.exchange.markets[PAIR].rate
    rate.value, rate.at_ns = 59_900, scene.session.now_ns
    scene.session.by_hand.flat()
    scene.play(3)
    assert scene.sent() == []
    assert scene.order("tg-stop-1").status == "open"
    scene.play(9)
    assert [kind for kind, _ in scene.sent()] == ["cancelled", "accepted", "filled"]


def test_a_part_that_is_refused_changes_nothing_and_alerts_nobody(scene: Scene) -> None:
    before = stored(scene.session)
    refused = scene.session.by_hand.reduce_position("pos-1", Decimal("0.00001"))
    assert isinstance(refused, Refusal)
    assert stored(scene.session) == before
    assert AlertKind.NOT_REDUCED not in scene.alerts


@pytest.mark.parametrize("price", ["1.1e19", "NaN", "Infinity"])
def test_a_target_beyond_all_prices_is_refused(scene: Scene, price: str) -> None:
    request = OrderRequest("x", PAIR, Side.BUY, Decimal("0.01"), Market())
    assert isinstance(scene.session.by_hand.place(request, target=Decimal(price)), Refusal)


async def test_the_door_says_that_it_stands_and_of_what_would_not_be_heard_that_it_is_not_done(
    open_session: Any, market: Any
) -> None:
    answers: list[Any] = []

    async def act(door: SessionCommands, session: TradingSession) -> None:
        request = OrderRequest("in", PAIR, Side.BUY, Decimal("0.01"), Market())
        await door.submit(PlaceOrder(request, Decimal(50_000)), Origin.HAND, AUDIT)
        session.on_event(FeedStatus(PAIR, session.now_ns, session.now_ns, FeedState.MAINTENANCE, CLOSED))
        answers.append(await door.submit(Flat(), Origin.HAND, AUDIT))
        session.on_event(TimePassed(session.now_ns - 16 * SECOND_NS, session.now_ns))
        answers.append(await door.submit(CancelAll(), Origin.HAND, AUDIT))

    await play(open_session, market, act, beside=True)
    stands, unheard = answers
    assert isinstance(stands, Stands)
    assert stands.record.positions == ("pos-1",)
    assert CLOSED in stands.why
    assert isinstance(unheard, NotDone)
    assert unheard.refusal.code is Code.UNAVAILABLE

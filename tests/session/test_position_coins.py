"""Coins of a position are spent by nobody else: not at a price that slips, not by what overtakes on the way."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from tests.examples import seeds

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderStatus, OrderTerms, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.quote import QuoteSource
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.execution.settings import DeskSettings
from triplegain.risk.limits import RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

MS = 1_000_000
BTC, _, XRP = KRAKEN_OFFLINE_DEFAULTS
START_NS = 1_767_225_600_000 * MS
RATIO = 2000  # ticks of 1e-8 BTC


def open_session(
    xrp: MarketDepth = MarketDepth.BOOK, jitter_ms: int = 0, seed: int = 0, partial_fills: bool = False
) -> TradingSession:
    """1,000,000 USDT, half a BTC that is free, and a position of 1 BTC without a stop, at 100,000."""
    session = TradingSession(
        SessionSettings(
            session_id="coins",
            created_at_ns=0,
            instruments={BTC: MarketDepth.BOOK, XRP: xrp},
            source=QuoteSource.DEMO,
            initial_balances={"USDT": Decimal(1_000_000), "BTC": Decimal("0.5"), "XRP": Decimal(0)},
            exchange=ExchangeSettings(
                seed=seed, jitter_ns=jitter_ms * MS, account_tier=AccountTier.UNLIMITED, partial_fills=partial_fills
            ),
            desk=DeskSettings(),
            limits=RiskLimits(),
            baseline=None,
            candle_ns=60_000 * MS,
        )
    )
    book(session, BTC.symbol, 0, 1_000_000)
    ratio(session, 1, RATIO)
    place(session, "held", "BTC/USDT", Side.BUY, "1")
    later(session, 1000)
    assert session.executor.positions.owned("BTC") == 1
    return session


def book(session: TradingSession, symbol: str, at_ms: int, bid: int) -> None:
    time_ns = START_NS + at_ms * MS
    lots = 50 * 10**8 if symbol == "BTC/USDT" else 10**6 * 10**8
    bids, asks = (tuple((bid + sign * n + (sign > 0), lots) for n in range(5)) for sign in (-1, 1))
    session.on_event(BookUpdate(symbol, time_ns, time_ns, bids, asks, snapshot=True))


def ratio(session: TradingSession, at_ms: int, price: int) -> None:
    """XRP/BTC stands there now."""
    time_ns = START_NS + at_ms * MS
    if session.exchange.markets["XRP/BTC"].depth is MarketDepth.BOOK:
        book(session, "XRP/BTC", at_ms, price)
    session.on_event(PublicTrade("XRP/BTC", time_ns, time_ns, price, 10**6 * 10**8, Side.BUY))


def later(session: TradingSession, milliseconds: int) -> int:
    session.advance_to(max(session.now_ns, START_NS) + milliseconds * MS)
    return (session.now_ns - START_NS) // MS


def place(
    session: TradingSession, name: str, symbol: str, side: Side, quantity: str, terms: OrderTerms | None = None
) -> OrderRequest | Refusal:
    return session.by_hand.place(OrderRequest(name, symbol, side, Decimal(quantity), terms or Market()))


def order(session: TradingSession, name: str) -> OrderRecord:
    record = session.executor.orders.by_client_id(name)
    assert record is not None
    return record


def all_is_there(session: TradingSession) -> None:
    """The books agree, and the position closes."""
    session.reconciliation.due_ns = 0
    session.take_batch(0, 0)
    assert session.portfolio.total("BTC") >= session.executor.positions.owned("BTC")
    session.by_hand.flat()
    for _ in range(10):
        book(session, "BTC/USDT", later(session, 300), 1_000_000)
        ratio(session, later(session, 1), RATIO)
    assert session.positions_left() == ()
    session.take_batch(0, 0)


@pytest.mark.parametrize("partial_fills", [False, True])
@pytest.mark.parametrize("xrp", [MarketDepth.BOOK, MarketDepth.TAPE])
@pytest.mark.parametrize("slipped", [RATIO, RATIO * 5 // 4, RATIO * 2])
def test_a_market_purchase_spends_no_coins_of_a_position_wherever_it_slips_to(
    xrp: MarketDepth, slipped: int, partial_fills: bool
) -> None:
    session = open_session(xrp, partial_fills=partial_fills)
    # 0.4 of the 0.5 BTC that are free, as the market stands; 100 ms later it stands elsewhere.
    assert isinstance(place(session, "xrp", "XRP/BTC", Side.BUY, "20000"), OrderRequest)
    ratio(session, later(session, 50), slipped)
    ratio(session, later(session, 100), slipped * 2)
    later(session, 1000)
    assert order(session, "xrp").status is not OrderStatus.OPEN
    all_is_there(session)


@pytest.mark.parametrize("xrp", [MarketDepth.BOOK, MarketDepth.TAPE])
def test_a_stop_purchase_that_gaps_buys_what_free_coins_pay(xrp: MarketDepth) -> None:
    session = open_session(xrp, partial_fills=True)
    above = StopLoss(Decimal("0.000021"))
    assert isinstance(place(session, "xrp", "XRP/BTC", Side.BUY, "20000", above), OrderRequest)
    later(session, 500)
    ratio(session, later(session, 50), RATIO * 2)
    later(session, 1000)
    assert order(session, "xrp").status is OrderStatus.CANCELLED
    all_is_there(session)


def test_a_purchase_may_not_grow_into_the_coins_of_a_position_that_has_come_meanwhile() -> None:
    session = open_session()
    low = Limit(Decimal("0.00001"))
    assert isinstance(place(session, "xrp", "XRP/BTC", Side.BUY, "20000", low), OrderRequest)
    place(session, "more", "BTC/USDT", Side.BUY, "1")
    later(session, 500)
    # Asked of the exchange itself: whatever let it through, it is not taken.
    session.exchange.amend(AmendRequest("xrp", quantity=Decimal(90_000)))
    later(session, 500)
    assert order(session, "xrp").quantity == 20_000
    all_is_there(session)


def test_several_orders_at_one_event_of_the_market_share_what_is_free() -> None:
    """An entry that fills at the same message as a purchase with BTC, before anybody has heard of either."""
    session = open_session(MarketDepth.TAPE, partial_fills=True)
    place(session, "more", "BTC/USDT", Side.BUY, "2", Limit(Decimal("90000")))
    place(session, "xrp", "XRP/BTC", Side.BUY, "20000")
    later(session, 90)
    ratio(session, later(session, 200), RATIO * 8)
    later(session, 1000)
    all_is_there(session)


@pytest.mark.parametrize("seed", seeds(40, always=12))
def test_no_command_overtakes_another_whatever_the_latency(seed: int) -> None:
    """A sale of more than there is, which the exchange is to refuse, and an entry that is sent after it."""
    session = open_session(jitter_ms=200, seed=seed)
    session.by_hand.flat()
    later(session, 3000)
    book(session, "BTC/USDT", later(session, 1), 1_000_000)
    later(session, 3000)
    assert session.positions_left() == ()
    assert isinstance(place(session, "too-much", "BTC/USDT", Side.SELL, "1.2"), OrderRequest)
    later(session, 5)
    place(session, "entry", "BTC/USDT", Side.BUY, "1")
    later(session, 2000)
    assert order(session, "too-much").code == "EOrder:Insufficient funds"
    all_is_there(session)


@pytest.mark.parametrize("seed", range(10))
def test_commands_arrive_in_the_order_in_which_they_were_sent(seed: int) -> None:
    session = open_session(jitter_ms=300, seed=seed)
    chance = random.Random(seed)
    arrivals = []
    for number in range(30):
        name = f"o-{number}"
        place(session, name, "BTC/USDT", Side.BUY, "0.001", Limit(Decimal(50_000)))
        later(session, chance.choice((0, 1, 50)))
        session.by_hand.amend(AmendRequest(name, quantity=Decimal("0.002")))
        session.by_hand.cancel(f"o-{chance.randint(0, number)}")
    waiting = session.exchange.agenda.waiting
    arrivals = [waiting[key].due_ns for key in sorted(waiting, key=int)]
    assert arrivals == sorted(arrivals)


def of_every_type(near: Decimal, quantity: Decimal) -> list[OrderTerms]:
    two_percent, below = Offset(Sign.PLUS, Decimal(2), percent=True), Offset(Sign.MINUS, Decimal(1), percent=True)
    return [
        Market(), Market(), Limit(near), StopLoss(near), Limit(below), MarketByCost(near * quantity),
        Iceberg(near, quantity / 5), TakeProfit(near), StopLossLimit(near, near), TakeProfitLimit(two_percent, near),
        TrailingStop(two_percent),
        TrailingStopLimit(two_percent, below),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", seeds(10, always=3))
def test_whatever_is_sent_in_whatever_order_positions_keep_their_coins(seed: int) -> None:
    """Purchases with BTC and of BTC, sales and changes by hand, on two markets that jump, books compared each time."""
    session, chance = open_session(jitter_ms=150, seed=seed, partial_fills=True), random.Random(seed)
    price, cross, sent = 1_000_000, RATIO, 0
    for number in range(250):
        price = max(200_000, price + chance.choice((-30_000, -100, 0, 100, 30_000)))
        cross = max(500, cross + chance.choice((-300, -20, 0, 20, 300)))
        now_ms = later(session, chance.choice((1, 20, 150)))
        book(session, "BTC/USDT", now_ms, price)
        ratio(session, now_ms, cross)
        for traded, ticks in (("BTC/USDT", price), ("XRP/BTC", cross)):
            time_ns = START_NS + now_ms * MS
            session.on_event(PublicTrade(traded, time_ns, time_ns, ticks, 10**8, chance.choice((Side.BUY, Side.SELL))))
        symbol, side = chance.choice(("BTC/USDT", "XRP/BTC")), chance.choice((Side.BUY, Side.SELL))
        near = Decimal(price) / 10 if symbol == "BTC/USDT" else Decimal(cross).scaleb(-8)
        quantity = chance.choice((1, 2, 5, 12)) * (Decimal("0.1") if symbol == "BTC/USDT" else Decimal(5000))
        terms = chance.choice(of_every_type(near, quantity))
        quantity = quantity if terms.cost is None else Decimal(0)
        sent += isinstance(
            session.by_hand.place(OrderRequest(f"o-{number}", symbol, side, quantity, terms)), OrderRequest
        )
        for each in session.executor.orders.open_orders():
            if chance.random() < 0.1:
                session.by_hand.amend(AmendRequest(each.request.client_order_id, quantity=each.quantity * 2))
            elif chance.random() < 0.1:
                session.by_hand.cancel(each.request.client_order_id)
        session.reconciliation.due_ns = 0
        session.take_batch(0, 0)
        if number % 60 == 59:
            session.by_hand.flat()
    assert sent > 80

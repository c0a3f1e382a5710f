"""A person sells between a fill and our sight of it: the coins of a position are not to be had."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderStatus, Side
from triplegain.domain.quote import QuoteSource
from triplegain.domain.refusals import Refusal
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.settings import DeskSettings
from triplegain.risk.limits import RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

MS = 1_000_000
BTC = KRAKEN_OFFLINE_DEFAULTS[0]
START_NS = 1_767_225_600_000 * MS


def book(session: TradingSession, at_ms: int) -> None:
    time_ns = START_NS + at_ms * MS
    bids = tuple((1_000_000 - n, BTC.lots(Decimal(50))) for n in range(5))
    asks = tuple((1_000_001 + n, BTC.lots(Decimal(50))) for n in range(5))
    session.on_event(BookUpdate("BTC/USDT", time_ns, time_ns, bids, asks, snapshot=True))


def place(session: TradingSession, name: str, side: Side, quantity: str) -> OrderRequest | Refusal:
    return session.by_hand.place(OrderRequest(name, "BTC/USDT", side, Decimal(quantity), Market()))


@pytest.fixture
def session() -> TradingSession:
    """1,000,000 USDT and no BTC, at 100,000; 100 ms to the exchange and 100 ms back."""
    opened = TradingSession(
        SessionSettings(
            session_id="race",
            created_at_ns=0,
            instruments={BTC: MarketDepth.BOOK},
            source=QuoteSource.DEMO,
            initial_balances={"USDT": Decimal(1_000_000)},
            exchange=ExchangeSettings(),
            desk=DeskSettings(),
            limits=RiskLimits(),
            baseline=None,
            candle_ns=60_000 * MS,
        )
    )
    book(opened, 0)
    opened.on_event(PublicTrade("BTC/USDT", START_NS + MS, START_NS + MS, 1_000_000, 1000, Side.BUY))
    return opened


def stands(session: TradingSession) -> tuple[Decimal, list[Decimal]]:
    """What the wallet holds, and what positions own."""
    return session.portfolio.total("BTC"), [p.quantity for p in session.executor.positions.records()]


@pytest.mark.parametrize("sold_after_ms", [1020, 1099, 1100, 1150, 1199, 1200])
def test_a_sale_of_more_than_is_free_is_refused_before_and_after_a_purchase_is_filled_and_told(
    session: TradingSession, sold_after_ms: int
) -> None:
    place(session, "first", Side.BUY, "1")
    session.advance_to(START_NS + 1000 * MS)
    assert stands(session) == (Decimal(1), [Decimal(1)])
    place(session, "second", Side.BUY, "1")
    # Filled at 1,100 ms, told at 1,200 ms: of 2 coins none is free, and the sale would arrive after the purchase.
    session.advance_to(START_NS + sold_after_ms * MS)
    refused = place(session, "too-much", Side.SELL, "1.5")
    assert isinstance(refused, Refusal) and "close the position instead" in refused.reason
    session.advance_to(START_NS + 2000 * MS)
    assert stands(session) == (Decimal(2), [Decimal(1), Decimal(1)])
    session.by_hand.flat()
    session.advance_to(START_NS + 5000 * MS)
    assert stands(session) == (Decimal(0), [])
    assert session.positions_left() == ()


def test_a_sale_that_overtakes_nothing_and_that_nobody_could_pay_is_the_venues_to_reject(
    session: TradingSession,
) -> None:
    place(session, "first", Side.BUY, "1")
    session.advance_to(START_NS + 1000 * MS)
    assert isinstance(place(session, "far-too-much", Side.SELL, "1.5"), OrderRequest)
    session.advance_to(START_NS + 2000 * MS)
    record = session.executor.orders.by_client_id("far-too-much")
    assert record is not None and record.code == "EOrder:Insufficient funds"


def test_an_order_of_more_digits_than_any_market_has_is_the_exchanges_to_refuse(session: TradingSession) -> None:
    huge = Decimal("99999999999999999999.999999999999999999")
    for name, terms in (("market", Market()), ("limit", Limit(Decimal("12345.678901234567890123")))):
        session.by_hand.place(OrderRequest(name, "BTC/USDT", Side.BUY, huge, terms))
        session.advance_to(session.now_ns + 300 * MS)
        record = session.executor.orders.by_client_id(name)
        assert record is not None and record.status is OrderStatus.REJECTED
    place(session, "usual", Side.BUY, "1")
    session.by_hand.place(OrderRequest("resting", "BTC/USDT", Side.BUY, Decimal(1), Limit(Decimal("90000.0"))))
    session.advance_to(session.now_ns + 300 * MS)
    session.by_hand.amend(AmendRequest("resting", huge, Decimal("12345.678901234567890123")))
    session.advance_to(session.now_ns + 300 * MS)
    resting = session.executor.orders.by_client_id("resting")
    assert resting is not None and (resting.quantity, resting.price) == (Decimal(1), Decimal(90_000))

"""Moved stops and sold parts on the real paper exchange, through the executor that keeps the session's record.

BTC/USDT: tick 0.1, lot 0.001. Every command takes 100 ms to the exchange, every answer 100 ms back.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.execution.conftest import halve_all

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.exchange_events import ExchangeEvent, OrderRejected
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus, MarketDepth, PublicTrade
from triplegain.domain.money import atoms
from triplegain.domain.orders import Market, Side
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.domain.verdict import RiskApproved
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.order_manager import OrderManager
from triplegain.execution.paper_executor import PaperOrderExecutor
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.execution.positions import Positions
from triplegain.execution.protection.trailing import ProtectionSettings, TrailingStop
from triplegain.execution.settings import DeskSettings
from triplegain.ledger.wallet import Wallet

BTC = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.05"), Decimal(5), cost_decimals=5)
OPENING = {"USDT": Decimal(10_000)}


class Session:
    """Market, exchange, executor and desk, as a trading session wires them."""

    def __init__(self, rules: ExchangeSettings | None = None) -> None:
        wallet = Wallet()
        wallet.deposit({asset: atoms(amount) for asset, amount in OPENING.items()}, 0)
        self.now_ns = SECOND_NS
        self.price = 1000
        self.exchange = PaperExchange(
            "s", public_markets({BTC: MarketDepth.BOOK}), wallet, rules or ExchangeSettings(seed=1)
        )
        usd = {"USDT": Decimal(1)}.get
        recorded = Positions((BTC,), usd)
        mark = {"BTC/USDT": Decimal(100)}.get
        portfolio = PaperPortfolio(OPENING, (BTC,), mark, 0, wallet=wallet, positions=recorded)
        self.executor = PaperOrderExecutor(self.exchange, portfolio, recorded)
        settings = DeskSettings(protection=ProtectionSettings(trailing=TrailingStop()))
        self.desk = OrderManager(self.exchange, (BTC,), self.executor.blotter, portfolio.total, settings)
        self.wallet = wallet
        self.events: list[ExchangeEvent] = []
        self._waiting: list[ExchangeEvent] = []

    def trade(self, price: int, lots: int = 100_000) -> None:
        """The market trades at `price` ticks, with `lots` on each of three levels."""
        self.price = price
        self.book(price, price + 1, lots)
        self.exchange.on_event(PublicTrade("BTC/USDT", self.now_ns, self.now_ns, price, 1, Side.SELL))
        self._settle()
        wakes_at = self.desk.next_price("BTC/USDT")
        if wakes_at is not None and BTC.price(price) >= wakes_at:
            self.tell()

    def book(self, bid: int, ask: int, lots: int = 100_000) -> None:
        bids = tuple((bid - n, lots) for n in range(3))
        asks = tuple((ask + n, lots) for n in range(3))
        self.exchange.on_event(BookUpdate("BTC/USDT", self.now_ns, self.now_ns, bids, asks, snapshot=True))

    def tell(self) -> None:
        bid, ask = BTC.price(self.price), BTC.price(self.price + 1)
        self.desk.on_quote("BTC/USDT", bid, ask, bid, self.now_ns)

    def wait(self, milliseconds: int) -> None:
        for _ in range(milliseconds // 10):
            self.now_ns += 10 * MILLISECOND_NS
            self.exchange.run_through(self.now_ns)
            self._settle()
            due = self.desk.next_due_ns()
            if due is not None and due <= self.now_ns:
                self.desk.on_timer(self.now_ns)

    def _settle(self) -> None:
        self._waiting += self.executor.settle()
        while self._waiting and self._waiting[0].visible_at_ns <= self.now_ns:
            event = self._waiting.pop(0)
            self.events.append(event)
            self.desk.on_event(event, self.now_ns)

    def hold_one(self) -> None:
        """One BTC at 100.1 under a stop at 95."""
        self.trade(1000)
        wish = ("BTC/USDT", Side.BUY, Intent.OPEN, Market(), Decimal(1), Decimal(100), Decimal(95))
        self.desk.open(RiskApproved(TradeProposal(*wish)), self.now_ns)
        self.wait(1000)
        assert self.wallet.held("BTC") == atoms(Decimal(1))

    def record(self) -> PositionRecord:
        """What would be stored of the one position."""
        return self.executor.take_step().positions[-1]


@pytest.fixture
def session() -> Session:
    session = Session()
    session.hold_one()
    return session


def test_a_trailing_stop_moves_at_the_exchange_and_its_firing_is_stored_under_its_name(session: Session) -> None:
    for price in (1005, 1012, 1020, 1050):
        session.trade(price)
        session.wait(300)
    (stop,) = session.executor.orders.open_orders()
    assert stop.price == Decimal("103.4")  # 105 x 0.985 = 103.425
    assert session.record().stop == Decimal("103.4")
    session.trade(1034)
    session.wait(300)
    record = session.record()
    assert (record.close_reason, record.quantity) == (CloseReason.TRAILING_STOP, Decimal(0))
    assert record.realised > 0 and session.wallet.held("BTC") == 0


def test_a_move_that_is_still_on_its_way_when_the_stop_fires_changes_nothing(session: Session) -> None:
    session.trade(1050)
    session.wait(50)  # the amendment has not arrived
    session.trade(950)
    session.wait(1000)
    assert session.record().close_reason is CloseReason.STOP_LOSS
    assert session.desk.open_positions() == ()


def test_half_of_a_position_is_sold_while_the_other_half_never_loses_its_stop(session: Session) -> None:
    halve_all(session.desk, session.now_ns)
    for _ in range(60):
        session.wait(10)
        assert session.wallet.held("BTC") >= atoms(Decimal("0.5"))
    record = session.record()
    assert (record.quantity, record.is_open) == (Decimal("0.5"), True)
    assert session.wallet.held("BTC") == session.wallet.total("BTC") == atoms(Decimal("0.5"))


def test_halving_in_a_thin_book_goes_on_until_it_is_done(session: Session) -> None:
    halve_all(session.desk, session.now_ns)
    for number in range(30):
        session.trade(1000 + 4 * (number % 2), lots=70)  # three levels of 0.07, and others when the price moves
        session.wait(500)
    assert session.record().quantity == Decimal("0.5")
    assert session.wallet.held("BTC") == atoms(Decimal("0.5"))
    assert {alert.kind for alert in session.desk.alerts} == {AlertKind.EXIT_INCOMPLETE}


@pytest.mark.parametrize("after_ms", range(0, 420, 20))
def test_a_stop_that_fires_at_any_moment_of_a_halving_never_sells_a_coin_twice(session: Session, after_ms: int) -> None:
    halve_all(session.desk, session.now_ns)
    session.wait(after_ms)
    session.trade(950)
    session.wait(3000)
    assert session.desk.open_positions() == ()
    assert session.wallet.total("BTC") == session.wallet.held("BTC") == 0
    assert [event for event in session.events if isinstance(event, OrderRejected)] == []
    assert session.record().quantity == 0


def test_a_breaker_tightens_at_the_exchange(session: Session) -> None:
    session.trade(990)
    session.tell()
    session.desk.tighten_all(Decimal("0.01"), session.now_ns)
    session.wait(300)
    (stop,) = session.executor.orders.open_orders()
    assert stop.price == Decimal(98)  # 99 x 0.99 = 98.01
    session.trade(980)
    session.wait(300)
    assert session.record().close_reason is CloseReason.BREAKER


def test_what_is_refused_while_the_feed_is_away_is_done_when_it_is_back(session: Session) -> None:
    session.exchange.on_event(FeedStatus("BTC/USDT", session.now_ns, session.now_ns, FeedState.GAP, "away"))
    session.desk.tighten("pos-1", Decimal(97), CloseReason.BREAKER, session.now_ns)
    halve_all(session.desk, session.now_ns)
    session.wait(4000)
    assert {alert.kind for alert in session.desk.alerts} == {AlertKind.STOP_NOT_AMENDED}
    assert session.wallet.held("BTC") == atoms(Decimal(1))  # the stop as it was
    session.trade(1000)
    session.wait(10_000)
    (stop,) = session.executor.orders.open_orders()
    assert (stop.price, stop.quantity) == (Decimal(97), Decimal("0.5"))
    assert session.desk.protection("pos-1").owes == ""  # type: ignore[union-attr]

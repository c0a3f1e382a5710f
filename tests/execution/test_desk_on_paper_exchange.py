"""The desk on the real paper exchange, with latency, thin books and a market that jumps: do all the books agree?"""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest
from tests.examples import seeds
from tests.execution.conftest import blotter_of, halve_all, parts_of, restart

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled, OrderRejected
from triplegain.domain.ids import is_reserved
from triplegain.domain.instrument import Instrument
from triplegain.domain.ledger_entry import LedgerEntry
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.orders import (
    AmendRequest,
    FeePreference,
    Limit,
    Market,
    OrderOptions,
    OrderRequest,
    Side,
    StopLoss,
)
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.domain.verdict import RiskApproved
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.execution.order_manager import OrderManager
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.execution.protection.trailing import BreakEven, ProtectionSettings, TrailingStop
from triplegain.execution.settings import DeskSettings
from triplegain.ledger.wallet import Wallet
from triplegain.session.reconciliation import Reconciliation

BTC = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.05"), Decimal(5), cost_decimals=5)
OPENING = {"USDT": Decimal(1_000_000), "BTC": Decimal(2)}


class Session:
    """A small session loop: market, exchange, what has become visible, quote, timer."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        wallet = Wallet()
        wallet.deposit({asset: atoms(amount) for asset, amount in OPENING.items()}, 0)
        settings = ExchangeSettings(seed=seed, jitter_ns=50 * MILLISECOND_NS, account_tier=AccountTier.UNLIMITED)
        self.wallet = wallet
        self.exchange = PaperExchange("s", public_markets({BTC: MarketDepth.BOOK}), wallet, settings)
        self.price = 1000
        self.now_ns = SECOND_NS
        self.pending: list[ExchangeEvent] = []
        self.records: dict[str, PositionRecord] = {}
        self.fills: list[OrderFilled] = []
        self.rejected: list[OrderRejected] = []
        self.by_hand: set[str] = set()
        #: What the wishes of a person have reached.
        self.reached: Counter[str] = Counter()
        self._booked: list[OrderFilled] = []
        self.portfolio = PaperPortfolio(OPENING, (BTC,), lambda _: Decimal(self.price) / 10, 0, wallet=wallet)
        self.portfolio.observe_opening(0)
        self.desk = self._new_desk()
        self._parts = parts_of(self.desk)
        self.reconciliation = Reconciliation(wallet, self.blotter)

    def _new_desk(self) -> OrderManager:
        self.blotter = blotter = blotter_of(BTC)
        self.exchange.account.funds.owned = lambda asset: atoms(blotter.positions.owned(asset))
        protection = ProtectionSettings(
            max_holding_ns=60 * SECOND_NS,
            trailing=TrailingStop(activate=Decimal("0.002"), trail=Decimal("0.005")),
            break_even=BreakEven(),
        )
        settings = DeskSettings(entry_expiry_ns=20 * SECOND_NS, protection=protection)
        return OrderManager(self.exchange, (BTC,), self.blotter, self.total, settings)

    def total(self, asset: str) -> Decimal:
        return from_atoms(self.wallet.total(asset))

    def step(self) -> None:
        """One message of the market, and everything that follows from it."""
        self.now_ns += self.random.choice((1, 20, 100, 400)) * MILLISECOND_NS
        self.price = max(500, self.price + self.random.choice((-12, -3, -1, 0, 1, 3, 12)))
        lots = self.random.choice((20, 400, 5000))
        bids = tuple((self.price - n, lots) for n in range(3))
        asks = tuple((self.price + 1 + n, lots) for n in range(3))
        self.exchange.run_through(self.now_ns - 1)
        self.exchange.on_event(BookUpdate("BTC/USDT", self.now_ns, self.now_ns, bids, asks, snapshot=True))
        side = self.random.choice((Side.BUY, Side.SELL))
        trade = self.price + (side is Side.BUY)
        self.exchange.on_event(PublicTrade("BTC/USDT", self.now_ns, self.now_ns, trade, lots, side))
        self.deliver()
        tick = Decimal("0.1")
        bid, ask, last = self.price * tick, (self.price + 1) * tick, trade * tick
        self.desk.on_quote("BTC/USDT", bid, ask, last, self.now_ns)
        due = self.desk.next_due_ns()
        if due is not None and due <= self.now_ns:
            self.desk.on_timer(self.now_ns)
        self.check()

    def check(self) -> list[LedgerEntry]:
        """All the books agree now; the entries since the last call."""
        self.deliver()
        entries, fills = self.wallet.drain_entries(), self._booked
        self._booked = []
        self.reconciliation.due_ns = 0
        self.reconciliation.follow(entries, fills, self.blotter.orders.drain_changed(), self.now_ns)
        return entries

    def deliver(self) -> None:
        """In the venue's order: one that is late makes those behind it late."""
        self.exchange.run_through(self.now_ns)
        for event in self.exchange.drain_events():
            self.blotter.happened(event)
            self.pending.append(event)
            if isinstance(event, OrderFilled):
                self._booked.append(event)
        while self.pending and self.pending[0].visible_at_ns <= self.now_ns:
            event = self.pending.pop(0)
            if isinstance(event, OrderFilled):
                self.portfolio.on_fill(event)
                self.fills.append(event)
            elif isinstance(event, OrderRejected):
                self.rejected.append(event)
            self.desk.on_event(event, self.now_ns)
            self.records |= {record.position_id: record for record in self.desk.positions.drain_changed()}

    def act(self) -> None:
        """Somebody wants something."""
        wish = self.random.random()
        if wish < 0.5:
            entry = Decimal(self.price) / 10
            terms = Market() if wish < 0.3 else Limit(entry)
            distance = Decimal(self.random.choice((1, 2, 4)))
            proposal = TradeProposal(
                *("BTC/USDT", Side.BUY, Intent.OPEN, terms),
                quantity=Decimal(self.random.randint(50, 3000)) / 1000,
                entry=entry,
                stop=entry - distance,
                target=entry + distance,
            )
            self.desk.open(RiskApproved(proposal), self.now_ns)
        elif wish < 0.6:
            for position in self.desk.open_positions()[:1]:
                self.desk.reduce(position.position_id, Decimal("0.4"), CloseReason.REBALANCE, self.now_ns)
        elif wish < 0.63:
            halve_all(self.desk, self.now_ns)
        elif wish < 0.66:
            self.desk.tighten_all(Decimal("0.01"), self.now_ns)
        elif wish < 0.8:
            for position in self.desk.open_positions()[:1]:
                self.desk.close(position.position_id, CloseReason.SIGNAL, self.now_ns)
        else:
            quantity = Decimal(self.random.randint(50, 500)) / 1000
            name = f"mine-{self.random.randint(0, 10**9)}"
            self.desk.place(OrderRequest(name, "BTC/USDT", Side.SELL, quantity, Market()))

    def act_by_hand(self) -> None:
        """A person acts at any moment, also between a fill and our sight of it: purchases without a stop, sales of more
        than there is, at market or resting, names like those the program has given."""
        quantity = Decimal(self.random.randint(50, 4000)) / 1000
        family = self.random.choice(("mine", "entry", "stop", "exit", "rb", "hodl", "tg", "tg-exit"))
        side = self.random.choice((Side.BUY, Side.SELL))
        if side is Side.SELL and self.random.random() < 0.3:
            quantity += self.total("BTC")
        price = Decimal(self.price + self.random.randint(-6, 6)) / 10
        terms = self.random.choice((Market(), Market(), Limit(price), StopLoss(price)))
        name = f"{family}-{self.random.randint(1, 10**6)}"
        options = OrderOptions(fee_preference=self.random.choice(tuple(FeePreference)))
        sent = self.desk.place(OrderRequest(name, "BTC/USDT", side, quantity, terms, options=options))
        self.reached["between fill and sight"] += any(isinstance(event, OrderFilled) for event in self.pending)
        self.reached["sale above the total"] += side is Side.SELL and quantity > self.total("BTC")
        self.reached["id of our own kind"] += is_reserved(name)
        if isinstance(sent, OrderRequest):
            self.reached["entry without a stop"] += side is Side.BUY
            self.by_hand.add(name)
        for resting in self.blotter.orders.open_orders():
            if resting.request.client_order_id not in self.by_hand:
                continue
            if self.random.random() < 0.3:
                more = resting.quantity + Decimal(self.random.randint(1, 3000)) / 1000
                self.desk.amend(AmendRequest(resting.request.client_order_id, quantity=more))
            elif self.random.random() < 0.3:
                self.desk.cancel(resting.request.client_order_id)

    def restart(self) -> None:
        """The desk dies and comes back from its stored state, in the middle of everything."""
        before, self.desk = self.desk, self._new_desk()
        self._parts = restart(before, self._parts, self.desk)
        self.reconciliation = Reconciliation(self.wallet, self.blotter)
        self.reconciliation.begin()


def run(seed: int, restarts: bool) -> Session:
    session = Session(seed)
    for number in range(600):
        session.step()
        if number % 7 == 0 and number < 500:
            session.act()
        if restarts and number % 5 == 0:
            session.restart()
    for _ in range(400):
        session.desk.close_all(CloseReason.MANUAL, session.now_ns)
        session.step()
    return session


@pytest.mark.parametrize("seed", seeds(6, always=3))
def test_wallet_positions_and_cost_book_agree_after_a_wild_market(seed: int) -> None:
    session = run(seed, restarts=False)
    records, fills = session.records.values(), session.fills
    assert len(records) > 15 and len({record.close_reason for record in records}) >= 3
    own = [event for event in session.rejected if event.client_order_id.startswith(("tg-stop", "tg-exit"))]
    # Never coins that another order holds or that are not there: only rests too cheap for the exchange.
    assert {event.code for event in own} <= {"EOrder:Cost minimum not met"}
    assert session.desk.open_positions() == () and list(session.desk.orders.open_orders()) == []
    assert session.wallet.held("BTC") == session.wallet.held("USDT") == 0
    manual = [fill for fill in fills if fill.client_order_id.startswith("mine-")]
    sold_by_hand = sum((fill.quantity for fill in manual), Decimal(0))
    assert session.total("BTC") == OPENING["BTC"] + sum(r.quantity for r in records) - sold_by_hand
    # Dust is less than the smallest order, 0.05, or than the smallest cost: 5 USDT are 0.1 BTC at the lowest price, 50.
    assert all(record.dust == (record.quantity > 0) and record.quantity < Decimal("0.1") for record in records)
    assert sum(record.entry_quantity for record in records) == sum(f.quantity for f in fills if f.side is Side.BUY)
    flows = sum((f.notional if f.side is Side.SELL else -f.notional) - f.fee for f in fills)
    assert session.total("USDT") == OPENING["USDT"] + flows
    by_hand = sum((fill.notional - fill.fee for fill in manual), Decimal(0))
    dust_cost = sum(record.quantity * record.average_entry for record in records)
    realised = sum(record.realised for record in records)
    assert abs(realised - dust_cost + by_hand - flows) < Decimal("1e-15")
    summary = session.portfolio.pnl_summary()
    assert summary.profit == summary.realised_usd + summary.unrealised_usd  # type: ignore[operator]
    assert (session.desk.delays.count > 0, session.desk.delays.longest_ns < 5 * SECOND_NS) == (True, True)


@pytest.mark.parametrize("seed", seeds(2, always=1))
def test_a_desk_restarted_again_and_again_trades_exactly_as_one_that_never_stopped(seed: int) -> None:
    assert run(seed, restarts=True).fills == run(seed, restarts=False).fills


@pytest.mark.parametrize("seed", seeds(6, always=2))
def test_whatever_a_person_does_at_whatever_moment_positions_keep_their_coins_and_close(seed: int) -> None:
    session = Session(seed)
    refused = 0
    for number in range(600):
        session.step()
        if number % 7 == 0:
            session.act()
        if number % 3 == 0:
            before = len(session.by_hand)
            session.act_by_hand()
            refused += len(session.by_hand) == before
        session.check()
        if number % 50 == 0:
            session.restart()
    for _ in range(400):
        session.desk.close_all(CloseReason.MANUAL, session.now_ns)
        session.step()
    assert len(session.by_hand) > 20 and refused > 20
    assert len(session.reached) == 4 and min(session.reached.values()) > 5, session.reached
    assert session.desk.open_positions() == () and session.blotter.positions.all() == ()
    own = [event for event in session.rejected if event.client_order_id.startswith(("tg-stop", "tg-exit"))]
    assert {event.code for event in own} <= {"EOrder:Cost minimum not met"}

"""The bag beside the desk on the real paper exchange: latency, thin books, people selling coins at the same moment."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
import pytest
from tests.execution.test_desk_on_paper_exchange import BTC, OPENING, Session
from tests.ledger.balanced import check_balanced
from tests.session.stored_parts import rows_of

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.exchange_events import OrderFilled, OrderSubmitted
from triplegain.domain.ids import Origin
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason
from triplegain.execution.hodl.allocation import HodlAccount
from triplegain.execution.hodl.bag import HodlBag, HodlState
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.ledger.wallet import Wallet

HODL, WALLET = LedgerAccount.HODL, LedgerAccount.WALLET
HALF = Decimal("0.5")
SETTINGS = HodlSettings(
    share=Decimal(1),
    split={"USDT": HALF, "BTC": HALF},
    thresholds={"USDT": Decimal(1), "BTC": Decimal(6)},
    retry_ns=500 * MILLISECOND_NS,
)


class HodlSession(Session):
    """The desk's session with a bag in it, in a market that rises more than it falls."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.entries: list[LedgerEntry] = []
        self.sums: Counter[tuple[LedgerAccount, str]] = Counter()
        self.sent: list[OrderRequest] = []
        self.closed: list[Decimal] = []
        self.races = 0
        self.bag = self._new_bag()

    def _new_bag(self) -> HodlBag:
        return HodlBag(
            self.exchange,
            HodlAccount(self.wallet, self.desk, self.exchange.account.lending),
            (BTC,),
            self.desk.orders,
            SETTINGS,
            ask=lambda _: Decimal(self.price + 1) / 10,
            usd_price=lambda asset: Decimal(self.price) / 10 if asset == "BTC" else Decimal(1),
            blocked=lambda: "",
        )

    def step(self) -> None:
        self.price += self.random.choice((0, 1, 4))
        super().step()
        due = self.bag.due_ns
        if due is not None and due <= self.now_ns:
            self.bag.on_timer(self.now_ns)
            self.check()

    def deliver(self) -> None:
        self.exchange.run_through(self.now_ns)
        for event in self.exchange.drain_events():
            self.blotter.happened(event)
            self.pending.append(event)
            if isinstance(event, OrderFilled):
                self._booked.append(event)
        while self.pending and self.pending[0].visible_at_ns <= self.now_ns:
            event = self.pending.pop(0)
            if isinstance(event, OrderFilled):
                if not event.client_order_id.startswith("tg-hodl-"):
                    self.portfolio.on_fill(event)
                self.fills.append(event)
            elif isinstance(event, OrderSubmitted):
                self.sent.append(event.request)
            self.desk.on_event(event, self.now_ns)
            self.bag.on_event(event, self.now_ns)
            for record in self.desk.positions.drain_changed():
                self.records[record.position_id] = record
                if not record.is_open:
                    self.closed.append(record.realised)
                    self.bag.on_position_closed(record, self.now_ns)

    def race(self) -> None:
        """A person sells more bitcoin than there is, in the step in which the bag may be buying some."""
        self.races += 1
        everything = from_atoms(self.wallet.available("BTC"))
        for quantity in (everything + Decimal("0.05"), everything):
            name = f"mine-{self.random.randint(0, 10**9)}"
            self.desk.place(OrderRequest(name, "BTC/USDT", Side.SELL, max(quantity, Decimal("0.05")), Market()))

    def restart(self) -> None:
        super().restart()
        again, parts, rows = Wallet(), Parts(), rows_of(self.wallet)
        again.register(parts)
        parts.restore(rows)
        assert rows_of(again) == rows
        bag = msgspec.json.decode(msgspec.json.encode(self.bag.state), type=HodlState)
        self.bag = self._new_bag()
        self.bag.restore(bag)

    def check(self) -> list[LedgerEntry]:
        """What must hold after every message."""
        entries = super().check()
        check_balanced(entries)
        for entry in entries:
            self.sums[entry.account, entry.asset] += entry.amount_atoms
            if entry.account is HODL and entry.asset == "BTC":
                assert entry.amount_atoms > 0  # what was bought is never sold
            if entry.kind is EntryKind.TRANSFER and entry.account is HODL:
                assert entry.amount_atoms > 0  # and nothing comes back
        self.entries += entries
        for asset in ("USDT", "BTC"):
            assert sum(amount for (_, name), amount in self.sums.items() if name == asset) == 0
            for account in (WALLET, HODL):
                assert self.wallet.total(asset, account) == self.sums[account, asset]
                assert 0 <= self.wallet.held(asset, account) <= self.wallet.total(asset, account)
        assert self.portfolio.equity_usd() == sum(
            amount * (Decimal(self.price) / 10 if asset == "BTC" else 1)
            for asset, amount in (("BTC", self.total("BTC")), ("USDT", self.total("USDT")))
        )
        return entries

    def set_aside(self) -> Decimal:
        moved = (e.amount_atoms for e in self.entries if e.kind is EntryKind.TRANSFER and e.account is HODL)
        return from_atoms(sum(moved))


def run(seed: int, restarts: bool) -> HodlSession:
    session = HodlSession(seed)
    for number in range(700):
        session.step()
        if number % 7 == 0 and number < 600:
            session.act()
        if number % 11 == 0 and number < 600:
            session.race()
        if restarts and number % 5 == 0:
            session.restart()
    for _ in range(300):
        session.desk.close_all(CloseReason.MANUAL, session.now_ns)
        session.step()
    return session


@pytest.mark.parametrize("restarts", [False, True], ids=["one run", "restarted"])
@pytest.mark.parametrize("seed", range(2))
def test_bag_wallet_and_ledger_agree_after_a_wild_market(seed: int, restarts: bool) -> None:
    session = run(seed, restarts)
    state = session.bag.state.allocation
    lies = {asset: from_atoms(session.wallet.total(asset, HODL)) for asset in ("BTC", "USDT")}
    coins, dollars = state.balances["BTC"], state.balances["USDT"]
    bought = [fill for fill in session.fills if fill.client_order_id.startswith("tg-hodl-")]
    assert len(bought) >= 2 and session.races > 20
    # At rest what the bag believes is what the ledger has.
    assert coins.quantity == lies["BTC"] == sum(fill.quantity for fill in bought)
    assert dollars.quantity + dollars.pending + coins.pending == lies["USDT"]
    assert session.set_aside() == lies["USDT"] + sum(fill.notional + fill.fee for fill in bought)
    # The highest the closed positions ever summed up to is the most there can be.
    best = total = Decimal(0)
    for profit in session.closed:
        total += profit
        best = max(best, total)
    assert 0 < session.set_aside() + sum(due.amount for due in state.due) <= best
    hodl = [request for request in session.sent if request.origin is Origin.HODL]
    assert all(request.side is Side.BUY and request.position_id is None for request in hodl)
    assert len({request.client_order_id for request in hodl}) == len(hodl)


def test_the_summary_shows_the_bag_beside_equity_and_counts_none_of_its_trades() -> None:
    session = run(1, restarts=False)
    summary = session.portfolio.pnl_summary()
    hodl = {asset: from_atoms(session.wallet.total(asset, HODL)) for asset in ("USDT", "BTC")}
    assert summary.hodl == hodl
    assert summary.hodl_usd == hodl["USDT"] + hodl["BTC"] * session.price / 10
    assert summary.profit is not None and summary.hodl_usd is not None
    assert summary.profit_with_hodl == summary.profit + summary.hodl_usd
    traded = [fill for fill in session.fills if not fill.client_order_id.startswith("tg-hodl-")]
    assert summary.trade_count == len(traded) < len(session.fills)
    # Equity, the average-cost book and what was set aside explain each other: no coin of the bag is in the book.
    assert summary.opening is not None and summary.realised_usd is not None
    assert summary.unrealised_usd is not None
    explained = summary.realised_usd + summary.unrealised_usd - session.set_aside()
    assert abs(summary.profit - explained) < Decimal("1e-9")


def test_what_the_desk_counts_as_free_is_what_the_wallet_has_when_nothing_is_on_its_way() -> None:
    session = run(2, restarts=True)
    assert not list(session.desk.orders.open_orders())
    assert session.desk.free("USDT") == session.total("USDT")
    assert session.total("USDT") != OPENING["USDT"]


def test_nobody_may_give_an_order_the_name_of_one_of_the_bags() -> None:
    session = HodlSession(1)
    for _ in range(3):
        session.step()
    session.wallet.set_aside("USDT", atoms(Decimal(500)), session.now_ns)
    sent = session.desk.place(OrderRequest("tg-hodl-7", "BTC/USDT", Side.SELL, Decimal(1), Market()))
    assert not isinstance(sent, OrderRequest)
    # And if somebody did: the exchange sells nothing out of the hodl account.
    session.exchange.place(OrderRequest("tg-hodl-7", "BTC/USDT", Side.SELL, Decimal(1), Market()))
    for _ in range(5):
        session.step()
    assert session.desk.orders.by_client_id("tg-hodl-7") is not None
    assert "tg-hodl-7" not in {fill.client_order_id for fill in session.fills}

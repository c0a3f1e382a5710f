"""The books of a session are compared at each commit; a difference halts it with both figures in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from msgspec.structs import replace
from tests.session.stored_parts import stored

from triplegain.domain.clock import ManualClock
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.records import CommitBatch, OpenRows
from triplegain.ledger.reconcile import ReconcileError
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession

WALLET = LedgerAccount.WALLET


def pass_by(session: TradingSession, events: Iterator[MarketEvent], count: int = 200) -> None:
    for event in islice(events, count):
        session.on_event(event)


@pytest.fixture
def began(open_session: Any, market: Any) -> tuple[TradingSession, Iterator[MarketEvent]]:
    """A session with a position and an order that rests, all of it stored, and the market that follows."""
    feed = market()
    session = open_session(feed, baseline=None)
    events = feed.events()
    pass_by(session, events)
    session.place(OrderRequest("held", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()), stop=Decimal(10_000))
    session.place(OrderRequest("rests", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(Decimal(20_000))))
    pass_by(session, events, 400)
    session.take_batch(0, 0)
    assert session.wallet.held("USDT") > 0 < session.wallet.held("BTC")
    return session, events


def more_money(session: TradingSession) -> None:
    session.wallet._totals[WALLET]["USDT"] += 5


def more_held(session: TradingSession) -> None:
    session.wallet._helds[WALLET]["USDT"] += 7


def coins_gone(session: TradingSession) -> None:
    session.wallet._totals[WALLET]["BTC"] = session.wallet._helds[WALLET]["BTC"] = 0


def sold_short(session: TradingSession) -> None:
    position = session.executor.positions.all()[0]
    session.executor.positions._open[position.position_id] = replace(position, sold=Decimal("0.004"))


DAMAGE = [
    (more_money, "the wallet holds .* USDT, its ledger entries come to"),
    (more_held, "USDT of the wallet are held, open orders have reserved"),
    (coins_gone, "positions own 0.01 BTC, the wallet holds 0"),
    (sold_short, "orders sell 0.01 of pos-1, which holds 0.006"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_damage_is_found_when_all_books_are_compared(
    began: tuple[TradingSession, Iterator[MarketEvent]], damage: Callable[[TradingSession], None], words: str
) -> None:
    session, _ = began
    damage(session)
    session.close_run()
    with pytest.raises(ReconcileError, match=words):
        session.take_batch(0, 0)


@pytest.mark.parametrize(("damage", "words"), DAMAGE[:2])
def test_damage_is_found_at_the_commit_that_touches_it_and_before_that_within_a_minute(
    began: tuple[TradingSession, Iterator[MarketEvent]], damage: Callable[[TradingSession], None], words: str
) -> None:
    session, events = began
    damage(session)
    session.reconciliation.due_ns = 2**62  # not the minute's look
    session.take_batch(0, 0)  # touches nothing
    session.cancel("rests")
    pass_by(session, events)
    with pytest.raises(ReconcileError, match=words):
        session.take_batch(0, 0)


def test_a_restart_looks_at_all_books(began: tuple[TradingSession, Iterator[MarketEvent]], open_session: Any) -> None:
    session, _ = began
    rows = stored(session)
    again = TradingSession(session.settings)
    again.restore(rows)
    again.take_batch(0, 0)
    key = ("execution.position", "pos-1")
    rows[key] = rows[key].replace(b'"bought":"0.01"', b'"bought":"1.01"')
    with pytest.raises(ReconcileError, match=r"positions own 1.01 BTC, the wallet holds 0.01"):
        TradingSession(session.settings).restore(rows)


def test_a_restart_compares_with_the_rows(
    began: tuple[TradingSession, Iterator[MarketEvent]],
) -> None:
    session, _ = began
    parts = stored(session)
    (entry, stop), wallet = (o.order_number for o in session.executor.orders.open_orders()), session.portfolio
    balances = {each.asset: (each.total, each.held) for each in wallet.balances()}
    rows = OpenRows(
        orders={entry: (Decimal(0), Decimal(0)), stop: (Decimal(0), Decimal(0))},
        positions={"pos-1": Decimal("0.01")},
        balances=balances,
        entries={(WALLET, asset): total for asset, (total, _) in balances.items()},
    )
    TradingSession(session.settings).restore(parts, rows)
    tampered = [
        (replace(rows, orders={entry: (Decimal(0), Decimal(0))}), f"order {stop}: .* says 0, its record says nothing"),
        (
            replace(rows, orders={**rows.orders, 99: (Decimal(0), Decimal(0))}),
            "order 99: .* nothing, its record says 0",
        ),
        (replace(rows, orders={**rows.orders, stop: (Decimal(0), Decimal(1))}), "filled with 0, its fills come to 1"),
        (replace(rows, positions={"pos-1": Decimal(1)}), "quantity of pos-1: .* says 0.01, its record says 1"),
        (replace(rows, balances={**balances, "USDT": (Decimal(5), Decimal(0))}), "balance of USDT: .* record says 5"),
        (replace(rows, entries={**rows.entries, (WALLET, "BTC"): Decimal(2)}), "holds 0.01 BTC, .* come to 2"),
    ]
    for changed, words in tampered:
        with pytest.raises(ReconcileError, match=words):
            TradingSession(session.settings).restore(parts, changed)


async def test_a_difference_halts_the_run_and_nothing_of_the_step_is_stored(open_session: Any, market: Any) -> None:
    feed = market(seconds=60)
    session = open_session(feed, baseline=None)
    batches: list[CommitBatch] = []

    class Store:
        async def commit(self, session_id: str, batch: CommitBatch) -> None:
            batches.append(batch)

    def events() -> Iterator[MarketEvent]:
        for number, event in enumerate(feed.events()):
            if number == 200:
                more_money(session)
                session.place(OrderRequest("mine", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
            yield event

    runner = SessionRunner(session, events(), Store(), ManualClock())
    with pytest.raises(ReconcileError):
        await runner.run()
    assert "its ledger entries come to" in session.halted and not [fill for batch in batches for fill in batch.fills]

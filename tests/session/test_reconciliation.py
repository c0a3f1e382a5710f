"""The books of a session are compared at each commit; a difference halts it with both figures in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from msgspec.structs import replace
from tests.session.stored_parts import stored

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import ManualClock
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.records import CommitBatch, OpenRows
from triplegain.domain.refusals import Code, Refusal
from triplegain.ledger.reconcile import ReconcileError
from triplegain.ledger.wallet import LedgerError
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
    session.by_hand.place(OrderRequest("held", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()), stop=Decimal(10_000))
    session.by_hand.place(OrderRequest("rests", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(Decimal(20_000))))
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
    session.by_hand.cancel("rests")
    pass_by(session, events)
    with pytest.raises(ReconcileError, match=words):
        session.take_batch(0, 0)


def test_a_restart_looks_at_all_books(began: tuple[TradingSession, Iterator[MarketEvent]], open_session: Any) -> None:
    session, _ = began
    rows = stored(session)
    again = TradingSession(session.settings)
    again.restore(rows)
    again.take_batch(0, 0)
    rows["ledger.balance", "wallet USDT"] = b'"1"'
    with pytest.raises(LedgerError, match="reservations of USDT exceed"):
        TradingSession(session.settings).restore(rows)


@pytest.mark.parametrize("is_protected", [True, False])
@pytest.mark.parametrize("lacks", ["1", "0.005", "0.00999"])
def test_a_session_whose_positions_own_more_than_there_is_opens_halted_and_can_be_closed(
    open_session: Any, market: Any, lacks: str, is_protected: bool
) -> None:
    """As a program of before could leave it: a person had sold coins of two positions."""
    feed = market()
    session = open_session(feed, baseline=None)
    before, events = feed.events(), feed.events()
    pass_by(session, before)
    for number in range(2):
        stop = Decimal(10_000) if is_protected else None
        session.by_hand.place(
            OrderRequest(f"held-{number}", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()), stop=stop
        )
        pass_by(session, before, 400)
    rows = stored(session)
    if lacks == "1":
        key = ("execution.position", "pos-1")
        rows[key] = rows[key].replace(b'"bought":"0.01"', b'"bought":"1.01"')
        figures = "positions own 1.02 BTC, the wallet holds 0.02"
    elif is_protected:
        return
    else:
        left = Decimal("0.02") - Decimal(lacks)
        rows["ledger.balance", "wallet BTC"] = f'"{left}"'.encode()
        figures = f"positions own 0.02 BTC, the wallet holds {left}"
    again = TradingSession(session.settings)
    for event in islice(events, 1000):
        again.observe(event)
    again.restore(rows)
    assert figures in again.halted and "close" in again.halted and "reset" in again.halted
    [alert] = again.take_batch(0, 0).alerts
    assert (alert.kind, figures in alert.message) == (AlertKind.BOOKS_DIFFER, True)
    once_more = TradingSession(session.settings)
    once_more.restore(stored(again))
    assert once_more.halted == again.halted and not once_more.take_batch(0, 0).alerts  # told once
    refused = again.by_hand.place(OrderRequest("more", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
    assert isinstance(refused, Refusal) and refused.code is Code.HALTED
    assert again.by_hand.close_position("pos-1") and again.by_hand.close_position("pos-2")
    for _ in range(20):
        pass_by(again, events)
        again.reconciliation.due_ns = 0
        again.take_batch(0, 0)
    assert again.positions_left() == () and again.executor.positions.owned("BTC") == 0
    assert again.halted == ""  # put right, and trading at once
    healed = TradingSession(session.settings)
    healed.restore(stored(again))
    assert healed.halted == ""


def test_what_positions_lack_may_not_become_more(began: tuple[TradingSession, Iterator[MarketEvent]]) -> None:
    session, _ = began
    rows = stored(session)
    key = ("execution.position", "pos-1")
    rows[key] = rows[key].replace(b'"bought":"0.01"', b'"bought":"1.01"')
    again = TradingSession(session.settings)
    again.restore(rows)
    again.take_batch(0, 0)
    coins_gone(again)
    again.close_run()
    with pytest.raises(ReconcileError, match="positions own"):
        again.take_batch(0, 0)


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
                session.by_hand.place(OrderRequest("mine", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
            yield event

    runner = SessionRunner(session, events(), Store(), ManualClock())
    with pytest.raises(ReconcileError):
        await runner.run()
    assert "its ledger entries come to" in session.halted and not [fill for batch in batches for fill in batch.fills]

"""What the bag sets aside on its own time is put down in the step in which the money moves."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.session.sessions import demo, settings_for

from triplegain.domain.agent_records import HodlStep
from triplegain.domain.ledger_entry import EntryKind
from triplegain.domain.orders import Side
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.session.trading_session import TradingSession


@pytest.fixture
def session() -> Iterator[TradingSession]:
    """A session that does not trade, a few seconds into its market."""
    feed = demo(seconds=60)
    opened = TradingSession(settings_for(feed, baseline=None, hodl=HodlSettings()))
    for event in feed.events():
        opened.on_event(event)
    opened.take_batch(0, 0)
    yield opened


def won(usd: str, now_ns: int) -> PositionRecord:
    zero = Decimal(0)
    return PositionRecord(
        "pos-1", "BTC/USDT", Side.BUY, 1, zero, Decimal(1), Decimal(100), Decimal(usd), Decimal(usd), zero, now_ns,
        now_ns, closed_at_ns=now_ns, close_reason=CloseReason.TAKE_PROFIT,
    )  # fmt: skip


def transfers(batch: Any) -> list[Any]:
    return [entry for entry in batch.entries if entry.kind is EntryKind.TRANSFER]


def test_what_is_set_aside_on_a_timer_is_put_down_with_its_transfer(session: TradingSession) -> None:
    bag, now_ns = session.hodl, session.now_ns
    assert bag is not None
    session.halted = "a look at the bag"
    bag.on_position_closed(won("50", now_ns), now_ns)
    session.post_trade.settle(now_ns)
    assert not transfers(session.take_batch(0, 0))
    session.halted = ""
    due_ns = bag.due_ns
    assert due_ns is not None
    session.advance_to(due_ns)
    batch = session.take_batch(0, 0)
    # 10 % of 50: two entries of 5 USD, the records of the allocation, and risk that knows it was no loss.
    assert sorted(entry.amount_atoms for entry in transfers(batch)) == sorted(
        [-entry.amount_atoms for entry in transfers(batch)]
    )
    assert len(transfers(batch)) == 2
    assert [record.kind for record in batch.hodl].count(HodlStep.ALLOCATED) == 3
    assert "transfer" in {record.kind for record in batch.risk}

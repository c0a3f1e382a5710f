"""Orders with many fills are told by pages, of which none cuts a step in two."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.told_fills import CostParts
from triplegain.domain.told_orders import ToldOrder
from triplegain.storage import told_order
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore
from triplegain.storage.told_order import before_step, order_or_fill_named, read_told_order

#: How many fills the steps of the order have: 10 in all, a tenth of it each.
STEPS = (1, 3, 2, 4)
PARTS = {"delay": "0.25", "spread": "-0.5", "impact": "1.00000001", "fee": "0.4"}


def fills_of(first: OrderFilled) -> tuple[OrderFilled, ...]:
    """A step a second; the first stays as it is, but for its explanation."""
    times = [first.time_ns + second * 10**9 for second, size in enumerate(STEPS) for _ in range(size)]
    return tuple(
        msgspec.structs.replace(
            first, sequence=first.sequence + number, fill_number=number + 1, fill_id=f"T{number + 1}", time_ns=time_ns,
            quantity=first.quantity / 10, notional=first.notional / 10, fee=first.fee / 10,
            explanation={"model": "book", "shortfall": PARTS},
        )
        for number, time_ns in enumerate(times)
    )  # fmt: skip


async def pages(reader: SessionReader, limit: int) -> list[ToldOrder]:
    record, fill = await order_or_fill_named(reader, "a", "c-1")
    assert record is not None and fill is None
    found = [await read_told_order(reader, "a", record, limit=limit)]
    while found[-1].next is not None:
        found.append(await read_told_order(reader, "a", record, after=found[-1].next, limit=limit))
    return found


async def test_pages_end_where_steps_do(
    store: SessionStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    batch = script.buy()
    await store.commit("a", msgspec.structs.replace(batch, fills=fills_of(batch.fills[0])))
    reader = SessionReader(database)
    #: By the limit, the fills of each step of each page. A step that is more than the limit is cut.
    expected = {
        1000: [[1, 3, 2, 4]],
        10: [[1, 3, 2, 4]],
        9: [[1, 3, 2], [4]],
        4: [[1, 3], [2], [4]],
        3: [[1], [3], [2], [3], [1]],
    }
    for limit, sizes in expected.items():
        found = await pages(reader, limit)
        assert [[len(step.fills) for step in page.steps] for page in found] == sizes, limit
        # The parts of a step have no book, and say that they are parts.
        whole = [[step.is_whole for step in page.steps] for page in found]
        assert whole == ([[True], [True], [True], [False], [False]] if limit == 3 else [[True] * len(s) for s in sizes])
        told = [fill.fill_id for page in found for step in page.steps for fill in step.fills]
        assert told == [f"T{number}" for number in range(1, 11)], limit
        # Of all ten on every page.
        assert all(" at 1,000 USDT on average." in page.headline for page in found)
        assert {(page.fills, page.cost) for page in found} == {
            (10, CostParts(*map(Decimal, ("2.5", "-5", "10.0000001", "4"))))
        }
    monkeypatch.setattr(told_order, "FILLS_MAX", 2)
    _, fill = await order_or_fill_named(reader, "a", "T10")
    assert fill is not None and await before_step(reader, "a", fill) == 8
    monkeypatch.undo()
    for name in ("T11", "T", "", "\udcff", "x\0", "a b"):
        assert await order_or_fill_named(reader, "a", name) == (None, None), name
    for name, before in (("T1", 0), ("T4", 1), ("T5", 4), ("T10", 6)):
        _, fill = await order_or_fill_named(reader, "a", name)
        assert fill is not None and await before_step(reader, "a", fill) == before


async def test_where_one_fill_has_nothing_to_be_compared_with_there_are_no_parts(
    store: SessionStore, database: Database
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    batch = script.buy()
    first, *others = fills_of(batch.fills[0])
    first = msgspec.structs.replace(first, explanation={"model": "book", "shortfall": None})
    await store.commit("a", msgspec.structs.replace(batch, fills=(first, *others)))
    totals = await SessionReader(database).fill_totals("a", 1)
    assert (totals.fills, totals.cost) == (10, None)
    assert (await SessionReader(database).fill_totals("a", 2)).cost is None

"""What is answered is what is stored, wherever between a command and its answer the run stops or the store fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import pytest

from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import (
    AnyAnswer,
    CancelAll,
    CancelOrder,
    Closing,
    Command,
    Done,
    Flat,
    NotDone,
    Pause,
    PlaceOrder,
    Unknown,
)
from triplegain.domain.errors import TripleGainError
from triplegain.domain.ids import Origin
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, Market, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, OrderRecord, SecurityEvent
from triplegain.domain.refusals import Code
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner


class StorageError(TripleGainError):
    """Nothing of the step is stored."""


class OutcomeUnknownError(TripleGainError):
    """The connection died in the commit, and nobody can be asked."""


class Fault(Enum):
    STOP = auto()
    REFUSED = auto()
    LOST_STORED = auto()
    LOST = auto()


@dataclass
class Store:
    """Something happens at the commit of that number, counted from the command on."""

    fault: Fault
    at: int
    batches: list[CommitBatch] = field(default_factory=list)
    counted: int | None = None
    stop: Callable[[], None] = lambda: None

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        await asyncio.sleep(0)
        if self.counted is not None:
            self.counted += 1
        if self.counted != self.at:
            self.batches.append(batch)
            return
        match self.fault:
            case Fault.STOP:
                self.batches.append(batch)
                self.stop()
            case Fault.REFUSED:
                raise StorageError("a row is out of range")
            case Fault.LOST_STORED:
                self.batches.append(batch)
                raise OutcomeUnknownError("the connection died")
            case Fault.LOST:
                raise OutcomeUnknownError("the connection died")

    def order(self, name: str) -> OrderRecord | None:
        """The row."""
        return next(
            (o for batch in reversed(self.batches) for o in batch.orders if o.request.client_order_id == name), None
        )

    def kinds(self) -> set[str]:
        return {event.kind for batch in self.batches for event in batch.security_events if event.request_id == "asked"}


def order(name: str, price: str | None = None) -> OrderRequest:
    terms = Market() if price is None else Limit(Decimal(price))
    return OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.01"), terms)


async def play(open_session: Any, market: Any, store: Store, *commands: Command[Any]) -> list[AnyAnswer]:
    """A resting order and a position are there; then the commands come at once. What each was answered."""
    feed = market(seconds=10)
    session = open_session(feed, baseline=None)
    answers: list[AnyAnswer] = []
    acts: list[asyncio.Task[None]] = []

    async def ask(door: SessionCommands, command: Command[Any]) -> None:
        asked = "before" if store.counted is None else "asked"
        audit = SecurityEvent(type(command).__name__, "admin", "127.0.0.1", asked, 0)
        answers.append(await door.submit(command, Origin.HAND, audit))

    async def act() -> None:
        door = SessionCommands(runner)
        await ask(door, PlaceOrder(order("resting", "1000")))
        await ask(door, PlaceOrder(order("held")))
        assert all(isinstance(answer, Done) for answer in answers), answers
        answers.clear()
        store.counted = 0
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(ask(door, command) for command in commands))

    async def events() -> AsyncIterator[list[MarketEvent]]:
        for number, event in enumerate(feed.events()):
            if number == 100:
                acts.append(asyncio.get_running_loop().create_task(act()))
            yield [event]

    runner = SessionRunner(session, events(), store, ManualClock())
    store.stop = runner.stop
    with suppress(TripleGainError, asyncio.CancelledError):
        await runner.run()
    await asyncio.wait(acts)
    return answers


def agrees(store: Store, command: Command[Any], answer: AnyAnswer) -> None:
    """Compare with the rows."""
    is_stored = type(command).__name__ in store.kinds()
    match answer:
        case Done():
            assert is_stored
        case NotDone(refusal):
            assert not is_stored and refusal.code in (Code.STOPPED, Code.STORAGE)
        case Unknown():
            lost = store.fault in (Fault.LOST, Fault.LOST_STORED)
            # The exchange has not answered yet; what was sent is stored.
            under_way = is_stored and isinstance(command, CancelOrder | CancelAll)
            assert lost or under_way
    if isinstance(command, PlaceOrder):
        row = store.order(command.request.client_order_id)
        assert (row is not None) or not isinstance(answer, Done)
        assert (row is None) or not isinstance(answer, NotDone)
        if isinstance(answer, Done) and row is not None and store.fault is not Fault.LOST_STORED:
            assert answer.record.status in (row.status, OrderStatus.PENDING)
    if isinstance(command, CancelOrder) and isinstance(answer, Done):
        row = store.order(command.client_order_id)
        assert row is not None and row.status is OrderStatus.CANCELLED


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize(
    "command",
    [PlaceOrder(order("mine")), CancelOrder("resting"), CancelAll(), Flat(), Pause()],
    ids=lambda c: type(c).__name__,
)
async def test_the_answer_agrees_with_the_rows(
    open_session: Any, market: Any, fault: Fault, at: int, command: Command[Any]
) -> None:
    store = Store(fault, at)
    [answer] = await play(open_session, market, store, command)
    agrees(store, command, answer)


async def test_an_order_that_is_stored_when_the_run_stops_is_answered_as_it_is_stored(
    open_session: Any, market: Any
) -> None:
    """The first commit has the order as it was sent; the exchange would answer 100 ms later."""
    store = Store(Fault.STOP, 1)
    [answer] = await play(open_session, market, store, PlaceOrder(order("mine")))
    assert isinstance(answer, Done) and answer.record == store.order("mine")
    assert answer.record.status is OrderStatus.PENDING


async def test_what_comes_while_a_step_is_being_stored_shares_the_next_one(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    orders = [PlaceOrder(order(f"mine-{number}", "900")) for number in range(8)]
    answers = await play(open_session, market, store, *orders)
    assert [answer.record.status for answer in answers if isinstance(answer, Done)] == [OrderStatus.OPEN] * 8
    with_audits = [len(batch.security_events) for batch in store.batches if batch.security_events]
    # Two orders to begin with, each in a step of its own; then the first of eight alone at most, the others together.
    assert with_audits[:2] == [1, 1] and len(with_audits) <= 4 and sum(with_audits) == 10


async def test_a_step_that_fails_is_nothing_done_for_all_that_share_it(open_session: Any, market: Any) -> None:
    store = Store(Fault.REFUSED, 1)
    answers = await play(open_session, market, store, *(PlaceOrder(order(f"mine-{n}", "900")) for n in range(3)))
    assert all(isinstance(answer, NotDone) for answer in answers)
    assert [store.order(f"mine-{n}") for n in range(3)] == [None] * 3


async def test_everything_is_cancelled_in_one_act_orders_under_way_included(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    orders = [PlaceOrder(order(f"mine-{number}", "900")) for number in range(3)]
    *_, cancelled = await play(open_session, market, store, *orders, CancelAll())
    names = {"resting", "mine-0", "mine-1", "mine-2"}
    rows = {name: store.order(name) for name in names}
    assert {row.status for row in rows.values() if row} == {OrderStatus.CANCELLED}
    done = [each for each in (cancelled,) if isinstance(each, Done)]
    assert set(done[0].record.cancelled) == names and done[0].record.kept == ()


async def test_closing_is_done_when_it_is_stored_and_says_what_is_left(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    flat, again = await play(open_session, market, store, Flat(), Flat())
    assert flat == Done(Closing(("pos-1", "pos-2"), ("pos-1", "pos-2")))
    assert again == Done(Closing((), ("pos-1", "pos-2")))

"""What is answered is what is stored, wherever between a command and its answer the run stops or the store fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from types import ModuleType
from typing import Any, get_args

import pytest

from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import (
    AmendOrder,
    AnyAnswer,
    AnyCommand,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    ClosePosition,
    ClosingProgress,
    Command,
    Done,
    EditOrder,
    Emergency,
    Flat,
    NotDone,
    Pause,
    PlaceBatch,
    PlaceOrder,
    ReducePosition,
    ResetRisk,
    ResetSession,
    Resume,
    RunTask,
    Unknown,
    ValidateOrder,
)
from triplegain.domain.errors import TripleGainError
from triplegain.domain.ids import Origin
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, OrderRecord, SecurityEvent
from triplegain.domain.refusals import Code, RefusedError
from triplegain.execution import order_register
from triplegain.execution.protection.protection import Protected, Protection
from triplegain.ledger import reconcile
from triplegain.session.by_hand import ByHand
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession
from triplegain.storage import session_store


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


async def play(
    open_session: Any,
    market: Any,
    store: Store,
    *commands: Command[Any],
    damage: Callable[[TradingSession], None] | None = None,
) -> list[AnyAnswer]:
    """A resting order and a position with a stop are there; then the commands come at once. What each was answered.

    `damage` is done to the session before.
    """
    feed = market(seconds=10)
    session = open_session(feed, baseline=None)
    answers: list[AnyAnswer] = []
    acts: list[asyncio.Task[None]] = []

    async def ask(door: SessionCommands, command: Command[Any]) -> AnyAnswer:
        asked = "before" if store.counted is None else "asked"
        audit = SecurityEvent(type(command).__name__, "admin", "127.0.0.1", asked, 0)
        return await door.submit(command, Origin.HAND, audit)

    async def act() -> None:
        door = SessionCommands(runner)
        for placed in (PlaceOrder(order("resting", "1000")), PlaceOrder(order("held"), stop=Decimal(10_000))):
            assert isinstance(await ask(door, placed), Done)
        while not isinstance(protection := session.desk.protection("pos-2"), Protection) or not isinstance(
            protection.stage, Protected
        ):
            await asyncio.sleep(0)
        store.counted = 0
        if damage is not None:
            damage(session)
        answers.extend(await asyncio.gather(*(ask(door, command) for command in commands)))

    async def events() -> AsyncIterator[list[MarketEvent]]:
        for number, event in enumerate(feed.events()):
            if acts and acts[0].done():
                break
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
            assert not is_stored and refusal.code in (Code.STOPPED, Code.STORAGE, refused_anyway.get(type(command)))
        case Unknown():
            lost = store.fault in (Fault.LOST, Fault.LOST_STORED)
            # The exchange has not answered yet; what was sent is stored.
            under_way = is_stored and isinstance(command, CancelOrder | CancelOrders | CancelAll | AmendOrder)
            assert lost or under_way
    if isinstance(command, PlaceOrder):
        row = store.order(command.request.client_order_id)
        assert (row is not None) or not isinstance(answer, Done)
        assert (row is None) or not isinstance(answer, NotDone)
        if isinstance(answer, Done) and row is not None and store.fault is not Fault.LOST_STORED:
            assert answer.record.status in (row.status, OrderStatus.PENDING)
    is_sent = isinstance(command, PlaceBatch | EditOrder) and isinstance(answer, Done)
    if is_sent and store.fault is not Fault.LOST_STORED:
        row = store.order("mine")
        assert row is not None and row.status in (OrderStatus.OPEN, OrderStatus.PENDING)
    if isinstance(command, CancelOrder) and isinstance(answer, Done):
        row = store.order(command.client_order_id)
        assert row is not None and row.status is OrderStatus.CANCELLED
    if isinstance(command, AmendOrder) and isinstance(answer, Done):
        row = store.order("resting")
        assert row is not None and row.price == command.request.price


#: One of each that there is, for the resting order, `pos-1`, and the position, `pos-2`.
COMMANDS: tuple[Command[Any], ...] = (
    PlaceOrder(order("mine")),
    PlaceBatch((PlaceOrder(order("mine", "900")), PlaceOrder(order("mine-2", "901")))),
    ValidateOrder(order("mine")),
    EditOrder("resting", "mine", price=Decimal(1001)),
    AmendOrder(AmendRequest("resting", price=Decimal(1001))),
    CancelOrder("resting"),
    CancelOrders(("resting", "tg-stop-1")),
    CancelAll(),
    CancelAllAfter(60),
    ClosePosition("pos-2"),
    ReducePosition("pos-2", Decimal("0.005")),
    Flat(),
    Emergency(),
    Pause(),
    Resume(),
    ResetRisk(),
    ResetSession(),
    RunTask("regime"),
)
#: Whoever runs the session resets it.
refused_anyway: dict[type, Code] = {ResetSession: Code.REFUSED}


def test_no_command_is_forgotten_here() -> None:
    assert {type(command) for command in COMMANDS} == set(get_args(AnyCommand))


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
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


async def test_what_comes_together_shares_a_step(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    orders = [PlaceOrder(order(f"mine-{number}", "900")) for number in range(8)]
    answers = await play(open_session, market, store, *orders)
    assert [answer.record.status for answer in answers if isinstance(answer, Done)] == [OrderStatus.OPEN] * 8
    with_audits = [len(batch.security_events) for batch in store.batches if batch.security_events]
    # Two orders to begin with, each in a step of its own; then all eight.
    assert with_audits == [1, 1, 8]


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
    assert set(done[0].record.cancelled) == names and done[0].record.kept == ("tg-stop-1",)


async def test_closing_is_done_when_it_is_stored_and_says_what_is_left(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    flat, again = await play(open_session, market, store, Flat(), Flat())
    assert flat == Done(ClosingProgress(("pos-1", "pos-2"), ("pos-1", "pos-2")))
    assert again == Done(ClosingProgress((), ("pos-1", "pos-2")))


async def test_each_of_several_changes_of_one_order_gets_its_own_answer(open_session: Any, market: Any) -> None:
    store = Store(Fault.STOP, 99)
    off_tick, higher, nothing, cancelled, again = await play(
        open_session,
        market,
        store,
        AmendOrder(AmendRequest("resting", price=Decimal("1000.05"))),
        AmendOrder(AmendRequest("resting", price=Decimal(1001))),
        AmendOrder(AmendRequest("resting")),
        CancelOrder("resting"),
        CancelOrder("resting"),
    )
    assert isinstance(off_tick, NotDone) and off_tick.refusal.code is Code.TICK_SIZE
    assert isinstance(higher, Done) and higher.record.price == 1001
    assert isinstance(nothing, NotDone) and nothing.refusal.code is Code.INVALID_AMEND
    assert [each.record.status for each in (cancelled, again) if isinstance(each, Done)] == [OrderStatus.CANCELLED] * 2


async def test_a_change_of_what_is_filled_meanwhile_is_not_done(open_session: Any, market: Any) -> None:
    """The order is under way, and filled before what is asked of it arrives."""
    store = Store(Fault.STOP, 99)
    placed, *refused = await play(
        open_session,
        market,
        store,
        PlaceOrder(order("mine")),
        CancelOrder("mine"),
        AmendOrder(AmendRequest("mine", quantity=Decimal("0.005"))),
    )
    assert isinstance(placed, Done)
    assert [each.refusal.code for each in refused if isinstance(each, NotDone)] == [Code.ORDER_FINAL] * 2


async def test_a_change_of_what_has_gone_meanwhile_is_not_done_either(open_session: Any, market: Any) -> None:
    cancelled, amended = await play(
        open_session,
        market,
        Store(Fault.STOP, 99),
        CancelOrder("resting"),
        AmendOrder(AmendRequest("resting", quantity=Decimal("0.005"))),
    )
    assert isinstance(cancelled, Done)
    assert isinstance(amended, NotDone) and amended.refusal.code is Code.ORDER_FINAL


async def test_a_stop_that_is_being_changed_already_is_not_moved_by_hand(open_session: Any, market: Any) -> None:
    """The second hears of nothing that the first has asked; it is told to come again, and nothing is kept of it."""
    store = Store(Fault.STOP, 99)
    first, second = await play(
        open_session,
        market,
        store,
        AmendOrder(AmendRequest("tg-stop-1", price=Decimal(11_000))),
        AmendOrder(AmendRequest("tg-stop-1", price=Decimal(12_000))),
    )
    assert isinstance(first, Done) and first.record.price == 11_000
    assert isinstance(second, NotDone) and second.refusal.code is Code.NOT_NOW
    row = store.order("tg-stop-1")
    assert row is not None and row.price == 11_000


def kinds_of_error(kind: type[TripleGainError] = TripleGainError) -> set[type[Exception]]:
    return {kind}.union(*(kinds_of_error(each) for each in kind.__subclasses__()))


def broken(error: Exception) -> Callable[..., Any]:
    def act(*_: Any, **__: Any) -> Any:
        raise error

    return act


def every_error() -> list[Exception]:
    """One of each that anything in a step may raise."""
    loaded: list[ModuleType] = [session_store, reconcile, order_register]
    assert all(loaded)
    bugs: set[type[Exception]] = {KeyError, OSError, RuntimeError, ValueError}
    kinds = (kinds_of_error() | bugs) - {RefusedError}
    return [kind.__new__(kind, "it broke") for kind in sorted(kinds, key=lambda each: each.__qualname__)]


@pytest.mark.parametrize("where", ["act", "books", "store"])
async def test_whatever_breaks_the_answer_is_done_or_not_done_or_unknown_with_a_code(
    open_session: Any, market: Any, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: TradingSession = open_session(market(), baseline=None)
    audit = SecurityEvent("flat", "admin", "127.0.0.1", "asked", 0)
    for error in every_error():
        store = Store(Fault.STOP, 99)
        runner = SessionRunner(session, iter(()), store, ManualClock())
        place, name = {
            "act": (ByHand, "flat"), "books": (session.reconciliation, "follow"), "store": (store, "commit"),
        }[where]  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(place, name, broken(error))
            answer = await SessionCommands(runner).submit(Flat(), Origin.HAND, audit)
        assert store.batches == []
        match answer:
            case NotDone(refusal):
                assert "it broke" in refusal.reason and refusal.code.status != 500
            case Unknown():
                # What the store raises without a code may have come after it had stored.
                assert where == "store"
            case Done():
                raise AssertionError(f"{error!r}: nothing is stored")
        session.halted = ""

"""A running session reduced to its door: every command is stored, with its audit, before it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from tests.api import told
from tests.storage.scripted_session import START_NS, STEP_NS, ScriptedSession

from triplegain.api.control import V
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.commands import (
    AmendOrder,
    Answer,
    AnyAnswer,
    CancelAll,
    CancelAllAfter,
    Cancelling,
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
    R,
    ReducePosition,
    ResetRisk,
    ResetSession,
    Resume,
    RunTask,
    SwitchSet,
    ValidateOrder,
)
from triplegain.domain.ids import Origin, order_id
from triplegain.domain.orders import Limit, OrderOptions, OrderStatus
from triplegain.domain.proposal import Regime, TradeProposal
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.records import BalanceRecord, CommitBatch, OrderRecord, SecurityEvent
from triplegain.domain.refusals import Code, Refusal, RefusedError
from triplegain.domain.verdict import RiskVerdict
from triplegain.domain.views import (
    AgentsView,
    CoordinatorView,
    DecisionCounts,
    LastLooks,
    Margin,
    Moment,
    OrderStanding,
    OrderStandings,
    RiskState,
    SessionView,
    SnapshotText,
)
from triplegain.storage.session_store import SessionStore


class StoredControl:
    """Limit orders rest, others are rejected for margin, a symbol other than BTC/USDT is refused."""

    def __init__(self, store: SessionStore, script: ScriptedSession) -> None:
        self._store = store
        self._script = script
        self._lock = asyncio.Lock()
        self.session_id = script.session_id
        self.orders: dict[str, OrderRecord] = {}
        self.protection: tuple[Decimal | None, Decimal | None] = (None, None)
        self.standings: dict[str, OrderStanding] = {}
        self.paused = False
        self.halted = self.away = ""
        self.taken_out = ""
        self.asked: tuple[TradeProposal, Decimal | None, Regime | None] | None = None
        self.held_up: asyncio.Event | None = None
        self.stored = asyncio.Event()

    def snapshot(self, symbol: str, compact: bool) -> SnapshotText:
        if symbol != "BTC/USDT":
            raise RefusedError(Code.NO_SNAPSHOT, f"no snapshot of {symbol}: it has no closed candle yet")
        return SnapshotText('{"symbol":"BTC/USDT"}' if compact else '{"a":"1.0","symbol":"BTC/USDT"}', "abc")

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        assert origin is Origin.HAND
        answer: AnyAnswer
        if isinstance(command, PlaceOrder):
            answer = await self._place(command, audit)
        elif isinstance(command, PlaceBatch):
            placed = [await self._place(each, audit) for each in command.orders]
            answer = Done(tuple(each.record for each in placed if isinstance(each, Done)))
        elif isinstance(command, EditOrder):
            answer = await self._edit(command, audit)
        elif isinstance(done := self._carry_out(command), Refusal):
            answer = NotDone(done)
        else:
            if isinstance(done, OrderRecord):
                await self._keep(done, audit)
            elif isinstance(done, Cancelling):
                gone = [replace(self.orders[name], status=OrderStatus.CANCELLED) for name in done.cancelled]
                self.orders |= {each.request.client_order_id: each for each in gone}
                await self.store_step(orders=tuple(gone), security_events=(audit,))
            else:
                await self._commit(audit)
            answer = Done(done)
        return answer

    async def _place(self, command: PlaceOrder, audit: SecurityEvent) -> AnyAnswer:
        if self.held_up is not None:
            await self.held_up.wait()
        async with self._lock:
            request = command.request
            if request.client_order_id in self.orders:
                return Done(self.orders[request.client_order_id], again=True)
            if request.symbol != "BTC/USDT":
                return NotDone(Refusal(Code.UNKNOWN_PAIR, f"{request.symbol} is not traded in this session"))
            self._script.orders += 1
            number = self._script.orders
            price = request.terms.price if isinstance(request.terms, Limit) else None
            record = OrderRecord(
                order_number=number,
                order_id=order_id(self.session_id, number),
                request=request,
                status=OrderStatus.OPEN,
                submitted_at_ns=START_NS,
                updated_at_ns=START_NS,
                quantity=request.quantity,
                price=price,
            )
            if request.leverage > 1:
                no = (Code.MARGIN_ALLOWANCE, "no margin is offered")
                record = replace(record, status=OrderStatus.REJECTED, code=no[0], reason=no[1])
            if self.taken_out:
                record = replace(record, status=OrderStatus.ERROR, reason=self.taken_out)
            self.protection = (command.stop, command.target)
            await self._keep(record, audit)
            return Done(record)

    async def _edit(self, command: EditOrder, audit: SecurityEvent) -> AnyAnswer:
        old = self.orders[command.client_order_id]
        options = OrderOptions(replaces=command.client_order_id, deadline_ns=command.deadline_ns)
        request = replace(
            old.request,
            client_order_id=command.new_id,
            quantity=command.quantity or old.quantity,
            terms=Limit(command.price or old.price or Decimal(0)),
            options=options,
        )
        self.orders[command.client_order_id] = replace(old, status=OrderStatus.CANCELLED)
        return await self._place(PlaceOrder(request), audit)

    def _carry_out(self, command: Any) -> Any:
        match command:
            case ValidateOrder(request):
                return Refusal(Code.MARGIN_ALLOWANCE, "no margin is offered") if request.leverage > 1 else None
            case CancelOrders(names):
                return Cancelling(tuple(names), ())
            case CancelAllAfter(timeout_s):
                return SwitchSet(START_NS, START_NS + timeout_s * SECOND_NS if timeout_s else None)
            case CancelOrder(name):
                return replace(self.orders[name], status=OrderStatus.CANCELLED)
            case AmendOrder(request):
                known = self.orders[request.client_order_id]
                return replace(known, quantity=request.quantity or known.quantity, price=request.price or known.price)
            case CancelAll():
                is_open = (name for name, order in self.orders.items() if order.status is OrderStatus.OPEN)
                return Cancelling(tuple(is_open), ("tg-stop-1",))
            case ClosePosition(position_id) | ReducePosition(position_id) if position_id != "p-1":
                return Refusal(Code.UNKNOWN_POSITION, f"there is no open position {position_id}")
            case ClosePosition() | ReducePosition():
                return ClosingProgress(("p-1",), ("p-1",))
            case Flat() | Emergency():
                self.paused = self.paused or isinstance(command, Emergency)
                return ClosingProgress(("p-1", "p-2"), ("p-1", "p-2"))
            case ResetRisk() if self.halted:
                return Refusal(Code.EQUITY_UNKNOWN, "equity is unknown or not above zero")
            case ResetRisk():
                return ("drawdown: -20.00 % from the peak",)
            case RunTask("decision"):
                return Refusal(Code.UNKNOWN_TASK, "this session has no task decision, it has technical, regime")
            case RunTask(task) if self.paused:
                return Refusal(Code.NOT_NOW, f"trading is paused, so {task} would be skipped: `resume` first")
            case ResetSession():
                return "paper_20231114_230000"
            case Pause() | Resume():
                self.paused = isinstance(command, Pause)
        return None

    def judge(self, asked: TradeProposal, notional: Decimal | None, regime: Regime | None) -> RiskVerdict:
        self.asked = asked, notional, regime
        if asked.symbol != "BTC/USDT":
            raise RefusedError(Code.UNKNOWN_SYMBOL, f"{asked.symbol} is not traded in this session")
        return told.verdict(asked, regime)

    def see(self, kind: type[V]) -> V:
        counts = DecisionCounts(sent=1, refused=2, held=3, abstained=4)
        seen: dict[type, Any] = {
            RiskState: told.risk_state(self.session_id, "halted" if self.halted else "running"),
            Margin: told.margin(self.session_id),
            AgentsView: told.mind(),
            LastLooks: LastLooks(),
            CoordinatorView: CoordinatorView("paused" if self.paused else "running", "", counts),
            OrderStandings: OrderStandings(self.standings),
        }
        found: V = seen[kind]
        return found

    def moment(self) -> Moment:
        return Moment(
            self.session_id, "paper", "demo", "demo", True, START_NS, START_NS, self.paused, self.halted, self.away
        )

    def view(self) -> SessionView:
        quote = Quote(
            "BTC/USDT", Decimal("999.9"), Decimal("1000.1"), Decimal("1000"), Decimal("2"), None,
            START_NS, START_NS, QuoteSource.DEMO,
        )  # fmt: skip
        return SessionView(
            **asdict(self.moment()),
            events=12,
            events_per_s=3.5,
            progress=None,
            quotes={"BTC/USDT": quote, "XRP/USDT": None},
            balances=(BalanceRecord("USDT", Decimal("9899.60"), Decimal("100.4")),),
            positions=(),
            open_orders=(),
            summary=told.account(Decimal("9999.60"), {"USDT": Decimal("1E+1")}),
            unrealised={"p-1": Decimal("-0.40")},
        )

    async def _keep(self, record: OrderRecord, audit: SecurityEvent) -> OrderRecord:
        await self._commit(audit, record)
        self.orders[record.request.client_order_id] = record
        self.stored.set()
        return record

    async def _commit(self, audit: SecurityEvent, *orders: OrderRecord) -> None:
        await self.store_step(orders=orders, security_events=(audit,))

    async def store_step(self, **records: Any) -> None:
        """One more step of the session, with these records."""
        self._script.steps += 1
        now_ns = START_NS + self._script.steps * STEP_NS
        await self._store.commit(self.session_id, CommitBatch(self._script.steps, now_ns, now_ns, 3, **records))

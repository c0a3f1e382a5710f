"""A session whose steps are written by hand: consistent batches without an exchange.

Every buy is 0.1 BTC at 1000 USDT: notional 100, fee 0.4 (0.40 %), so USDT falls by 100.4 and BTC rises by 0.1.
"""

from __future__ import annotations

from decimal import Decimal

import asyncpg

from triplegain.domain.exchange_events import ExchangeEvent, OrderAccepted, OrderFilled, OrderSubmitted
from triplegain.domain.ids import fill_id, order_id
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, Side, TimeInForce
from triplegain.domain.parts import PartChange
from triplegain.domain.records import (
    BalanceRecord,
    CommitBatch,
    DecisionRecord,
    OrderRecord,
    Outcome,
    PortfolioSnapshot,
    PositionRecord,
    PositionSnapshot,
    SecurityEvent,
    SessionRecord,
    SessionStatus,
)
from triplegain.domain.storable import encode
from triplegain.ledger.wallet import Wallet

START_NS = 1_700_000_000 * 10**9
STEP_NS = 10**9 + 1
PRICE, QUANTITY, NOTIONAL, FEE = Decimal("1000"), Decimal("0.1"), Decimal("100"), Decimal("0.4")


def session_record(session_id: str = "paper_20231114_221320", feed: str = "demo") -> SessionRecord:
    return SessionRecord(
        session_id=session_id,
        status=SessionStatus.ACTIVE,
        feed=feed,
        seed=7,
        created_at_ns=START_NS,
        updated_at_ns=START_NS,
        initial_balances={"USDT": Decimal("10000"), "BTC": Decimal(0)},
        settings={"candle": "1s", "fees": {"tier": 0}},
    )


class ScriptedSession:
    """Counts steps and numbers as the machine would."""

    def __init__(self, session_id: str, opening: Decimal = Decimal("10000")) -> None:
        self.session_id = session_id
        self.wallet = Wallet()
        self.steps = self.orders = self.fills = self.decisions = self.sequence = 0
        self._opening = opening

    def opening(self) -> CommitBatch:
        self.wallet.deposit({"USDT": atoms(self._opening), "BTC": 0}, START_NS)
        return self._batch()

    def idle(self) -> CommitBatch:
        """A step in which nothing changed but the position in the feed."""
        return self._batch(balances=False)

    def rest(self) -> CommitBatch:
        """A limit order that is accepted and stays: 100.4 USDT held."""
        self.orders += 1
        assert self.wallet.reserve(self.orders, "USDT", atoms(NOTIONAL + FEE))
        order = self._order(OrderStatus.OPEN, Decimal(0))
        return self._batch(orders=(order,), events=self._submitted(order))

    def buy(self) -> CommitBatch:
        """An order that is filled at once, with everything that follows from it."""
        self.orders += 1
        self.fills += 1
        self.decisions += 1
        now, number = self._now, self.orders
        order = self._order(OrderStatus.FILLED, QUANTITY)
        events = self._submitted(order)
        fill = self._fill(order)
        self.wallet.book_fill(
            now,
            number,
            self.fills,
            paid=("USDT", atoms(NOTIONAL)),
            received=("BTC", atoms(QUANTITY)),
            fee=("USDT", atoms(FEE)),
            draw=0,
        )
        return self._batch(
            events=(*events, fill),
            orders=(order,),
            fills=(fill,),
            positions=(self._position(order),),
            decisions=(
                DecisionRecord(
                    self.decisions, now, "BTC/USDT", "ema", "buy", Decimal("0.75"), Outcome.SENT, (), f"c-{number}"
                ),
            ),
            portfolio_snapshots=(self._snapshot(self.fills),),
            position_snapshots=(
                PositionSnapshot(self.fills, now, f"p-{number}", "BTC/USDT", QUANTITY, PRICE, Decimal("-0.4")),
            ),
        )

    def refuse(self, reason: str) -> CommitBatch:
        """A decision of which nothing came."""
        self.decisions += 1
        now, number = self._now, self.decisions
        decision = DecisionRecord(number, now, "XRP/USDT", "ema", "buy", Decimal("0.5"), Outcome.REFUSED, (reason,))
        return self._batch(balances=False, decisions=(decision,))

    def audited(self) -> CommitBatch:
        event = SecurityEvent("paper_trade", "key:admin", "127.0.0.1", "r-1", START_NS, {"order": "c-1"})
        return self._batch(balances=False, security_events=(event,))

    @property
    def _now(self) -> int:
        return START_NS + self.steps * STEP_NS

    def _order(self, status: OrderStatus, filled: Decimal) -> OrderRecord:
        request = OrderRequest(
            client_order_id=f"c-{self.orders}",
            symbol="BTC/USDT",
            side=Side.BUY,
            quantity=QUANTITY,
            terms=Limit(PRICE, post_only=filled == 0),
            time_in_force=TimeInForce.GTD,
            expires_at_ns=self._now + 10**12,
            position_id=f"p-{self.orders}",
            purpose="entry",
        )
        return OrderRecord(
            order_number=self.orders,
            order_id=order_id(self.session_id, self.orders),
            request=request,
            status=status,
            submitted_at_ns=self._now,
            updated_at_ns=self._now,
            quantity=QUANTITY,
            price=PRICE,
            filled_quantity=filled,
            filled_notional=filled * PRICE,
            fees=FEE if filled else Decimal(0),
        )

    def _submitted(self, order: OrderRecord) -> tuple[ExchangeEvent, ...]:
        request, number, now = order.request, order.order_number, self._now
        self.sequence += 2
        return (
            OrderSubmitted(self.sequence - 1, now, now, number, order.order_id, request, now),
            OrderAccepted(
                self.sequence, now, now + 5, number, request.client_order_id, request.symbol, "USDT", NOTIONAL + FEE
            ),
        )

    def _fill(self, order: OrderRecord) -> OrderFilled:
        self.sequence += 1
        return OrderFilled(
            sequence=self.sequence,
            time_ns=self._now,
            visible_at_ns=self._now + 5,
            order_number=order.order_number,
            client_order_id=order.request.client_order_id,
            fill_number=self.fills,
            fill_id=fill_id(self.session_id, self.fills),
            symbol="BTC/USDT",
            side=Side.BUY,
            price=PRICE,
            quantity=QUANTITY,
            notional=NOTIONAL,
            fee=FEE,
            fee_asset="USDT",
            maker=False,
            cumulative_quantity=QUANTITY,
            status=OrderStatus.FILLED,
            explanation={"model": "book", "levels": [["1000", "0.1"]], "order_id": order.order_id},
        )

    def _position(self, order: OrderRecord) -> PositionRecord:
        return PositionRecord(
            position_id=f"p-{order.order_number}",
            symbol="BTC/USDT",
            side=Side.BUY,
            entry_order_number=order.order_number,
            quantity=QUANTITY,
            entry_quantity=QUANTITY,
            average_entry=PRICE,
            realised=-FEE,
            realised_usd=-FEE,
            fees=FEE,
            opened_at_ns=self._now,
            updated_at_ns=self._now,
            stop=Decimal("970"),
        )

    def _snapshot(self, number: int) -> PortfolioSnapshot:
        equity = self._opening - FEE * number
        return PortfolioSnapshot(
            number, self._now, equity, self._opening, self._balances(), -FEE * number, Decimal(0), FEE * number, number
        )

    def _balances(self) -> tuple[BalanceRecord, ...]:
        return tuple(
            BalanceRecord(asset, from_atoms(self.wallet.total(asset)), from_atoms(self.wallet.held(asset)))
            for asset in self.wallet.assets()
        )

    def kept_wallet(self) -> dict[str, dict[str, str]]:
        """A part of this session, in atoms as text."""
        return {"total": {asset: str(self.wallet.total(asset)) for asset in self.wallet.assets()}}

    def _batch(self, *, balances: bool = True, **changed: tuple[object, ...]) -> CommitBatch:
        now = self._now
        self.steps += 1
        return CommitBatch(
            feed_position=self.steps,
            market_time_ns=now,
            recorded_at_ns=START_NS + self.steps * 1000,
            form=3,
            parts=(PartChange("wallet", "", encode(self.kept_wallet())), PartChange("steps", str(self.steps), b"1")),
            entries=tuple(self.wallet.drain_entries()),
            balances=self._balances() if balances else (),
            **changed,  # type: ignore[arg-type]
        )


async def last_step(database_url: str, session_id: str = "a") -> int:
    """The number of the last step that is stored, read on a connection of its own."""
    connection = await asyncpg.connect(database_url)
    step = await connection.fetchval("SELECT step FROM paper_session_state WHERE session_id = $1", session_id)
    await connection.close()
    return int(step)

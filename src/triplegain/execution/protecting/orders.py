"""Steps of a protection become orders: stops named `stop-N` and exits named `exit-N`, and what each of them is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Any, assert_never

from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side, StopLoss
from triplegain.domain.records import CloseReason
from triplegain.execution.broker import Broker
from triplegain.execution.positions import Positions
from triplegain.execution.protecting.next_step import (
    CancelEntry,
    CancelStop,
    CloseInstead,
    EndReduction,
    Finish,
    GoUnguarded,
    MoveStop,
    PlaceStop,
    PlanReduction,
    ResizeStop,
    SellPart,
    SellRest,
    Step,
)
from triplegain.execution.protecting.protection import Protection
from triplegain.execution.protecting.stage import (
    Amendment,
    Closed,
    Leaving,
    Leg,
    Move,
    Protected,
    Protecting,
    Resize,
    Selling,
    Unguarded,
)


class Role(Enum):
    """What an order is to its position."""

    ENTRY = "entry"
    STOP = "stop"
    EXIT = "exit"


class ProtectiveOrders:
    """Sends what a step asks for and writes into the protection that it was sent. Knows whom each open order serves."""

    def __init__(self, broker: Broker, positions: Positions) -> None:
        self._broker = broker
        self._positions = positions
        self._roles: dict[str, tuple[str, Role]] = {}
        self._counters = {"stop": 0, "exit": 0}

    def follow(self, client_order_id: str, position_id: str, role: Role) -> None:
        self._roles[client_order_id] = (position_id, role)

    def role(self, client_order_id: str) -> tuple[str, Role] | None:
        """(position, what the order is to it); None for an order that serves none."""
        return self._roles.get(client_order_id)

    def forget(self, client_order_id: str) -> None:
        """The order is over."""
        del self._roles[client_order_id]

    def take(self, protection: Protection, step: Step) -> None:
        """Do one step."""
        match step:
            case PlaceStop(quantity, level):
                stop_id = self._next("stop")
                protection.stage = Protecting(stop_id, quantity, level)
                self._sell(protection, stop_id, quantity, StopLoss(level.trigger), level.reason, Role.STOP)
            case ResizeStop(quantity):
                self._amend(protection, Resize(quantity))
            case MoveStop(level):
                self._positions.plan_move(protection.position_id, level)
                self._amend(protection, Move(level))
            case GoUnguarded():
                protection.stage = Unguarded()
            case CancelEntry():
                protection.entry = Leg.CANCELLING
                self._broker.cancel(protection.entry_id)
            case CancelStop(stop_id):
                if isinstance(protection.stage, Leaving):
                    protection.stage = replace(protection.stage, stop=Leg.CANCELLING)
                self._broker.cancel(stop_id)
            case PlanReduction() | CloseInstead() | EndReduction() | SellPart():
                self._reduce(protection, step)
            case SellRest(quantity):
                exit_id, stage = self._next("exit"), protection.stage
                if isinstance(stage, Leaving | Selling):
                    failures = stage.failures if isinstance(stage, Selling) else 0
                    protection.stage = Selling(stage.reason, exit_id, 0, failures)
                    self._sell(protection, exit_id, quantity, Market(), stage.reason, Role.EXIT)
            case Finish():
                protection.stage = Closed()
            case _:
                assert_never(step)

    def _reduce(self, protection: Protection, step: PlanReduction | CloseInstead | EndReduction | SellPart) -> None:
        reduction = protection.reduction
        if reduction is None:
            return
        match step:
            case PlanReduction(keep):
                protection.reduction = replace(reduction, keep=keep)
            case CloseInstead():
                protection.leave(reduction.reason)
            case EndReduction():
                protection.reduction = None
            case SellPart(quantity):
                exit_id = self._next("exit")
                protection.reduction = replace(reduction, exit_id=exit_id, retry_at_ns=0)
                self._sell(protection, exit_id, quantity, Market(), reduction.reason, Role.EXIT)
            case _:
                assert_never(step)

    def _amend(self, protection: Protection, asked: Amendment) -> None:
        if not isinstance(protection.stage, Protected):
            return
        stage = protection.stage = replace(protection.stage, asked=asked)
        match asked:
            case Resize(quantity):
                self._broker.amend(AmendRequest(stage.stop_id, quantity=quantity))
            case Move(level):
                self._broker.amend(AmendRequest(stage.stop_id, price=level.trigger))

    def _sell(
        self,
        protection: Protection,
        client_order_id: str,
        quantity: Decimal,
        terms: Market | StopLoss,
        reason: CloseReason,
        role: Role,
    ) -> None:
        self.follow(client_order_id, protection.position_id, role)
        self._broker.place(
            OrderRequest(
                client_order_id,
                protection.symbol,
                Side.SELL,
                quantity,
                terms,
                position_id=protection.position_id,
                purpose=reason.value,
            )
        )

    def _next(self, kind: str) -> str:
        self._counters[kind] += 1
        return f"{kind}-{self._counters[kind]}"

    def state(self) -> dict[str, Any]:
        return {
            "roles": {name: [position_id, role.value] for name, (position_id, role) in self._roles.items()},
            "counters": dict(self._counters),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._roles = {name: (position_id, Role(role)) for name, (position_id, role) in state["roles"].items()}
        self._counters = dict(state["counters"])

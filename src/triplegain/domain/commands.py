"""What may be asked of a running session, as values, and the answers to it: done, not done, not known, and stands.

A command is answered when its effect is stored. Closing takes time: it is done when the intention is stored, which
survives restarts and is pursued until nothing is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from triplegain.domain.ids import Origin
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.records import OrderRecord, SecurityEvent
from triplegain.domain.refusals import Refusal

R = TypeVar("R")


class Command(msgspec.Struct, Generic[R], frozen=True):
    """`R` is the record of what was done."""


class ClosingProgress(msgspec.Struct, frozen=True):
    """The way out of `positions` has begun; `left` are those that are not closed yet, on their way out before too.
    `margin`: pairs of which what a person holds on margin is being closed."""

    positions: tuple[str, ...]
    left: tuple[str, ...] = ()
    margin: tuple[str, ...] = ()


class Cancelling(msgspec.Struct, frozen=True):
    """Client order ids: `cancelled` will not open anything any more, `kept` protect positions or take them off; `left`
    could not be cancelled, with why: filled meanwhile, most often."""

    cancelled: tuple[str, ...]
    kept: tuple[str, ...]
    left: Mapping[str, str] = {}


class SwitchSet(msgspec.Struct, frozen=True):
    """`cancels_at_ns`: when all orders are cancelled, None: never; `set_at_ns`: when it was asked for. Market times."""

    set_at_ns: int
    cancels_at_ns: int | None


class PlaceOrder(Command[OrderRecord], frozen=True):
    """Send an order; a buy becomes a position with this `stop` and `target`.

    Done when the exchange has answered: accepted, filled or rejected. A client order id that the session knows is
    the same order, and done again.
    """

    request: OrderRequest
    stop: Decimal | None = None
    target: Decimal | None = None


class PlaceBatch(Command[tuple[OrderRecord, ...]], frozen=True):
    """Send orders of one pair together: one that is not valid refuses all of them. Done when each has its answer."""

    orders: tuple[PlaceOrder, ...]


class ValidateOrder(Command[None], frozen=True):
    """Every check an order would meet now; nothing is sent or held."""

    request: OrderRequest
    stop: Decimal | None = None
    target: Decimal | None = None


class EditOrder(Command[OrderRecord], frozen=True):
    """Put a new order, `new_id`, in the place of one that is open, with this quantity and price: None is as before."""

    client_order_id: str
    new_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    deadline_ns: int | None = None


class AmendOrder(Command[OrderRecord], frozen=True):
    request: AmendRequest


class CancelOrder(Command[OrderRecord], frozen=True):
    client_order_id: str


class CancelAll(Command[Cancelling], frozen=True):
    """Every order that would open something, those on their way to the exchange included."""


class CancelOrders(Command[Cancelling], frozen=True):
    """These orders, by client order id."""

    client_order_ids: tuple[str, ...]


class CancelAllAfter(Command[SwitchSet], frozen=True):
    """Set the dead man's switch of the exchange anew: after so many seconds it cancels everything. 0: off."""

    timeout_s: int


class ClosePosition(Command[ClosingProgress], frozen=True):
    position_id: str


class ReducePosition(Command[ClosingProgress], frozen=True):
    """Sell `quantity` of a position, tried until done. Its entry buys no more, and what stays keeps its stop."""

    position_id: str
    quantity: Decimal


class Flat(Command[ClosingProgress], frozen=True):
    """Close every position; entries that have not filled are cancelled."""


class Emergency(Command[ClosingProgress], frozen=True):
    """Pause, give up what is decided and not done, and close everything, in one step."""


class Pause(Command[None], frozen=True):
    """Open nothing new; positions stay protected."""


class Resume(Command[None], frozen=True):
    pass


class ResetRisk(Command[tuple[str, ...]], frozen=True):
    """End the halts of risk; the record says why each held."""


class ResetSession(Command[str], frozen=True):
    """End and archive the session and open a new one with the same settings; the record is its id."""


class RunTask(Command[None], frozen=True):
    """Run a task beside its schedule."""

    task: str


class Done(msgspec.Struct, Generic[R], frozen=True):
    """Done and stored. `again`: it had been done before, and this changed nothing."""

    record: R
    again: bool = False


class Stands(msgspec.Struct, Generic[R], frozen=True):
    """Stored and not sent: `why`. It goes out by itself as soon as it can; `record` is what stands."""

    record: R
    why: str


class NotDone(msgspec.Struct, frozen=True):
    """Surely not done, and nothing changed."""

    refusal: Refusal


class Unknown(msgspec.Struct, frozen=True):
    """Perhaps done: `where` says in words how to find out."""

    where: str


Answer = Done[R] | Stands[R] | NotDone | Unknown


class Door(Protocol):
    """The one way in for commands."""

    async def submit(self, command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        """`audit` is stored in the transaction of the effect."""
        ...


#: What a session carries out; `AnyCommand` in a `match` makes the type checker name whoever forgot one.
AnyCommand = (
    PlaceOrder
    | PlaceBatch
    | ValidateOrder
    | EditOrder
    | AmendOrder
    | CancelOrder
    | CancelOrders
    | CancelAll
    | CancelAllAfter
    | ClosePosition
    | ReducePosition
    | Flat
    | Emergency
    | Pause
    | Resume
    | ResetRisk
    | ResetSession
    | RunTask
)
AnyAnswer = Done[Any] | Stands[Any] | NotDone | Unknown

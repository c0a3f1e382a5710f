"""What the engine carries out when it is due: commands that we have sent, timers, and what a fill opens.

What is to be known of one of them beside what it does is here.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, auto
from typing import ClassVar, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.rate_limit import (
    AMEND_COST,
    EDIT_COST,
    PLACE_COST,
    amend_penalty,
    batch_cost,
    cancel_cost,
    edit_penalty,
)
from triplegain.exchange.working_orders import WorkingOrders


class Turn(IntEnum):
    """What comes first of what is due at one moment."""

    LINKED = auto()
    SENT = auto()
    TIMER = auto()


class _Sent(msgspec.Struct, frozen=True):
    turn: ClassVar[Turn] = Turn.SENT


class _Timer(msgspec.Struct, frozen=True):
    turn: ClassVar[Turn] = Turn.TIMER


class Place(_Sent, frozen=True, tag="place"):
    number: int


class PlaceBatch(_Sent, frozen=True, tag="place_batch"):
    """Orders of one pair that were sent together."""

    numbers: tuple[int, ...]


class Cancel(_Sent, frozen=True, tag="cancel"):
    client_order_id: str


class Amend(_Sent, frozen=True, tag="amend"):
    request: AmendRequest


class CancelAfter(_Sent, frozen=True, tag="cancel_after"):
    """Set the dead man's switch anew; 0 s switches it off."""

    timeout_s: int


class OpenLinked(msgspec.Struct, frozen=True, tag="open_linked"):
    """The exchange's own: a fill opens the order that closes it. Before anything else of its moment. `price` is that of
    the fill, where the order's own prices are relative to it."""

    turn: ClassVar[Turn] = Turn.LINKED

    request: OrderRequest
    price: Decimal | UnsetType = UNSET


class Expire(_Timer, frozen=True, tag="expire"):
    """A timer: the order's good-till date."""

    number: int


class Start(_Timer, frozen=True, tag="start"):
    """A timer: a scheduled order begins."""

    number: int


class GoOff(_Timer, frozen=True, tag="go_off"):
    """A timer: the dead man's switch, unless it has been set anew."""


class RollOver(_Timer, frozen=True, tag="roll_over"):
    """A timer: a position, by the number of the order that opened it, is lent for another period."""

    number: int


Command = Place | PlaceBatch | Cancel | Amend | CancelAfter | OpenLinked | Expire | Start | GoOff | RollOver


def is_under_way(command: Command) -> bool:
    """Whether we have sent it: nothing that is sent later overtakes it."""
    return command.turn is Turn.SENT


def order_of(command: Command, orders: WorkingOrders) -> WorkingOrder | None:
    """The order that a command is about, of a batch the first one; None where it is about none that is known."""
    match command:
        case Place(number) | Expire(number) | Start(number):
            return orders.by_key.get(str(number))
        case PlaceBatch(numbers):
            return orders.by_key.get(str(numbers[0]))
        case Cancel(name):
            return orders.by_name.get(name)
        case Amend(request):
            return orders.by_name.get(request.client_order_id)
        case CancelAfter() | OpenLinked() | GoOff() | RollOver():
            return None
        case _:
            assert_never(command)


def cost_of(command: Command, orders: WorkingOrders, now_ns: int) -> int:
    """What a command about an order costs of the rate limit, in thousandths of a count; a cancel with the order that
    takes the place of what it cancels."""
    order = order_of(command, orders)
    age_ns = 0 if order is None else now_ns - order.touched_ns
    match command:
        case Place():
            return PLACE_COST if order is None else _placing(order, orders, now_ns)
        case PlaceBatch(numbers):
            return batch_cost(len(numbers))
        case Cancel():
            return PLACE_COST + cancel_cost(age_ns)
        case Amend():
            return AMEND_COST + amend_penalty(age_ns)
        case CancelAfter() | OpenLinked() | Expire() | Start() | GoOff() | RollOver():
            return 0
        case _:
            assert_never(command)


def _placing(order: WorkingOrder, orders: WorkingOrders, now_ns: int) -> int:
    replaces = order.request.options.replaces
    if replaces is None:
        return PLACE_COST
    original = orders.by_name.get(replaces)
    return EDIT_COST if original is None else EDIT_COST + edit_penalty(now_ns - original.touched_ns)

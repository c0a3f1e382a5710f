"""Commands under way to the engine, and timers, each with the moment it is due."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import NEVER
from triplegain.domain.orders import AmendRequest


@dataclass(frozen=True, slots=True)
class Place:
    number: int


@dataclass(frozen=True, slots=True)
class Cancel:
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Amend:
    request: AmendRequest


@dataclass(frozen=True, slots=True)
class Expire:
    """A timer: the order's good-till date."""

    number: int


Command = Place | Cancel | Amend | Expire

_COMMAND, _TIMER = 0, 1


class Agenda:
    """Commands and timers in the order they are due; at equal times commands first, each in the order they came."""

    __slots__ = ("_added", "_heap", "next_due_ns")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Command]] = []
        self._added = 0
        self.next_due_ns = NEVER

    def add(self, due_ns: int, command: Command) -> None:
        self._added += 1
        kind = _TIMER if isinstance(command, Expire) else _COMMAND
        heapq.heappush(self._heap, (due_ns, kind, self._added, command))
        self.next_due_ns = self._heap[0][0]

    def pop(self) -> tuple[int, Command]:
        due_ns, _, _, command = heapq.heappop(self._heap)
        self.next_due_ns = self._heap[0][0] if self._heap else NEVER
        return due_ns, command

    def remove(self, command: Command) -> None:
        """A command that is not carried out after all."""
        self._heap = [item for item in self._heap if item[3] != command]
        heapq.heapify(self._heap)
        self.next_due_ns = self._heap[0][0] if self._heap else NEVER

    def due_ns(self, command: Command) -> int:
        """When a command is due; 0 for one that is not under way."""
        return next((due_ns for due_ns, _, _, each in self._heap if each == command), 0)

    def pending(self) -> list[tuple[int, Command]]:
        """In the order they would be popped."""
        return [(due_ns, command) for due_ns, _, _, command in sorted(self._heap, key=lambda item: item[:3])]

    def state(self) -> list[list[Any]]:
        return [[due_ns, *_encode(command)] for due_ns, command in self.pending()]

    def restore(self, stored: list[list[Any]]) -> None:
        for due_ns, *command in stored:
            self.add(due_ns, _decode(command))


def _encode(command: Command) -> list[Any]:
    match command:
        case Place(number=number):
            return ["place", number]
        case Cancel(client_order_id=client_order_id):
            return ["cancel", client_order_id]
        case Amend(request=request):
            quantity, price = request.quantity, request.price
            return [
                "amend",
                request.client_order_id,
                None if quantity is None else str(quantity),
                None if price is None else str(price),
            ]
        case Expire(number=number):
            return ["expire", number]


def _decode(stored: list[Any]) -> Command:
    match stored:
        case ["place", int(number)]:
            return Place(number)
        case ["cancel", str(client_order_id)]:
            return Cancel(client_order_id)
        case ["amend", str(client_order_id), quantity, price]:
            return Amend(
                AmendRequest(
                    client_order_id,
                    None if quantity is None else Decimal(quantity),
                    None if price is None else Decimal(price),
                )
            )
        case ["expire", int(number)]:
            return Expire(number)
    raise ValueError(f"not a stored command: {stored!r}")

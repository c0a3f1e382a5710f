"""Commands under way to the engine, and timers, each with the moment it is due."""

from __future__ import annotations

import heapq

import msgspec

from triplegain.domain.clock import NEVER
from triplegain.domain.parts import Touch, nobody
from triplegain.exchange.commands import Command, is_under_way


class Due(msgspec.Struct, frozen=True):
    """A command and when it is due."""

    due_ns: int
    command: Command


class EventQueue:
    """What is due, in the order in which it is; at equal times what a fill opens, then commands, then timers, each in
    the order in which they came."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, str]] = []
        self.waiting: dict[str, Due] = {}
        #: Takes the key of what has come or gone.
        self.touch: Touch = nobody
        #: How many there have been; each is kept under its number.
        self.added = 0
        self.next_due_ns = NEVER

    def add(self, due_ns: int, command: Command) -> None:
        self.added += 1
        self.touch(self._put(self.added, Due(due_ns, command)))

    def restore(self, stored: dict[str, Due]) -> None:
        """Put back what was under way. `added` goes on as its owner says."""
        for key, due in stored.items():
            self._put(int(key), due)

    def _put(self, number: int, due: Due) -> str:
        """The key under which it is kept."""
        key = str(number)
        self.waiting[key] = due
        heapq.heappush(self._heap, (due.due_ns, due.command.turn, number, key))
        self.next_due_ns = self._heap[0][0]
        return key

    def under_way(self) -> list[Command]:
        """Commands that we have sent."""
        return [due.command for due in self.waiting.values() if is_under_way(due.command)]

    def pop(self) -> tuple[int, Due]:
        """The next one, with its number."""
        heap = self._heap
        _, _, number, key = heapq.heappop(heap)
        self.next_due_ns = heap[0][0] if heap else NEVER
        self.touch(key)
        return number, self.waiting.pop(key)

    def remove(self, command: Command) -> None:
        """A command that is not carried out after all."""
        for key in [key for key, due in self.waiting.items() if due.command == command]:
            del self.waiting[key]
            self._heap = [item for item in self._heap if item[3] != key]
            self.touch(key)
        heapq.heapify(self._heap)
        self.next_due_ns = self._heap[0][0] if self._heap else NEVER

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
        #: Those of them that we have sent.
        self.commands: dict[str, Due] = {}
        #: Takes the key of what has come or gone.
        self.touch: Touch = nobody
        #: How many there have been; each is kept under its number.
        self.added = 0
        self.next_due_ns = NEVER

    def add(self, due_ns: int, command: Command) -> None:
        self.added += 1
        key = str(self.added)
        self._put(self.added, key, Due(due_ns, command))
        self.touch(key)

    def restore(self, stored: dict[str, Due]) -> None:
        """Put back what was under way. `added` goes on as its owner says."""
        for key, due in stored.items():
            self._put(int(key), key, due)

    def _put(self, number: int, key: str, due: Due) -> None:
        self.waiting[key] = due
        if is_under_way(due.command):
            self.commands[key] = due
        heapq.heappush(self._heap, (due.due_ns, due.command.turn, number, key))
        self.next_due_ns = self._heap[0][0]

    def pop(self) -> tuple[int, Due]:
        """The next one, with its number."""
        _, _, number, key = heapq.heappop(self._heap)
        self.next_due_ns = self._heap[0][0] if self._heap else NEVER
        self.touch(key)
        self.commands.pop(key, None)
        return number, self.waiting.pop(key)

    def remove(self, command: Command) -> None:
        """A command that is not carried out after all."""
        for key in [key for key, due in self.waiting.items() if due.command == command]:
            del self.waiting[key]
            self.commands.pop(key, None)
            self._heap = [item for item in self._heap if item[3] != key]
            self.touch(key)
        heapq.heapify(self._heap)
        self.next_due_ns = self._heap[0][0] if self._heap else NEVER

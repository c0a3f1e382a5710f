"""Commands under way to the engine, and timers, each with the moment it is due."""

from __future__ import annotations

import heapq

import msgspec

from triplegain.domain.clock import NEVER
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.parts import Touch, nobody
from triplegain.exchange.seeded import draw
from triplegain.exchange.settings import ExchangeSettings


class Place(msgspec.Struct, frozen=True, tag="place"):
    number: int


class PlaceBatch(msgspec.Struct, frozen=True, tag="place_batch"):
    """Orders of one pair that were sent together."""

    numbers: tuple[int, ...]


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    client_order_id: str


class Amend(msgspec.Struct, frozen=True, tag="amend"):
    request: AmendRequest


class CancelAfter(msgspec.Struct, frozen=True, tag="cancel_after"):
    """Set the dead man's switch anew; 0 s switches it off."""

    timeout_s: int


class OpenLinked(msgspec.Struct, frozen=True, tag="open_linked"):
    """The exchange's own: a fill opens the order that closes it. Before anything else of its moment."""

    request: OrderRequest


class Expire(msgspec.Struct, frozen=True, tag="expire"):
    """A timer: the order's good-till date."""

    number: int


class Start(msgspec.Struct, frozen=True, tag="start"):
    """A timer: a scheduled order begins."""

    number: int


class GoOff(msgspec.Struct, frozen=True, tag="go_off"):
    """A timer: the dead man's switch, unless it has been set anew."""


class RollOver(msgspec.Struct, frozen=True, tag="roll_over"):
    """A timer: a position, by the number of the order that opened it, is lent for another period."""

    number: int


Timer = Expire | Start | GoOff | RollOver
Command = Place | PlaceBatch | Cancel | Amend | CancelAfter | OpenLinked | Timer


class Due(msgspec.Struct, frozen=True):
    """A command and when it is due."""

    due_ns: int
    command: Command


_LINKED, _COMMAND, _TIMER = 0, 1, 2


def _kind(command: Command) -> int:
    """What comes first of what is due at one moment."""
    if isinstance(command, Timer):
        return _TIMER
    return _LINKED if isinstance(command, OpenLinked) else _COMMAND


def is_under_way(command: Command) -> bool:
    """Whether we have sent it: nothing that is sent later overtakes it."""
    return _kind(command) == _COMMAND


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
        kind = _kind(due.command)
        if kind == _COMMAND:
            self.commands[key] = due
        heapq.heappush(self._heap, (due.due_ns, kind, number, key))
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


class Latency:
    """Fixed delays plus an optional seeded jitter, drawn in the order of the messages."""

    def __init__(self, settings: ExchangeSettings) -> None:
        self.place_ns = settings.place_delay_ns
        self.cancel_ns = settings.cancel_delay_ns
        self._response_ns = settings.response_delay_ns
        self._jitter_ns = settings.jitter_ns
        self._seed = settings.seed
        self.draws = 0

    def _jitter(self) -> int:
        if not self._jitter_ns:
            return 0
        self.draws += 1
        return draw(self._seed, self.draws) % (self._jitter_ns + 1)

    def place(self) -> int:
        return self.place_ns + self._jitter()

    def cancel(self) -> int:
        return self.cancel_ns + self._jitter()

    def response(self) -> int:
        return self._response_ns + self._jitter() if self._jitter_ns else self._response_ns

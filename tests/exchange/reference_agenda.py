"""What is due at the reference exchange, and when: commands that arrive, starts, dates, the dead man's switch."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tests.exchange.reference_account import ReferenceAccount
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import AmendRequest, OrderRequest


class Placed(NamedTuple):
    """An order under way: its number in the session, when it was sent, and since when it waits for its time, with the
    number of that among all that wait for one."""

    request: OrderRequest
    number: int
    sent_ns: int
    waits_ns: int = 0
    timer: int = 0


class Batch(NamedTuple):
    orders: tuple[Placed, ...]


class Switch(NamedTuple):
    """Cancel all after so many seconds; 0: never."""

    seconds: int


class Cancelled(NamedTuple):
    name: str


Asked = Placed | Batch | AmendRequest | Cancelled | Switch


class Command(NamedTuple):
    due_ns: int
    asked: Asked


class Opened(NamedTuple):
    """A fill that opens an order: of which order, at which price, how much, and which of its fills."""

    order: ReferenceOrder
    price: int
    lots: int
    fill: int


class ReferenceAgenda(ReferenceAccount):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._commands: deque[Command] = deque()
        self._arrived_ns = 0
        self._opened: deque[Opened] = deque()
        #: Orders that wait for their time, by name.
        self.waiting: dict[str, Placed] = {}
        self._switch_ns: int | None = None
        self._switch_timer = 0
        self._timers = 0
        #: The switch went off while the market was closed.
        self._switched = False

    # -- for whoever carries it out ----------------------------------------------------------------------------------

    def carry_out(self, asked: Asked) -> None:
        raise NotImplementedError

    def start(self, placed: Placed) -> None:
        """The time of an order that has waited for it."""
        raise NotImplementedError

    def open_closing(self, opened: Opened) -> None:
        raise NotImplementedError

    def end_all(self) -> None:
        """The dead man's switch has gone off."""
        raise NotImplementedError

    def other_timer(self) -> tuple[int, int] | None:
        """When something else is due, and the number of its timer."""
        return None

    def on_timer(self) -> None:
        raise NotImplementedError

    # -- time ----------------------------------------------------------------------------------------------------------

    def arrival(self, delay_ns: int) -> int:
        """Of a message sent now. On one connection: nothing overtakes what was sent before."""
        self._arrived_ns = max(self._arrived_ns, self.now_ns + self.delayed(delay_ns))
        return self._arrived_ns

    def due_ns(self, asked: Asked, delay_ns: int) -> int:
        """When what is sent now is carried out."""
        return self.arrival(delay_ns)

    def send(self, asked: Asked, delay_ns: int) -> int:
        arrives_ns = self.due_ns(asked, delay_ns)
        self.put(arrives_ns, asked)
        return arrives_ns

    def put(self, arrives_ns: int, asked: Asked) -> None:
        self._commands.append(Command(arrives_ns, asked))

    def set_switch(self, seconds: int) -> None:
        self._switch_ns = self.now_ns + seconds * SECOND_NS if seconds else None
        self._switch_timer = self.next_timer()

    def next_timer(self) -> int:
        self._timers += 1
        return self._timers

    def filled(self, order: ReferenceOrder, price: int, lots: int) -> None:
        if order.request.options.close is not None:
            self._opened.append(Opened(order, price, lots, order.fills))

    def run(self, through_ns: int) -> None:
        """What fills have opened first; then by time, at equal times commands, then timers as they were set."""
        while True:
            while self._opened:
                self.open_closing(self._opened.popleft())
            waiting, dated = self._next_waiting(), self._next_dated()
            due: list[tuple[int, int, int]] = []
            if self._commands:
                due.append((self._commands[0].due_ns, 0, 0))
            if waiting is not None:
                due.append((waiting.request.options.starts_at_ns or 0, waiting.timer, 1))
            if dated is not None:
                due.append((self.date_of(dated), dated.timer, 2))
            if self._switch_ns is not None:
                due.append((self._switch_ns, self._switch_timer, 3))
            if (timer := self.other_timer()) is not None:
                due.append((*timer, 4))
            if not due or min(due)[0] > through_ns:
                return
            self.now_ns = max(self.now_ns, min(due)[0])
            match min(due)[2]:
                case 0:
                    self.carry_out(self._commands.popleft().asked)
                case 1 if waiting is not None:
                    self._start(waiting)
                case 2 if dated is not None:
                    self.end(dated, "date", "expired")
                case 3:
                    self._go_off()
                case _:
                    self.on_timer()

    def date_of(self, order: ReferenceOrder) -> int:
        """The moment after all of which an order with a date is open no more."""
        return order.request.expires_at_ns or 0

    def _start(self, placed: Placed) -> None:
        del self.waiting[placed.request.client_order_id]
        self.start(placed)

    def _go_off(self) -> None:
        self._switch_ns = None
        if self.is_closed:
            self._switched = True
        else:
            self.end_all()

    def _next_waiting(self) -> Placed | None:
        if self.is_closed or self.is_blind:
            return None
        placed = self.waiting.values()
        return min(placed, key=lambda each: (each.request.options.starts_at_ns or 0, each.timer), default=None)

    def _next_dated(self) -> ReferenceOrder | None:
        """A stop that the tape went through is sold already, and a closed market lets no date pass."""
        if self.is_closed:
            return None
        dated = [o for o in self.open.values() if o.request.expires_at_ns is not None and o.reached is None]
        return min(dated, key=lambda o: (o.request.expires_at_ns or 0, o.timer), default=None)

    def on_opening(self) -> None:
        """What passed while the market was closed or not seen, before anything is matched."""
        while (order := self._next_dated()) and (order.request.expires_at_ns or 0) <= self.now_ns:
            self.end(order, "date", "expired")
        if self._switched:
            self._switched = False
            self.end_all()
        while (placed := self._next_waiting()) and (placed.request.options.starts_at_ns or 0) <= self.now_ns:
            self._start(placed)

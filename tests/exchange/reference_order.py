"""An order of the reference exchange: what it asks for, and its place in the queue of a price level."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tests.exchange.reference_money import Bill
from tests.exchange.reference_terms import Worked

from triplegain.domain.orders import OrderRequest


@dataclass(eq=False, slots=True)
class ReferenceOrder:
    """`lots` is what is asked for in all. `touched_ns`: created or amended, for the rate counter."""

    number: int
    request: OrderRequest
    side: int
    lots: int
    terms: Worked
    bill: Bill
    sent_ns: int
    stands_ns: int
    touched_ns: int
    #: In ticks, as they stand now; a limit order that was woken has no trigger any more.
    limit: int | None = None
    trigger: int | None = None
    #: The best trade since it stands, of a trigger that trails.
    peak: int | None = None
    #: The place of its date among all that wait for their time.
    timer: int = 0
    filled: int = 0
    fills: int = 0
    spent: Fraction = Fraction(0)
    #: What the book shows of it.
    slice: int = 0
    #: Its turn among our own orders of one price, and among those that wait for a trigger.
    turn: int = 0
    rests: bool = False
    asleep: bool = False
    #: Its trigger has been reached and it was woken.
    was_triggered: bool = False
    #: Where its trigger stood then.
    fired: int = 0
    #: The print that went through a sleeping order's trigger while nothing could be matched.
    reached: int | None = None
    #: Public lots in front; None while its level has not been seen.
    ahead: int | None = None
    #: The queue before the newest shrink that a print still to come may explain, and that shrink's moment.
    ahead_before: int | None = None
    shrunk_ns: int = -1

    @property
    def left(self) -> int:
        return self.lots - self.filled

    @property
    def name(self) -> str:
        return self.request.client_order_id

    @property
    def is_purchase(self) -> bool:
        return self.side == 0

    @property
    def is_post_only(self) -> bool:
        return self.terms.post_only

    # -- its place in the queue ------------------------------------------------------------------------------------

    def join(self, displayed: int | None) -> None:
        """Behind all that is displayed; None: out of sight."""
        self.ahead = self.ahead_before = displayed
        self.shrunk_ns = -1
        self.rests = True
        self.show_slice()

    def find_in_front(self, lots: int) -> None:
        """They came to its level before it did, and are told of now."""
        self.ahead = None if self.ahead is None else self.ahead + lots
        self.ahead_before = None if self.ahead_before is None else self.ahead_before + lots

    def lose_place(self) -> None:
        """Nobody knows who is in front any more."""
        self.ahead = self.ahead_before = None

    def pass_front(self) -> None:
        """A trade through the level has served everybody in front."""
        self.ahead = self.ahead_before = 0

    def on_level(self, displayed: int, cancelled: int, moment_ns: int, tape_ns: int, from_front: int = 0) -> None:
        """Its level was set anew, and so many cancelled in front of it. No more stand there than it shows.

        A print explains a change. One that is older than the order explains it too, but has not moved its queue.
        """
        tape_has_passed = tape_ns > self.shrunk_ns
        if tape_has_passed:
            self.ahead_before = self.ahead
        if cancelled or self.ahead is None or self.ahead > displayed:
            self.shrunk_ns = moment_ns if tape_has_passed else max(self.shrunk_ns, moment_ns)
        self.ahead = displayed if self.ahead is None else min(self.ahead - from_front, displayed)

    def on_snapshot(self, displayed: int | None, moment_ns: int, tape_ns: int) -> None:
        """A snapshot keeps the place, capped at what it shows."""
        if displayed is not None and (self.ahead is None or self.ahead > displayed):
            self.on_level(displayed, 0, moment_ns, tape_ns)

    def on_print(self, lots: int, moment_ns: int) -> tuple[int, int]:
        """A print at its price: what of it comes past those in front, and by how much their number falls.

        The rest of the print is what an earlier shrink has shown already: it is nothing to whoever came after that.
        """
        counted = self._counted(moment_ns)
        if counted is None:
            return 0, 0
        left, before = max(counted - lots, 0), self.ahead
        if moment_ns > self.shrunk_ns:
            self.ahead = left
        else:
            self.ahead_before = left
            self.ahead = left if self.ahead is None else min(self.ahead, left)
        return max(lots - counted, 0), 0 if before is None else before - self.ahead

    def served(self, lots: int, moment_ns: int) -> int:
        """How many of those in front such a print is traded with: all of it goes to a queue that nobody has seen."""
        counted = self._counted(moment_ns)
        return lots if counted is None else min(lots, counted)

    def _counted(self, moment_ns: int) -> int | None:
        """The queue as it was when the print was made."""
        return self.ahead if moment_ns > self.shrunk_ns else self.ahead_before

    def is_reached(self, price: int) -> bool:
        """Whether a trade at `price` wakes it."""
        assert self.trigger is not None
        return price >= self.trigger if self.terms.rises else price <= self.trigger

    def show_slice(self) -> None:
        """What the book is to show of it next."""
        self.slice = self.left if self.terms.display is None else min(self.left, self.terms.display)

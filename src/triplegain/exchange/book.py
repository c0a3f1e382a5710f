"""The public order book of one instrument, with what the tape says is no longer there.

Sides are 0 (bids) and 1 (asks); prices are ticks, sizes lots. Two overlays keep fills honest; what an account has taken
itself is a third, and its own (`AccountBook`):

- `prints`: public trades that the depth channel has not shown yet. What a trade took is not there to be taken again.
- `sweeps`: a trade at a price says that every better level of that side has been eaten, until the book is newer.

Tape and depth are channels of their own, and either may be late: which of them knows more is told by the moments they
speak of, never by the order in which they came.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from msgspec import Struct

from triplegain.domain.clock import NO_MOMENT, Moment
from triplegain.domain.market import Level

BID, ASK = 0, 1

#: The best price of a side where there is none: nothing reaches it.
NO_PRICES = (-1, 1 << 62)

_Levels = dict[int, int]
#: (moment, lots)
_Print = tuple[Moment, int]
#: (moment, price)
_Sweep = tuple[Moment, int]
_Prints = dict[int, tuple[_Print, ...]]


class BookSeen(Struct, frozen=True):
    """The public book as it stands; pairs are of both sides."""

    levels: tuple[_Levels, _Levels]
    prints: tuple[_Prints, _Prints]
    sweeps: tuple[tuple[_Sweep, ...], tuple[_Sweep, ...]]
    shown: tuple[dict[int, Moment], dict[int, Moment]]
    known: tuple[int, int]
    moment: Moment


class OrderBook:
    """Integer order book. `moment` is the newest that any of its updates spoke of."""

    def __init__(self) -> None:
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        #: Rising prices of both sides: the best bid is last, the best ask first.
        self.prices: tuple[list[int], list[int]] = ([], [])
        #: By price, trades not yet seen in the depth channel.
        self.prints: tuple[dict[int, list[_Print]], dict[int, list[_Print]]] = ({}, {})
        #: Those of them that no later one outdoes, with the worst price of each side.
        self._sweeps: tuple[list[_Sweep], list[_Sweep]] = ([], [])
        self._swept_to: list[int | None] = [None, None]
        #: By price, the moment of the update that has set a swept level since.
        self._shown: tuple[dict[int, Moment], dict[int, Moment]] = ({}, {})
        #: Bids below and asks above these prices are out of sight, not absent.
        self._known: list[int] = [0, 1 << 62]
        self._printed = NO_MOMENT
        self.moment = NO_MOMENT
        #: Trades are recorded that the depth has not confirmed yet.
        self.unsettled = False

    def seen(self) -> BookSeen:
        """As it is now."""
        (bids, asks), (swept_bids, swept_asks), (bids_from, asks_to) = self.levels, self._sweeps, self._known
        printed_bids, printed_asks = (
            {price: tuple(waiting) for price, waiting in side.items()} for side in self.prints
        )
        return BookSeen(
            (dict(bids), dict(asks)),
            (printed_bids, printed_asks),
            (tuple(swept_bids), tuple(swept_asks)),
            (dict(self._shown[BID]), dict(self._shown[ASK])),
            (bids_from, asks_to),
            self.moment,
        )

    def see(self, seen: BookSeen) -> None:
        """Put an empty book where another one was."""
        self.moment, self._known = seen.moment, list(seen.known)
        for side in (BID, ASK):
            self.levels[side].update(seen.levels[side])
            self.prices[side].extend(sorted(seen.levels[side]))
            self.prints[side].update((price, list(waiting)) for price, waiting in seen.prints[side].items())
            self._sweeps[side].extend(seen.sweeps[side])
            self._shown[side].update(seen.shown[side])
        self._look_at_tape()

    @property
    def is_known(self) -> bool:
        """Anything was ever told of it."""
        return self.moment != NO_MOMENT

    def best(self, side: int) -> int | None:
        prices = self.prices[side]
        return prices[0 if side else -1] if prices else None

    def best_first(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Displayed bids from high to low and asks from low to high."""
        (bids, asks), (bid_prices, ask_prices) = self.levels, self.prices
        return tuple((price, bids[price]) for price in reversed(bid_prices)), tuple((p, asks[p]) for p in ask_prices)

    def is_crossed(self) -> bool:
        bids, asks = self.prices
        return bool(bids and asks and bids[-1] >= asks[0])

    def displayed(self, side: int, price: int) -> int:
        return self.levels[side].get(price, 0)

    def in_sight(self, side: int, price: int) -> bool:
        """Whether an absent level at this price really is empty."""
        return price >= self._known[BID] if side == BID else price <= self._known[ASK]

    def set_level(self, side: int, price: int, size: int) -> int:
        """Set a level to its new absolute size (0 removes it); returns the size before."""
        levels = self.levels[side]
        before = levels.get(price, 0)
        if size:
            if not before:
                insort(self.prices[side], price)
            levels[price] = size
        elif before:
            del levels[price]
            prices = self.prices[side]
            del prices[bisect_left(prices, price)]
        return before

    def set_levels(self, side: int, prices: Sequence[int], sizes: Sequence[int]) -> None:
        """The same of many, in their order, where nobody asks how large they were."""
        levels, its = self.levels[side], self.prices[side]
        for price, size in zip(prices, sizes, strict=True):
            if size:
                if price not in levels:
                    insort(its, price)
                levels[price] = size
            elif price in levels:
                del levels[price]
                del its[bisect_left(its, price)]

    def replace(self, bids: Iterable[Level], asks: Iterable[Level], depth: int, moment: Moment) -> None:
        """A snapshot: the whole book anew. Trades that are newer than it are not in it."""
        for side, fresh in ((BID, dict(bids)), (ASK, dict(asks))):
            levels = self.levels[side]
            levels.clear()
            levels.update((price, size) for price, size in fresh.items() if size)
            self.prices[side][:] = sorted(levels)
        bid_prices, ask_prices = self.prices
        self._known = [bid_prices[0] if bid_prices else 0, ask_prices[-1] if ask_prices else 1 << 62]
        self.truncate(depth)
        self._settle_before(Moment(moment + 1))

    def truncate(self, depth: int) -> None:
        """Forget levels beyond the subscribed depth: they are out of sight, nobody cancelled them. 0: no limit."""
        if not depth:
            return
        bids, asks = self.prices
        for price in bids[:-depth]:
            del self.levels[BID][price]
        del bids[:-depth]
        for price in asks[depth:]:
            del self.levels[ASK][price]
        del asks[depth:]
        self._known = [bids[0] if len(bids) == depth else 0, asks[-1] if len(asks) == depth else 1 << 62]

    def record_print(self, side: int, price: int, size: int, moment: Moment) -> None:
        """A trade hit `side`; unless the book is already newer, its effect on the depth is still to come."""
        if moment <= self.moment:
            return
        self.prints[side].setdefault(price, []).append((moment, size))
        # Of two sweeps the later one that also went further says it all.
        sweeps, worst = self._sweeps[side], self._swept_to[side]
        if sweeps:
            sweeps[:] = [sweep for sweep in sweeps if sweep[0] > moment or is_better(side, price, sweep[1])]
        sweeps.append((moment, price))
        if worst is None or is_better(side, worst, price):
            self._swept_to[side] = price
        if moment > self._printed:
            self._printed = moment
        self.unsettled = True

    def explain(self, side: int, price: int, moment: Moment) -> int:
        """Lots of trades at this level that an update of it, of `moment`, accounts for; they are settled by it."""
        if self._is_swept(side, price):
            self._shown[side][price] = moment
        return self._settle(side, price, moment)

    def _settle(self, side: int, price: int, moment: Moment) -> int:
        waiting = self.prints[side].pop(price, None)
        if waiting is None:
            return 0
        later = [entry for entry in waiting if entry[0] > moment]
        if later:
            self.prints[side][price] = later
        return sum(size for _, size in waiting) - sum(size for _, size in later)

    def reach(self, moment: Moment) -> None:
        """The book is known up to `moment`, later than before: trades and sweeps from before it are in it.

        Those of the very same moment wait for their own level: one execution may come as several updates.
        """
        self.moment = moment
        if self.unsettled:
            self._settle_before(moment)

    @property
    def newest(self) -> Moment:
        """Of the book and of all trades that are not known to be in it."""
        return max(self.moment, self._printed)

    def settle_all(self, moment: Moment) -> None:
        """The book is known up to `moment`, later than `newest`, and all that was traded is in it."""
        self.moment = moment
        if self.unsettled:
            self._settle_before(moment)

    def _settle_before(self, moment: Moment) -> None:
        if self._printed < moment:
            for side in (BID, ASK):
                self.prints[side].clear()
                self._sweeps[side].clear()
                self._shown[side].clear()
            self._swept_to[:] = (None, None)
            self._printed, self.unsettled = NO_MOMENT, False
            return
        for side in (BID, ASK):
            self._sweeps[side][:] = [sweep for sweep in self._sweeps[side] if sweep[0] >= moment]
            for price in list(self.prints[side]):
                self._settle(side, price, Moment(moment - 1))
        self._look_at_tape()

    def _look_at_tape(self) -> None:
        """What is worked out from trades and sweeps, for one cheap comparison per event."""
        for side, worst in ((BID, min), (ASK, max)):
            self._swept_to[side] = worst((price for _, price in self._sweeps[side]), default=None)
        printed = (moment for side in self.prints for waiting in side.values() for moment, _ in waiting)
        swept = (moment for side in self._sweeps for moment, _ in side)
        self._printed = max((*printed, *swept), default=NO_MOMENT)
        self.unsettled = self._printed != NO_MOMENT

    def available(self, side: int, price: int) -> int:
        """Lots at a level that the tape is not known to have taken; below zero where it took more than is shown."""
        size = self.levels[side].get(price, 0)
        if price in self.prints[side]:
            size -= sum(lots for _, lots in self.prints[side][price])
        if self._is_swept(side, price):
            shown = self._shown[side].get(price)
            if shown is None or any(at > shown for at, to in self._sweeps[side] if is_better(side, price, to)):
                return 0
        return size

    def unsettled_of(self, side: int, prices: list[int]) -> list[int]:
        """Those of these levels of which the tape may have taken something."""
        prints, swept_to = self.prints[side], self._swept_to[side]
        if swept_to is None:
            return [price for price in prices if price in prints] if prints else []
        return [price for price in prices if price in prints or is_better(side, price, swept_to)]

    def _is_swept(self, side: int, price: int) -> bool:
        swept_to = self._swept_to[side]
        return swept_to is not None and is_better(side, price, swept_to)


def is_better(side: int, price: int, other: int) -> bool:
    """Whether an order of `side` at `price` comes before one at `other`."""
    return price > other if side == BID else price < other


def reaches(side: int, limit: int, price: int) -> bool:
    """Whether an order of `side` with this limit may trade at `price`."""
    return price <= limit if side == BID else price >= limit

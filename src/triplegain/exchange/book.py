"""The public order book of one instrument, with what is known to be no longer there.

Sides are 0 (bids) and 1 (asks); prices are ticks, sizes lots. Three overlays keep fills honest:

- `taken`: liquidity this account has used up stays used up. It falls with the displayed size, is forgotten when the
  level vanishes, and growth beyond it is new liquidity.
- `prints`: public trades that the depth channel has not shown yet. What a trade took is not there to be taken again.
- `swept`: a trade at a price says that every better level of that side has been eaten, until the book says otherwise.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from triplegain.domain.market import Level

BID, ASK = 0, 1
_NO_TIME = -1
_UNSWEPT = (_NO_TIME, 0)

_Levels = dict[int, int]
_Prints = dict[int, tuple[tuple[int, int], ...]]


class BookSeen(Struct, frozen=True):
    """The public book as it stands; pairs are of both sides."""

    levels: tuple[_Levels, _Levels]
    prints: tuple[_Prints, _Prints]
    swept: tuple[tuple[int, int], tuple[int, int]]
    known: tuple[int, int]
    printed_at_ns: int
    time_ns: int
    unsettled: bool


class OrderBook:
    """Integer order book. `time_ns` is the exchange time of the last update, -1 before the first one."""

    def __init__(self) -> None:
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        #: Rising prices of both sides: the best bid is last, the best ask first.
        self.prices: tuple[list[int], list[int]] = ([], [])
        self.taken: tuple[dict[int, int], dict[int, int]] = ({}, {})
        #: Takes side and price of a level of which another quantity is taken.
        self.touch_taken: Callable[[int, int], None] = lambda side, price: None
        #: Price -> [(time_ns, lots)] of trades not yet seen in the depth channel.
        self.prints: tuple[dict[int, list[tuple[int, int]]], dict[int, list[tuple[int, int]]]] = ({}, {})
        self._swept: list[tuple[int, int]] = [_UNSWEPT, _UNSWEPT]
        #: Bids below and asks above these prices are out of sight, not absent.
        self._known: list[int] = [0, 1 << 62]
        self._printed_at_ns = _NO_TIME
        self.time_ns = _NO_TIME
        #: Trades or sweeps are recorded that the depth has not confirmed yet.
        self.unsettled = False

    def seen(self) -> BookSeen:
        """The public book as it is; what was taken of it is kept elsewhere."""
        (bids, asks), (swept_bids, swept_asks), (bids_from, asks_to) = self.levels, self._swept, self._known
        printed_bids, printed_asks = (
            {price: tuple(waiting) for price, waiting in side.items()} for side in self.prints
        )
        return BookSeen(
            (dict(bids), dict(asks)),
            (printed_bids, printed_asks),
            (swept_bids, swept_asks),
            (bids_from, asks_to),
            self._printed_at_ns,
            self.time_ns,
            self.unsettled,
        )

    def see(self, seen: BookSeen) -> None:
        """Put an empty book where another one was."""
        self._printed_at_ns, self.time_ns, self.unsettled = seen.printed_at_ns, seen.time_ns, seen.unsettled
        self._swept, self._known = list(seen.swept), list(seen.known)
        for side in (BID, ASK):
            self.levels[side].update(seen.levels[side])
            self.prices[side].extend(sorted(seen.levels[side]))
            self.prints[side].update((price, list(waiting)) for price, waiting in seen.prints[side].items())

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
        taken = self.taken[side]
        if taken and price in taken and size < taken[price]:
            if size:
                taken[price] = size
            else:
                del taken[price]
            self.touch_taken(side, price)
        return before

    def replace(self, bids: Iterable[Level], asks: Iterable[Level], depth: int) -> None:
        """A snapshot: the whole book anew. What was taken stays taken as far as the level still shows it."""
        for side, fresh in ((BID, dict(bids)), (ASK, dict(asks))):
            levels = self.levels[side]
            levels.clear()
            levels.update((price, size) for price, size in fresh.items() if size)
            self.prices[side][:] = sorted(levels)
        bid_prices, ask_prices = self.prices
        self._known = [bid_prices[0] if bid_prices else 0, ask_prices[-1] if ask_prices else 1 << 62]
        self.truncate(depth)
        for side in (BID, ASK):
            levels, taken = self.levels[side], self.taken[side]
            for price in [price for price in taken if levels.get(price, 0) < taken[price]]:
                if price in levels:
                    taken[price] = levels[price]
                elif self.in_sight(side, price):
                    del taken[price]
                self.touch_taken(side, price)
            self.prints[side].clear()
            self._swept[side] = _UNSWEPT
        self.unsettled = False

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

    def record_print(self, side: int, price: int, size: int, time_ns: int) -> None:
        """A trade hit `side`; unless the book is already newer, its effect on the depth is still to come."""
        if time_ns > self.time_ns:
            self.prints[side].setdefault(price, []).append((time_ns, size))
            self._swept[side] = (time_ns, price)
            self._printed_at_ns = time_ns
            self.unsettled = True

    def explain(self, side: int, price: int, time_ns: int) -> int:
        """Lots of trades at this level that an update of `time_ns` accounts for; they are settled by it."""
        waiting = self.prints[side].pop(price, None)
        if waiting is None:
            return 0
        if len(waiting) == 1 and waiting[0][0] <= time_ns:
            return waiting[0][1]
        later = [entry for entry in waiting if entry[0] > time_ns]
        if later:
            self.prints[side][price] = later
        return sum(size for _, size in waiting) - sum(size for _, size in later)

    def settle(self, time_ns: int) -> None:
        """The book is known up to `time_ns`: trades and sweeps from before it are in it.

        Those of the very same time wait for their own level: one execution may come as several updates.
        """
        if self._printed_at_ns < time_ns:
            self.prints[BID].clear()
            self.prints[ASK].clear()
            self._swept = [_UNSWEPT, _UNSWEPT]
            self.unsettled = False
            return
        for side in (BID, ASK):
            if self._swept[side][0] < time_ns:
                self._swept[side] = _UNSWEPT
            for price in list(self.prints[side]):
                self.explain(side, price, time_ns - 1)

    def available(self, side: int, price: int) -> int:
        """Lots at a level that nobody is known to have taken."""
        size = self.levels[side].get(price, 0) - self.taken[side].get(price, 0)
        if price in self.prints[side]:
            size -= sum(lots for _, lots in self.prints[side][price])
        swept_at, swept_to = self._swept[side]
        if swept_at != _NO_TIME and (price > swept_to if side == BID else price < swept_to):
            return 0
        return max(size, 0)

    def walk(self, side: int, limit: int | None) -> Iterator[tuple[int, int]]:
        """(price, available lots) of `side` from the best price to `limit` (None: to the last visible level).

        Liquidity may be taken on the way; levels must stay as they are.
        """
        prices = reversed(self.prices[BID]) if side == BID else iter(self.prices[ASK])
        for price in prices:
            if limit is not None and (price < limit if side == BID else price > limit):
                return
            size = self.available(side, price)
            if size:
                yield price, size

    def take(self, side: int, price: int, lots: int) -> None:
        """This account used up `lots` of a level."""
        self.taken[side][price] = self.taken[side].get(price, 0) + lots
        self.touch_taken(side, price)

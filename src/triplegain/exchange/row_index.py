"""What lies in many rows, worked out once: how far nothing can touch anybody, and what a book looks like behind them.

Messages are looked at by the block: the most extreme of what each shows says whether any of them may concern somebody.
Of the rows of a level only the last counts, unless a later quote trims it. Only of a market whose decoder lets no
message through that leaves a crossed book: whether one does depends on all that stand, and is not looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triplegain.domain.event_rows import BOOK, BOUGHT, QUOTE, SOLD, RowArrays
from triplegain.exchange.book import ASK, BID, NO_PRICES
from triplegain.exchange.quiet import Quiet

#: Messages of a block.
BLOCK = 256
_LOWEST, _HIGHEST = NO_PRICES
#: What no row is followed by.
_NEVER = 1 << 62
#: What rows are that are no levels: a purchase, a sale, something else.
_BOUGHT, _SOLD, _ELSE = 2, 3, 4
#: So many sorts of rows have a price of their own.
_SORTS = 8

_Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The lowest and the highest of a kind of prices by block; of none, prices that nothing lies between."""

    low: _Numbers
    high: _Numbers

    @classmethod
    def of(cls, prices: _Numbers, is_one: NDArray[np.bool_], starts: _Numbers) -> _Blocks:
        """`starts` are the first rows of the blocks."""
        if not len(prices):
            return cls(np.full(len(starts), _HIGHEST), np.full(len(starts), _LOWEST))
        low = np.minimum.reduceat(np.where(is_one, prices, _HIGHEST), starts)
        return cls(low, np.maximum.reduceat(np.where(is_one, prices, _LOWEST), starts))

    def beyond(self, first: int, end: int, span: tuple[int, int]) -> NDArray[np.bool_]:
        """By block whether one lies outside."""
        low, high = span
        return (self.low[first:end] < low) | (self.high[first:end] > high)


class RowIndex:
    """Of the rows of one market."""

    def __init__(self, arrays: RowArrays) -> None:
        self.times, self.ends = arrays.times, arrays.ends.astype(np.int64)
        self.prices, self.lots = arrays.prices, arrays.lots
        kinds, count = arrays.kinds, len(arrays.kinds)
        self._begins = np.concatenate([np.zeros(1, np.int64), self.ends])[:-1]
        message = np.repeat(np.arange(count), self.ends - self._begins)
        place = np.arange(len(self.prices)) - self._begins[message]
        of_kind = kinds[message]
        is_quote = of_kind == QUOTE
        is_bid = place < np.where(kinds == QUOTE, 1, arrays.bids)[message]
        others = np.where(of_kind == BOUGHT, _BOUGHT, np.where(of_kind == SOLD, _SOLD, _ELSE))
        self.sides = np.where((of_kind == BOOK) | is_quote, np.where(is_bid, BID, ASK), others)
        is_book, is_trade = (kinds == BOOK) | (kinds == QUOTE), (kinds == BOUGHT) | (kinds == SOLD)
        self.trades = np.flatnonzero(is_trade)
        self.latest = np.maximum.accumulate(self.times)
        self._settled = _settled(self.times, is_book)
        # Rows of a level in their order, one level after the other.
        keys = self.prices * _SORTS + self.sides
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self.next = _next_of_level(self._order, self._keys)
        #: Quotes by row, where they are: what is better than them goes.
        self.trim_bids = np.where(is_quote & is_bid, self.prices, _HIGHEST)
        self.trim_asks = np.where(is_quote & ~is_bid, self.prices, _LOWEST)
        self._has_quotes = bool(is_quote.any())
        # A message without rows, or a quote that shows nothing, is looked at by itself.
        self._odd = ~(is_book | is_trade) | (arrays.depths > 0) | (self.ends == self._begins)
        self._odd[message[is_quote & (self.lots == 0)]] = True
        self._index_blocks()

    def _index_blocks(self) -> None:
        sides, prices, shown = self.sides, self.prices, self.lots > 0
        starts = np.arange(0, len(self._odd), BLOCK)
        rows = np.minimum(self._begins[starts], max(len(prices) - 1, 0))
        self._odd_blocks = np.logical_or.reduceat(self._odd, starts) if len(starts) else self._odd
        self._bids = _Blocks.of(prices, (sides == BID) & shown, rows)
        self._asks = _Blocks.of(prices, (sides == ASK) & shown, rows)
        self._bought = _Blocks.of(prices, sides == _BOUGHT, rows)
        self._sold = _Blocks.of(prices, sides == _SOLD, rows)

    def quiet_until(self, first: int, end: int, quiet: Quiet) -> int:
        """The first message that may concern somebody, or that is too late, or `end`."""
        until_ns = min(quiet.until_ns, quiet.trades_until_ns)
        end = min(end, first + int(np.searchsorted(self.latest[first:end], until_ns, "left")))
        if end == first:
            return end
        end = min(end, self._first_change(first, quiet))
        low, high = first // BLOCK, -(-end // BLOCK)
        found = self._odd_blocks[low:high] | self._bids.beyond(low, high, (_LOWEST, quiet.bids_below - 1))
        found |= self._asks.beyond(low, high, (quiet.asks_above + 1, _HIGHEST))
        found |= self._sold.beyond(low, high, quiet.sold) | self._bought.beyond(low, high, quiet.bought)
        for block in (np.flatnonzero(found) + low).tolist():
            hit = self._first_hit(max(first, block * BLOCK), min(end, (block + 1) * BLOCK), quiet)
            if hit is not None:
                return hit
        return end

    def _first_change(self, first: int, quiet: Quiet) -> int:
        """The first message from there on that changes a level that is watched."""
        row, found = int(self._begins[first]), len(self.prices)
        for side in (BID, ASK):
            for price in quiet.watched[side]:
                key = price * _SORTS + side
                begin, behind = np.searchsorted(self._keys, (key, key + 1)).tolist()
                place = begin + int(np.searchsorted(self._order[begin:behind], row))
                if place < behind:
                    found = min(found, int(self._order[place]))
        if self._has_quotes and quiet.watched[BID]:
            found = min(found, _first(self.trim_bids[row:found] < max(quiet.watched[BID]), row, found))
        if self._has_quotes and quiet.watched[ASK]:
            found = min(found, _first(self.trim_asks[row:found] > min(quiet.watched[ASK]), row, found))
        return int(np.searchsorted(self.ends, found, "right"))

    def _first_hit(self, first: int, end: int, quiet: Quiet) -> int | None:
        """Among messages of one block; None where no order, trigger or aim is reached."""
        if first >= end:
            return None
        row, behind = self.rows_of(first, end)
        prices, sides, shown = self.prices[row:behind], self.sides[row:behind], self.lots[row:behind] > 0
        is_hit = (sides == BID) & shown & (prices >= quiet.bids_below)
        is_hit |= (sides == ASK) & shown & (prices <= quiet.asks_above)
        for sort, (low, high) in ((_SOLD, quiet.sold), (_BOUGHT, quiet.bought)):
            is_hit |= (sides == sort) & ((prices < low) | (prices > high))
        hit = int(np.searchsorted(self.ends, _first(is_hit, row, behind), "right"))
        hit = _first(self._odd[first:end], first, min(hit, end))
        return hit if hit < end else None

    def settled_until(self, first: int, end: int) -> int:
        """Behind the last message of those by which all that was traded since the first of the rows is in the book, or
        `first`."""
        return max(first, int(self._settled[end - 1]) + 1) if end > first else first

    def rows_of(self, first: int, end: int) -> tuple[int, int]:
        return int(self._begins[first]), int(self.ends[end - 1])

    def trades_of(self, first: int, end: int) -> list[int]:
        """The numbers of the trades among these messages."""
        begin, behind = np.searchsorted(self.trades, (first, end))
        numbers: list[int] = self.trades[begin:behind].tolist()
        return numbers

    def places_of(self, trades: list[int]) -> _Numbers:
        """The rows of these trades."""
        return self._begins[trades]

    def least_bid(self, price: int, start: int, behind: int) -> int:
        """The smallest size to which these rows set a bid, 0 where a quote trims it; `_NEVER` where nothing changes."""
        if int(self.trim_bids[start:behind].min()) < price:
            return 0
        begin, end = np.searchsorted(self._keys, (price * _SORTS + BID, price * _SORTS + BID + 1)).tolist()
        first, last = np.searchsorted(self._order[begin:end], (start, behind)).tolist()
        return int(self.lots[self._order[begin + first : begin + last]].min(initial=_NEVER))

    def levels(self, side: int, start: int, end: int) -> tuple[list[int], list[int], int]:
        """Of the levels of a side that these rows change: prices, and sizes as they end (0: gone). Of all others those
        better than the last price are gone."""
        rows = np.flatnonzero((self.next[start:end] >= end) & (self.sides[start:end] == side))
        prices, sizes = self.prices[start:end][rows], self.lots[start:end][rows]
        if side == BID:
            trims = np.minimum.accumulate(self.trim_bids[start:end][::-1])[::-1]
            is_gone = prices > np.append(trims, _HIGHEST)[rows + 1]
        else:
            trims = np.maximum.accumulate(self.trim_asks[start:end][::-1])[::-1]
            is_gone = prices < np.append(trims, _LOWEST)[rows + 1]
        return prices.tolist(), np.where(is_gone, 0, sizes).tolist(), int(trims[0])


def _first(is_one: NDArray[np.bool_], begin: int, otherwise: int) -> int:
    """The number of the first, counted from `begin`, below `otherwise`; that where there is none."""
    place = int(is_one.argmax()) if len(is_one) else 0
    return min(begin + place, otherwise) if len(is_one) and is_one[place] else otherwise


def _settled(times: _Numbers, is_book: NDArray[np.bool_]) -> _Numbers:
    """By message the last one up to it at which the book was newer than all before; -1 before the first."""
    before = np.concatenate([np.full(1, -1), np.maximum.accumulate(times)[:-1]]) if len(times) else times
    return np.maximum.accumulate(np.where(is_book & (times > before), np.arange(len(times)), -1))


def _next_of_level(order: NDArray[np.intp], keys: _Numbers) -> _Numbers:
    """By row the next of the same level, `_NEVER` where there is none."""
    following = np.full(len(order), _NEVER)
    is_same = keys[1:] == keys[:-1]
    following[order[:-1][is_same]] = order[1:][is_same]
    return following

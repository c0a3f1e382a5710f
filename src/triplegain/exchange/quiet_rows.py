"""Messages of a market that can touch nobody, applied to its book without an event of each being made.

A message is left to whoever takes events where it may concern somebody, however unlikely: it changes a level that is
watched, shows a quote or a trade where an order, a trigger or an aim waits, is one that a doubt hangs over, would cross
the book, or is of a kind that is seldom. All others leave book, last trade and times as if each had been taken alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence, Set

import msgspec

from triplegain.domain.clock import Moment
from triplegain.domain.event_rows import BOOK, BOUGHT, QUOTE, SOLD, EventRows
from triplegain.exchange.book import ASK, BID, NO_PRICES, OrderBook
from triplegain.exchange.plausible import PrintCheck


class Quiet(msgspec.Struct, frozen=True, gc=False):
    """What may be told without concerning anybody; prices in ticks.

    `watched` are levels by side. A bid below `bids_below`, an ask above `asks_above` reach nothing, nor does a trade
    between `sold` and `bought`, both ends included, by the side of the taker. Nothing from `until_ns` on is quiet, no
    trade from `trades_until_ns` on.
    """

    watched: tuple[Set[int], Set[int]]
    bids_below: int
    asks_above: int
    sold: tuple[int, int]
    bought: tuple[int, int]
    until_ns: int
    trades_until_ns: int


class RowPass:
    """One way through rows. `last`, `last_at_ns` and `dated_ns` are the market's, and so is `trades`: the numbers of
    those that were passed."""

    def __init__(self, book: OrderBook, tape: PrintCheck, is_book: bool, rows: EventRows, quiet: Quiet) -> None:
        self.last: int | None = None
        self.last_at_ns = Moment(0)
        self.dated_ns = 0
        #: The latest that any message spoke of.
        self.latest_ns = 0
        self.trades: list[int] = []
        self._book = book
        self._tape = tape
        self._is_book = is_book
        self._rows = rows
        self._quiet = quiet

    def run(self, first: int, end: int) -> int:
        """The first message that may concern somebody, or `end`: all before it are applied."""
        rows, quiet = self._rows, self._quiet
        until_ns, latest_ns, kinds, times, ends = quiet.until_ns, self.latest_ns, rows.kinds, rows.times, rows.ends
        start, number = rows.begin(first), first
        for number in range(first, end):
            time_ns, kind = times[number], kinds[number]
            if time_ns >= until_ns:
                break
            if kind == BOOK:
                is_quiet = self._change(number, start, ends[number], time_ns)
            elif kind == QUOTE:
                is_quiet = self._quote(start, time_ns)
            elif kind in (BOUGHT, SOLD):
                is_quiet = time_ns < quiet.trades_until_ns and self._trade(number, start, kind, time_ns)
            else:
                is_quiet = False
            if not is_quiet:
                break
            start = ends[number]
            if time_ns > latest_ns:
                latest_ns = time_ns
        else:
            number = end
        self.latest_ns = latest_ns
        return number

    def _change(self, number: int, start: int, end: int, time_ns: int) -> bool:
        """A change of the book; False where it is left as it was."""
        rows, quiet, book = self._rows, self._quiet, self._book
        middle = start + rows.bids[number]
        bid_prices, bid_lots = rows.prices[start:middle], rows.lots[start:middle]
        ask_prices, ask_lots = rows.prices[middle:end], rows.lots[middle:end]
        watched_bids, watched_asks = quiet.watched
        bids, asks = book.prices
        if bid_prices:
            below = asks[0] if asks and asks[0] < quiet.bids_below else quiet.bids_below
            if max(bid_prices) >= below and any(
                size and price >= below for price, size in zip(bid_prices, bid_lots, strict=True)
            ):
                return False
            if watched_bids and not watched_bids.isdisjoint(bid_prices):
                return False
        if ask_prices:
            above = bids[-1] if bids and bids[-1] > quiet.asks_above else quiet.asks_above
            if min(ask_prices) <= above and any(
                size and price <= above for price, size in zip(ask_prices, ask_lots, strict=True)
            ):
                return False
            if watched_asks and not watched_asks.isdisjoint(ask_prices):
                return False
        if book.unsettled:
            for price in bid_prices:
                book.explain(BID, price, Moment(time_ns))
            for price in ask_prices:
                book.explain(ASK, price, Moment(time_ns))
        if bid_prices:
            _set(book.levels[BID], bids, bid_prices, bid_lots)
        if ask_prices:
            _set(book.levels[ASK], asks, ask_prices, ask_lots)
        if rows.depths[number]:
            book.truncate(rows.depths[number])
        self._reach(time_ns)
        return True

    def _reach(self, time_ns: int) -> None:
        book = self._book
        if time_ns > book.moment:
            if book.unsettled:
                book.reach(Moment(time_ns))
            else:
                book.moment = Moment(time_ns)
        if time_ns > self.dated_ns:
            self.dated_ns = time_ns

    def _quote(self, start: int, time_ns: int) -> bool:
        """Best quotes, which trim the book; False where it is left as it was."""
        rows, quiet, book = self._rows, self._quiet, self._book
        bid, ask = rows.prices[start], rows.prices[start + 1]
        bid_lots, ask_lots = rows.lots[start], rows.lots[start + 1]
        is_shown = bid < ask and bid_lots and ask_lots
        if not is_shown or bid >= quiet.bids_below or ask <= quiet.asks_above:
            return False
        watched_bids, watched_asks = quiet.watched
        (bid_levels, ask_levels), (bids, asks) = book.levels, book.prices
        gone_bids = bids[bisect_right(bids, bid) :] if bids and bids[-1] > bid else ()
        gone_asks = asks[: bisect_left(asks, ask)] if asks and asks[0] < ask else ()
        if bid in watched_bids or ask in watched_asks:
            return False
        if (gone_bids and not watched_bids.isdisjoint(gone_bids)) or (
            gone_asks and not watched_asks.isdisjoint(gone_asks)
        ):
            return False
        if book.unsettled:
            moment = Moment(time_ns)
            for price in (*gone_bids, bid):
                book.explain(BID, price, moment)
            for price in (*gone_asks, ask):
                book.explain(ASK, price, moment)
        if gone_bids:
            del bids[-len(gone_bids) :]
            for price in gone_bids:
                del bid_levels[price]
        if gone_asks:
            del asks[: len(gone_asks)]
            for price in gone_asks:
                del ask_levels[price]
        if not bids or bids[-1] != bid:
            bids.append(bid)
        if not asks or asks[0] != ask:
            asks.insert(0, ask)
        bid_levels[bid], ask_levels[ask] = bid_lots, ask_lots
        self._reach(time_ns)
        return True

    def _trade(self, number: int, row: int, kind: int, time_ns: int) -> bool:
        """A trade that nobody waits for and everybody believes; False where nothing is done with it."""
        price, lots = self._rows.prices[row], self._rows.lots[row]
        low, high = self._quiet.bought if kind == BOUGHT else self._quiet.sold
        if not low <= price <= high or not self._tape.is_plain(price, lots, self.last):
            return False
        moment = Moment(time_ns)
        if moment >= self.last_at_ns:
            self.last, self.last_at_ns = price, moment
            if moment > self.dated_ns:
                self.dated_ns = moment
        if self._is_book:
            self._book.record_print(ASK if kind == BOUGHT else BID, price, lots, moment)
        self.trades.append(number)
        return True


def _set(levels: dict[int, int], its: list[int], prices: Sequence[int], lots: Sequence[int]) -> None:
    """Levels of a side to their new sizes; `its` are its prices, sorted."""
    for price, size in zip(prices, lots, strict=True):
        if size:
            if price not in levels:
                insort(its, price)
            levels[price] = size
        elif price in levels:
            del levels[price]
            del its[bisect_left(its, price)]


def is_at_rest(book: OrderBook, best: tuple[int, int]) -> bool:
    """Whether the quotes as they stand neither cross nor reach the best orders that rest."""
    bids, asks = book.prices
    bid, ask = bids[-1] if bids else NO_PRICES[BID], asks[0] if asks else NO_PRICES[ASK]
    return bid < ask and best[BID] < ask and best[ASK] > bid

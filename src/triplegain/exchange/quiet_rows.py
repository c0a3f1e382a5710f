"""Messages of a market that can touch nobody, applied to its book without an event of each being made.

A message is left to whoever takes events where it may concern somebody, however unlikely: it changes a level that is
watched, shows a quote or a trade where an order, a trigger or an aim waits, is one that a doubt hangs over, would cross
the book, or is of a kind that is seldom. All others leave book, last trade and times as if each had been taken alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np

from triplegain.domain.clock import Moment
from triplegain.domain.event_rows import BOOK, BOUGHT, QUOTE, SOLD, EventRows
from triplegain.exchange.book import ASK, BID, NO_PRICES, OrderBook
from triplegain.exchange.plausible import PrintCheck
from triplegain.exchange.quiet import Quiet
from triplegain.exchange.row_index import RowIndex

#: Fewer messages are looked at one by one.
LONG = 64
#: So many levels are looked at for one that stays.
_SOME = 8


class News(Protocol):
    """How near trades came to orders: one between the two prices is no news."""

    no_news: list[int]

    def come_near(self, price: int, moment: Moment, time_ns: int) -> None:
        """A trade of that moment, as of `time_ns`."""
        ...


class RowPass:
    """One way through rows. `last`, `last_at_ns` and `dated_ns` are the market's, and so is `trades`: the numbers of
    those that were passed."""

    def __init__(
        self,
        book: OrderBook,
        tape: PrintCheck,
        is_book: bool,
        rows: EventRows,
        quiet: Quiet,
        news: News,
        index: RowIndex | None = None,
    ) -> None:
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
        self._news = news
        self._index = index

    def run(self, first: int, end: int) -> int:
        """The first message that may concern somebody, or `end`: all before it are applied."""
        index = self._index
        # Most ways end soon.
        number = self._each(first, min(end, first + LONG // 2))
        if number < min(end, first + LONG // 2):
            return number
        while index is not None and end - number >= LONG:
            quiet_until = index.quiet_until(number, end, self._quiet)
            number = self._leap(index, number, quiet_until)
            # The rest settles what was traded. Where it is too near to leap to, a few more are looked at.
            stop = min(end, max(number + LONG // 2, min(quiet_until + 1, number + 2 * LONG)))
            reached = self._each(number, stop)
            if reached < stop:
                return reached
            number = reached
        return self._each(number, end)

    def _leap(self, index: RowIndex, first: int, end: int) -> int:
        """The first message that is still to be looked at: all before it are applied at once. `first` where there are
        too few of them, or where a trade is doubted."""
        book, settled = self._book, index.settled_until(first, end)
        if settled - first < LONG:
            return first
        moment, trades = Moment(int(index.times[settled - 1])), index.trades_of(first, settled)
        start, behind = index.rows_of(first, settled)
        if moment <= book.newest or (trades and not self._take_trades(index, trades, start, behind)):
            return first
        for side, its in zip((BID, ASK), book.prices, strict=True):
            prices, lots, trim = index.levels(side, start, behind)
            gone = its[bisect_right(its, trim) :] if side == BID else its[: bisect_left(its, trim)]
            book.set_levels(side, gone, [0] * len(gone))
            book.set_levels(side, prices, lots)
        book.settle_all(moment)
        self.trades += trades
        self.latest_ns = max(self.latest_ns, int(index.times[first:settled].max()))
        self.dated_ns = max(self.dated_ns, self.latest_ns)
        return settled

    def _take_trades(self, index: RowIndex, trades: list[int], start: int, behind: int) -> bool:
        """False, and nothing is done, where one of them may not be plain, whatever the book is at each."""
        places, times = index.places_of(trades), index.times[trades]
        prices, bids = index.prices[places], self._book.prices[BID]
        (low, high), most = (int(prices.min()), int(prices.max())), int(index.lots[places].max())
        # One level that shows enough all the time will do.
        some = (bids[place * len(bids) // _SOME] for place in range(_SOME if bids else 0))
        shown = (min(self._book.levels[BID][price], index.least_bid(price, start, behind)) for price in some)
        if not self._tape.are_plain((low, high), most, self.last, shown):
            return False
        newest_ns = int(times.max())
        if newest_ns >= self.last_at_ns:
            last = len(times) - 1 - int(np.argmax(times[::-1] == newest_ns))
            self.last, self.last_at_ns = int(prices[last]), Moment(newest_ns)
        lowest, highest = self._news.no_news
        if low < lowest or high > highest:
            for price, time_ns in zip(prices.tolist(), times.tolist(), strict=True):
                self._come_near(price, Moment(time_ns))
        return True

    def _come_near(self, price: int, moment: Moment) -> None:
        lowest, highest = self._news.no_news
        if price < lowest or price > highest:
            self._news.come_near(price, moment, moment)

    def _each(self, first: int, end: int) -> int:
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
        if end - start == 1:
            return self._change_one(number, start, middle == start, time_ns)
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
        if bid_prices and ask_prices and max(bid_prices) >= min(ask_prices):
            # Both sides may have come nearer than the book was.
            bid = max((price for price, size in zip(bid_prices, bid_lots, strict=True) if size), default=NO_PRICES[BID])
            ask = min((price for price, size in zip(ask_prices, ask_lots, strict=True) if size), default=NO_PRICES[ASK])
            if bid >= ask:
                return False
        if book.unsettled:
            for price in bid_prices:
                book.explain(BID, price, Moment(time_ns))
            for price in ask_prices:
                book.explain(ASK, price, Moment(time_ns))
        if bid_prices:
            book.set_levels(BID, bid_prices, bid_lots)
        if ask_prices:
            book.set_levels(ASK, ask_prices, ask_lots)
        if rows.depths[number]:
            book.truncate(rows.depths[number])
        self._reach(time_ns)
        return True

    def _change_one(self, number: int, row: int, side: int, time_ns: int) -> bool:
        """The same of one level."""
        rows, quiet, book = self._rows, self._quiet, self._book
        price, size = rows.prices[row], rows.lots[row]
        if price in quiet.watched[side]:
            return False
        others = book.prices[1 - side]
        if size and (
            price <= quiet.asks_above or (others and price <= others[-1])
            if side
            else price >= quiet.bids_below or (others and price >= others[0])
        ):
            return False
        if book.unsettled:
            book.explain(side, price, Moment(time_ns))
        book.set_level(side, price, size)
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
        self._come_near(price, moment)
        self.trades.append(number)
        return True


def is_at_rest(book: OrderBook, best: tuple[int, int]) -> bool:
    """Whether the quotes as they stand neither cross nor reach the best orders that rest."""
    bids, asks = book.prices
    bid, ask = bids[-1] if bids else NO_PRICES[BID], asks[0] if asks else NO_PRICES[ASK]
    return bid < ask and best[BID] < ask and best[ASK] > bid

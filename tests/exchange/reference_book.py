"""The public side of the reference exchange: what the depth shows, and what the tape took that it does not show yet.

Written from docs/paper-exchange.md alone, slow and plain; it shares no code with the exchange. Prices are ticks and
quantities lots, sides are 0 for bids and 1 for asks, times the exchange's own nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from triplegain.domain.market import BestQuote, BookUpdate, Level, PublicTrade

#: Doubted: a print this many times off every known price, or of this many times what the whole book shows.
_PRICE_FACTOR = 2
_QUANTITY_FACTOR = 1_000_000
#: On a bare tape this many doubted prints in a row that agree with each other are believed.
_AGREEING_PRINTS = 10


def better(side: int, price: int, other: int) -> bool:
    """Whether a level at `price` is taken before one at `other`."""
    return price > other if side == 0 else price < other


@dataclass(slots=True)
class Change:
    """A level that a message has set. `cancelled`: what left it without a print that explains it; `came`: what is
    new."""

    side: int
    price: int
    before: int
    after: int
    cancelled: int
    came: int


@dataclass(slots=True)
class Print:
    """A trade that the depth does not show yet. `shown`: levels that a message of the same moment has set since."""

    moment_ns: int
    side: int
    price: int
    lots: int
    shown: set[int] = field(default_factory=set)


class ReferenceBook:
    def __init__(self) -> None:
        self.shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.depth = 0
        self._reach: list[int | None] = [None, None]
        self.prints: list[Print] = []
        #: The greatest moment of any book message and of any print; -1 before the first.
        self.time_ns = -1
        self.tape_ns = -1
        #: The trade of the newest moment.
        self.last: int | None = None
        self._doubted: list[int] = []

    # -- what can be had ---------------------------------------------------------------------------------------

    def best(self, side: int) -> int | None:
        levels = self.shown[side]
        if not levels:
            return None
        return max(levels) if side == 0 else min(levels)

    def levels(self, side: int) -> list[int]:
        return sorted(self.shown[side], reverse=side == 0)

    def visible(self, side: int, price: int) -> int | None:
        """Lots displayed at a price; None where it lies behind what the messages tell of.

        They tell of `depth` levels, so of all there are where these are fewer. Without a depth they tell of any change,
        but nobody knows what stood behind the last level of the snapshot; where it had none, there was none.
        """
        levels = self.shown[side]
        if price in levels or (self.depth and len(levels) < self.depth):
            return levels.get(price, 0)
        last = self.levels(side)[-1] if self.depth else self._reach[side]
        return None if last is not None and better(side, last, price) else 0

    def left(self, side: int, price: int) -> int:
        """What is displayed less what the tape has taken of it."""
        lots = self.shown[side].get(price, 0)
        for each in self.prints:
            if each.side != side or price in each.shown:
                continue
            if price == each.price:
                lots -= each.lots
            elif better(side, price, each.price):
                return 0
        return max(lots, 0)

    @property
    def is_known(self) -> bool:
        """Whether there has been any message of it."""
        return self.time_ns >= 0

    @property
    def is_crossed(self) -> bool:
        bid, ask = self.best(0), self.best(1)
        return bid is not None and ask is not None and bid >= ask

    # -- messages of the book ------------------------------------------------------------------------------------

    def snapshot(self, message: BookUpdate) -> None:
        self.shown = ({p: q for p, q in message.bids if q}, {p: q for p, q in message.asks if q})
        self.depth = message.depth
        self._reach = [levels[-1] if (levels := self.levels(side)) else None for side in (0, 1)]
        self.time_ns = max(self.time_ns, message.exchange_time_ns)
        self.prints = [each for each in self.prints if each.moment_ns > message.exchange_time_ns]

    def update(self, message: BookUpdate) -> list[Change]:
        self.depth = message.depth
        changes = [self._set(0, level, message.exchange_time_ns) for level in message.bids]
        changes += [self._set(1, level, message.exchange_time_ns) for level in message.asks]
        self._settle(message.exchange_time_ns, changes)
        return changes

    def trim(self, quote: BestQuote) -> list[Change]:
        """A best quote: nothing better than it is left."""
        moment = quote.exchange_time_ns
        changes: list[Change] = []
        for side, (price, lots) in ((0, quote.bid), (1, quote.ask)):
            while (level := self.best(side)) is not None and better(side, level, price):
                changes.append(self._set(side, (level, 0), moment))
            changes.append(self._set(side, (price, lots), moment))
        self._settle(moment, changes)
        return changes

    def _set(self, side: int, level: Level, moment: int) -> Change:
        price, lots = level
        before = self.shown[side].get(price, 0)
        if lots:
            self.shown[side][price] = lots
        else:
            self.shown[side].pop(price, None)
        explained = sum(each.lots for each in self._unshown(side, price) if each.moment_ns <= moment)
        gone = before - lots - explained
        return Change(side, price, before, lots, max(gone, 0), max(-gone, 0))

    def _unshown(self, side: int, price: int) -> list[Print]:
        return [each for each in self.prints if each.side == side and each.price == price and price not in each.shown]

    def _settle(self, moment: int, changes: list[Change]) -> None:
        self.time_ns = max(self.time_ns, moment)
        self.prints = [each for each in self.prints if each.moment_ns >= moment]
        for each in self.prints:
            told = {change.price for change in changes if change.side == each.side}
            # What an older message says of a level that the print swept is from before it.
            each.shown = each.shown | told if each.moment_ns == moment else each.shown - (told - {each.price})
        for side in (0, 1):
            for price in self.levels(side)[self.depth :] if self.depth else []:
                del self.shown[side][price]

    # -- the tape ------------------------------------------------------------------------------------------------

    def take(self, trade: PublicTrade) -> None:
        """A print that is believed."""
        moment = trade.exchange_time_ns
        if moment > self.time_ns:
            self.prints.append(Print(moment, 1 - trade.side.index, trade.price, trade.quantity))
        if moment >= self.tape_ns:
            self.last = trade.price
        self.tape_ns = max(self.tape_ns, moment)

    def doubts(self, trade: PublicTrade, is_seen: bool) -> bool:
        """Whether a print is a slip of the feed: a price or a quantity that nothing known comes near to.

        Without a book only the last trade is known, and a tenth print that agrees with the others is believed.
        """
        if not self._is_far_off(trade, is_seen):
            self._doubted = []
            return False
        if is_seen:
            return True
        seen = [*self._doubted, trade.price]
        if max(seen) > _PRICE_FACTOR * min(seen):
            seen = [trade.price]
        self._doubted = seen
        if len(seen) < _AGREEING_PRINTS:
            return True
        self._doubted = []
        return False

    def _is_far_off(self, trade: PublicTrade, is_seen: bool) -> bool:
        quotes = (self.best(0), self.best(1)) if is_seen else ()
        known = [price for price in (self.last, *quotes) if price is not None]
        if known and all(trade.price * _PRICE_FACTOR < p or trade.price > p * _PRICE_FACTOR for p in known):
            return True
        shown = sum(self.shown[0].values()) + sum(self.shown[1].values()) if is_seen else 0
        return shown > 0 and trade.quantity > _QUANTITY_FACTOR * shown

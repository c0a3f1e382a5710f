"""One instrument of a live stream: its book, its tape, and whether orders may rely on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from triplegain.domain.clock import iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import CLOSED_STATES, BookUpdate, FeedState, FeedStatus, MarketEvent, PublicTrade
from triplegain.domain.outside import tame
from triplegain.domain.values import usable
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.book import KrakenBook, Levels, depth_of_snapshot, number_text
from triplegain.venues.kraken.stream_clock import BookWanted, StreamClock, StreamCounters, StreamRequest, TradesWanted
from triplegain.venues.kraken.tape import Tape, TapeSeen, TapeState
from triplegain.venues.kraken.wire.frames import BookMessage, PairState, TradeMessage
from triplegain.venues.kraken.wire.rest import TAKERS, TradeRow
from triplegain.venues.kraken.wire.writer import TapeTrade

WAITING = "waiting for the order book"

#: Words of the status and instrument channels.
SYSTEM_STATES = {
    "online": FeedState.SYNCED,
    "cancel_only": FeedState.CANCEL_ONLY,
    "post_only": FeedState.POST_ONLY,
    "limit_only": FeedState.LIMIT_ONLY,
    "reduce_only": FeedState.REDUCE_ONLY,
    "maintenance": FeedState.MAINTENANCE,
    "work_in_progress": FeedState.WORK_IN_PROGRESS,
    "delisted": FeedState.DELISTED,
}


class Mode(NamedTuple):
    """What the exchange says of itself or of a pair; not `is_known`: by a word that nobody here knows."""

    state: FeedState
    reason: str
    is_known: bool = True


_UNWATCHED = (FeedState.CATCH_UP, FeedState.MISSED)
_ONLINE = Mode(FeedState.SYNCED, "")
#: Where the exchange and a pair are in different modes, the one that takes less counts.
_STRICTEST_FIRST = (FeedState.CANCEL_ONLY, FeedState.REDUCE_ONLY, FeedState.POST_ONLY, FeedState.LIMIT_ONLY)


def exchange_state(word: str, of: str) -> Mode:
    """What a status word means. One we do not know lets nothing new in until it has been asked again."""
    state = SYSTEM_STATES.get(word)
    if state is None:
        reason = f"{of} is in a state that nobody here knows; it is asked again"
        return Mode(FeedState.CANCEL_ONLY, reason, is_known=False)
    return _ONLINE if state is FeedState.SYNCED else Mode(state, f"{of} is in {word.replace('_', ' ')} mode")


class ConditionSeen(Struct, frozen=True):
    """See `Condition`."""

    book: FeedState
    reason: str
    silent: str
    system: Mode
    pair: Mode
    told: tuple[FeedState, str]
    is_told: bool
    steps: str = ""


class Condition:
    """`now` is what counts of: the tape of an unwatched time, maintenance, changed steps, the book, silence, the
    exchange's modes."""

    __slots__ = ("_symbol", "_told", "book", "is_told", "pair", "reason", "silent", "steps", "system")

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self.book = FeedState.GAP
        self.reason = WAITING
        #: Why the connection counts as silent; empty while it does not.
        self.silent = ""
        #: Why the session cannot count here any more; empty while it can.
        self.steps = ""
        self.system = _ONLINE
        self.pair = _ONLINE
        self._told = (FeedState.SYNCED, "")
        #: Whether anything was ever told.
        self.is_told = False

    @property
    def is_unknown(self) -> bool:
        """Whether the exchange's last word about itself or the pair is one that nobody here knows."""
        return not (self.system.is_known and self.pair.is_known)

    def seen(self) -> ConditionSeen:
        told = self._told, self.is_told, self.steps
        return ConditionSeen(self.book, self.reason, self.silent, self.system, self.pair, *told)

    def see(self, seen: ConditionSeen) -> None:
        """Go on as another one stood."""
        self.book, self.reason, self.silent = seen.book, seen.reason, seen.silent
        self.system, self.pair = (_ONLINE if mode == _ONLINE else mode for mode in (seen.system, seen.pair))
        self._told, self.is_told, self.steps = seen.told, seen.is_told, seen.steps

    def set_book(self, state: FeedState, reason: str) -> None:
        self.book, self.reason = state, reason

    @property
    def now(self) -> tuple[FeedState, str]:
        if self.book in _UNWATCHED:
            return self.book, self.reason
        modes = [mode for mode in (self.system, self.pair) if mode is not _ONLINE]
        for mode in modes:
            if mode.state in CLOSED_STATES:
                return mode.state, mode.reason
        if self.steps:
            return FeedState.STEPS_CHANGED, self.steps
        if self.book is not FeedState.SYNCED:
            return self.book, self.reason
        if self.silent:
            return FeedState.STALE, self.silent
        told = [(mode.state, mode.reason) for mode in modes]
        return min(told, key=lambda mode: _STRICTEST_FIRST.index(mode[0]), default=(self.book, self.reason))

    def take_change(self) -> bool:
        """Whether what counts is not what was told last; from now on it is."""
        state, reason = self.now
        if state is self._told[0] and (state is FeedState.SYNCED or reason == self._told[1]):
            return False
        self._told = (state, reason)
        self.is_told = True
        return True


#: Pages of history that add nothing before it is given up: what happened a moment ago may not be in it yet.
_FRUITLESS_PAGES = 3

_ASKED = "a new one is asked for"
_SECOND_NS = 1_000_000_000
_SYNCED = FeedState.SYNCED


class KrakenMarketSeen(Struct, frozen=True):
    """See `KrakenMarket`; `levels` are bids and asks, best first, of a book of `book_depth`."""

    depth: int
    connection: int | None
    book_time_ns: int
    last: tuple[bool, int, Levels, Levels] | None
    asked_since_ns: int | None
    fruitless: int
    condition: ConditionSeen
    tape: TapeSeen
    book_depth: int
    levels: tuple[Levels, Levels]
    #: Tick and lot as they were told last, and the lot that was told first.
    steps: tuple[Decimal, Decimal, Decimal | None] | None = None


@dataclass(eq=False)
class KrakenMarket:
    """Takes what concerns its instrument and answers with market events.

    Raises InvalidValueError for a message that cannot be read, and then nothing has changed; the caller goes on with
    `on_unreadable`.
    """

    instrument: Instrument
    #: Levels a side that the exchange has acknowledged.
    depth: int
    _price_places: int
    _clock: StreamClock
    _counters: StreamCounters
    _requests: list[StreamRequest]
    #: Number of the connection it comes by; None before the first message.
    connection: int | None = field(default=None, init=False)
    #: Exchange time of the newest book message, and that message itself.
    book_time_ns: int = field(default=0, init=False)
    _last: tuple[bool, int, Levels, Levels] | None = field(default=None, init=False)
    _asked_since_ns: int | None = field(default=None, init=False)
    _fruitless: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.symbol = self.instrument.symbol
        self.condition = Condition(self.symbol)
        #: As Kraken told them last, and the lot that it told first.
        self.tick, self.lot = self.instrument.tick, self.instrument.lot
        self.first_lot: Decimal | None = None
        self.tape = Tape(self._counters)
        self.book = KrakenBook(self.instrument, self.depth, self._price_places)

    def seen(self) -> KrakenMarketSeen:
        return KrakenMarketSeen(
            self.depth,
            self.connection,
            self.book_time_ns,
            self._last,
            self._asked_since_ns,
            self._fruitless,
            self.condition.seen(),
            self.tape.seen(),
            self.book.depth,
            self.book.levels(),
            (self.tick, self.lot, self.first_lot),
        )

    def see(self, seen: KrakenMarketSeen) -> None:
        """Go on as another one stood."""
        self.depth, self.connection, self.book_time_ns = seen.depth, seen.connection, seen.book_time_ns
        self._last, self._asked_since_ns, self._fruitless = seen.last, seen.asked_since_ns, seen.fruitless
        self.condition.see(seen.condition)
        self.tape.see(seen.tape)
        if seen.steps is not None:
            self.tick, self.lot, self.first_lot = seen.steps
        self.book.depth = seen.book_depth
        self.book.replace(*seen.levels)

    @property
    def is_synced(self) -> bool:
        """The book is the exchange's as far as we know."""
        return self.condition.book is FeedState.SYNCED

    # -- the book ------------------------------------------------------------------------------------------------

    def on_book(self, message: BookMessage, is_snapshot: bool, received_ns: int) -> list[MarketEvent]:
        """A snapshot or an update; updates of a book that waits for its snapshot are left out."""
        condition, book = self.condition, self.book
        self._counters.book_updates += 1
        synced = condition.book is _SYNCED
        # A book that comes before the trades that were missed would hide them: it is asked for again after them.
        if not synced and (not is_snapshot or (self.tape.state is TapeState.CUT and self.tape.wanted_since_ns)):
            self._counters.skipped += 1
            return []
        bids, asks = book.read(message.bids), book.read(message.asks)
        # A message without a time is not taken to be later than one that says it and comes next.
        exchange_ns = rfc3339_ns(message.timestamp) if message.timestamp else self._clock.latest_ns
        time_ns = self._clock.at(exchange_ns, received_ns, is_news=not is_snapshot)
        # A time from the far future is not kept: everything after it would be out of order.
        moment_ns = min(exchange_ns, time_ns)
        received_ns = max(received_ns, moment_ns)
        if exchange_ns <= self.book_time_ns:
            last = (is_snapshot, message.checksum, bids, asks)
            if exchange_ns < self.book_time_ns or (synced and last == self._last):
                return self._not_newer(exchange_ns, is_snapshot, time_ns, received_ns)
        if is_snapshot:
            book.depth = max(self.depth, depth_of_snapshot(max(len(bids), len(asks))))
            book.replace(bids, asks)
        else:
            book.apply(bids, asks)
        self.book_time_ns = moment_ns
        self._last = (is_snapshot, message.checksum, bids, asks)
        if book.checksum() != message.checksum:
            self._counters.mismatches += 1
            reason = f"the order book does not agree with Kraken's checksum; {_ASKED}"
            return self._break(FeedState.CHECKSUM_MISMATCH, reason, received_ns, time_ns)
        if book.is_crossed:
            self._counters.crossed += 1
            reason = f"the order book is crossed ({book.best_words()}); {_ASKED}"
            return self._break(FeedState.CROSSED, reason, received_ns, time_ns)
        update = BookUpdate(self.symbol, moment_ns, received_ns, bids, asks, is_snapshot, book.depth)
        if synced:
            return [update]
        return self._healed(update)

    def _healed(self, update: BookUpdate) -> list[MarketEvent]:
        """A good snapshot. What the exchange itself does not allow is said first, so that nothing matches on it."""
        self.condition.set_book(FeedState.SYNCED, "the order book is back")
        status = self.tell(update.received_at_ns, self._clock.latest_ns)
        if self.condition.now[0] is FeedState.SYNCED:
            return [update, *status]
        return [*status, update]

    def _not_newer(self, exchange_ns: int, is_snapshot: bool, time_ns: int, received_ns: int) -> list[MarketEvent]:
        """The same message again is harmless; an older one may have changed what a later one did."""
        if exchange_ns == self.book_time_ns:
            self._counters.duplicates += 1
            return []
        self._counters.reordered += 1
        if is_snapshot:
            # An old one doubled, most likely; the next one is taken whatever it says.
            self.book_time_ns = 0
            return []
        return self._break(FeedState.GAP, f"order book messages came out of order; {_ASKED}", received_ns, time_ns)

    def on_unreadable(self, why: str, received_ns: int) -> list[MarketEvent]:
        """A message that concerns this instrument cannot be read: what it said is missing."""
        reason = f"a message of {self.symbol} cannot be read ({tame(why, 200)}); {_ASKED}"
        if self.tape.state is TapeState.LIVE and self.tape.last_number:
            self._requests.append(TradesWanted(self.symbol, max(self.tape.last_time_ns - _SECOND_NS, 0)))
        return self._break(FeedState.GAP, reason, received_ns)

    def on_overrun(self, dropped: int, received_ns: int) -> list[MarketEvent]:
        """Book updates were left out on our side."""
        reason = f"this program was too slow and left out {dropped:,} order book messages; {_ASKED}"
        return self._break(FeedState.GAP, reason, received_ns)

    def _break(self, state: FeedState, reason: str, received_ns: int, time_ns: int | None = None) -> list[MarketEvent]:
        """The book is of no use until the next snapshot."""
        if self.tape.state is not TapeState.CUT:
            self._requests.append(BookWanted(self.symbol))
        if self.condition.book not in (FeedState.CATCH_UP, FeedState.MISSED):
            self.condition.set_book(state, reason)
        return self.tell(received_ns, time_ns)

    def on_down(self, reason: str, received_ns: int) -> list[MarketEvent]:
        """Its connection ended: everything since is missing."""
        self.condition.silent = ""
        self.tape.cut()
        self.book.clear()
        self.book_time_ns, self._last = 0, None
        self.condition.set_book(FeedState.GAP, f"the connection to Kraken was lost ({reason})")
        return self.tell(received_ns)

    # -- the tape ------------------------------------------------------------------------------------------------

    def read_trades(self, messages: Iterable[TradeMessage]) -> list[TapeTrade]:
        """Trades of a frame. Raises InvalidValueError for one that cannot be."""
        return [
            self._tape_trade(
                one.trade_id, rfc3339_ns(one.timestamp), number_text(one.price), number_text(one.qty), one.side
            )
            for one in messages
        ]

    def read_rows(self, rows: Iterable[TradeRow]) -> list[TapeTrade]:
        """Trades of a REST reply. Raises InvalidValueError for one that cannot be."""
        return [
            self._tape_trade(one.trade_id, int(usable(one.time) * _SECOND_NS), one.price, one.volume, one.side)
            for one in rows
        ]

    def _tape_trade(self, number: int, time_ns: int, price: str, quantity: str, side: str) -> TapeTrade:
        ticks, lots = self.book.price.exact(price), self.book.quantity.exact(quantity)
        if number <= 0 or not ticks or not lots or side not in TAKERS:
            raise InvalidValueError(f"trade {number}, {side} {quantity} at {price}, cannot be")
        return TapeTrade(number, time_ns, ticks, lots, TAKERS[side])

    def on_trades(self, trades: list[TapeTrade], is_snapshot: bool, received_ns: int) -> list[MarketEvent]:
        """Trades of a frame; after a time without connection those that were missed are told first."""
        was = self.tape.state
        told = self.tape.on_snapshot(trades) if is_snapshot else self.tape.on_update(trades)
        if was is TapeState.LIVE or (was is TapeState.NEW and not is_snapshot):
            events = self._public(told, received_ns, is_news=not is_snapshot)
        else:
            events = self._caught_up(told, received_ns)
        self._want_trades()
        return events

    def on_history(self, trades: list[TapeTrade], received_ns: int) -> list[MarketEvent]:
        """A page of the history that was asked for to close a hole."""
        was = self.tape.state
        hole = self.tape.wanted_since_ns
        self._asked_since_ns = None
        told = self.tape.on_page(trades)
        events = self._caught_up(told, received_ns) if was is TapeState.CUT else self._public(told, received_ns)
        wanted = self.tape.wanted_since_ns
        self._fruitless = 0 if told or wanted != hole else self._fruitless + 1
        if wanted is not None and self._fruitless >= _FRUITLESS_PAGES:
            self._fruitless = 0
            return events + self.on_no_history("Kraken's history does not have them", received_ns)
        self._want_trades()
        return events

    def on_no_history(self, why: str, received_ns: int) -> list[MarketEvent]:
        """Trades that were missed cannot be had: nothing may be filled for the hole."""
        since_ns = self.tape.wanted_since_ns
        self._asked_since_ns = None
        if since_ns is None:
            return []
        was_cut = self.tape.state is TapeState.CUT
        before = self.condition.book, self.condition.reason
        self.condition.set_book(FeedState.MISSED, missed_words(since_ns, why))
        events = self.tell(received_ns)
        events += self._public(self.tape.give_up(), received_ns)
        if was_cut:
            self._requests.append(BookWanted(self.symbol))
        else:
            self.condition.set_book(*before)
            events += self.tell(received_ns)
        return events

    def _caught_up(self, told: list[TapeTrade], received_ns: int) -> list[MarketEvent]:
        """Trades nobody watched, told as such; then the book may come."""
        events: list[MarketEvent] = []
        condition = self.condition
        # They are told now, whenever they were made.
        self._clock.now(received_ns)
        if told and condition.book not in (FeedState.CATCH_UP, FeedState.SYNCED, FeedState.MISSED):
            condition.set_book(FeedState.CATCH_UP, "the trades missed meanwhile are told")
            events += self.tell(received_ns)
        events += self._public(told, received_ns)
        if self.tape.state is not TapeState.LIVE or self.is_synced:
            return events
        if condition.book is not FeedState.MISSED:
            condition.set_book(FeedState.GAP, WAITING)
        # Before the first book nobody needs to be told that it is not there yet.
        if condition.is_told:
            events += self.tell(received_ns)
        self._requests.append(BookWanted(self.symbol))
        return events

    def _public(self, trades: list[TapeTrade], received_ns: int, *, is_news: bool = False) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        for one in trades:
            # One from the far future is of now.
            moment_ns = min(one.time_ns, self._clock.at(one.time_ns, received_ns, is_news=is_news))
            told = (moment_ns, max(received_ns, moment_ns), one.price, one.quantity, one.side, str(one.number))
            events.append(PublicTrade(self.symbol, *told))
        return events

    def _want_trades(self) -> None:
        """Ask for what closes the hole, once; every request is answered by a page or by why there is none."""
        since_ns = self.tape.wanted_since_ns
        if since_ns is not None and since_ns != self._asked_since_ns:
            self._requests.append(TradesWanted(self.symbol, since_ns))
        self._asked_since_ns = since_ns

    # -- its condition -------------------------------------------------------------------------------------------

    def begin_away(self, since_ns: int, received_ns: int) -> list[MarketEvent]:
        """This run follows one that saw the trades up to that time; those since then are told next."""
        self.tape.begin(since_ns)
        self.condition.set_book(FeedState.CATCH_UP, f"the trades since {iso(since_ns)[:19]} UTC are told")
        return self.tell(received_ns, self._clock.at(since_ns, received_ns))

    def trade_away(self, trade: TapeTrade, received_ns: int) -> list[MarketEvent]:
        """A trade of that time."""
        return self._public(self.tape.on_page([trade]), received_ns)

    def miss_away(self, since_ns: int, why: str, received_ns: int) -> list[MarketEvent]:
        """The trades from here on until now cannot be had."""
        self.tape.forget()
        self.condition.set_book(FeedState.MISSED, missed_words(since_ns, why))
        return self.tell(received_ns, self._clock.at(since_ns, received_ns))

    def on_refused(self, error: str, received_ns: int, *, is_named: bool = True) -> list[MarketEvent]:
        """Kraken does not take a subscription; a book that is in sync is not touched by that. Not `is_named`: it does
        not say of what, or of something else than was asked for."""
        if self.condition.book is not FeedState.GAP:
            return []
        what = f"a subscription of {self.symbol}" if is_named else "a subscription that it does not name"
        self.condition.set_book(FeedState.GAP, f"Kraken refuses {what}: {tame(error, 200)}")
        return self.tell(received_ns)

    def on_pair(self, pair: PairState, received_ns: int) -> list[MarketEvent]:
        """Its status; and its steps, in which the session counts for its whole life."""
        tick, lot = (_step(told) for told in (pair.price_increment, pair.qty_increment))
        self.condition.pair = exchange_state(pair.status, self.symbol)
        # The lot is that of AssetPairs until this channel says otherwise than it did before.
        self.first_lot = self.first_lot or lot
        if tick is not None:
            self.tick = tick
        if lot is not None:
            self.lot = lot
        changes = [
            f"{what} from {before:f} to {now:f}"
            for what, before, now in (
                ("tick", self.instrument.tick, self.tick),
                ("lot", self.first_lot or self.lot, self.lot),
            )
            if now != before
        ]
        self.condition.steps = changed_words(self.symbol, changes) if changes else ""
        return self.tell(received_ns)

    def tell(self, received_ns: int, time_ns: int | None = None) -> list[MarketEvent]:
        """Its condition, where that has changed; `time_ns` is that of a message that says its own."""
        time_ns = self._clock.now(received_ns) if time_ns is None else time_ns
        if not self._clock.is_known or not self.condition.take_change():
            return []
        state, reason = self.condition.now
        return [FeedStatus(self.symbol, time_ns, max(received_ns, time_ns), state, reason)]


def _step(told: object) -> Decimal | None:
    """Raises InvalidValueError for one that cannot be computed with."""
    return None if told is None else usable(Decimal(number_text(told)))


def changed_words(symbol: str, changes: Sequence[str]) -> str:
    return (
        f"Kraken has changed the steps of {symbol} ({', '.join(changes)}), and this session counts in the old ones: "
        "it sends no order there, cancels go through; go on with a new one: --reset"
    )


def missed_words(since_ns: int, why: str) -> str:
    return f"the trades since {iso(since_ns)[:19]} UTC cannot be had: {tame(why, 200)}"

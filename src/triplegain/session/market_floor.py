"""What all sessions on one feed have in common, and who of them must hear of a message.

The public side (markets, prices, candles with their indicators) exists once and takes each message once. A session
hears of those that can concern it: something of its own is due, its orders are touched, or everybody is told (a candle
has closed, a market has another condition). To all others a message is one that changes nothing, so that they end in
the same record as if they had heard everything; their clocks are put right when they are next looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Protocol

from triplegain.domain.clock import NEVER
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    Candle,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.quote import QuoteSource
from triplegain.exchange.book import ASK, BID, NO_PRICES
from triplegain.exchange.public_market import Aims, PublicMarket, public_markets
from triplegain.market.candles.trade_run import TradeRun
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.prices.price_source import PaperPriceSource
from triplegain.market.row_stream import RowStream
from triplegain.market.snapshot.market_view import MarketView
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.session.venue_conditions import says_now


class OnFloor(Protocol):
    """A session, as the floor knows it."""

    @property
    def wakes_ns(self) -> int:
        """When something of its own is due next."""
        ...

    @property
    def thinks_at_ns(self) -> int:
        """When risk, an agent or a task has something to do next."""
        ...

    @property
    def hears_all(self) -> bool:
        """Any message may concern it as it is now."""
        ...

    @property
    def still_until_ns(self) -> int:
        """Before that a message does nothing to it unless it touches an order of its own, closes a candle, reaches a
        price that it watches or is for all; 0: any message may. Of trades it is told by `on_tape`."""
        ...

    @property
    def aims_at(self) -> Collection[str]:
        """Symbols whose prices it watches."""
        ...

    def aim(self, symbol: str) -> tuple[int | None, int | None]:
        """The bid from which on, and the ask from which down, a market that it watches has come there; in ticks."""
        ...

    def has_reached(self, symbol: str) -> bool:
        """Whether the quotes of a market that it watches have come to where it has something to do."""
        ...

    def decides_by(self, trade: PublicTrade) -> bool:
        """Whether it closes a candle by which something is decided."""
        ...

    def decides_from_ns(self, symbol: str) -> int:
        """No earlier trade of a market does."""
        ...

    def on_tape(self, trade: PublicTrade) -> None:
        """A trade while it is still, for whoever makes candles of them; none by which it decides."""
        ...

    def on_trades(self, run: TradeRun) -> None:
        """Several of them."""
        ...

    def before(self, event: MarketEvent, time_ns: int) -> None:
        """What is due before a message that is worked on at that time."""
        ...

    def follow(self, event: MarketEvent, time_ns: int, is_believed: bool) -> None:
        """What follows from a message; False for a trade that cannot have been."""
        ...

    def pass_to(self, time_ns: int) -> None:
        """Market time passes without a message."""
        ...

    def be_at(self, time_ns: int) -> None:
        """Nothing has happened to it until then."""
        ...

    def since_ns(self, symbol: str) -> int:
        """Up to when it has seen a market in an earlier run; 0 where it is new."""
        ...

    def wait_for_market(self) -> None:
        """Its markets are about to be out of sync, for nobody has looked at them lately."""
        ...

    def leave_markets(self) -> None:
        """Nothing that happens in the markets concerns it any more."""
        ...


class MarketFloor:
    """`now_ns` is market time. `heard` are the sessions that heard of the last message, in order of arrival."""

    def __init__(self, instruments: Mapping[Instrument, MarketDepth], source: QuoteSource) -> None:
        self.markets: dict[str, PublicMarket] = public_markets(instruments)
        self.now_ns = 0
        #: Where a stretch ended by an error of its feed: after so many messages. None: not so.
        self.broke_off_after: int | None = None
        self.heard: list[OnFloor] = []
        #: What becomes of a session in which something went wrong.
        self.failed: Callable[[OnFloor, Exception], None] = _raise
        self._source = source
        self._depth = {instrument.symbol: depth for instrument, depth in instruments.items()}
        self._views: list[tuple[SnapshotSettings, IndicatorSettings, MarketView]] = []
        #: Candles that the last message has closed, by view.
        self._closed: dict[int, Sequence[Candle]] = {}
        self._chains: dict[int, PaperPriceSource] = {}
        #: In order of arrival, with the time for which each is entered among those that wake.
        self._sessions: dict[OnFloor, int] = {}
        self._ranks: dict[OnFloor, int] = {}
        self._waking: list[tuple[int, int, OnFloor]] = []
        self._entries = 0
        #: Who must hear of the next message, whatever it is.
        self._heeding: dict[OnFloor, None] = {}
        self._stirred: dict[OnFloor, None] = {}
        self._aiming: dict[str, dict[OnFloor, None]] = {symbol: {} for symbol in self.markets}

    def view(self, snapshot: SnapshotSettings, indicators: IndicatorSettings) -> MarketView:
        """What agents see of the markets, made as these settings say: the same one for the same settings.

        Raises InvalidValueError for settings at odds.
        """
        for its_snapshot, its_indicators, view in self._views:
            if (its_snapshot, its_indicators) == (snapshot, indicators):
                return view
        instruments = tuple(market.instrument for market in self.markets.values())
        made = MarketView(instruments, snapshot, indicators, self._source is QuoteSource.DEMO)
        self._views.append((snapshot, indicators, made))
        return made

    def prices(self, stale_ns: int) -> PaperPriceSource:
        """The latest quotes, those without a feed behind them fresh for so long: the same one for the same time."""
        if stale_ns not in self._chains:
            self._chains[stale_ns] = PaperPriceSource(self._source, self._depth, lone_price_ns=stale_ns)
        return self._chains[stale_ns]

    def closed(self, view: MarketView) -> Sequence[Candle]:
        """The candles of a view that the last message has closed."""
        return self._closed.get(id(view), ())

    # -- who is there --------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> tuple[OnFloor, ...]:
        return tuple(self._sessions)

    def join(self, session: OnFloor) -> None:
        self._sessions[session] = NEVER
        self._ranks[session] = max(self._ranks.values(), default=0) + 1
        session.be_at(self.now_ns)
        # A session that was alone has heard of everything and is entered nowhere.
        self._heeding.update(dict.fromkeys(self._sessions))

    def leave(self, session: OnFloor) -> None:
        session.leave_markets()
        del self._sessions[session], self._ranks[session]
        for there in (self._heeding, self._stirred, *self._aiming.values()):
            there.pop(session, None)

    def heed(self, session: OnFloor) -> None:
        """Somebody looks at the session, or does something in it: it is as of now, and hears of the next message."""
        if session in self._sessions:
            session.be_at(self.now_ns)
            self._heeding[session] = None

    def stir(self, session: OnFloor) -> None:
        """A market does something to its orders."""
        self._stirred[session] = None

    def _enter(self, session: OnFloor) -> None:
        """Among those that hear of everything, that watch a price, or that wake at their time."""
        if session.hears_all:
            self._heeding[session] = None
        else:
            self._heeding.pop(session, None)
        for symbol, aiming in self._aiming.items():
            if symbol in session.aims_at:
                aiming[session] = None
            else:
                aiming.pop(session, None)
        wakes_ns = session.wakes_ns
        if wakes_ns != self._sessions[session]:
            self._sessions[session] = wakes_ns
            self._entries += 1
            heappush(self._waking, (wakes_ns, self._entries, session))

    def _awake(self, time_ns: int) -> dict[OnFloor, None]:
        """Those of which something is due at that time or before."""
        found: dict[OnFloor, None] = {}
        while self._waking and self._waking[0][0] <= time_ns:
            wakes_ns, _, session = heappop(self._waking)
            if self._sessions.get(session) == wakes_ns:
                self._sessions[session] = NEVER
                found[session] = None
        return found

    def _in_order(self, some: Iterable[OnFloor]) -> list[OnFloor]:
        """Of arrival; who has left meanwhile is not among them."""
        return sorted((each for each in some if each in self._ranks), key=self._ranks.__getitem__)

    # -- the market ----------------------------------------------------------------------------------------------

    def observe(self, event: MarketEvent) -> None:
        """Fast-forward: the public market only, before stored sessions are put back."""
        self._take(event, max(event.exchange_time_ns, self.now_ns), None)

    def on_event(self, event: MarketEvent, told: Sequence[Candle] | None = None) -> Sequence[Candle]:
        """One message of the feed and everything that follows from it; the candles it closed.

        `told`: of a message that is taken again, whose candles are known.
        """
        # It may speak of an earlier moment than the message before; our own time does not run back.
        is_behind, time_ns = event.exchange_time_ns < self.now_ns, max(event.exchange_time_ns, self.now_ns)
        if len(self._sessions) == 1 or (is_behind and says_now(event)):
            hearing = self.sessions
        else:
            aiming = self._aiming.get(event.symbol, ())
            hearing = tuple(self._in_order({**self._heeding, **self._awake(time_ns), **dict.fromkeys(aiming)}))
        for session in hearing:
            self._do(session, session.before, event, time_ns)
        is_believed = self._take(event, time_ns, told)
        is_for_all = any(self._closed.values()) or not is_believed or _is_for_all(event)
        self._follow(self._hearers(hearing, is_for_all), event, is_believed)
        return next(iter(self._closed.values()), ())

    def on_stretch(self, events: Iterator[MarketEvent], most: int, until_ns: int) -> tuple[int, MarketEvent | None]:
        """Messages one after the other while every session is still: the public side takes them, and nobody hears.

        Ends with the one that concerns somebody, of which all hear, after `most` of them, and before one that is not of
        `until_ns` or later, or that more may follow from: that one is returned, not taken. Returns how many were, too.
        """
        sessions = self.sessions
        until_ns = min(until_ns, self.thinks_at_ns, *(each.still_until_ns for each in sessions))
        until_ns = min(until_ns, *(view.times[1] for _, _, view in self._views))
        if until_ns <= self.now_ns:
            return 0, None
        aiming = {symbol: [each for each in sessions if symbol in each.aims_at] for symbol in self.markets}
        taken = heard_ns = 0
        self._closed.clear()
        self.broke_off_after = None
        rows = events if isinstance(events, RowStream) else None
        while taken < most:
            if rows is not None:
                passed, latest_ns = self._pass_over(rows, most - taken, until_ns, sessions, aiming)
                taken, heard_ns = taken + passed, max(heard_ns, latest_ns)
                if taken == most:
                    break
            try:
                event = next(events, None)
            except Exception:
                self._stand_at(self.now_ns, heard_ns, sessions)
                self.broke_off_after = taken
                raise
            if event is None:
                break
            time_ns = event.exchange_time_ns
            market = self.markets.get(event.symbol)
            if market is None or time_ns >= until_ns or not _may_be_quiet(event):
                self._stand_at(self.now_ns, heard_ns, sessions)
                return taken, event
            before_ns = self.now_ns
            if time_ns > self.now_ns:
                self.now_ns = time_ns
            taken += 1
            trade = event if isinstance(event, PublicTrade) else None
            is_believed = market.on_event(event, self.now_ns)
            if is_believed:
                heard_ns = max(heard_ns, time_ns)
                for _, _, view in self._views if trade else ():
                    if closed := view.on_event(event):
                        self._closed[id(view)] = closed
            reached = any(each.has_reached(event.symbol) for each in aiming[event.symbol])
            decides = trade is not None and any(each.decides_by(trade) for each in sessions)
            if self._stirred or self._closed or reached or decides or not is_believed:
                self._stand_at(before_ns, heard_ns, sessions)
                self._follow(list(self._sessions), event, is_believed)
                return taken, None
            for each in sessions if trade else ():
                self._do(each, each.on_tape, trade)
        self._stand_at(self.now_ns, heard_ns, sessions)
        return taken, None

    def _pass_over(
        self,
        events: RowStream,
        most: int,
        until_ns: int,
        sessions: Sequence[OnFloor],
        aiming: Mapping[str, Sequence[OnFloor]],
    ) -> tuple[int, int]:
        """Messages that can touch nobody, without an event of each; how many, and the latest time that they told."""
        here = events.here()
        if here is None:
            return 0, 0
        rows, first = here
        symbol = rows.symbols[first]
        market = self.markets.get(symbol)
        if market is None or any(each.has_reached(symbol) for each in aiming[symbol]):
            return 0, 0
        rises, falls = [], []
        for each in aiming[symbol]:
            rise, fall = each.aim(symbol)
            rises += [] if rise is None else [rise]
            falls += [] if fall is None else [fall]
        aims = Aims(
            until_ns,
            min(each.decides_from_ns(symbol) for each in sessions),
            min(rises, default=NO_PRICES[ASK]),
            max(falls, default=NO_PRICES[BID]),
        )
        passed = market.pass_over(rows, first, min(first + most, len(rows)), self.now_ns, aims)
        if passed.count:
            events.pass_over(passed.count)
            self.now_ns = max(self.now_ns, passed.latest_ns)
            if passed.trades:
                run = TradeRun.of(rows, passed.trades)
                for _, _, view in self._views:
                    view.on_trades(run)
                for each in sessions:
                    self._do(each, each.on_trades, run)
        return passed.count, passed.latest_ns

    def _stand_at(self, time_ns: int, heard_ns: int, sessions: Iterable[OnFloor]) -> None:
        """Everybody knows how late it is after messages that only the markets have taken, and when the feed was alive:
        a trade that nobody believes is no sign of that."""
        self.heard = []
        for chain in self._chains.values():
            chain.health.heard(heard_ns)
        for _, _, view in self._views:
            view.heard(heard_ns)
        for each in sessions:
            each.be_at(time_ns)

    def _follow(self, heard: list[OnFloor], event: MarketEvent, is_believed: bool) -> None:
        """What follows from a message that the markets have taken, for those that hear of it."""
        self.heard = heard
        self._stirred.clear()
        for session in self.heard:
            self._do(session, session.follow, event, self.now_ns, is_believed)
        self._enter_heard()

    def _do(self, session: OnFloor, act: Callable[..., None], *arguments: Any) -> None:
        """What goes wrong in one of several sessions is that one's alone."""
        if session in self._sessions:
            try:
                act(*arguments)
            except Exception as error:
                self.failed(session, error)

    def _enter_heard(self) -> None:
        if len(self._sessions) > 1:
            self.heard = [each for each in self.heard if each in self._sessions]
            for session in self.heard:
                self._enter(session)

    def _hearers(self, hearing: tuple[OnFloor, ...], is_for_all: bool) -> list[OnFloor]:
        if is_for_all or len(hearing) == len(self._sessions):
            return list(self._sessions)
        if not self._stirred:
            return list(hearing)
        return self._in_order({**dict.fromkeys(hearing), **self._stirred})

    def _take(self, event: MarketEvent, time_ns: int, told: Sequence[Candle] | None) -> bool:
        """The public side takes a message; False for a trade that cannot have been."""
        market = self.markets.get(event.symbol)
        self.now_ns = time_ns
        self._closed.clear()
        if market is not None and not market.on_event(event, time_ns):
            return False
        for chain in self._chains.values():
            chain.observe(event)
        for _, _, view in self._views:
            if closed := view.on_event(event) if told is None else told:
                self._closed[id(view)] = closed
        return True

    @property
    def thinks_at_ns(self) -> int:
        """When a session has something to do next by itself, or somewhat earlier. Whoever can hold the market advances
        to it before the next message, so that questions are asked when they arise."""
        if len(self._sessions) == 1:
            return next(iter(self._sessions)).thinks_at_ns
        # A command or a reply may have made something due since.
        heeding = min((each.wakes_ns for each in self._heeding), default=NEVER)
        return min(heeding, self._waking[0][0] if self._waking else NEVER)

    def advance_to(self, time_ns: int) -> None:
        """Market time passes without a message."""
        if len(self._sessions) == 1:
            self.heard = list(self._sessions)
        else:
            self.heard = self._in_order({**self._heeding, **self._awake(time_ns)})
        for session in self.heard:
            self._do(session, session.pass_to, time_ns)
        self._enter_heard()
        self.now_ns = max(self.now_ns, time_ns)

    def since_ns(self, symbol: str) -> int:
        """From when on the sessions have to be told of a market."""
        return min(filter(None, (each.since_ns(symbol) for each in self._sessions)), default=self.now_ns)

    def begin_at(self, time_ns: int) -> None:
        """A stored session goes on from there. Among several that were stored at different times what the earliest has
        not seen comes first; the others are where they are until then."""
        later = max(self.now_ns, time_ns)
        self.now_ns = later if len(self._sessions) == 1 or not self.now_ns else min(self.now_ns, time_ns)

    @property
    def has_one_view(self) -> bool:
        """All sessions see the market in the same way."""
        return len(self._views) == 1 and len(self._chains) == 1

    def begin_away(self, reason: str) -> None:
        """A live market goes on after a pause: none is in sync before its feed says so."""
        for session in self._sessions:
            session.wait_for_market()
        for symbol, market in self.markets.items():
            market.begin_away(self.now_ns, reason)
            gap = FeedStatus(symbol, self.now_ns, self.now_ns, FeedState.GAP, reason)
            for chain in self._chains.values():
                chain.observe(gap)


def _raise(session: OnFloor, error: Exception) -> None:
    raise error


def _may_be_quiet(event: MarketEvent) -> bool:
    """Whether the message may concern nobody: a change of a book, or a trade."""
    return isinstance(event, (BestQuote, PublicTrade)) or (isinstance(event, BookUpdate) and not event.snapshot)


def _is_for_all(event: MarketEvent) -> bool:
    return isinstance(event, FeedStatus) or (isinstance(event, BookUpdate) and event.snapshot)

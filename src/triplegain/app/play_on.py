"""A market that is recorded or made up, from its beginning or from where a stored session has left it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, islice

from triplegain.app.off_loop import off_the_loop
from triplegain.domain.clock import SECOND_NS, Clock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import MarketEvent
from triplegain.market.feed import FeedError, MarkedFeed
from triplegain.market.feed_marks import FeedMarks
from triplegain.market.row_stream import RowStream
from triplegain.session.market_mark import MarketMark, MarketMarks
from triplegain.session.trading_session import TradingSession
from triplegain.storage.session_store import StoredSession

#: Messages between two breaths of the event loop.
BREATH = 256
#: So many messages take about a second: more are told of at once, and how far it is every few seconds.
_MANY = 50_000
_WORDS_NS = 5 * SECOND_NS


async def begun(session: TradingSession, feed: MarkedFeed) -> tuple[Iterator[MarketEvent], MarketMarks]:
    """The market from its beginning, for a new session, with the marks of the run."""
    return await off_the_loop(lambda: _begun(session, feed))


def _begun(session: TradingSession, feed: MarkedFeed) -> tuple[Iterator[MarketEvent], MarketMarks]:
    marks = FeedMarks()
    return _at_first(feed.events(marks)), MarketMarks(session, marks, feed.identity, is_stored=False)


def _at_first(events: Iterator[MarketEvent]) -> Iterator[MarketEvent]:
    """The same, the first of them found already: much may be read before it."""
    if isinstance(events, RowStream):
        events.here()
        return events
    return chain(list(islice(events, 1)), events)


class PlayedOn:
    """Lets a session that is built anew know the public market up to where it was last stored.

    From the last mark where that fits, else from the beginning, which `tell` is told a sentence of.
    """

    def __init__(
        self, build: Callable[[], TradingSession], feed: MarkedFeed, clock: Clock, tell: Callable[[str], None]
    ):
        self._build = build
        self._feed = feed
        self._clock = clock
        self._tell = tell

    async def up_to(self, stored: StoredSession) -> tuple[TradingSession, Iterator[MarketEvent], MarketMarks]:
        """The session, the messages it has not seen, and the marks of the run. Gives way to others on the way.

        Raises FeedError where the feed has fewer messages than the session has seen.
        """
        session, events, marks, position = await self._begun(stored)
        begun_at, wanted = position, stored.feed_position
        said_ns = self._clock.now_ns()
        if wanted - begun_at > _MANY:
            self._say(0, wanted)
        while position < wanted:
            event = next(events, None)
            if event is None:
                raise FeedError(
                    f"{stored.session.feed} has {position} messages, and the session {stored.session.session_id} has "
                    f"seen {wanted}: put the original recording back"
                )
            session.observe(event)
            position += 1
            if position % BREATH == 0:
                await asyncio.sleep(0)
                if self._clock.now_ns() - said_ns >= _WORDS_NS:
                    said_ns = self._clock.now_ns()
                    self._say((position - begun_at) * 100 // (wanted - begun_at), wanted)
        return session, events, marks

    def _say(self, part: int, wanted: int) -> None:
        self._tell(f"playing the market up to where the session stood: {part} % of {wanted:,} messages")

    async def _begun(self, stored: StoredSession) -> tuple[TradingSession, Iterator[MarketEvent], MarketMarks, int]:
        if stored.mark:
            try:
                return await off_the_loop(lambda: self._from_mark(stored))
            except InvalidValueError as error:
                self._tell(f"the stored place in the market {error}: it is played from its beginning")
        session = self._build()
        return (session, *await begun(session, self._feed), 0)

    def _from_mark(self, stored: StoredSession) -> tuple[TradingSession, Iterator[MarketEvent], MarketMarks, int]:
        mark = MarketMark(stored.mark, self._feed.identity)
        if not mark.feed_mark.position <= mark.position <= stored.feed_position:
            raise InvalidValueError("does not lie before what the session has seen")
        session, marks = self._build(), FeedMarks(mark.feed_mark)
        mark.put_into(session)
        events = self._feed.events(marks)
        for _ in range(mark.position - mark.feed_mark.position):
            if next(events, None) is None:
                raise InvalidValueError("lies behind the end of the recording")
        there = MarketMarks(session, marks, self._feed.identity, is_stored=True)
        return session, _at_first(events), there, mark.position

"""A session's market as it stood at a step, so that its next start need not take everything before that again.

A mark goes with the step whose messages it speaks of, about once a minute of market time and never more than once a
second. It holds where the feed can go on, and what the session has learnt of it: books, last trades, conditions,
candles. It is no part of the record: without it the market is played from its beginning and comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from triplegain import __version__
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.mark_change import MarkChange
from triplegain.domain.parts import FORM
from triplegain.domain.records import CommitBatch
from triplegain.exchange.public_market import MarketSeen
from triplegain.market.candles.candle_pages import CandlePage
from triplegain.market.feed_marks import FeedMark, FeedMarks
from triplegain.market.prices.price_source import HealthSeen
from triplegain.market.snapshot.view_mark import PageKey, ViewPages, ViewSeen, see_view, view_seen
from triplegain.session.trading_session import TradingSession

#: What another program wrote is not read.
_MADE_BY = f"{__version__}, form {FORM}"
#: The key of the row that says everything but the pages of the candles.
_HEAD = ""
_SPACE = " "
_DIGEST_BYTES = 16


class _Head(msgspec.Struct, frozen=True):
    """`position` counts the messages that the session has taken, `mark` those before which its feed can begin."""

    made_by: str
    feed: str
    position: int
    mark: FeedMark
    markets: dict[str, MarketSeen]
    health: HealthSeen
    view: ViewSeen


class MarketMark:
    """A stored mark that fits. Raises InvalidValueError for rows of another program or feed, or that are damaged."""

    def __init__(self, rows: Mapping[str, bytes], feed: str) -> None:
        try:
            states = {key: _opened(key, row) for key, row in rows.items()}
            self._head = head = msgspec.json.decode(states.pop(_HEAD), type=_Head)
            self._pages = {_page_key(key): msgspec.json.decode(state, type=CandlePage) for key, state in states.items()}
        except (KeyError, ValueError) as error:
            raise InvalidValueError(f"cannot be read ({error})") from error
        if head.made_by != _MADE_BY:
            raise InvalidValueError(f"was written by {head.made_by}, and this is {_MADE_BY}")
        if head.feed != feed:
            raise InvalidValueError("is of another recording, or of one that has changed since")

    @property
    def position(self) -> int:
        """Messages that the session had taken."""
        return self._head.position

    @property
    def feed_mark(self) -> FeedMark:
        """Where the feed can go on, not after `position`."""
        return self._head.mark

    def put_into(self, session: TradingSession) -> None:
        """Let a new session know the market as it stood. Raises InvalidValueError where it has another one."""
        if session.floor.markets.keys() != self._head.markets.keys():
            raise InvalidValueError("is of other markets")
        if not session.floor.has_one_view:
            raise InvalidValueError("says how one session sees the market, and these see it in different ways")
        see_view(session.market_view, self._head.view, self._pages)
        for symbol, seen in self._head.markets.items():
            session.floor.markets[symbol].see(seen)
        session.prices.chain.health.see(self._head.health)


class MarketMarks:
    """Of one run: joins what has changed to a step, where it is time. `feed` is the feed's identity.

    `is_stored`: what the session has learnt so far is stored already, as it has just been put into it.
    """

    def __init__(self, session: TradingSession, marks: FeedMarks, feed: str, *, is_stored: bool) -> None:
        self._session = session
        self._marks = marks
        self._feed = feed
        self._pages = ViewPages(session.market_view)
        self._is_first = not is_stored
        self._told: int | None = None
        self._told_at_ns = 0
        if is_stored:
            self._pages.changes()

    def joined(self, step: CommitBatch) -> CommitBatch:
        """The step, with a mark where the feed has been at a new place and the last one is a second ago."""
        at = self._marks.latest_position
        # The machine's clock may be set back.
        if at is None or at == self._told or abs(step.recorded_at_ns - self._told_at_ns) < SECOND_NS:
            return step
        mark = self._marks.latest
        assert mark is not None
        self._told, self._told_at_ns = at, step.recorded_at_ns
        session = self._session
        head = _Head(
            _MADE_BY,
            self._feed,
            step.feed_position,
            mark,
            {symbol: market.seen() for symbol, market in session.floor.markets.items()},
            session.prices.chain.health.seen(),
            view_seen(session.market_view),
        )
        pages = self._pages.changes()
        states = {_text(key): msgspec.json.encode(page) for key, page in pages.items() if page is not None}
        states[_HEAD] = msgspec.json.encode(head)
        put = {key: sealed(key, state) for key, state in states.items()}
        gone = tuple(_text(key) for key, page in pages.items() if page is None)
        change, self._is_first = MarkChange(put, gone, self._is_first), False
        return replace(step, mark=change)


def sealed(key: str, state: bytes) -> bytes:
    """A row as it is stored: with a digest behind it, by which an edit shows."""
    return state + _digest(key, state)


def _opened(key: str, row: bytes) -> bytes:
    """Raises InvalidValueError for a row that somebody has changed."""
    state, digest = row[:-_DIGEST_BYTES], row[-_DIGEST_BYTES:]
    if digest != _digest(key, state):
        raise InvalidValueError(f"its row {key!r} was changed")
    return state


def _digest(key: str, state: bytes) -> bytes:
    return blake2b(state, digest_size=_DIGEST_BYTES, salt=blake2b(key.encode(), digest_size=16).digest()).digest()


def _text(key: PageKey) -> str:
    symbol, timeframe, number = key
    return _SPACE.join((symbol, timeframe, str(number)))


def _page_key(text: str) -> PageKey:
    symbol, timeframe, number = text.split(_SPACE)
    return symbol, timeframe, int(number)

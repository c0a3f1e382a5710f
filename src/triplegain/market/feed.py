"""What every source of market events looks like: a replay, the demo market, later the exchange itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from triplegain.domain.errors import TripleGainError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.outside import tame
from triplegain.domain.quote import QuoteSource
from triplegain.market.feed_marks import FeedMarks

_CHARACTERS_MAX = 1_500


class FeedError(TripleGainError):
    """A feed that cannot be opened or cannot go on; what it sent is quoted in one line."""

    exit_code = 6

    def __init__(self, message: str) -> None:
        super().__init__(tame(message, _CHARACTERS_MAX))


class CaptureError(FeedError):
    """A recorded market that is missing, unknown, damaged or contradicts itself.

    `record` is the line (text formats) or record number (JSON, feather), counted from 1; 0 where none is meant.
    """

    def __init__(self, path: Path, problem: str, record: int = 0) -> None:
        where = f"{path}, record {record}" if record else str(path)
        self.path = path
        self.problem = tame(problem)
        super().__init__(f"{where}: {self.problem}")
        self.record = record


class MarketSource(Protocol):
    """Where a session's market comes from, and what it offers."""

    @property
    def name(self) -> str:
        """As given on the command line: demo, live, replay:PATH."""
        ...

    @property
    def source(self) -> QuoteSource: ...

    @property
    def synthetic(self) -> bool:
        """True when no real market stands behind it."""
        ...

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        """Symbol to the richest thing the feed has for it."""
        ...

    @property
    def candle_length_ns(self) -> Mapping[str, int]:
        """Symbol to the length of its candles, where candles are all it has."""
        ...

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last market time, where known."""
        ...


class Feed(MarketSource, Protocol):
    """A source whose events can be had at once, the same in the same order each time `events()` is called."""

    def events(self) -> Iterator[MarketEvent]:
        """Market events in order of receipt; their exchange times never run backwards."""
        ...


class MarkedFeed(Feed, Protocol):
    """One that can go on in the middle."""

    @property
    def identity(self) -> str:
        """Feeds of the same identity say the same events; that of files names their sizes and times."""
        ...

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """Its events after `marks.start`, with places put into `marks` on the way. Raises InvalidValueError at once for
        a start that is none of this feed's."""
        ...

"""Lines between the sockets and the session: bounded, never reordered, and never without a trade."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque

from triplegain.venues.kraken.feed_line import FeedLine, FrameLine, OverrunLine
from triplegain.venues.kraken.wire.frames import BOOK_START

_SYMBOL = re.compile(rb'"symbol":"([^"]{1,30})"')

#: Book messages are looked for when at least this share of a full queue is books: else little would be gained.
_WORTH_IT = 8


class LineQueue:
    """At most `lines_max` lines, for one reader and any number of writers.

    When it is full, books that nobody has looked at are given up, those of the busiest instruments first, until half
    is free: their messages leave, and one OverrunLine stands where the first of them stood. If that does not help,
    writers wait, and with them the sockets they read.
    """

    def __init__(self, lines_max: int) -> None:
        self._lines_max = max(lines_max, 2)
        self._lines: deque[FeedLine] = deque()
        self._books = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        #: The most lines that ever waited.
        self.longest = 0

    def __len__(self) -> int:
        return len(self._lines)

    def offer(self, line: FeedLine) -> bool:
        """Put the line in if there is room for it."""
        if len(self._lines) >= self._lines_max and not self._make_room():
            return False
        self._lines.append(line)
        if isinstance(line, FrameLine) and line.frame.startswith(BOOK_START):
            self._books += 1
        self._filled.set()
        return True

    async def put(self, line: FeedLine) -> None:
        """Put the line in, once there is room."""
        while not self.offer(line):
            self._emptied.clear()
            await self._emptied.wait()

    async def take(self, count: int, within_s: float) -> list[FeedLine]:
        """Up to `count` lines, as soon as there is one; none if nothing comes within that time."""
        if not self._lines:
            self._filled.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._filled.wait()
            except TimeoutError:
                return []
        else:
            # Whoever writes gets a turn, however fast the reader is.
            await asyncio.sleep(0)
        lines = self._lines
        self.longest = max(self.longest, len(lines))
        taken = [lines.popleft() for _ in range(min(count, len(lines)))]
        self._books -= sum([isinstance(line, FrameLine) and line.frame.startswith(BOOK_START) for line in taken])
        self._emptied.set()
        return taken

    def _make_room(self) -> bool:
        """Give up books; whether there is room now."""
        if self._books * _WORTH_IT < self._lines_max:
            return False
        symbols = [_book_of(line) for line in self._lines]
        waiting = Counter(symbol for symbol in symbols if symbol)
        given_up: set[str] = set()
        freed = 0
        for symbol, count in waiting.most_common():
            given_up.add(symbol)
            freed += count
            if freed * 2 >= self._lines_max:
                break
        # What is given up of an instrument, now and before, becomes one line where the first of it stood.
        dropped: Counter[str] = Counter()
        for line, symbol in zip(self._lines, symbols, strict=True):
            if isinstance(line, OverrunLine):
                dropped[line.symbol] += line.dropped
            elif symbol in given_up:
                dropped[symbol] += 1
        left: deque[FeedLine] = deque()
        for line, symbol in zip(self._lines, symbols, strict=True):
            if isinstance(line, OverrunLine):
                symbol = line.symbol
            elif symbol not in given_up:
                left.append(line)
                continue
            if count := dropped.pop(symbol, 0):
                left.append(OverrunLine(line.received_at_ns, symbol, count))
        self._books -= freed
        self._lines = left
        return len(left) < self._lines_max


def _book_of(line: FeedLine) -> str:
    """The instrument whose book the line is about, and nothing else's; empty for every other line."""
    if not isinstance(line, FrameLine) or not line.frame.startswith(BOOK_START):
        return ""
    named = set(_SYMBOL.findall(line.frame))
    return named.pop().decode() if len(named) == 1 else ""

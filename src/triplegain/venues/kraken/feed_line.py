"""What reaches a live feed, one line at a time, and how a line is written down.

A session's events are a function of these lines alone, so whoever has the lines has the session: the recorder stores
them as the session takes them, and a replay reads them back.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.venues.kraken.wire.frames import BOOK_START


@dataclass(frozen=True, slots=True)
class FrameLine:
    """A WebSocket frame, verbatim. `received_at_ns` is by the local clock; `connection` counts from 0."""

    received_at_ns: int
    connection: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """The reply to a REST request, verbatim; `path` is the request's, with its query."""

    received_at_ns: int
    path: str
    reply: bytes


@dataclass(frozen=True, slots=True)
class TickLine:
    """Nothing came for a while."""

    received_at_ns: int


@dataclass(frozen=True, slots=True)
class DownLine:
    """A connection ended; what it carried is unknown until its next snapshot."""

    received_at_ns: int
    connection: int
    reason: str


@dataclass(frozen=True, slots=True)
class OverrunLine:
    """The session was too slow: `dropped` book updates of an instrument were left out, and a new snapshot asked for."""

    received_at_ns: int
    symbol: str
    dropped: int


FeedLine = FrameLine | ReplyLine | TickLine | DownLine | OverrunLine


_NONE = msgspec.Raw(b"")


class _Written(msgspec.Struct):
    """The JSON of a line; which fields are there says which kind it is."""

    rx_ns: int
    conn: int = 0
    frame: msgspec.Raw = _NONE
    garbage: str | None = None
    path: str | None = None
    reply: msgspec.Raw = _NONE
    tick: bool = False
    down: str | None = None
    overrun: str | None = None
    dropped: int = 0


#: No line is longer: the largest reply, should it have to be written as base64.
LINE_BYTES_MAX = 16 * 2**20

_written = msgspec.json.Decoder(_Written)
_whole = msgspec.json.Decoder(msgspec.Raw).decode
_encoder = msgspec.json.Encoder()
_OPENING, _CLOSING, _LINE_FEED, _RETURN = b"{}\n\r"


def write_line(line: FeedLine) -> bytes:
    """One line of JSON with its line feed. What cannot stand in it as it is becomes base64 under `garbage`."""
    match line:
        case FrameLine():
            frame = line.frame
            if _stands_in_a_line(frame):
                return b'{"rx_ns":%d,"conn":%d,"frame":%b}\n' % (line.received_at_ns, line.connection, frame)
            return _line({"rx_ns": line.received_at_ns, "conn": line.connection, "garbage": _base64(frame)})
        case ReplyLine(received, path, reply):
            if _stands_in_a_line(reply):
                return b'{"rx_ns":%d,"path":%b,"reply":%b}\n' % (received, _encoder.encode(path), reply)
            return _line({"rx_ns": received, "path": path, "garbage": _base64(reply)})
        case TickLine(received):
            return b'{"rx_ns":%d,"tick":true}\n' % received
        case DownLine(received, connection, reason):
            return _line({"rx_ns": received, "conn": connection, "down": reason})
        case OverrunLine(received, symbol, dropped):
            return _line({"rx_ns": received, "overrun": symbol, "dropped": dropped})


def read_line(text: bytes) -> FeedLine:
    """The line as it was. Raises InvalidValueError when it is none, msgspec.DecodeError when it is no JSON."""
    one = _written.decode(text)
    if one.frame:
        return FrameLine(one.rx_ns, one.conn, bytes(one.frame))
    if one.path is not None and (one.reply or one.garbage is not None):
        return ReplyLine(one.rx_ns, one.path, bytes(one.reply) or base64.b64decode(one.garbage or ""))
    if one.garbage is not None:
        return FrameLine(one.rx_ns, one.conn, base64.b64decode(one.garbage))
    if one.tick:
        return TickLine(one.rx_ns)
    if one.down is not None:
        return DownLine(one.rx_ns, one.conn, one.down)
    if one.overrun is not None:
        return OverrunLine(one.rx_ns, one.overrun, one.dropped)
    raise InvalidValueError("a recorded line is none of frame, reply, tick, down, overrun")


def _line(fields: dict[str, Any]) -> bytes:
    return _encoder.encode(fields) + b"\n"


def _base64(text: bytes) -> str:
    return base64.b64encode(text).decode()


def _stands_in_a_line(text: bytes) -> bool:
    """A JSON object without a line break, nothing around it: read back it is the same bytes."""
    if not text or text[0] != _OPENING or text[-1] != _CLOSING or _LINE_FEED in text or _RETURN in text:
        return False
    try:
        _whole(text)
        return text.isascii() or bool(text.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


_SYMBOL = re.compile(rb'"symbol":"([^"]{1,30})"')

#: Book messages are looked for when at least this share of a full queue is books: else little would be gained.
_WORTH_IT = 8


#: What may wait for the session, beside the number of lines.
_BYTES_MAX = 16_000_000
#: What is handed on together: reading it takes a few milliseconds.
_TAKEN_BYTES_MAX = 256_000


class LineQueue:
    """At most `lines_max` lines and a few megabytes, for one reader and any number of writers.

    When it is full, books that nobody has looked at are given up, those of the busiest instruments first, until half
    is free: their messages leave, and one OverrunLine stands where the first of them stood. If that does not help,
    writers wait, and with them the sockets they read.
    """

    def __init__(self, lines_max: int) -> None:
        self._lines_max = max(lines_max, 2)
        self._lines: deque[FeedLine] = deque()
        self._books = 0
        self._bytes = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        #: The most lines that ever waited.
        self.longest = 0

    def __len__(self) -> int:
        return len(self._lines)

    def offer(self, line: FeedLine) -> bool:
        """Put the line in if there is room for it."""
        if self._is_full and not self._make_room():
            return False
        self._lines.append(line)
        self._bytes += _size(line)
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
        """Up to `count` lines, fewer of long ones, as soon as there is one; none if nothing comes within that time."""
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
        taken: list[FeedLine] = []
        size = 0
        while lines and len(taken) < count and size < _TAKEN_BYTES_MAX:
            size += _size(lines[0])
            taken.append(lines.popleft())
        self._books -= sum([isinstance(line, FrameLine) and line.frame.startswith(BOOK_START) for line in taken])
        self._bytes -= size
        self._emptied.set()
        return taken

    @property
    def _is_full(self) -> bool:
        return len(self._lines) >= self._lines_max or (self._bytes >= _BYTES_MAX and len(self._lines) > 0)

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
        self._bytes = sum(map(_size, left))
        return not self._is_full


def _size(line: FeedLine) -> int:
    return len(line.frame) if isinstance(line, FrameLine) else len(line.reply) if isinstance(line, ReplyLine) else 0


def _book_of(line: FeedLine) -> str:
    """The instrument whose book the line is about, and nothing else's; empty for every other line."""
    if not isinstance(line, FrameLine) or not line.frame.startswith(BOOK_START):
        return ""
    named = set(_SYMBOL.findall(line.frame))
    return named.pop().decode() if len(named) == 1 else ""

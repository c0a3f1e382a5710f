"""What reaches a live feed, one line at a time, and how a line is written down.

A session's events are a function of these lines alone, so whoever has the lines has the session: the recorder stores
them as the session takes them, and a replay reads them back.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from triplegain.domain.errors import InvalidValueError


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

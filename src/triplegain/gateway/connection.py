"""One WebSocket connection of a client: what it listens to, what waits to be sent, and what goes wrong on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from aiohttp import WSCloseCode

from triplegain.gateway.faults import GARBAGE, ArmedFaults, FaultKind, with_bad_checksum
from triplegain.gateway.served_market import Outgoing, Topic
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.wire.writer import HEARTBEAT

#: The type of a frame stands at its beginning.
_HEAD_BYTES = 64

#: Says which frame was sent on which connection.
OnSent = Callable[[int, bytes], None]


@dataclass(eq=False)
class Connection:
    """Frames go straight to the transport, those of one turn of the event loop in one write.

    `number` counts connections from 0. All of it runs in the event loop's thread.
    """

    number: int
    _transport: asyncio.Transport
    _close: Callable[..., Awaitable[bool]]
    _faults: ArmedFaults
    _on_sent: OnSent | None
    topics: dict[Topic, None] = field(default_factory=dict, init=False)
    half_open: bool = field(default=False, init=False)
    #: The closing handshake has begun.
    is_ending: bool = field(default=False, init=False)
    sent_frames: int = field(default=0, init=False)
    sent_bytes: int = field(default=0, init=False)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop, init=False)
    _batch: list[bytes] = field(default_factory=list, init=False)
    #: Frames that must wait: (when, frame).
    _late: deque[tuple[float, bytes]] = field(default_factory=deque, init=False)
    _late_bytes: int = field(default=0, init=False)
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _held: dict[Topic, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.last_sent = self.last_heard = self._loop.time()

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet, as far as this side knows."""
        return self._transport.get_write_buffer_size() + self._late_bytes

    def tell(self, topic: Topic, frame: bytes) -> None:
        """Market data, which faults may touch."""
        if self._faults.frames_concerned or self._held:
            self._tell_with_faults(topic, frame)
        else:
            self._send(frame)

    def answer(self, frame: bytes) -> None:
        """A reply or a status: faults of data do not touch it."""
        self._send(frame)

    def heartbeat(self) -> None:
        if self._faults.of(FaultKind.SILENCE) is None:
            self._send(HEARTBEAT)

    def abort(self) -> None:
        """Resets the TCP connection; what was not sent is lost."""
        self._transport.abort()

    async def close(self, reason: str) -> None:
        """Ends the connection with the closing handshake."""
        self._flush()
        await self._close(code=WSCloseCode.GOING_AWAY, message=reason.encode())

    async def until_answering(self, look_s: float) -> None:
        """Until a half-open connection is whole again, or gone."""
        while self.half_open and self.is_open:
            await asyncio.sleep(look_s)

    def heard(self) -> None:
        """The client said something."""
        self.last_heard = self._loop.time()

    def drop(self) -> None:
        """Forgets everything that waits: the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._late.clear()
        self._batch.clear()
        self._late_bytes = 0

    def _tell_with_faults(self, topic: Topic, frame: bytes) -> None:
        channel, symbol, _ = topic
        happens = self._faults.happens
        if self.half_open or happens(FaultKind.SILENCE, channel, symbol):
            return
        if b'"type":"update"' in frame[:_HEAD_BYTES]:
            frames = self._spoilt(topic, frame)
        else:
            # A snapshot: what was held back is older.
            self._held.pop(topic, None)
            frames = [frame]
        now = self._loop.time()
        late, slow = happens(FaultKind.DELAY, channel, symbol), happens(FaultKind.SLOW_WRITER, channel, symbol)
        for one in frames:
            if late or slow:
                last = self._late[-1][0] if self._late else now
                due = max(now + late.fault.delay_ms / 1000, last) if late else now
                if slow:
                    due = max(due, last + slow.fault.delay_ms / 1000)
                self._send_at(due, one)
            else:
                self._send(one)

    def _spoilt(self, topic: Topic, frame: bytes) -> list[bytes]:
        """What is sent instead of an update."""
        channel, symbol, _ = topic
        happens = self._faults.happens
        if happens(FaultKind.GAP, channel, symbol):
            return []
        if channel == "book" and happens(FaultKind.BAD_CHECKSUM, channel, symbol):
            frame = with_bad_checksum(frame)
        frames = [frame]
        if happens(FaultKind.GARBAGE, channel, symbol):
            frames.insert(0, GARBAGE)
        if happens(FaultKind.DUPLICATE, channel, symbol):
            frames.append(frame)
        held = self._held.pop(topic, None)
        if held is not None:
            frames.append(held)
        elif happens(FaultKind.REORDER, channel, symbol):
            self._held[topic] = frame
            return []
        return frames

    def _send(self, frame: bytes) -> None:
        if self._late:
            self._send_at(self._late[-1][0], frame)
            return
        if self.half_open or self._transport.is_closing():
            return
        if self._on_sent is not None:
            self._on_sent(self.number, frame)
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(_framed(frame))
        self.sent_frames += 1

    def _flush(self) -> None:
        batch, self._batch = b"".join(self._batch), []
        if batch and not self._transport.is_closing():
            self._transport.write(batch)
            self.sent_bytes += len(batch)
            self.last_sent = self._loop.time()

    def _send_at(self, due: float, frame: bytes) -> None:
        self._late.append((due, frame))
        self._late_bytes += len(frame)
        if self._timer is None:
            self._timer = self._loop.call_at(self._late[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        now = self._loop.time()
        due = []
        while self._late and self._late[0][0] <= now:
            frame = self._late.popleft()[1]
            self._late_bytes -= len(frame)
            due.append(frame)
        waiting, self._late = self._late, deque()
        for frame in due:
            self._send(frame)
        self._late = waiting
        if self._late:
            self._timer = self._loop.call_at(self._late[0][0], self._release)


def _framed(frame: bytes) -> bytes:
    """An unmasked text frame (RFC 6455, 5.2)."""
    length = len(frame)
    if length < 126:
        return bytes((0x81, length)) + frame
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2) + frame
    return b"\x81\x7f" + length.to_bytes(8) + frame


class Audience:
    """The open connections and their subscriptions. A market writes frames only for topics that somebody listens to."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._listeners: dict[Topic, dict[Connection, None]] = {}
        self._connections: dict[Connection, None] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def is_listening(self) -> bool:
        return bool(self._listeners)

    def enter(self, connection: Connection) -> None:
        self._connections[connection] = None

    def leave(self, connection: Connection) -> None:
        for topic in tuple(connection.topics):
            self.unsubscribe(connection, topic)
        self._connections.pop(connection, None)

    def subscribe(self, connection: Connection, topic: Topic) -> None:
        connection.topics[topic] = None
        listeners = self._listeners.setdefault(topic, {})
        if not listeners and (market := self._venue.markets.get(topic[1])) is not None:
            market.listen(topic)
        listeners[connection] = None

    def unsubscribe(self, connection: Connection, topic: Topic) -> None:
        connection.topics.pop(topic, None)
        listeners = self._listeners.get(topic, {})
        listeners.pop(connection, None)
        if not listeners and self._listeners.pop(topic, None) is not None:
            market = self._venue.markets.get(topic[1])
            if market is not None:
                market.leave(topic)

    def of(self, symbol: str) -> list[Connection]:
        """Connections that listen to something of the symbol; all of them for an empty one."""
        return [one for one in self if not symbol or any(topic[1] == symbol for topic in one.topics)]

    def deliver(self, frames: Iterable[Outgoing]) -> None:
        listeners = self._listeners
        for topic, frame in frames:
            for connection in listeners.get(topic, ()):
                connection.tell(topic, frame)

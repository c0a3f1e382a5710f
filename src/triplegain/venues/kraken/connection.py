"""One WebSocket connection to Kraken: opened, kept alive, and opened again. Every frame becomes a line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import aiohttp
import msgspec

from triplegain.domain.clock import Clock
from triplegain.domain.ids import jitter
from triplegain.domain.outside import tame
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed_line import DownLine, FrameLine, LineQueue
from triplegain.venues.kraken.settings import FeedSettings
from triplegain.venues.kraken.wire.frames import Frame, Params, read_frame, write_request

#: A book that was fine for this long is asked for at once again.
_FORGIVEN_AFTER_S = 10.0
_BOOK_WAIT_MAX_S = 30.0


@dataclass(slots=True)
class _Wanted:
    """One book; times are seconds of a steady clock, None where there is none."""

    asked_s: float | None = None
    attempts: int = 0
    due_s: float | None = None
    check_s: float | None = None
    is_subscribed: bool = False


class BookRequests:
    """The books of one connection. `is_waiting` says whether an instrument still has none."""

    def __init__(self, symbols: Iterable[str], check_after_s: float, is_waiting: Callable[[str], bool]) -> None:
        self._books = {symbol: _Wanted() for symbol in symbols}
        self._check_after_s = check_after_s
        self._is_waiting = is_waiting

    def want(self, symbol: str, now_s: float) -> None:
        """Its book is not right: ask for it, at once if that has not been done lately."""
        one = self._books.get(symbol)
        if one is None or one.due_s is not None:
            return
        if one.asked_s is None or now_s - one.asked_s > _FORGIVEN_AFTER_S + _wait_s(one.attempts):
            one.attempts = 0
            one.due_s = now_s
        else:
            one.due_s = max(now_s, one.asked_s + _wait_s(one.attempts))

    def expect(self, now_s: float) -> None:
        """Books will be wanted soon; those that are not by then are all the same."""
        for one in self._books.values():
            one.check_s = now_s + self._check_after_s

    def take_due(self, now_s: float) -> dict[str, bool]:
        """Books to ask for now, and whether each has to be unsubscribed first."""
        taken = {}
        for symbol, one in self._books.items():
            if one.check_s is not None and one.check_s <= now_s:
                one.check_s = None
                if self._is_waiting(symbol):
                    self.want(symbol, now_s)
            if one.due_s is not None and one.due_s <= now_s:
                taken[symbol] = one.is_subscribed
                one.due_s = None
                one.asked_s = now_s
                one.attempts += 1
                one.check_s = now_s + self._check_after_s
                one.is_subscribed = True
        return taken

    def next_s(self) -> float | None:
        """When there is something to do next."""
        times = [time for one in self._books.values() for time in (one.due_s, one.check_s) if time is not None]
        return min(times, default=None)


def _wait_s(attempts: int) -> float:
    """Seconds between one request for a book and the next, after so many in a row."""
    return 0.0 if attempts <= 1 else min(2.0 ** (attempts - 2), _BOOK_WAIT_MAX_S)


#: Attempts that follow at once.
_IMMEDIATE = 3

#: Longest wait, and the least one after maintenance, that Kraken asks for, or after a refusal, which doubles.
_WAIT_MAX_S = 60.0
_AT_LEAST_S = 5.0

#: Kraken's limit is 150 connections in ten minutes for all that come from one address.
_WINDOW_S = 600.0
_IN_WINDOW = 100

#: A connection that lived this long was a good one.
_GOOD_AFTER_S = 10.0


class ConnectBudget:
    """Connections of one program in the last ten minutes. Times are seconds of a steady clock."""

    def __init__(self, most: int = _IN_WINDOW, window_s: float = _WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._taken: deque[float] = deque()

    def take(self, now_s: float) -> float:
        """Counts one more connection; the seconds it has to wait."""
        while self._taken and self._taken[0] <= now_s - self._window_s:
            self._taken.popleft()
        at_s = now_s if len(self._taken) < self._most else self._taken[-self._most] + self._window_s
        self._taken.append(at_s)
        return at_s - now_s


class Reconnecting:
    """The waits of one connection. `draw` gives a random number up to its argument."""

    def __init__(self, budget: ConnectBudget, draw: Callable[[float], float] = jitter) -> None:
        self._budget = budget
        self._draw = draw
        self._attempts = 0
        self._refusals = 0
        self._up_at_s: float | None = None

    def up(self, now_s: float) -> None:
        """It is connected."""
        self._up_at_s = now_s
        self._refusals = 0

    def wait_s(self, now_s: float, in_maintenance: bool = False, was_refused: bool = False) -> float:
        """Seconds before the next attempt, which is counted; `was_refused`: there were too many for the exchange."""
        if self._up_at_s is not None and now_s - self._up_at_s >= _GOOD_AFTER_S:
            self._attempts = 0
        self._up_at_s = None
        late = max(self._attempts - _IMMEDIATE, -1)
        wait_s = self._draw(min(2.0**late, _WAIT_MAX_S)) if late >= 0 else 0.0
        self._attempts += 1
        if in_maintenance:
            wait_s = max(wait_s, _AT_LEAST_S)
        if was_refused:
            wait_s = max(wait_s, min(_AT_LEAST_S * 2.0**self._refusals, _WAIT_MAX_S))
            self._refusals += 1
        return wait_s + self._budget.take(now_s + wait_s)


_log = logging.getLogger(__name__)

#: The largest frame there is, the rules of all pairs, is a quarter of it.
_FRAME_MAX = 4 * 1024 * 1024

#: Seconds a closing handshake may take; a half-open connection never answers.
_CLOSE_S = 0.5

_CHANNEL_START = b'{"channel":"'
_STATUS_START = b'{"channel":"status"'
_TOO_MANY = (403, 429)


@dataclass(slots=True)
class _Asked:
    """A request and the replies to it."""

    replies_wanted: int
    done: asyncio.Future[list[Frame]]
    replies: list[Frame] = field(default_factory=list)


@dataclass(eq=False)
class KrakenConnection:
    """`run` goes on until it is cancelled; `on_up` is started for every new connection and cancelled with it.

    A quiet connection is asked for a sign of life; one that stays silent for `reconnect_after_s` is given up.
    """

    number: int
    _settings: FeedSettings
    _session: aiohttp.ClientSession
    _queue: LineQueue
    _clock: Clock
    _pace: Reconnecting
    _on_up: Callable[[KrakenConnection], Awaitable[None]]
    was_up: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    problem: str = field(default="", init=False)
    _socket: aiohttp.ClientWebSocketResponse[bool] | None = field(default=None, init=False)
    _asked: dict[int, _Asked] = field(default_factory=dict, init=False)
    _next_id: int = field(default=1, init=False)
    _heard_s: float = field(default=0.0, init=False)
    _is_held_up: bool = field(default=False, init=False)
    _is_subscribed: bool = field(default=False, init=False)
    _has_told_unasked: bool = field(default=False, init=False)
    _in_maintenance: bool = field(default=False, init=False)
    _was_refused: bool = field(default=False, init=False)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._pace.wait_s(loop.time(), self._in_maintenance, self._was_refused)
            self._in_maintenance = self._was_refused = False
            await asyncio.sleep(wait_s)
            self.problem = tame(await self._attempt())
            _log.info("connection %d to %s: %s", self.number, self._settings.websocket_url, self.problem)
            await self._queue.put(DownLine(self._clock.now_ns(), self.number, self.problem))

    async def ask(self, method: str, params: Params, replies: int = 1) -> list[Frame]:
        """Send a request and wait for its replies, one for each symbol. Raises FeedError when they do not come."""
        number = self._next_id
        self._next_id += 1
        asked = self._asked[number] = _Asked(replies, asyncio.get_running_loop().create_future())
        try:
            await self._send(write_request(method, params, number))
            async with asyncio.timeout(self._settings.answer_within_s):
                return await asked.done
        except TimeoutError:
            got = len(asked.replies)
            raise FeedError(
                f"Kraken answered {got} of {replies} times to {method} {params.channel} "
                f"within {self._settings.answer_within_s:g} s"
            ) from None
        finally:
            del self._asked[number]

    async def _send(self, request: bytes) -> None:
        if self._socket is None:
            raise FeedError(f"connection {self.number} to Kraken is down")
        try:
            await self._socket.send_str(request.decode())
        except (aiohttp.ClientError, OSError) as error:
            raise FeedError(f"connection {self.number} to Kraken is down: {error}") from error

    async def _attempt(self) -> str:
        """Connect and read until the end; why it ended."""
        try:
            async with asyncio.timeout(self._settings.answer_within_s):
                socket = await self._session.ws_connect(
                    self._settings.websocket_url,
                    max_msg_size=_FRAME_MAX,
                    decode_text=False,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
        except TimeoutError:
            return f"{self._settings.websocket_url} did not answer within {self._settings.answer_within_s:g} s"
        except aiohttp.WSServerHandshakeError as error:
            self._was_refused = error.status in _TOO_MANY
            return f"{self._settings.websocket_url} refuses the connection with HTTP status {error.status}"
        except (aiohttp.ClientError, OSError) as error:
            return f"{self._settings.websocket_url} cannot be reached: {error}"
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        self._pace.up(self._heard_s)
        self._is_subscribed = self._has_told_unasked = False
        self._socket = socket
        self.was_up.set()
        reading = asyncio.create_task(self._read(socket))
        watching = asyncio.create_task(self._watch())
        listening = asyncio.ensure_future(self._on_up(self))
        try:
            tasks: set[asyncio.Future[str] | asyncio.Future[None]] = {reading, watching, listening}
            while not (reading.done() or watching.done()):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if listening.done():
                    listening.result()
                    tasks.discard(listening)
            return reading.result() if reading.done() else watching.result()
        finally:
            self._socket = None
            for task in (reading, watching, listening):
                task.cancel()
            await asyncio.gather(reading, watching, listening, return_exceptions=True)
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(2 * _CLOSE_S):
                    await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> str:
        """Frames into the queue until there are no more; why that is."""
        queue, number, now_ns, now_s = self._queue, self.number, self._clock.now_ns, asyncio.get_running_loop().time
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT and message.type is not aiohttp.WSMsgType.BINARY:
                return _ending(message.type, message.data)
            frame: bytes = message.data
            if not frame.startswith(_CHANNEL_START):
                self._on_reply(frame)
            else:
                self._heard_s = now_s()
            if frame.startswith(_STATUS_START):
                self._in_maintenance = b'"maintenance"' in frame
            line = FrameLine(now_ns(), number, frame)
            if not queue.offer(line):
                # The session is too slow: not reading on makes the exchange wait.
                self._is_held_up = True
                await queue.put(line)
                self._is_held_up = False

    async def _watch(self) -> str:
        """Silence is first answered by a ping, then by giving up."""
        now_s = asyncio.get_running_loop().time
        step_s = self._settings.reconnect_after_s / 4
        pinged = False
        while True:
            await asyncio.sleep(step_s)
            if self._is_held_up:
                self._heard_s = now_s()
            silent_s = now_s() - self._heard_s
            if silent_s >= self._settings.reconnect_after_s:
                return f"silent for {self._settings.reconnect_after_s:g} s"
            if silent_s < 2 * step_s:
                pinged = False
            elif not pinged:
                pinged = True
                self._next_id += 1
                with contextlib.suppress(FeedError):
                    await self._send(write_request("ping", req_id=self._next_id - 1))

    def _on_reply(self, frame: bytes) -> None:
        """Whoever asked is told; the line goes its way all the same."""
        try:
            reply = read_frame(frame)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return
        if reply.method == "pong":
            # A subscribed connection says something every second: an answer to a ping alone is no sign of life.
            if not self._is_subscribed:
                self._heard_s = asyncio.get_running_loop().time()
            return
        self._is_subscribed = self._is_subscribed or (reply.method == "subscribe" and reply.success)
        self._heard_s = asyncio.get_running_loop().time()
        asked = self._asked.get(reply.req_id or 0)
        if asked is None:
            self._on_unasked(reply)
            return
        asked.replies.append(reply)
        if len(asked.replies) >= asked.replies_wanted and not asked.done.done():
            asked.done.set_result(asked.replies)

    def _on_unasked(self, reply: Frame) -> None:
        """An answer that nobody waits for (any more): told once a connection, for there may be many."""
        if not self._has_told_unasked:
            self._has_told_unasked = True
            about = self.number, tame(reply.method, 40), tame(reply.symbol, 40), tame(reply.error)
            _log.warning("connection %d: Kraken answers what nobody asks any more: %s %s %s", *about)


def _ending(kind: aiohttp.WSMsgType, told: object) -> str:
    if kind is aiohttp.WSMsgType.ERROR:
        return f"broken: {told}"
    return f"closed by Kraken{f' with code {told}' if kind is aiohttp.WSMsgType.CLOSE and told else ''}"

"""Connections to the API: how many strangers may have, how long they may take, and what is answered that is no HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from triplegain.api.doorkeeper import CONNECTION, PEER_UID
from triplegain.api.errors import told
from triplegain.domain.refusals import Code

#: The head of a request must be there within this time, its first byte as well as its last.
_HEAD_S = 10.0
#: How long a stranger who asked too often is not listened to.
_HOLD_S = 2.0
#: What is left of a refused request is passed over if it is here in time and short: the next request on the connection
#: is heard. Else the connection ends, after its sender had the time to read the answer.
_LINGER_S, _UNWANTED_MAX = 1.0, 1 << 16
_STRANGERS_MAX = 64

# What strangers send is no matter for the terminal of the session; failures of ours are logged by the gate.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class Connection(H11Protocol):
    """One connection. The head of each request has a time limit; what cannot be read is answered in our shape."""

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, state, {}, loop)
        self._timer: asyncio.TimerHandle | None = None
        self._heard = False
        #: Bytes that still came of a refused request.
        self._unwanted = 0

    @property
    def is_idle(self) -> bool:
        """Nobody works on a request of it."""
        # Before the first request there is none, whatever its type says.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        was_refused = self._is_refused
        super().data_received(data)
        self._limit_head()
        if was_refused and self._is_refused:
            self._unwanted += len(data)
            if self._unwanted > _UNWANTED_MAX:
                self.transport.pause_reading()

    @property
    def _is_refused(self) -> bool:
        """Answered before the request was whole."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def on_response_complete(self) -> None:
        self._heard = False
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._is_refused:
            self._unwanted = 0
            self.loop.call_later(_LINGER_S, self._give_up, self.cycle)

    def _give_up(self, refused: RequestResponseCycle) -> None:
        if self.cycle is refused and self._is_refused:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Called while what cannot be read is being handled."""
        error = sys.exc_info()[1]
        too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == Code.HEAD_TOO_LARGE.status
        self.refuse(Code.HEAD_TOO_LARGE if too_large else Code.UNREADABLE, f"this is no request: {error}")

    def refuse(self, code: Code, message: str) -> None:
        """Answer before there is a request, and close."""
        body = json.dumps(told(code, message, {})).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
            ("cache-control", "no-store"),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = h11.Response(status_code=code.status, headers=headers)
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _limit_head(self) -> None:
        """Counted from where the connection waits for a head; what arrives of it does not prolong that."""
        if not self.is_idle or self.transport.is_closing():
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(_HEAD_S, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timer = None
        if self.is_idle and not self.transport.is_closing():
            if self._heard:
                self.refuse(Code.REQUEST_TIMEOUT, f"the head of the request did not arrive within {_HEAD_S:g} s")
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class OwnerConnection(Connection):
    """From the owner's socket; `peer_uid` is the kernel's word."""

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, peer_uid: int) -> None:
        super().__init__(config, state, loop)
        self.app_state = {PEER_UID: peer_uid}


class NetworkConnection(Connection):
    """From the network: a stranger's until a known key is shown on it."""

    def __init__(self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, slots: Slots) -> None:
        super().__init__(config, state, loop)
        self.app_state = {CONNECTION: self}
        self._slots = slots
        self._held = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._slots.enter(self):
            self.refuse(Code.TOO_MANY_CONNECTIONS, f"{self._slots.most} connections without a known key are busy")

    def connection_lost(self, exc: Exception | None) -> None:
        self._slots.leave(self)
        super().connection_lost(exc)

    def recognise(self) -> None:
        """A known key was shown: it takes no room of strangers any more."""
        self._slots.leave(self)

    def hold(self) -> None:
        """Listen to no further request for a while: whoever asks too often costs no more than that."""
        if not self._held:
            self._held = True
            self.loop.call_later(_HOLD_S, self._release)

    def handle_events(self) -> None:
        if not self._held:
            super().handle_events()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held and not self.transport.is_closing():
            self.transport.pause_reading()

    def _release(self) -> None:
        self._held = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.handle_events()


class Slots:
    """The room for connections of strangers. In a full one the longest idle makes place for the next."""

    def __init__(self) -> None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        #: A quarter of what the process may open: the session itself must never lack a file.
        self.most = min(_STRANGERS_MAX, max(4, descriptors // 4)) if descriptors > 0 else _STRANGERS_MAX
        self._strangers: dict[NetworkConnection, None] = {}

    def enter(self, connection: NetworkConnection) -> bool:
        """False: all are busy."""
        if len(self._strangers) >= self.most:
            idle = next((each for each in self._strangers if each.is_idle), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.transport.close()
        self._strangers[connection] = None
        return True

    def leave(self, connection: NetworkConnection) -> None:
        self._strangers.pop(connection, None)

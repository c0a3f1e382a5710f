"""The outermost layer: every request gets an id, is admitted or refused, and every answer carries the same headers.

A body is read whole before anything looks at it: counted in bytes and in time.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triplegain.api.addressee import addressee
from triplegain.api.doorkeeper import ADDRESSEE, PEER_UID, Doorkeeper
from triplegain.api.errors import response, unexpected
from triplegain.api.routes import find_route
from triplegain.api.strict import check_body, check_head, check_query
from triplegain.domain import ids
from triplegain.domain.errors import TripleGainError
from triplegain.domain.refusals import Code, RefusedError

BYTES_MAX = 1_000_000
#: A client that sends too much is listened to this far, so that it gets to read the answer.
_BYTES_HEARD_MAX = 8_000_000
_READ_TIMEOUT_S = 45.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """ASGI middleware. Nothing of a request is read before its sender is admitted.

    Who sits at the owner's socket says the server, in the state of the scope; everybody else comes from the network.
    """

    def __init__(self, app: ASGIApp, network: Doorkeeper, owner: Doorkeeper, mode: str) -> None:
        self._app = app
        self._network = network
        self._owner = owner
        self._mode = mode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = ids.request_id()
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update({**_HEADERS, "X-Request-Id": request_id, "X-Trading-Mode": self._mode})
            await send(message)

        refusal: TripleGainError
        try:
            state = scope.setdefault("state", {})
            doorkeeper = self._owner if PEER_UID in state else self._network
            asked = state[ADDRESSEE] = addressee(scope)
            state["caller"] = await doorkeeper.admit(scope, request_id)
            check_head(scope)
            check_query(scope, find_route(scope["method"], asked))
            body = await _read_body(receive)
            check_body(scope, body)
            # Whichever session is meant, the application has one path for its resource.
            await self._app({**scope, "path": asked.path}, _as_received(body, receive), send_with_headers)
            return
        except TripleGainError as error:
            refusal = error
        # The boundary of the task: a bug in one request must not end the session, and must not stay unseen.
        except Exception as error:
            refusal = unexpected(error, request_id)
        if not begun:
            await response(refusal)(scope, receive, send_with_headers)


async def _read_body(receive: Receive) -> bytes:
    """Raises RefusedError 413 above one megabyte, 408 if it takes too long, 400 if the client went away."""
    size, chunks, more = 0, [], True
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            while more and size <= _BYTES_HEARD_MAX:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(Code.INCOMPLETE_REQUEST, "the request ended early")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= BYTES_MAX:
                    chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        raise RefusedError(Code.REQUEST_TIMEOUT, f"the request did not arrive within {_READ_TIMEOUT_S:g} s") from None
    if size > BYTES_MAX:
        raise RefusedError(Code.BODY_TOO_LARGE, f"a request may have {BYTES_MAX} bytes")
    return b"".join(chunks)


def _as_received(body: bytes, receive: Receive) -> Receive:
    """`body` once, then whatever else the connection has to say."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay

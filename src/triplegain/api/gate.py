"""The outermost layer: every request gets an id, is admitted or refused, and every answer carries the same headers."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triplegain.api.body import as_received, read_body
from triplegain.api.doorkeeper import Doorkeeper
from triplegain.api.errors import response, unexpected
from triplegain.domain import ids
from triplegain.domain.errors import TripleGainError

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """ASGI middleware. Nothing of a request is read before its sender is admitted."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, mode: str) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
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
            scope.setdefault("state", {})["caller"] = await self._doorkeeper.admit(scope, request_id)
            body = await read_body(receive)
            await self._app(scope, as_received(body, receive), send_with_headers)
            return
        except TripleGainError as error:
            refusal = error
        # The boundary of the task: a bug in one request must not end the session, and must not stay unseen.
        except Exception as error:
            refusal = unexpected(error, request_id)
        if not begun:
            await response(refusal)(scope, receive, send_with_headers)

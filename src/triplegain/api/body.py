"""The body of a request, read whole before anything looks at it: counted in bytes and in time."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from triplegain.domain.refusals import Code, RefusedError

BYTES_MAX = 1_000_000
#: A client that sends too much is listened to this far, so that it gets to read the answer.
_BYTES_HEARD_MAX = 8_000_000
_READ_TIMEOUT_S = 45.0


async def read_body(receive: Receive) -> bytes:
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


def as_received(body: bytes, receive: Receive) -> Receive:
    """`body` once, then whatever else the connection has to say."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay

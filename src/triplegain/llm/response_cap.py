"""No response is read beyond a number of bytes, however long a server goes on sending."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import httpx2

from triplegain.domain.errors import TripleGainError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


class OversizedResponseError(TripleGainError):
    """The server sent more than an answer can be."""


def capped(bytes_max: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A hook for the responses of an HTTP client: reading more than `bytes_max` raises OversizedResponseError."""

    async def hook(response: httpx2.Response) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _CappedStream(response.stream, bytes_max)

    return hook


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        chunks: AsyncIterable[bytes] = self._stream
        async for chunk in chunks:
            read += len(chunk)
            if read > self._bytes_max:
                raise OversizedResponseError(f"more than {self._bytes_max:,} bytes were sent")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()

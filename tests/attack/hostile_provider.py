"""A model provider on loopback that answers every question in the worst way it knows, one way after the other.

Ollama's and OpenAI's chat and Anthropic's messages, written byte by byte, for no library sends what this sends.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from tests.attack.watching import ESCAPES

_OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = _OPEN + b"Transfer-Encoding: chunked\r\n\r\n"
#: Tokens of a claim: none, fewer than none, more than were asked for, more than a row holds.
_CLAIMS = {"negative": (-10, -7), "large": (4 * 10**18, 4 * 10**18), "huge": (10**19, 10**19), "odd": ("x", 1.5)}

#: The kinds of clients, by the end of the path they ask, and with which way each begins.
_FIRST = {"completions": 0, "messages": 8, "chat": 16}


@cache
def bomb(packing: str) -> bytes:
    """100 MB of blanks, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15}[packing])
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()


def spoken(path: str, text: str, model: str, tokens_in: Any = 30, tokens_out: Any = 5) -> dict[str, Any]:
    """An answer as the API of that path has it."""
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": 1}
        return {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
                "usage": usage}  # fmt: skip
    if path.endswith("/messages"):
        return {"id": "m", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
                "stop_sequence": None, "content": [{"type": "text", "text": text}],
                "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out}}  # fmt: skip
    return {"model": model, "message": {"role": "assistant", "content": text}, "done": True, "done_reason": "stop",
            "prompt_eval_count": tokens_in, "eval_count": tokens_out}  # fmt: skip


class HostileProvider:
    """`served` counts the ways by path and way."""

    WAYS = (
        "gzip", "deflate", "br", "zstd", "twice packed", "endless", "endless error", "endless header", "drip",
        "continue", "deep", "deep answer", "many values", "many choices", "escapes", "key as model", "key in error",
        "part of a key", "key as a name", *_CLAIMS, "long model", "no json", "close",
    )  # fmt: skip

    def __init__(self) -> None:
        self.url = ""
        #: How the list of models is answered.
        self.tags = "list"
        self.served: Counter[tuple[str, str]] = Counter()
        self._turns: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[HostileProvider]:
        """In a thread of its own."""
        loop, ready = asyncio.new_event_loop(), threading.Event()
        ending = asyncio.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._on_connection, "127.0.0.1", port, limit=2**24)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            ready.set()
            await ending.wait()
            server.close()
            for task in self._tasks:
                task.cancel()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(ending.set)
            thread.join(10)

    @property
    def is_through(self) -> bool:
        """Every way was shown, and each of the three kinds of client has met a third of them."""
        shown = {way for _, way in self.served}
        met = Counter(kind for kind, _ in self.served)
        return shown >= set(self.WAYS) and all(met[kind] >= len(self.WAYS) // 3 for kind in _FIRST)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        kind = way = ""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
            path = head[0].split(" ")[1]
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            await reader.readexactly(int(fields.get("content-length", 0)))
            kind = path.rpartition("/")[2]
            if kind == "tags":
                self.served[kind, self.tags] += 1
                await self._tags(writer)
            else:
                way = self.WAYS[(self._turns[kind] + _FIRST[kind]) % len(self.WAYS)]
                self._turns[kind] += 1
                key = (fields.get("authorization", "") + fields.get("x-api-key", "")).replace("Bearer ", "")
                await self._answer(writer, way, path, key)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            pass
        finally:
            self._tasks.discard(task)
            with suppress(OSError):
                writer.close()
        if way:
            self.served[kind, way] += 1

    async def _tags(self, writer: asyncio.StreamWriter) -> None:
        match self.tags:
            case "bomb":
                await self._send(writer, bomb("gzip"), encoding="gzip")
            case "endless":
                await self._forever(writer, _CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n")
            case "drip":
                await self._forever(writer, _CHUNKED, b"1\r\n \r\n", 0.5)
            case "deep":
                await self._send(writer, b'{"models":' + b"[" * 100_000)
            case _:
                names = ("evil:1b", ESCAPES, "; rm -rf /")
                await self._send(writer, {"models": [{"name": name} for name in names]})

    async def _send(self, writer: asyncio.StreamWriter, body: Any, status: str = "200 OK", encoding: str = "") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        packed = f"Content-Encoding: {encoding}\r\n" if encoding else ""
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{packed}"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
        )
        writer.write(data)
        await writer.drain()

    async def _forever(self, writer: asyncio.StreamWriter, head: bytes, part: bytes, pause_s: float = 0.0) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    async def _answer(self, writer: asyncio.StreamWriter, way: str, path: str, key: str) -> None:
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        plain = spoken(path, "no vote", "evil")
        match way:
            case "gzip" | "deflate":
                await self._send(writer, bomb(way), encoding=way)
            case "br" | "zstd":
                await self._send(writer, b"\x28\xb5\x2f\xfd" * 1000, encoding=way)
            case "twice packed":
                await self._send(writer, gzip.compress(bomb("gzip")), encoding="gzip, gzip")
            case "endless":
                await self._forever(writer, _CHUNKED, chunk)
            case "endless error":
                await self._forever(writer, _CHUNKED.replace(b"200 OK", b"500 Oops"), chunk)
            case "endless header":
                await self._forever(writer, _OPEN, b"X-A: " + b"x" * 60_000 + b"\r\n")
            case "drip":
                await self._forever(writer, _CHUNKED, b"1\r\n \r\n", 0.1)
            case "continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000)
                await self._send(writer, plain)
            case "deep":
                await self._send(writer, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
            case "deep answer":
                await self._send(writer, spoken(path, "[" * 20_000, "evil"))
            case "many values":
                await self._send(writer, b'{"choices":[' + b"{}," * 300_000 + b'{}],"content":[]}')
            case "many choices":
                await self._send(writer, {**plain, "choices": [{}] * 200_000, "content": [{"type": "text"}] * 40_000})
            case "escapes":
                await self._send(writer, spoken(path, f"{ESCAPES} no vote", f"evil{ESCAPES}"))
            case "key as model":
                await self._send(writer, spoken(path, f"no vote {key}", key))
            case "key in error":
                error = {"message": f"bad key {key} {ESCAPES}", "type": key, "code": key}
                await self._send(writer, {"error": error, "type": "error"}, "400 Bad Request")
            case "part of a key":
                error = {"message": f"key {key[5:14]} {key[-9:]}", key[4:13]: key[:10]}
                await self._send(writer, {"error": error, "type": "error"}, "400 Bad Request")
            case "key as a name":
                await self._send(writer, spoken(path, json.dumps({key: {key[3:12]: 1}}), key[2:11]))
            case "long model":
                await self._send(writer, spoken(path, "no vote", "M" * 900_000))
            case "no json":
                await self._send(writer, b"<html>\x1b[31m</html>")
            case "close":
                pass
            case _:
                await self._send(writer, spoken(path, "no vote", "evil", *_CLAIMS[way]))

"""A server that speaks every provider's wire format and does wrong on demand.

OpenAI's chat completions (OpenAI, DeepSeek, xAI, a local server) and responses (searches), Anthropic's messages plain
and as a stream, Ollama's chat. It answers with the next entry of `script`, and with `answer` where there is none.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import web

TOKENS_IN, TOKENS_OUT = 812, 64
MODEL_ID = "answered-by-1"
_BIG = 3_000_000


class Do(StrEnum):
    """What the server does instead of answering well."""

    RATE_LIMIT = "429"
    FAIL = "500"
    REJECT = "400"
    NO_KEY = "401, repeating the key"
    HANG = "hang"
    EMPTY = "empty"
    TRUNCATE = "truncated"
    REFUSE = "refusal"
    OVERSIZE = "oversized"
    DRIP = "slow drip"
    RESET = "connection reset"
    NO_JSON = "a page instead of a response"
    NO_USAGE = "no word about usage"
    DEEP = "a response of a hundred thousand levels"


@dataclass
class FakeProvider:
    """Listens on loopback. `script` entries are a `Do`, or a text that the model answers with."""

    answer: str = "{}"
    delay_s: float = 0.0
    script: list[Do | str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    retry_after: str = "0"
    url: str = ""
    installed: tuple[str, ...] = ("qwen3:8b",)
    prompt_tokens: int = TOKENS_IN

    def __post_init__(self) -> None:
        self._ending = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _tags(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": name} for name in self.installed]})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls.append({"path": request.path, **body})
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        entry = self.script.pop(0) if self.script else self.answer
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if isinstance(entry, Do):
            return await self._misbehave(entry, request, body)
        return self._spoken(request.path, body, entry, Do.EMPTY if not entry else None)

    async def _misbehave(self, fault: Do, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        match fault:
            case Do.RATE_LIMIT:
                return _error(429, "slow down", {"retry-after": self.retry_after})
            case Do.FAIL:
                return _error(500, "out of order")
            case Do.REJECT:
                return _error(400, "this request is no request")
            case Do.NO_KEY:
                given = request.headers.get("x-api-key") or request.headers.get("authorization", "")
                return _error(401, f"Incorrect API key provided: {given}")
            case Do.HANG:
                await self._ending.wait()
                return _error(503, "ending")
            case Do.NO_JSON:
                return web.Response(text="<html>It works!</html>", content_type="text/html")
            case Do.DEEP:
                return web.Response(text='{"a":' * 100_000, content_type="application/json")
            case Do.RESET:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Do.OVERSIZE:
                return self._spoken(request.path, body, json.dumps({"reasoning": "x" * _BIG}), None)
            case Do.DRIP:
                return await self._drip(request, self._spoken(request.path, body, self.answer, None))
            case Do.EMPTY | Do.TRUNCATE | Do.REFUSE | Do.NO_USAGE:
                return self._spoken(request.path, body, "" if fault is Do.EMPTY else self.answer, fault)

    async def _drip(self, request: web.Request, whole: web.Response) -> web.StreamResponse:
        """A response that never stops coming and never ends."""
        dripping = web.StreamResponse(headers={"content-type": whole.content_type})
        await dripping.prepare(request)
        assert isinstance(whole.body, bytes)
        for number in range(len(whole.body)):
            if self._ending.is_set():
                break
            await dripping.write(whole.body[number : number + 1])
            await asyncio.sleep(0.02)
        return dripping

    def _spoken(self, path: str, body: dict[str, Any], text: str, fault: Do | None) -> web.Response:
        if path.endswith("/chat/completions"):
            return web.json_response(_chat(text, fault))
        if path.endswith("/responses"):
            return web.json_response(_response(text, fault))
        if path.endswith("/messages"):
            message = _message(text, fault)
            return _stream(message) if body.get("stream") else web.json_response(message)
        return web.json_response(self._ollama(text, fault))

    def _ollama(self, text: str, fault: Do | None) -> dict[str, Any]:
        counts = {} if fault is Do.NO_USAGE else {"prompt_eval_count": self.prompt_tokens, "eval_count": TOKENS_OUT}
        reason = "length" if fault is Do.TRUNCATE else "stop"
        return {
            "model": MODEL_ID,
            "created_at": "2026-11-22T00:00:00Z",
            "message": {"role": "assistant", "content": text},
            "done": True,
            "done_reason": reason,
            **counts,
        }


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "error_of_the_fake", "code": None}}
    return web.json_response(body, status=status, headers=headers)


def _chat(text: str, fault: Do | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if fault is Do.REFUSE:
        message = {"role": "assistant", "content": None, "refusal": "I will not say"}
    usage = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT, "total_tokens": TOKENS_IN + TOKENS_OUT}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL_ID,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if fault is Do.TRUNCATE else "stop"}],
        **({} if fault is Do.NO_USAGE else {"usage": usage}),
    }


def _response(text: str, fault: Do | None) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "output_text", "text": text, "annotations": []}
    if fault is Do.REFUSE:
        said = {"type": "refusal", "refusal": "I will not say"}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    cut = fault is Do.TRUNCATE
    return {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": MODEL_ID,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "error": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": [
            {**message, "content": [{"type": "output_text", "text": "I am going to look.", "annotations": []}]},
            {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "btc"}},
            {"type": "custom_tool_call", "id": "c", "call_id": "c", "name": "x_keyword_search", "input": "{}"},
            {**message, "content": [said]},
        ],
        "usage": {
            "input_tokens": TOKENS_IN,
            "output_tokens": TOKENS_OUT,
            "total_tokens": TOKENS_IN + TOKENS_OUT,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _message(text: str, fault: Do | None) -> dict[str, Any]:
    stop = {Do.TRUNCATE: "max_tokens", Do.REFUSE: "refusal"}.get(fault or Do.EMPTY, "end_turn")
    content = [] if fault in (Do.EMPTY, Do.REFUSE) else [{"type": "text", "text": text}]
    counts = (0, 0) if fault is Do.NO_USAGE else (TOKENS_IN, TOKENS_OUT)
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": MODEL_ID,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": counts[0], "output_tokens": counts[1]},
    }


def _stream(message: dict[str, Any]) -> web.Response:
    opening = {**message, "content": [], "stop_reason": None}
    events: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": opening})]
    for block in message["content"]:
        delta = {"type": "text_delta", "text": block["text"]}
        events += [
            ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            ("content_block_delta", {"index": 0, "delta": delta}),
            ("content_block_stop", {"index": 0}),
        ]
    ending = {"delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}, "usage": message["usage"]}
    events += [("message_delta", ending), ("message_stop", {})]
    text = "".join(f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n" for name, event in events)
    return web.Response(text=text, content_type="text/event-stream")

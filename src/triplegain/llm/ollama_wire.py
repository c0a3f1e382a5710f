"""The way to Ollama, over its own API: the other one ignores the context length and cuts prompts without a word."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from triplegain.llm.reply import FailureKind
from triplegain.llm.response import (
    IDENTITY,
    OversizedResponseError,
    PackedResponseError,
    check_headers,
    check_length,
    check_values,
)
from triplegain.llm.spec import ModelSpec, Provider, Thinking
from triplegain.llm.wire import Finish, Question, WireAnswer, WireError, refused

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 2.0
_PROBE_S = 1.0
#: A list of a thousand models is shorter.
_TAGS_BYTES_MAX = 1_000_000
#: What a model's id is made of: it is printed as a part of a command.
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_MESSAGE_LENGTH_MAX = 300
_KEEP_ALIVE = "30m"


class _Message(msgspec.Struct):
    content: str = ""


class _Chat(msgspec.Struct):
    """What we read of a response of /api/chat."""

    message: _Message
    model: str = ""
    done_reason: str = "stop"
    prompt_eval_count: int | None = None
    eval_count: int | None = None


class OllamaWire:
    """One connection pool. No response is longer than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        #: By whether it speaks TLS: only then it reads all certificates of the world.
        self._clients: dict[bool, httpx.AsyncClient] = {}

    async def ask(self, question: Question, time_left_s: float) -> WireAnswer:
        import httpx

        timeout = httpx.Timeout(time_left_s, connect=min(_CONNECT_S, time_left_s))
        url = f"{question.spec.address}/api/chat"
        try:
            async with self._http(question.spec).stream("POST", url, json=_body(question), timeout=timeout) as response:
                return _answer(response.status_code, await _read(response, self._bytes_max), question)
        except OversizedResponseError as error:
            raise WireError(FailureKind.OVERSIZED, f"ollama {error}", charged=True) from None
        except PackedResponseError as error:
            raise WireError(FailureKind.SERVER_ERROR, f"ollama {error}", charged=True) from None
        except httpx.TimeoutException:
            raise WireError(FailureKind.TIMEOUT, "ollama did not answer in time", charged=True) from None
        except httpx.HTTPError as error:
            unsent = isinstance(error, httpx.ConnectError)
            reason = f"the connection to ollama failed ({type(error).__name__})"
            raise WireError(FailureKind.CONNECTION, reason, charged=not unsent) from error

    def prepare(self, specs: Iterable[ModelSpec]) -> None:
        """Make what the first question would make. Any thread may call it."""
        for spec in specs:
            self._http(spec)

    def _http(self, spec: ModelSpec) -> httpx.AsyncClient:
        encrypted = spec.address.startswith("https:")
        if encrypted not in self._clients:
            self._clients[encrypted] = _client(encrypted)
        return self._clients[encrypted]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def _client(encrypted: bool) -> httpx.AsyncClient:
    """For a server of this machine or of the house: no proxy of the environment stands before it."""
    import httpx

    # Imported at the first connection otherwise.
    importlib.import_module("anyio._backends._asyncio")
    verify = True if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(trust_env=False, headers=IDENTITY, verify=verify)


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    """The body as it was sent. Raises PackedResponseError and OversizedResponseError."""
    check_headers(response.headers)
    read = bytearray()
    async for chunk in response.aiter_raw():
        read += chunk
        check_length(len(read), bytes_max)
    body = bytes(read)
    check_values(body)
    return body


async def installed_models(base_url: str = "") -> frozenset[str] | None:
    """The models an Ollama server has, tags included, by names that are names; None: it does not answer in a second."""
    import httpx

    url = f"{(base_url or Provider.OLLAMA.address).rstrip('/')}/api/tags"
    try:
        # The time is that of the server: what is loaded here first may take as long.
        async with (
            _client(url.startswith("https:")) as http,
            asyncio.timeout(_PROBE_S),
            http.stream("GET", url) as response,
        ):
            listed = msgspec.json.decode(await _read(response, _TAGS_BYTES_MAX), type=_Tags)
    except (httpx.HTTPError, httpx.InvalidURL, PackedResponseError, OversizedResponseError, TimeoutError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return frozenset(each.name for each in listed.models if _MODEL_ID.fullmatch(each.name))


class _Tag(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Tag]


def _body(question: Question) -> dict[str, Any]:
    spec = question.spec
    options: dict[str, Any] = {"num_ctx": spec.context_tokens, "num_predict": spec.max_output_tokens}
    if spec.temperature is not None:
        options["temperature"] = spec.temperature
    messages = [{"role": "system", "content": question.system}]
    messages += [{"role": "assistant" if turn.by_model else "user", "content": turn.text} for turn in question.turns]
    body: dict[str, Any] = {
        "model": spec.model,
        "messages": messages,
        "format": question.schema,
        "options": options,
        "stream": False,
        # Servers that know these refuse a prompt that does not fit; the others are found out by their counts.
        "truncate": False,
        "shift": False,
        "keep_alive": _KEEP_ALIVE,
    }
    if spec.thinking is not Thinking.PROVIDER:
        body["think"] = spec.thinking is not Thinking.OFF
    return body


def _answer(status: int, content: bytes, question: Question) -> WireAnswer:
    if status != 200:
        raise _refused(status, content)
    try:
        chat = msgspec.json.decode(content, type=_Chat)
    except (msgspec.DecodeError, RecursionError):
        raise WireError(FailureKind.SERVER_ERROR, "ollama sent something that is no response", charged=True) from None
    spec = question.spec
    room = spec.context_tokens - spec.max_output_tokens
    if question.tokens_in_max > room and (chat.prompt_eval_count is None or chat.prompt_eval_count > room):
        seen = "an unknown number" if chat.prompt_eval_count is None else str(chat.prompt_eval_count)
        reason = f"the prompt may have been cut: {seen} of its tokens were read, {room} fit (context_tokens)"
        raise WireError(FailureKind.TRUNCATED, reason)
    return WireAnswer(
        text=chat.message.content,
        model_id=chat.model or spec.model,
        finish=Finish.LENGTH if chat.done_reason == "length" else Finish.DONE,
        tokens_in=chat.prompt_eval_count,
        tokens_out=chat.eval_count,
    )


def _refused(status: int, content: bytes) -> WireError:
    try:
        said = json.loads(content).get("error", "")
    except (ValueError, AttributeError, RecursionError):
        said = ""
    words = " ".join(f"{status} {said}".split())[:_MESSAGE_LENGTH_MAX]
    return refused(status, "ollama", f": {words}")

"""Model answers on a tape: recorded once, played as often as wanted, without a model and without a connection.

Temperature 0 is no replay: the same prompt asked twice may have two answers. The truth of a session is its tape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from triplegain.llm.fingerprint import fingerprint
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelPort, ModelReply, Usage
from triplegain.llm.request import ModelRequest
from triplegain.llm.spec import ModelSpec
from triplegain.llm.tape_file import TapeError, TapeFile, read_entries


class TapeMode(StrEnum):
    LIVE = "live"
    RECORD = "record"
    REPLAY = "replay"


class Tape(ModelPort, Protocol):
    """A model port that may hold a file: close it when done."""

    def close(self) -> None: ...


def open_tape(mode: TapeMode, path: Path | None, specs: Mapping[str, ModelSpec], inner: ModelPort | None) -> Tape:
    """The port to ask: the models themselves, a `Recorder` around them, or a `Player` without them.

    `specs` are the configured models by name. Raises TapeError where the file cannot be used.
    """
    if mode is TapeMode.REPLAY:
        return Player(_named(path), specs)
    if inner is None:
        raise TapeError("there is nobody to ask: without models a tape can only be replayed")
    return Recorder(_named(path), specs, inner) if mode is TapeMode.RECORD else Live(inner)


def taped_models(path: Path) -> frozenset[str]:
    """The names of those whose replies are on a tape. Raises TapeError."""
    return frozenset(entry["model"] for entry in read_entries(path))


class Live:
    """Asks `inner` and keeps nothing."""

    def __init__(self, inner: ModelPort) -> None:
        self._inner = inner

    async def complete(self, request: ModelRequest) -> ModelReply:
        return await self._inner.complete(request)

    def close(self) -> None:
        """Nothing is held open."""


class Recorder:
    """Asks `inner` and keeps every reply, failures too: it is on disk before anybody sees it. Close it when done.

    A question of the same session and request id, asked again after a restart, has the answer it had: nobody pays
    twice, and the tape says what the session did.
    """

    def __init__(self, path: Path, specs: Mapping[str, ModelSpec], inner: ModelPort) -> None:
        self._specs = specs
        self._inner = inner
        self._file = TapeFile(path)
        self._broken = ""
        self._known = {_asked(entry): read_reply(entry["reply"]) for entry in self._file.entries}

    async def complete(self, request: ModelRequest) -> ModelReply:
        spec = self._specs.get(request.model)
        if spec is None:
            return _not_configured(request)
        entry: dict[str, Any] = {
            "key": fingerprint(request, spec),
            "session_id": request.session_id,
            "request_id": request.request_id,
            "agent": request.agent,
            "model": request.model,
            "asked_at_ns": str(request.asked_at_ns),
        }
        if (known := self._known.get(_asked(entry))) is not None:
            return known
        if self._broken:
            return ModelFailure(FailureKind.UNAVAILABLE, self._broken)
        reply = await self._inner.complete(request)
        try:
            # In a thread: the disk may take its time, and the market goes on.
            await asyncio.to_thread(self._file.append, entry | {"reply": write_reply(reply)})
        except (OSError, ValueError) as error:
            # What is not on the tape has not been answered.
            self._broken = f"the answer could not be written to the tape: {error}"
            return ModelFailure(FailureKind.UNAVAILABLE, self._broken, reply.usage, reply.prompt_hash, reply.model_id)
        self._known[_asked(entry)] = reply
        return reply

    def close(self) -> None:
        self._file.close()


class Player:
    """Answers from the tape alone, each recorded reply once: what is not on it is a failure, never a guess.

    Of several replies to one question the one of the same request id is played, else the first not yet played.
    """

    def __init__(self, path: Path, specs: Mapping[str, ModelSpec]) -> None:
        self._specs = specs
        self._left: dict[str, list[dict[str, Any]]] = {}
        for entry in read_entries(path):
            self._left.setdefault(entry["key"], []).append(entry)

    async def complete(self, request: ModelRequest) -> ModelReply:
        spec = self._specs.get(request.model)
        if spec is None:
            return _not_configured(request)
        key = fingerprint(request, spec)
        left = self._left.get(key, [])
        if not left:
            return ModelFailure(
                FailureKind.NOT_ON_TAPE,
                f"the tape has no answer of {request.model} to this question, or it was played already",
                prompt_hash=key,
            )
        same = (at for at, entry in enumerate(left) if entry["request_id"] == request.request_id)
        return read_reply(left.pop(next(same, 0))["reply"])

    def close(self) -> None:
        """Nothing is held open."""


def write_reply(reply: ModelReply) -> dict[str, Any]:
    """A reply as JSON; `read_reply` gives it back."""
    usage = reply.usage
    common: dict[str, Any] = {
        "model_id": reply.model_id,
        "prompt_hash": reply.prompt_hash,
        "usage": {
            "latency_ns": str(usage.latency_ns),
            "tokens_in": usage.tokens_in,
            "tokens_out": usage.tokens_out,
            "cost_usd": str(usage.cost_usd),
            "attempts": usage.attempts,
        },
    }
    if isinstance(reply, ModelAnswer):
        return common | {"value": reply.value}
    return common | {"failure": reply.kind.value, "reason": reply.reason}


def read_reply(stored: Mapping[str, Any]) -> ModelReply:
    """Raises KeyError or ValueError for what `write_reply` did not write."""
    used = stored["usage"]
    usage = Usage(
        latency_ns=int(used["latency_ns"]),
        tokens_in=used["tokens_in"],
        tokens_out=used["tokens_out"],
        cost_usd=Decimal(used["cost_usd"]),
        attempts=used["attempts"],
    )
    if "value" in stored:
        return ModelAnswer(stored["value"], stored["model_id"], usage, stored["prompt_hash"])
    kind = FailureKind(stored["failure"])
    return ModelFailure(kind, stored["reason"], usage, stored["prompt_hash"], stored["model_id"])


def _named(path: Path | None) -> Path:
    if path is None:
        raise TapeError("to record or to replay answers, name the file of the tape")
    return path


def _asked(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["session_id"], entry["request_id"], entry["key"]


def _not_configured(request: ModelRequest) -> ModelFailure:
    return ModelFailure(FailureKind.UNAVAILABLE, f"no model is configured under the name {request.model}")

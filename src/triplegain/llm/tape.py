"""Model answers on a tape: recorded once, played as often as wanted, without a model and without a connection.

Temperature 0 is no replay: the same prompt asked twice may have two answers. The truth of a session is its tape.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import NAME_MAX, tame, tame_tree
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelPort, ModelReply, ModelRequest, Usage
from triplegain.llm.spec import ModelSpec
from triplegain.llm.wire import fingerprint

VERSION = 1
_HEADER = {"tape": "triplegain model answers", "version": VERSION}


class TapeError(TripleGainError):
    """The tape cannot be used: not there, not a tape, altered, in use, or of another version."""

    exit_code = 6


def read_entries(path: Path) -> list[dict[str, Any]]:
    """What was recorded, in order. Raises TapeError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TapeError(f"the tape {path} cannot be read: {error.strerror or error}") from error
    entries, _, whole = _verified(path, raw)
    if not whole:
        raise TapeError(f"{path} is no tape of model answers: it is empty")
    return entries


class TapeFile:
    """A tape being recorded, ours alone; one that is there already goes on. Raises TapeError.

    `entries` is what it holds. `append` may be called from any thread; close it when done.

    JSON lines, each sealed with a hash over everything before it, on disk before it counts. A line that was cut off by
    a crash was never acknowledged and is dropped; any other change breaks the chain of seals.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise TapeError(f"the tape {path} cannot be written: {error.strerror or error}") from error
        try:
            self._take()
            self.entries, self._seal, self._size = _verified(path, path.read_bytes())
            os.ftruncate(self._file, self._size)
            if not self._size:
                self._write(_line(_HEADER))
                self._seal = _sealed("", _line(_HEADER))
                _sync_folder(path.parent)
        except OSError as error:
            os.close(self._file)
            raise TapeError(f"the tape {path} cannot be written: {error.strerror or error}") from error
        except TapeError:
            os.close(self._file)
            raise

    def append(self, entry: dict[str, Any]) -> None:
        """When it returns the entry is on disk. Raises OSError, or ValueError for what JSON cannot hold."""
        text = _line(entry)
        with self._turn:
            seal = _sealed(self._seal, text)
            self._write(_line({"entry": entry, "seal": seal}))
            self._seal = seal

    def close(self) -> None:
        with self._turn:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TapeError(
                f"the tape {self._path} is being recorded by another process: choose another file"
            ) from None

    def _write(self, line: bytes) -> None:
        """The whole line or nothing of it."""
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)


def _line(value: dict[str, Any]) -> bytes:
    """Canonical: equal values have equal lines."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _sealed(before: str, line: bytes) -> str:
    return hashlib.sha256(before.encode() + line).hexdigest()


def _verified(path: Path, raw: bytes) -> tuple[list[dict[str, Any]], str, int]:
    """The entries, the last seal, and how many bytes of it are whole. Raises TapeError."""
    whole = raw.rfind(b"\n") + 1
    lines = raw[:whole].splitlines(keepends=True)
    if not lines:
        if raw and not _line(_HEADER).startswith(raw):
            raise TapeError(f"{path} is no tape of model answers")
        return [], "", 0
    _check_header(path, lines[0])
    seal = _sealed("", lines[0])
    entries = []
    for number, line in enumerate(lines[1:], start=2):
        read = _sealed_entry(line, seal)
        if read is None:
            raise TapeError(
                f"the tape {path} was changed after it was recorded (line {number}): restore it, or record another"
            )
        entry, seal = read
        entries.append(entry)
    return entries, seal, whole


def _sealed_entry(line: bytes, before: str) -> tuple[dict[str, Any], str] | None:
    """The entry of a line and its seal; None if the line is not as it was written after `before`."""
    try:
        read = json.loads(line)
        entry, expected = read["entry"], _sealed(before, _line(read["entry"]))
        is_intact = read["seal"] == expected and line == _line({"entry": entry, "seal": expected})
    except (ValueError, TypeError, KeyError):
        return None
    return (entry, expected) if is_intact else None


def _check_header(path: Path, line: bytes) -> None:
    try:
        header = json.loads(line)
        name, version = header["tape"], header["version"]
    except (ValueError, TypeError, KeyError):
        raise TapeError(f"{path} is no tape of model answers") from None
    if name != _HEADER["tape"]:
        raise TapeError(f"{path} is no tape of model answers")
    if version != VERSION or line != _line(_HEADER):
        raise TapeError(f"the tape {path} has format {version!r}, this program reads format {VERSION}")


def _sync_folder(folder: Path) -> None:
    """A file that was made is there after a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class TapeMode(StrEnum):
    RECORD = "record"
    REPLAY = "replay"


def taped_models(path: Path) -> frozenset[str]:
    """The names of those whose replies are on a tape. Raises TapeError."""
    return frozenset(entry["model"] for entry in read_entries(path))


class TapeRecorder:
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


class TapePlayer:
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


def write_reply(reply: ModelReply) -> dict[str, Any]:
    """A reply as JSON; `read_reply` gives it back."""
    told: dict[str, Any] = msgspec.to_builtins(reply)
    told["usage"]["latency_ns"] = str(reply.usage.latency_ns)
    if told.pop("type") == "failure":
        told["failure"] = told.pop("kind")
    return told


def read_reply(stored: Mapping[str, Any]) -> ModelReply:
    """Raises KeyError or ValueError for what `write_reply` did not write."""
    usage = msgspec.convert(stored["usage"], Usage, strict=False)
    # A tape is a file, and may be anybody's.
    model_id = tame(stored["model_id"], NAME_MAX)
    if "value" in stored:
        return ModelAnswer(tame_tree(stored["value"]), model_id, usage, stored["prompt_hash"])
    kind = FailureKind(stored["failure"])
    return ModelFailure(kind, tame(stored["reason"]), usage, stored["prompt_hash"], model_id)


def _asked(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    return entry["session_id"], entry["request_id"], entry["key"]


def _not_configured(request: ModelRequest) -> ModelFailure:
    return ModelFailure(FailureKind.UNAVAILABLE, f"no model is configured under the name {request.model}")

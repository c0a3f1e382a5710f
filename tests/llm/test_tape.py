"""The tape: what was answered is on disk before it counts, and is played back to the letter or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from pydantic import BaseModel

from triplegain.llm.reply import (
    FailureKind,
    ModelAnswer,
    ModelFailure,
    ModelPort,
    ModelReply,
    ModelRequest,
    Prompt,
    Usage,
)
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.tape import (
    TapeError,
    TapeFile,
    TapePlayer,
    TapeRecorder,
    read_entries,
    read_reply,
    write_reply,
)

SPECS = {name: ModelSpec(name, Provider.OPENAI, f"{name}-2026") for name in ("gpt", "grok")}


class Opinion(BaseModel):
    action: str


def request(number: int = 1, *, model: str = "gpt", user: str = "what now?", session_id: str = "a") -> ModelRequest:
    return ModelRequest(
        request_id=f"decision/{number}/{model}",
        session_id=session_id,
        agent="decision",
        model=model,
        prompt=Prompt("answer in JSON", user),
        answer=Opinion,
        timeout_s=30,
        asked_at_ns=2**60 + number,
    )


def answer(action: str, latency_ns: int = 2**55 + 1) -> ModelAnswer:
    return ModelAnswer(
        {"action": action, "weights": [0.1, 1e-7]},
        "gpt-2026-11",
        Usage(latency_ns, 4_000, 200, Decimal("0.0417"), 2),
        "f00d",
    )


TIMEOUT = ModelFailure(FailureKind.TIMEOUT, "no answer within 30 s", Usage(30 * 10**9, attempts=3), "f00d", "")


class Models:
    """Gives the replies it was told to give, in order, and counts."""

    def __init__(self, *replies: ModelReply) -> None:
        self._replies = list(replies)
        self.asked: list[str] = []

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request.request_id)
        return self._replies.pop(0)


@contextmanager
def recording(path: Path, *replies: ModelReply) -> Iterator[tuple[TapeRecorder, Models]]:
    models = Models(*replies)
    recorder = TapeRecorder(path, SPECS, models)
    try:
        yield recorder, models
    finally:
        recorder.close()


async def ask(port: ModelPort, *requests: ModelRequest) -> list[ModelReply]:
    return [await port.complete(each) for each in requests]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tapes" / "one.jsonl"


async def test_what_was_recorded_is_played_to_the_letter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies: list[ModelReply] = [answer("buy"), TIMEOUT, answer("hold", 7)]
    requests = [request(1), request(1, model="grok"), request(2, user="and now?")]
    with recording(path, *replies) as (recorder, _):
        assert await ask(recorder, *requests) == replies

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a replay opens no socket")

    monkeypatch.setattr(socket, "socket", refuse)
    assert await ask(TapePlayer(path, SPECS), *requests) == replies
    # In another order, and in another session, the answers are the same.
    others = [replace(each, session_id="b") for each in reversed(requests)]
    assert await ask(TapePlayer(path, SPECS), *others) == replies[::-1]


@pytest.mark.parametrize(
    "other",
    [
        request(1, user="what now ?"),
        request(1, model="grok"),
        replace(request(1), prompt=Prompt("answer in XML", "what now?")),
    ],
)
async def test_a_question_that_is_not_on_the_tape_is_a_failure(path: Path, other: ModelRequest) -> None:
    with recording(path, answer("buy")) as (recorder, _):
        await recorder.complete(request(1))
    reply = await TapePlayer(path, SPECS).complete(other)
    assert isinstance(reply, ModelFailure)
    assert reply.kind is FailureKind.NOT_ON_TAPE


async def test_a_question_asked_twice_has_two_answers_in_their_order_and_no_third(path: Path) -> None:
    replies = [answer("buy"), answer("sell")]
    with recording(path, *replies) as (recorder, _):
        await ask(recorder, request(1), request(2))
    player = TapePlayer(path, SPECS)
    found = await ask(player, request(8), request(9), request(10))
    assert found[:2] == replies
    assert isinstance(found[2], ModelFailure)
    assert found[2].kind is FailureKind.NOT_ON_TAPE


async def test_of_equal_questions_each_has_its_own_answer_whoever_asks_first(path: Path) -> None:
    with recording(path, answer("buy"), answer("sell")) as (recorder, _):
        await ask(recorder, request(1), request(2))
    assert await ask(TapePlayer(path, SPECS), request(2), request(1)) == [answer("sell"), answer("buy")]


async def test_a_question_asked_again_after_a_restart_has_the_answer_it_had(path: Path) -> None:
    with recording(path, answer("buy"), TIMEOUT) as (recorder, _):
        await ask(recorder, request(1), request(2))
    with recording(path, answer("sell")) as (recorder, models):
        assert await ask(recorder, request(1), request(2)) == [answer("buy"), TIMEOUT]
        assert models.asked == []
        # Another session, and another question under the same id, are asked.
        assert await ask(recorder, request(1, session_id="b")) == [answer("sell")]
    assert len(read_entries(path)) == 3


async def test_parallel_answers_are_whole_lines(path: Path) -> None:
    replies = [answer(str(number)) for number in range(20)]
    with recording(path, *replies) as (recorder, _):
        await asyncio.gather(*(recorder.complete(request(number)) for number in range(20)))
    assert len(read_entries(path)) == 20
    assert await ask(TapePlayer(path, SPECS), *(request(number) for number in range(20))) == replies


async def test_an_answer_is_on_disk_before_it_is_given(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        sync(handle)
        done.append(len(path.read_text().splitlines()))

    with recording(path, answer("buy")) as (recorder, _):
        monkeypatch.setattr(os, "fsync", watched)
        await recorder.complete(request(1))
    # The header and the answer.
    assert done == [2]


async def test_a_line_cut_off_by_a_crash_is_dropped_and_recording_goes_on(path: Path) -> None:
    with recording(path, answer("buy"), answer("sell")) as (recorder, _):
        await ask(recorder, request(1), request(2))
    whole = path.read_bytes()
    for cut in (1, 40):
        path.write_bytes(whole[:-cut])
        assert len(read_entries(path)) == 1
        with recording(path, answer("hold")) as (recorder, models):
            assert await ask(recorder, request(1), request(2)) == [answer("buy"), answer("hold")]
            assert models.asked == ["decision/2/gpt"]
        assert len(read_entries(path)) == 2


@pytest.mark.parametrize("left", [0, 1, 20])
async def test_a_tape_killed_at_birth_is_begun_again(path: Path, left: int) -> None:
    TapeFile(path).close()
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(TapeError, match="is empty"):
        TapePlayer(path, SPECS)
    with recording(path, answer("buy")) as (recorder, _):
        await recorder.complete(request(1))
    assert len(read_entries(path)) == 1


def changed(lines: Sequence[str]) -> dict[str, list[str]]:
    first, second, third = lines[1:]
    return {
        "a word": [lines[0], first.replace("buy", "sel"), second, third],
        "a number": [lines[0], first, second.replace('"attempts":2', '"attempts":1'), third],
        "a line less": [lines[0], second, third],
        "two lines swapped": [lines[0], second, first, third],
        "a line twice": [lines[0], first, first, second, third],
        "spaces": [lines[0], first.replace(",", ", ", 1), second, third],
        "no JSON": [lines[0], "x", second, third],
        "no entry": [lines[0], "{}", second, third],
        "no object": [lines[0], "[]", second, third],
    }


@pytest.mark.parametrize("what", list(changed(["", "", "", ""])))
async def test_an_altered_tape_is_refused(path: Path, what: str) -> None:
    with recording(path, answer("buy"), answer("buy"), answer("buy")) as (recorder, _):
        await ask(recorder, request(1), request(2), request(3))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(changed(lines)[what]) + "\n")
    for opened in (lambda: TapePlayer(path, SPECS), lambda: TapeRecorder(path, SPECS, Models())):
        with pytest.raises(TapeError, match=r"was changed after it was recorded \(line \d\)") as refused:
            opened()
        assert refused.value.exit_code == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not a tape\n", "is no tape of model answers"),
        ("not a tape", "is no tape of model answers"),
        ('{"a":1}\n', "is no tape of model answers"),
        ('{"tape":"of music","version":1}\n', "is no tape of model answers"),
        ('{"tape":"triplegain model answers","version":2}\n', "has format 2, this program reads format 1"),
    ],
)
def test_another_file_is_never_touched(path: Path, text: str, says: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    for opened in (lambda: TapePlayer(path, SPECS), lambda: TapeRecorder(path, SPECS, Models())):
        with pytest.raises(TapeError, match=says):
            opened()
    assert path.read_text() == text


async def test_a_tape_is_recorded_by_one_process_at_a_time(path: Path) -> None:
    with recording(path), pytest.raises(TapeError, match="being recorded by another"):
        TapeFile(path)
    TapeFile(path).close()


async def test_what_cannot_be_written_has_not_been_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(path, answer("buy"), answer("sell")) as (recorder, models):
        await recorder.complete(request(1))
        before = path.read_bytes()
        real = os.write

        def full(handle: int, text: bytes) -> int:
            if len(text) > 100:
                return real(handle, text[:50])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        for _ in range(2):
            reply = await recorder.complete(request(2))
            assert isinstance(reply, ModelFailure)
            assert reply.kind is FailureKind.UNAVAILABLE
            assert "No space left" in reply.reason
        # The second question never left: nobody pays for what cannot be kept.
        assert models.asked == ["decision/1/gpt", "decision/2/gpt"]
        assert path.read_bytes() == before


async def test_a_model_that_is_not_configured_is_unavailable_and_not_asked(path: Path) -> None:
    with recording(path) as (recorder, models):
        found = await ask(recorder, request(1, model="other"))
        found += await ask(TapePlayer(path, SPECS), request(1, model="other"))
    assert [type(each) for each in found] == [ModelFailure, ModelFailure]
    assert {each.kind for each in found if isinstance(each, ModelFailure)} == {FailureKind.UNAVAILABLE}
    assert models.asked == []


def test_a_tape_that_is_not_there_cannot_be_played(path: Path) -> None:
    with pytest.raises(TapeError, match="cannot be read"):
        TapePlayer(path.with_name("none"), SPECS)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_can_be_kept(kind: FailureKind) -> None:
    reply = structs.replace(TIMEOUT, kind=kind)
    assert read_reply(json.loads(json.dumps(write_reply(reply)))) == reply

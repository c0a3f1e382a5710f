"""The local model's supervisor, with a server that costs nothing in the place of llama.cpp."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.llm.local import supervisor
from triplegain.llm.local.installation import LOCAL_TINY, SERVER, Installation, LocalModelError, find_installation
from triplegain.llm.local.supervisor import LOGS_KEPT, LocalModel
from triplegain.llm.spec import Provider

#: Listens, tells its address, is healthy; while there is a file `broken` beside its weights it refuses.
SERVES = """
import http.server, json, os, pathlib, sys, threading
order = json.loads(sys.stdin.buffer.readline())
print(sorted(os.environ), file=sys.stderr, flush=True)
if pathlib.Path(order["file"]).with_name("broken").exists():
    print(json.dumps({"error": "something broke"}), flush=True)
    sys.exit()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == order["prefix"] + "/health" else 404)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", order["port"]), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"address": f"http://127.0.0.1:{server.server_port}{order['prefix']}"}), flush=True)
sys.stdin.buffer.read()
os._exit(0)
"""


def installation(folder: Path, program: str = SERVES) -> Installation:
    file, source = folder / "weights", folder / "program.py"
    file.write_bytes(b"weights")
    source.write_text(program, encoding="utf-8")
    return Installation(Path(sys.executable), file, source)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Told:
    """What the supervisor said, to be waited for."""

    def __init__(self) -> None:
        self._sentences: asyncio.Queue[str] = asyncio.Queue()
        self.heard: list[str] = []

    def __call__(self, sentence: str) -> None:
        self._sentences.put_nowait(sentence)

    async def until(self, words: str) -> None:
        async with asyncio.timeout(30):
            while not self.heard or words not in self.heard[-1]:
                self.heard.append(await self._sentences.get())


class Waits(list[float]):
    """Waits that take no time; `at` hears how many there were."""

    def __init__(self, at: Callable[[int], None] = lambda number: None) -> None:
        super().__init__()
        self._at = at

    async def __call__(self, wait_s: float) -> None:
        self.append(wait_s)
        self._at(len(self))


async def test_it_runs_at_an_address_nobody_can_guess_and_is_gone_when_stopped(tmp_path: Path) -> None:
    model = await LocalModel.start(tmp_path, installation=installation(tmp_path))
    pid = model.pid
    assert pid is not None
    assert model.problem == ""
    address = model.base_url.removesuffix("/v1")
    assert address.startswith("http://127.0.0.1:")
    assert len(address.rpartition("/")[2]) >= 40
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{address}/health")).status_code == 200
        assert (await client.get(f"{address.rpartition('/')[0]}/health")).status_code == 404
    await model.stop()
    assert not lives(pid)
    assert model.pid is None
    assert model.problem == "it was stopped"
    await model.stop()


async def test_it_is_a_free_model_for_the_model_client(tmp_path: Path) -> None:
    async with await LocalModel.start(tmp_path, installation=installation(tmp_path)) as model:
        spec = model.spec
        assert (spec.name, spec.provider, spec.base_url) == ("local-tiny", Provider.LOCAL, model.base_url)
        assert spec.local
        assert (spec.price_in, spec.price_out) == (Decimal(0), Decimal(0))
        assert spec.context_tokens == LOCAL_TINY.context_tokens
        assert LOCAL_TINY.prompt_tokens + spec.max_output_tokens <= spec.context_tokens


async def test_it_gets_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with await LocalModel.start(tmp_path, installation=installation(tmp_path)) as model:
        assert model.log == tmp_path / "local-model" / f"{os.getpid()}.log"
        seen = model.log.read_text(encoding="utf-8")
    assert "PATH" in seen
    assert "OPENAI" not in seen


async def test_killed_it_comes_back_under_the_same_address(tmp_path: Path) -> None:
    told, waits = Told(), Waits()
    async with await LocalModel.start(tmp_path, installation=installation(tmp_path), tell=told, sleep=waits) as model:
        first, address = model.pid, model.base_url
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await told.until("is back")
        assert "local-tiny is down: it ended by itself (SIGKILL); another try in 1 s" in told.heard[0]
        assert model.pid not in (None, first)
        assert (model.base_url, model.restarts, model.problem, waits) == (address, 1, "", [1.0])
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{address.removesuffix('/v1')}/health")).status_code == 200


async def test_what_dies_again_and_again_is_started_less_and_less_often(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    told = Told()

    def mend(number: int) -> None:
        if number == 9:
            broken.unlink()

    waits = Waits(mend)

    async with await LocalModel.start(
        tmp_path, installation=installation(tmp_path), tell=told, sleep=waits, clock=ManualClock()
    ) as model:
        broken.touch()
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        await told.until("is back")
        assert "something broke" in told.heard[1]
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert model.restarts == 1


@pytest.mark.parametrize(("ran_s", "next_wait_s"), [(59, 2), (60, 1)])
async def test_the_waits_begin_anew_after_a_minute_without_trouble(
    tmp_path: Path, ran_s: int, next_wait_s: float
) -> None:
    told, waits, clock = Told(), Waits(), ManualClock()
    async with await LocalModel.start(
        tmp_path, installation=installation(tmp_path), tell=told, sleep=waits, clock=clock
    ) as model:
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        await told.until("is back")
        clock.advance_to(ran_s * SECOND_NS)
        told.heard.clear()
        os.kill(model.pid, signal.SIGKILL)
        await told.until("is back")
    assert waits == [1, next_wait_s]


async def test_stopped_while_it_waits_for_another_try_it_stays_down(tmp_path: Path) -> None:
    told, waiting = Told(), asyncio.Event()

    async def wait(wait_s: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    model = await LocalModel.start(tmp_path, installation=installation(tmp_path), tell=told, sleep=wait)
    assert model.pid is not None
    os.kill(model.pid, signal.SIGKILL)
    await waiting.wait()
    await model.stop()
    assert model.restarts == 0
    assert model.problem == "it was stopped"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", r"ended at its start \(exit code 3\): see .*\.log"),
        ("import os; os.kill(os.getpid(), 4)", "SIGILL; this processor lacks instructions"),
        ("print('hello'); input(); input()", "does not say where it listens"),
        ("print('[1]'); input(); input()", "does not say where it listens"),
        ("""print('{"error": "the port is taken"}')""", r"the port is taken \(log: .*\.log\)"),
    ],
)
async def test_a_server_that_does_not_start_is_a_sentence(tmp_path: Path, program: str, words: str) -> None:
    with pytest.raises(LocalModelError, match=words):
        await LocalModel.start(tmp_path, installation=installation(tmp_path, program))


async def test_one_that_hangs_is_ended_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOAD_TIMEOUT_S", 0)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0)
    processes = []
    spawn = supervisor._spawn

    async def noted(*words: object) -> asyncio.subprocess.Process:
        processes.append(await spawn(*words))  # type: ignore[arg-type]
        return processes[-1]

    monkeypatch.setattr(supervisor, "_spawn", noted)
    with pytest.raises(LocalModelError, match="was not ready within 0 s"):
        await LocalModel.start(
            tmp_path, installation=installation(tmp_path, "import signal\nwhile True: signal.pause()")
        )
    assert processes[0].returncode == -signal.SIGKILL


async def test_old_logs_go(tmp_path: Path) -> None:
    folder = tmp_path / "local-model"
    folder.mkdir()
    for number in range(LOGS_KEPT + 3):
        (folder / f"{number}.log").touch()
        os.utime(folder / f"{number}.log", (number, number))
    async with await LocalModel.start(tmp_path, installation=installation(tmp_path)):
        left = {int(file.stem) for file in folder.glob("*.log")} - {os.getpid()}
    assert left == set(range(3, LOGS_KEPT + 3))


async def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "local-model").touch()
    with pytest.raises(LocalModelError, match="log cannot be kept"):
        await LocalModel.start(tmp_path, installation=installation(tmp_path))


class TestTheServersOwnProgram:
    """Run by an interpreter that has no llama.cpp: it refuses before, or then."""

    async def test_other_weights_are_refused(self, tmp_path: Path) -> None:
        found = hashlib.sha256(b"weights").hexdigest()
        placed = installation(tmp_path)
        with pytest.raises(LocalModelError, match=rf"not those expected \(SHA-256 {found}, not {LOCAL_TINY.sha256}\)"):
            await LocalModel.start(tmp_path, installation=Installation(placed.python, placed.file, SERVER))

    async def test_weights_that_are_gone_are_a_sentence(self, tmp_path: Path) -> None:
        gone = Installation(Path(sys.executable), tmp_path / "gone", SERVER)
        with pytest.raises(LocalModelError, match=r"cannot be read .*: remove the folders .*--set-up-local-model"):
            await LocalModel.start(tmp_path, installation=gone)


class TestAnInstallation:
    def placed(self, root: Path) -> Path:
        environment = root / ".venv-local-model"
        packages = environment / "lib" / "python3.11" / "site-packages"
        (packages / LOCAL_TINY.file).parent.mkdir(parents=True)
        (packages / LOCAL_TINY.file).touch()
        (environment / "bin").mkdir()
        (environment / "bin" / "python").touch()
        (environment / ".installed").touch()
        return environment

    def test_is_found_whole(self, tmp_path: Path) -> None:
        environment = self.placed(tmp_path)
        found = find_installation(checkout=tmp_path)
        assert found.python == environment / "bin" / "python"
        assert found.file.is_file()
        assert found.program.name == "server.py"

    @pytest.mark.parametrize("absent", [".installed", "bin/python"])
    def test_half_of_it_is_not_installed(self, tmp_path: Path, absent: str) -> None:
        (self.placed(tmp_path) / absent).unlink()
        with pytest.raises(LocalModelError, match=r"is not installed: run \./tg --set-up-local-model"):
            find_installation(checkout=tmp_path)

    def test_without_weights_is_made_anew(self, tmp_path: Path) -> None:
        (self.placed(tmp_path) / "lib/python3.11/site-packages" / LOCAL_TINY.file).unlink()
        with pytest.raises(LocalModelError, match="has lost its weights"):
            find_installation(checkout=tmp_path)

    def test_needs_a_checkout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("triplegain.llm.local.installation.checkout_dir", lambda: None)
        with pytest.raises(LocalModelError, match="from a checkout"):
            find_installation()

    def test_needs_a_platform_that_has_llama_cpp(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.placed(tmp_path)
        monkeypatch.setattr(sys, "platform", "win32")
        with pytest.raises(LocalModelError, match="Linux and macOS only"):
            find_installation(checkout=tmp_path)

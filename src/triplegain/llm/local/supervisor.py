"""The local model while a session runs: started, started again when it dies, stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from triplegain.domain.clock import SECOND_NS, Clock, SteadyClock
from triplegain.domain.ids import api_key
from triplegain.llm.local.installation import LOCAL_TINY, Installation, LocalModelError, Weights, find_installation
from triplegain.llm.spec import ModelSpec

STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05


#: What the server is told at its start, as JSON. `port` 0 takes a free one; `prefix` begins every path it serves.
ServingOrder = Mapping[str, str | int]


async def _launched(installation: Installation, order: ServingOrder, log: Path) -> tuple[Process, str]:
    """A server that has answered its health check, and its address, `http://127.0.0.1:PORT/PREFIX`. It ends with this
    process, however that ends. Raises LocalModelError; nothing is left running then."""
    try:
        with log.open("ab") as written:
            process = await _spawn(installation, written)
    except OSError as error:
        raise LocalModelError(f"the local model's server cannot be started: {error}") from error
    try:
        async with asyncio.timeout(LOAD_TIMEOUT_S):
            address = await _address(process, order, log)
            await _healthy(address)
    except TimeoutError:
        await _end(process)
        raise LocalModelError(f"the local model was not ready within {LOAD_TIMEOUT_S} s: see {log}") from None
    except BaseException:
        await _end(process)
        raise
    return process, address


async def _spawn(installation: Installation, log: BinaryIO) -> Process:
    # A session of its own: Ctrl-C is for us. And none of our secrets in its environment.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    python, program = installation.python, installation.program
    return await asyncio.create_subprocess_exec(
        python,
        "-I",
        "-B",
        program,
        stdin=PIPE,
        stdout=PIPE,
        stderr=log,
        cwd="/",
        env=environment,
        start_new_session=True,
    )


async def _address(process: Process, order: ServingOrder, log: Path) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    with contextlib.suppress(ConnectionError):
        await process.stdin.drain()
    line = await process.stdout.readline()
    if not line:
        raise LocalModelError(f"the local model's server ended at its start ({_how(await process.wait())}): see {log}")
    try:
        told: Any = json.loads(line)
        address, error = told.get("address"), told.get("error")
    except (ValueError, AttributeError):
        raise LocalModelError(f"the local model's server does not say where it listens: see {log}") from None
    if not isinstance(address, str):
        raise LocalModelError(f"{error} (log: {log})")
    return address


async def _healthy(address: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{address}/health")).status_code == 200:
                    return
            await asyncio.sleep(_POLL_S)


async def _end(process: Process) -> None:
    """Orderly, and by force if that takes longer than STOP_TIMEOUT_S."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    instructions = "; this processor lacks instructions that llama.cpp was built for"
    return name + (instructions if -code == signal.SIGILL else "")


LOAD_TIMEOUT_S = 60
#: Waits before it is started again; the last one is repeated. Having run for so long, it begins with the first.
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
STEADY_NS = 60 * SECOND_NS
LOGS_KEPT = 10

_log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class LocalModel(contextlib.AbstractAsyncContextManager["LocalModel"]):
    """One server of ours on this machine, and whoever keeps it alive. Made by `start`; belongs to one event loop.

    Its address stays the same when it is started again. Questions are answered one at a time, in order of arrival.
    A question asked while it is down fails with a refused connection.
    """

    _installation: Installation
    _weights: Weights
    log: Path
    _clock: Clock
    _sleep: Callable[[float], Awaitable[None]]
    _tell: Callable[[str], None]
    _prefix: str = field(default_factory=lambda: f"/{api_key()}", init=False)
    _process: Process | None = field(default=None, init=False)
    _watch: asyncio.Task[None] | None = field(default=None, init=False)
    _base_url: str = field(default="", init=False)
    _port: int = field(default=0, init=False)
    _launched_ns: int = field(default=0, init=False)
    #: How often it was started again.
    restarts: int = field(default=0, init=False)
    #: Why it does not run at the moment; empty: it runs.
    problem: str = field(default="", init=False)

    @classmethod
    async def start(
        cls,
        home: Path,
        clock: Clock | None = None,
        *,
        weights: Weights = LOCAL_TINY,
        installation: Installation | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tell: Callable[[str], None] = _log.warning,
    ) -> LocalModel:
        """A healthy server. Its log goes to `home`/local-model/; `tell` hears a sentence when it dies and comes back.
        `clock` is wall time, by which it has run long enough to be trusted again.

        Raises LocalModelError in words: not installed, not the expected weights, not ready in time.
        """
        installation = installation or find_installation(weights)
        clock = clock or SteadyClock()
        model = cls(installation, weights, _log_file(home), clock, sleep, tell)
        await model._launch()
        model._watch = asyncio.create_task(model._keep_alive(), name="local model")
        return model

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/PREFIX/v1`, for clients of OpenAI's protocol. The prefix is known to us alone."""
        return self._base_url

    @property
    def spec(self) -> ModelSpec:
        return self._weights.spec(self._base_url)

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self._process.pid if self._process else None

    async def stop(self) -> None:
        """Ends it and waits until it is gone. Nothing happens the second time."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        self.problem = "it was stopped"

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _launch(self) -> None:
        order: ServingOrder = {
            "file": str(self._installation.file),
            "sha256": self._weights.sha256,
            "model_id": self._weights.model_id,
            "context_tokens": self._weights.context_tokens,
            "port": self._port,
            "prefix": self._prefix,
            "load_timeout_s": LOAD_TIMEOUT_S,
        }
        self._process, address = await _launched(self._installation, order, self.log)
        self._launched_ns = self._clock.now_ns()
        self._base_url = f"{address}/v1"
        # Whoever was told the address goes on using it.
        self._port = int(address.split(":")[2].partition("/")[0])
        self.problem = ""

    async def _keep_alive(self) -> None:
        failures = 0
        while True:
            if self._process is not None:
                self.problem = f"it ended by itself ({_how(await self._process.wait())})"
                self._process = None
                if self._clock.now_ns() - self._launched_ns >= STEADY_NS:
                    failures = 0
            wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            self._tell(f"{self._weights.name} is down: {self.problem}; another try in {wait_s:g} s (log: {self.log})")
            await self._sleep(wait_s)
            try:
                await self._launch()
            except LocalModelError as error:
                self.problem = str(error)
            else:
                self.restarts += 1
                self._tell(f"{self._weights.name} is back")


def _log_file(home: Path) -> Path:
    """This process's log; all but the latest LOGS_KEPT of earlier ones are removed."""
    folder = home / "local-model"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in earlier[LOGS_KEPT:]:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise LocalModelError(f"the local model's log cannot be kept in {folder} ({error.strerror})") from error
    return folder / f"{os.getpid()}.log"

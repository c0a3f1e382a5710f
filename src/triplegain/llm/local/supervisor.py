"""The local model while a session runs: started, started again when it dies, stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from triplegain.domain.clock import SECOND_NS, Clock, SteadyClock
from triplegain.domain.ids import api_key
from triplegain.llm.local.installation import LOCAL_TINY, Installation, LocalModelError, Weights, find_installation
from triplegain.llm.local.server_process import ServerProcess, ServingOrder
from triplegain.llm.spec import ModelSpec

LOAD_TIMEOUT_S = 60
#: Waits before it is started again; the last one is repeated. Having run for so long, it begins with the first.
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
STEADY_NS = 60 * SECOND_NS
LOGS_KEPT = 10

_log = logging.getLogger(__name__)


class LocalModel:
    """One server of ours on this machine, and whoever keeps it alive. Made by `start`; belongs to one event loop.

    Its address stays the same when it is started again. Questions are answered one at a time, in order of arrival.
    A question asked while it is down fails with a refused connection.
    """

    def __init__(
        self,
        installation: Installation,
        weights: Weights,
        log: Path,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        tell: Callable[[str], None],
    ) -> None:
        self._installation = installation
        self._weights = weights
        self.log = log
        self._clock = clock
        self._sleep = sleep
        self._tell = tell
        self._prefix = f"/{api_key()}"
        self._process: ServerProcess | None = None
        self._watch: asyncio.Task[None] | None = None
        self._base_url = ""
        self._port = 0
        self._launched_ns = 0
        #: How often it was started again.
        self.restarts = 0
        #: Why it does not run at the moment; empty: it runs.
        self.problem = ""

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
        model = cls(installation, weights, _log_file(home), clock=clock, sleep=sleep, tell=tell)
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
            await process.stop()
        self.problem = "it was stopped"

    async def __aenter__(self) -> LocalModel:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def _launch(self) -> None:
        order = ServingOrder(
            file=str(self._installation.file),
            sha256=self._weights.sha256,
            model_id=self._weights.model_id,
            context_tokens=self._weights.context_tokens,
            port=self._port,
            prefix=self._prefix,
            load_timeout_s=LOAD_TIMEOUT_S,
        )
        self._process = await ServerProcess.launch(self._installation, order, self.log)
        self._launched_ns = self._clock.now_ns()
        self._base_url = f"{self._process.address}/v1"
        # Whoever was told the address goes on using it.
        self._port = int(self._process.address.split(":")[2].partition("/")[0])
        self.problem = ""

    async def _keep_alive(self) -> None:
        failures = 0
        while True:
            if self._process is not None:
                self.problem = f"it ended by itself ({await self._process.ended()})"
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

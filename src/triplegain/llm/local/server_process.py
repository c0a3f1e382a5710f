"""One run of the local model's server, seen from the process that started it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from triplegain.llm.local.installation import Installation, LocalModelError

STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ServingOrder:
    """What the server is told at its start. `port` 0 takes a free one; `prefix` begins every path it serves."""

    file: str
    sha256: str
    model_id: str
    context_tokens: int
    port: int
    prefix: str
    load_timeout_s: int


class ServerProcess:
    """A server that has answered its health check. It ends with this process, however that ends."""

    def __init__(self, process: Process, address: str) -> None:
        self._process = process
        #: `http://127.0.0.1:PORT/PREFIX`
        self.address = address

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def launch(cls, installation: Installation, order: ServingOrder, log: Path) -> ServerProcess:
        """Start it and wait until it is healthy. Raises LocalModelError; nothing is left running then."""
        try:
            with log.open("ab") as written:
                process = await _spawn(installation, written)
        except OSError as error:
            raise LocalModelError(f"the local model's server cannot be started: {error}") from error
        try:
            async with asyncio.timeout(order.load_timeout_s):
                address = await _address(process, order, log)
                await _healthy(address)
        except TimeoutError:
            await _end(process)
            raise LocalModelError(f"the local model was not ready within {order.load_timeout_s} s: see {log}") from None
        except BaseException:
            await _end(process)
            raise
        return cls(process, address)

    async def ended(self) -> str:
        """Waits until it has ended by itself; how, in words."""
        return _how(await self._process.wait())

    async def stop(self) -> None:
        """Ends it: orderly, and by force if that takes longer than STOP_TIMEOUT_S."""
        await _end(self._process)


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
    process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
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

"""The local Kraken in a process of its own, for a client that lives in this one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent

#: Of prctl(2).
_PARENT_DEATH_SIGNAL = 1


@dataclass(frozen=True, slots=True)
class Addresses:
    rest_url: str
    websocket_url: str


def _end_with_parent() -> None:
    """Whoever kills us has not killed the server yet."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@contextlib.asynccontextmanager
async def served(capture: Path, speed: str) -> AsyncIterator[Addresses]:
    """Lap after lap."""
    command = ["-m", "triplegain", "local-kraken", str(capture), "--speed", speed, "--loop", "--past", "60", "--json"]
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "src")}
    process: Process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=PIPE, env=environment, preexec_fn=_end_with_parent
    )
    try:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())["environment"]
        yield Addresses(told["TRIPLEGAIN_KRAKEN_REST_URL"], told["TRIPLEGAIN_KRAKEN_WS_URL"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

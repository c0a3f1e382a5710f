"""The local model's server, a program of its own: llama.cpp on one thread, speaking OpenAI's protocol on 127.0.0.1.

Run by the interpreter of the local model's environment; it imports the standard library and xllamacpp, nothing of
ours. One line of JSON on standard input orders it, one line on standard output says where it listens or why it does
not. It lives as long as its standard input is open: however the process that started it ends, the kernel closes that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

#: A kernel short of memory ends this process before the trading one.
OOM_SCORE = 500
#: Whoever asks without a limit gets an answer that ends.
ANSWER_TOKENS_MAX = 512
AFRESH = "remove the folders .venvs/venv-local-model-* and run ./tg --set-up-local-model"


class RequestRefused(Exception):
    """Why there is no server, in words."""


def check(file: Path, sha256: str) -> None:
    """The weights are those that were chosen, to the last bit."""
    try:
        with file.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise RequestRefused(f"the weights in {file} cannot be read ({error.strerror}): {AFRESH}") from None
    if found != sha256:
        raise RequestRefused(f"the weights in {file} are not those expected (SHA-256 {found}, not {sha256}): {AFRESH}")


def serve(order: dict[str, Any]) -> Any:
    """llama.cpp's server, loaded and listening. It runs on threads of its own for as long as the object lives."""
    check(Path(order["file"]), order["sha256"])
    try:
        import xllamacpp
    except ImportError as error:
        raise RequestRefused(f"xllamacpp cannot be loaded ({error}): {AFRESH}") from None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = order["file"]
    parameters.model_alias = {order["model_id"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = order["port"]
    # Only who was told the address can ask, and no page in a browser may read an answer.
    parameters.api_prefix = order["prefix"]
    parameters.cors_origins = ""
    parameters.ui = parameters.endpoint_slots = False
    parameters.n_ctx = order["context_tokens"]
    parameters.n_parallel = 1
    parameters.n_predict = ANSWER_TOKENS_MAX
    parameters.sampling.seed = 1
    # One thread that sleeps while it waits: two fall to a tenth of the speed as soon as the machine is busy.
    for threads in (parameters.cpuparams, parameters.cpuparams_batch):
        threads.n_threads = 1
        threads.poll = 0
    parameters.n_threads_http = 2
    parameters.n_gpu_layers = 0
    parameters.fit_params = False
    parameters.cache_ram_mib = 0
    parameters.cache_idle_slots = False
    # Warnings and errors; more would be lines for every answer.
    parameters.verbosity = 2
    try:
        return xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise RequestRefused(f"llama.cpp does not start on port {order['port']}: {error}") from None


def offer_memory() -> None:
    """Make this process the first to go when memory is short."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")


def main() -> NoReturn:
    # What llama.cpp prints goes to the log; the answer to the order has a descriptor of its own.
    spoken = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    offer_memory()
    order = json.loads(sys.stdin.buffer.readline() or "{}")
    if not order:
        os._exit(0)
    # While it loads nobody looks at standard input: the kernel ends a load that hangs.
    signal.alarm(order["load_timeout_s"])
    server = None
    try:
        server = serve(order)
        told = {"address": server.listening_address + order["prefix"]}
    except RequestRefused as refusal:
        told = {"error": str(refusal)}
    signal.alarm(0)
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(told), file=spoken, flush=True)
    if server is not None:
        sys.stdin.buffer.read()
    # At once: an answer under way has nobody left to read it.
    os._exit(0)


if __name__ == "__main__":
    main()

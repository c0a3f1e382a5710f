"""Work in forked processes: each begins with all that its parent has loaded, and leaves nothing behind in it."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
_FAILED = 70


class Ended(NamedTuple):
    """`answer` is what the work returned, `signal` what ended it before it could."""

    answer: Any
    signal: int | None


def forked(work: Callable[[], Any]) -> Any:
    """What `work` answers in a process of its own."""
    [(_, ended)] = in_parallel([(None, work)], 1)
    if ended.signal is not None:
        raise RuntimeError(f"ended by signal {ended.signal}")
    return ended.answer


def in_parallel(works: Iterable[tuple[T, Callable[[], Any]]], jobs: int) -> Iterator[tuple[T, Ended]]:
    """Each in a process of its own, so many at a time; answers as they come. A work is made when its turn comes."""
    waiting, running = iter(works), dict[int, T]()
    with tempfile.TemporaryDirectory() as folder:
        while True:
            while len(running) < jobs and (following := next(waiting, None)):
                name, work = following
                running[_start(work, Path(folder))] = name
            if not running:
                return
            pid, status = os.wait()
            yield running.pop(pid), _ended(Path(folder, str(pid)), status)


def _start(work: Callable[[], Any], folder: Path) -> int:
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = _FAILED
    try:
        Path(folder, str(os.getpid())).write_bytes(pickle.dumps(work()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _ended(path: Path, status: int) -> Ended:
    if os.WIFSIGNALED(status):
        return Ended(None, os.WTERMSIG(status))
    if os.WEXITSTATUS(status):
        raise RuntimeError("a process of this program failed, see above")
    return Ended(pickle.loads(path.read_bytes()), None)

"""What every test may ask for."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from triplegain.domain.market import PastCandles
from triplegain.feeds.demo import demo
from triplegain.feeds.demo.past import past_candles
from triplegain.session import runner

_ROOT = Path(__file__).resolve().parent.parent
# Tests share code as `tests.<module>`, however pytest was started.
sys.path.insert(0, str(_ROOT))
# Else every process that a test starts, and every run, would compile all of it anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# What a shell starts in the background ignores Ctrl-C, and so would whatever a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
pytest_plugins = ["tests.database_fixtures", "tests.examples"]

_DEFAULT_CAPTURES = _ROOT.parent / "shared" / "data"


#: Every indicator is known after these, a day of five minutes among them; a start learns them three times as fast.
_PAST_CANDLES = 288
#: So many objects come between two looks for garbage: most tests leave less.
_GARBAGE = 10_000
#: Who waits for something does not wait for much more of the market than that.
_BREATH = 16


def import_from_the_end(asked: list[str]) -> None:
    """Import what is collected next, the last first."""
    for folder in reversed(asked):
        for file in sorted(Path(folder).rglob("test_*.py"), reverse=True):
            # Who collects it says what is wrong with it.
            with contextlib.suppress(Exception, pytest.skip.Exception):
                importlib.import_module(".".join(file.resolve().relative_to(_ROOT).with_suffix("").parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """What is collected stays to the end: nobody looks for garbage in it, neither now nor between the tests."""
    gc.disable()
    try:
        # Of two workers that begin at two ends, each finds compiled what the other has been through.
        if int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2:
            import_from_the_end(session.config.args)
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        gc.enable()


@lru_cache(maxsize=8)
def short_past(*asked: Any) -> tuple[PastCandles, ...]:
    """The same seed has the same past: it is made once, not at each start of a session."""
    return tuple(msgspec.structs.replace(told, candles=told.candles[-_PAST_CANDLES:]) for told in past_candles(*asked))


@pytest.fixture(scope="session", autouse=True)
def light_sessions() -> Iterator[None]:
    """Sessions in this process start and run as anywhere else, with less beside what a test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "past_candles", short_past)
        patch.setattr(runner, "_BREATH", _BREATH)
        # The same text is the same configuration; most tests read the usual one.
        patch.setattr(yaml, "compose", lru_cache(maxsize=64)(yaml.compose))
        yield


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of recorded markets. Absent: skipped, except in CI, where it must be there."""
    folder = Path(os.environ.get("TRIPLEGAIN_CAPTURES") or _DEFAULT_CAPTURES)
    if not folder.is_dir():
        message = f"no recorded markets at {folder}: set TRIPLEGAIN_CAPTURES to the folder that holds them"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    # Sessions name their recording by its real path.
    return folder.resolve()

"""What every test may ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from triplegain.feeds.demo import demo
from triplegain.feeds.demo.past import past_candles

# Tests share code as `tests.<module>`, however pytest was started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
pytest_plugins = ["tests.database_fixtures"]

_DEFAULT_CAPTURES = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def demo_past() -> Iterator[None]:
    """The same seed has the same past: it is made once, not at each start of a session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "past_candles", lru_cache(maxsize=8)(past_candles))
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

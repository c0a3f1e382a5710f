"""Ids and names that a command prints are whole, in a pipe as on a screen: somebody takes them on into the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.demo_home import demo_session
from tests.app.paper_process import PaperHome, eventually

pytestmark = pytest.mark.slow

ORDER = "a-client-order-id-of-a-usual-length-1"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    """A session with an order that waits."""
    shared = PaperHome(tmp_path_factory.mktemp("shared") / "home")
    with demo_session(shared):
        words = ("order", "place", "BTC/USDT", "buy", "0.01", "--limit", "20000", "--id", ORDER)
        eventually(lambda: shared.run(*words).code == 0, "the order")
        yield shared


@pytest.mark.parametrize("words", [("order", "list", "--all"), ("orders",), ("explain", ORDER)])
def test_an_order_is_named_in_full(demo: PaperHome, words: tuple[str, ...]) -> None:
    told = demo.run(*words)
    assert told.code == 0, told
    assert ORDER in told.stdout
    assert "BTC" in told.stdout


def test_a_damaged_file_is_named_in_full(demo: PaperHome, tmp_path: Path) -> None:
    name = "what-somebody-recorded-on-the-third-of-march-and-cut-off-BTC_USDT-1m.csv"
    (tmp_path / name).write_text("timestamp,open,high,low,close,volume\nnonsense\n")
    assert name in demo.run("captures", "list", str(tmp_path)).stdout

"""A home with a session of the demo market under way, for tests that change nothing of each other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.app.paper_process import PaperHome, eventually

from triplegain.api.address import running_sessions
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder


@contextmanager
def demo_session(home: PaperHome) -> Iterator[None]:
    """Its server is stopped at the end."""
    with home.running("paper", "--feed", "demo", "--seed", "1", "--session", "s", "--llm", "none") as process:
        eventually(lambda: process.is_over or any(running_sessions(home.path)), "the session")
        assert not process.is_over, process.wait()
        yield
        process.interrupt()
    with EmbeddedCluster(cluster_folder(home.path)):
        pass

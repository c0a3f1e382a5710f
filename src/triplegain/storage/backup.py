"""A copy of the whole database in one file, and the way back: `pg_dump` and `pg_restore` of the wheel."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from triplegain.storage.database import connected
from triplegain.storage.errors import StorageError
from triplegain.storage.server_identity import wheel_installation


async def backup(url: str, path: Path) -> None:
    """Write everything, as of one moment, to `path`, which appears only when complete. Sessions may go on running.

    Raises StorageError if the file exists already, the folder is missing or full, or the server is away.
    """
    if path.exists():
        raise StorageError(f"{path} exists already: choose another name, a backup never replaces one")
    partial = path.with_name(path.name + ".partial")
    try:
        await _run("pg_dump", "--format=custom", "--no-owner", f"--file={partial}", f"--dbname={url}")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise StorageError(f"the backup {path} could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


async def restore(url: str, path: Path) -> None:
    """Fill an empty database from a backup: all of it or nothing. Raises StorageError if the database has tables."""
    if not path.is_file():
        raise StorageError(f"there is no backup {path}")
    async with connected(url, "restoring the backup") as connection:
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    if tables:
        raise StorageError(
            "a backup is restored into an empty database, this one has tables: use a new TRIPLEGAIN_HOME"
        )
    await _run("pg_restore", "--single-transaction", "--no-owner", f"--dbname={url}", str(path))


async def _run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(wheel_installation() / "bin" / program),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise StorageError(f"{program} failed: {said.decode(errors='replace').strip()[-600:]}")

"""A copy of the whole database in one file, and the way back: `pg_dump` and `pg_restore` of the wheel."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from triplegain.storage.database import Connection, connected
from triplegain.storage.errors import StorageError
from triplegain.storage.server_identity import wheel_installation

_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
#: What a start leaves in a database in which nothing has happened yet.
_FROM_THE_START = ("schema_migrations", "paper_kinds", "candle_lengths", "api_keys", "security_events", "links")
_PASSWORD = "password="  # nosec B105
#: Of what a backup of ours lists.
_SESSIONS = b" TABLE public paper_sessions "
_EXTENSIONS = "SELECT count(*) FROM pg_extension WHERE extnamespace = 'public'::regnamespace"


async def backup(url: str, path: Path) -> None:
    """Write everything, as of one moment, to `path`, which appears only when complete. Sessions may go on running.

    Raises StorageError if the file exists already, the folder is missing or full, or the server is away.
    """
    if path.exists():
        raise StorageError(f"{path} exists already: choose another name, a backup never replaces one")
    partial = path.with_name(path.name + ".partial")
    try:
        await _run("pg_dump", "--format=custom", "--no-owner", f"--file={partial}", url=url)
        await asyncio.to_thread(_settle, partial)
        partial.rename(path)
    except OSError as error:
        raise StorageError(f"the backup {path} could not be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _settle(partial: Path) -> None:
    """Ours alone to read, and on the disk."""
    partial.chmod(0o600)
    with partial.open("rb") as file:
        os.fsync(file.fileno())


async def restore(url: str, path: Path) -> None:
    """Fill a database in which nothing has happened from a backup: all of it or nothing.

    Raises StorageError if there is something in it, or the file is no whole backup of ours: nothing is changed then.
    """
    if not path.is_file():
        raise StorageError(f"there is no backup {path}")
    # To its last byte, before anything is touched: what is cut off or damaged shows only there.
    await _run("pg_restore", f"--file={os.devnull}", str(path))
    if _SESSIONS not in await _run("pg_restore", "--list", str(path)):
        raise StorageError(f"{path} is a copy of another database, not of TripleGain's; nothing was changed")
    async with connected(url, "restoring the backup") as connection:
        await _make_room(connection)
    await _run("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", str(path), url=url)


async def _make_room(connection: Connection) -> None:
    """Empty tables of a start go; anything else is somebody's."""
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    if not tables:
        return
    for table in tables:
        if table not in _FROM_THE_START and await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
            raise StorageError(
                f"a backup is restored into a database without sessions and markets, and this one has rows in {table}: "
                "name a new TRIPLEGAIN_HOME (or an empty database); nothing was changed"
            )
    if await connection.fetchval(_EXTENSIONS):
        raise StorageError("a backup is restored into an empty database, and this one has an extension: name a new one")
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def _reached(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, and the password as a variable: everybody may read the words of a command."""
    parts = urlsplit(url)
    credentials, at, place = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = [each for each in parts.query.split("&") if each]
    given = [password, *(each.removeprefix(_PASSWORD) for each in options if each.startswith(_PASSWORD))][-1]
    query = "&".join(each for each in options if not each.startswith(_PASSWORD))
    bare = f"{parts.scheme}://{user}{at}{place}{parts.path}{'?' if query else ''}{query}" if url else ""
    return bare, {"PGPASSWORD": unquote(given)} if given else {}


async def _run(program: str, *arguments: str, url: str = "") -> bytes:
    """What a program of PostgreSQL wrote, on the database at `url` where one is named. Cancelled, it is ended first."""
    bare, password = _reached(url)
    process = await asyncio.create_subprocess_exec(
        str(wheel_installation() / "bin" / program),
        *([f"--dbname={bare}"] if bare else []),
        *arguments,
        env={**os.environ, **password},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        written, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise StorageError(f"{program} failed: {said.decode(errors='replace').strip()[-600:]}")
    return written

"""`db`: the database's condition, its schema, a copy of it, and what may go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from triplegain import resources
from triplegain.app.housekeeping import Housekeeping
from triplegain.cli.client import JsonOption, tell
from triplegain.cli.database import database_url, with_database, with_server
from triplegain.cli.tables import pairs
from triplegain.config import home_dir, load_config
from triplegain.domain.clock import SystemClock
from triplegain.domain.json_form import plain_json
from triplegain.storage import backup as copy
from triplegain.storage import migrations, stored_books
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.migrations import ServerStatus, read_server_status
from triplegain.storage.step_chain import Progress


def status(as_json: JsonOption = False) -> None:
    """Where it is, its version and size, and whether its schema is up to date. Changes nothing."""
    embedded = not database_url(load_config())
    found = with_server(read_server_status)
    place = str(cluster_folder(home_dir())) if embedded else found.address
    told = {"place": place, "embedded": embedded, **plain_json(found)}
    del told["address"]
    where = f"{place} ({'embedded' if embedded else 'TRIPLEGAIN_DATABASE_URL'})"
    tell(as_json, found, lambda found: _status_view(found, where), lambda _: told)


def _status_view(found: ServerStatus, place: str) -> RenderableType:

    applied = f"{len(found.applied)} applied"
    schema = Text(f"{applied}, up to date", style="green")
    if found.pending:
        schema = Text(f"{applied}, missing: {', '.join(found.pending)} (`tg db migrate`)", style="yellow")
    rows = [
        ("Place", Text(place)),
        ("Server", Text(f"PostgreSQL {found.version}, TimescaleDB {'in use' if found.timescale else 'not there'}")),
        ("Size", Text(f"{found.size_bytes / 1_000_000:,.1f} MB")),
        ("Schema", schema),
        ("Sessions", Text(", ".join(f"{count} {state}" for state, count in found.sessions.items()) or "none")),
    ]
    return pairs(rows)


def migrate(as_json: JsonOption = False) -> None:
    """Bring the schema up to date. Every start does so, too."""

    applied = with_server(lambda url: migrations.migrate(url, resources.migrations_dir()))
    told = "\n".join(f"applied {name}" for name in applied) or "The schema is up to date."
    tell(as_json, {"applied": applied}, lambda _: told)


def verify(as_json: JsonOption = False) -> None:
    """Verify all that is stored of all sessions: sums, rows, the chain of steps. Exit code 1 if anything differs."""
    with _progress() as tell_progress:
        found = with_database(lambda database: stored_books.verify(database, tell_progress))
    told = "\n".join(found) or "The books of all sessions agree, and every step is what it left."
    tell(as_json, {"ok": not found, "differences": found}, lambda _: told)
    raise typer.Exit(int(bool(found)))


@contextmanager
def _progress() -> Iterator[Progress]:
    """Where somebody looks at a terminal it says what is being done; the line is gone at the end."""
    console = Console(stderr=True)
    with console.status("") if console.is_terminal else nullcontext() as status:

        def show(what: str, done: int, of: int) -> None:
            if status is not None:
                status.update(f"{what} {done:,} of {of:,}" if of else what)

        yield show


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")], as_json: JsonOption = False
) -> None:
    """Copy everything, as of one moment, into one file. Sessions may go on running."""

    with_server(lambda url: copy.backup(url, path))
    size = path.stat().st_size
    told = f"Everything is in {path} ({size / 1_000_000:,.1f} MB)."
    tell(as_json, {"path": path.absolute(), "bytes": size}, lambda _: told)


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `db backup` or the timetable wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Put a backup back into a home without sessions: all of it or nothing. Never over what is there."""

    async def from_file(url: str) -> ServerStatus:
        await copy.restore(url, path)
        await migrations.migrate(url, resources.migrations_dir())
        return await read_server_status(url)

    found = with_server(from_file)
    sessions = ", ".join(f"{count} {state}" for state, count in found.sessions.items()) or "none"
    told = f"Everything of {path} is there (sessions: {sessions}). `tg db verify` verifies it, `tg paper` goes on."
    tell(as_json, {"path": path.absolute(), "sessions": found.sessions}, lambda _: told)


def cleanup(
    sessions_older_than: Annotated[
        int | None,
        typer.Option(min=1, metavar="DAYS", help="Also delete sessions that ended so long ago, with all they hold."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """One round of housekeeping, which running sessions do by themselves; ended sessions go only when told to."""
    config = load_config()
    keep = config.database
    if sessions_older_than:
        keep = replace(keep, ended_session_retention_days=sessions_older_than)
    trade_days = config.history.trade_retention_days
    done = with_database(lambda database: Housekeeping(database, keep, trade_days, SystemClock()).clean())
    told = (
        f"{done['snapshots_deleted']} snapshots of more than {keep.snapshot_retention_days} days ago became "
        f"{done['rolled_up']} hours.\n"
        f"{done['steps_sealed']} steps were sealed.\n"
        f"Removed: {done['sessions_deleted']} ended sessions, {done['trades_deleted']} trades, "
        f"{done['analyses_deleted']} analyses."
    )
    tell(as_json, done, lambda _: told)

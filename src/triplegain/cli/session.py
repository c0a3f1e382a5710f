"""`session`: the sessions there are, one of them, its end, and a new start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system, tell

if TYPE_CHECKING:
    from triplegain.storage.database import Database
    from triplegain.storage.session_report import SessionReport

_Id = Annotated[str, typer.Argument(help="The session's id, as `session list` shows it.")]


def list_sessions(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, latest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """All sessions, the latest first."""
    from triplegain.cli.database import with_database
    from triplegain.cli.session_view import results_as_json, results_view
    from triplegain.storage.session_reader import SessionReader
    from triplegain.storage.session_report import SessionResult, read_results

    async def read(database: Database) -> list[SessionResult]:
        return await read_results(database, await SessionReader(database).list_sessions(limit=limit))

    tell(as_json, with_database(read), results_view, results_as_json)


def show(session: _Id, as_json: JsonOption = False) -> None:
    """One session: its settings, balances, open positions and orders."""
    from triplegain.cli.database import read_session_of
    from triplegain.cli.session_view import read_session, session_view

    tell(as_json, read_session_of(session, read_session), session_view)


def end(session: _Id, as_json: JsonOption = False) -> None:
    """End a session that nobody runs. Its record stays; it cannot go on."""
    from triplegain.cli.database import with_database
    from triplegain.domain.clock import SystemClock
    from triplegain.domain.records import SessionStatus
    from triplegain.storage.session_report import read_report
    from triplegain.storage.session_store import SessionStore

    async def change(database: Database) -> SessionReport:
        await SessionStore(database, SystemClock()).set_status(session, SessionStatus.ENDED)
        return await read_report(database, session)

    ended = with_database(change)
    still_open = sum(each.positions - each.closed for each in ended.symbols)
    told = f"The session {session} has ended; `tg report {session}` shows it."
    if still_open:
        told += f"\nPositions that were open stay in its record as they were: {still_open}."
    tell(as_json, ended.session, lambda _: told)


def reset(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Archive the running session and open a new one with the same settings. Nothing is deleted."""
    with running_system(session) as api:
        answer = api.post("/paper/reset")
    tell(
        as_json, answer, lambda found: f"PAPER  {found['session']} is running; {found['previous']} is archived as ended"
    )

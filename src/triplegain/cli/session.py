"""`session`: the sessions there are, one of them, its end, and a new start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system

if TYPE_CHECKING:
    from triplegain.storage.database import Database
    from triplegain.storage.session_report import SessionReport

_Id = Annotated[str, typer.Argument(help="The session's id, as `session list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the group `session`."""
    group = typer.Typer(name="session", help="Paper sessions: list, show, end, reset.", no_args_is_help=True)
    group.command("list")(list_sessions)
    group.command("show")(show)
    group.command("end")(end)
    group.command("reset")(reset)
    app.add_typer(group)


def list_sessions(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, latest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """All sessions, the latest first."""
    from rich.console import Console

    from triplegain.cli.database import with_database
    from triplegain.cli.tables import listing, moment, print_json, signed_percent
    from triplegain.domain.json_form import plain_json
    from triplegain.storage.session_reader import SessionReader
    from triplegain.storage.session_report import SessionResult, read_results

    async def read(database: Database) -> list[SessionResult]:
        return await read_results(database, await SessionReader(database).list_sessions(limit=limit))

    found = with_database(read)
    if as_json:
        print_json(
            [
                plain_json(each.session)
                | plain_json({"traded": each.traded, "equity": each.statement.equity, "profit": each.statement.profit})
                for each in found
            ]
        )
        return
    if not found:
        print("There is no session yet: `tg paper` starts one.")
        return
    whole = ("Session", "Last stored (UTC)")
    table = listing("Session", "Status", "Feed", "Traded by", "Profit", "Last stored (UTC)", whole=whole)
    for each in found:
        session, result = each.session, signed_percent(each.statement.profit_percent)
        stored = moment(session.updated_at_ns)
        table.add_row(session.session_id, session.status.value, session.feed, each.traded.trader, result, stored)
    Console().print(table)


def show(session: _Id, as_json: JsonOption = False) -> None:
    """One session: its settings, balances, open positions and orders."""
    from rich.console import Console

    from triplegain.cli.database import with_database
    from triplegain.cli.session_view import read_session, session_view
    from triplegain.cli.tables import print_json

    async def read(database: Database) -> dict[str, object]:
        return await read_session(database, session)

    found = with_database(read)
    if as_json:
        print_json(found)
    else:
        Console().print(session_view(found))


def end(session: _Id, as_json: JsonOption = False) -> None:
    """End a session that nobody runs. Its record stays; it cannot go on."""
    from triplegain.cli.database import with_database
    from triplegain.cli.tables import print_json
    from triplegain.domain.clock import SystemClock
    from triplegain.domain.records import SessionStatus
    from triplegain.storage.session_report import read_report
    from triplegain.storage.session_store import SessionStore

    async def change(database: Database) -> SessionReport:
        await SessionStore(database, SystemClock()).set_status(session, SessionStatus.ENDED)
        return await read_report(database, session)

    ended = with_database(change)
    still_open = sum(each.positions - each.closed for each in ended.symbols)
    if as_json:
        print_json(ended.session)
        return
    print(f"The session {session} has ended; `tg report {session}` shows it.")
    if still_open:
        print(f"Positions that were open stay in its record as they were: {still_open}.")


def reset(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Archive the running session and open a new one with the same settings. Nothing is deleted."""
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        answer = api.post("/paper/reset")
    if as_json:
        print_json(answer)
    else:
        print(f"PAPER  {answer['session']} is running; {answer['previous']} is archived as ended")

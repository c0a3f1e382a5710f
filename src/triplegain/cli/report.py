"""`report`: what a session did, from what is stored, while it runs or long after."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption


def register(app: typer.Typer) -> None:
    """Add `report`."""
    app.command()(report)


def report(
    session: Annotated[str | None, typer.Argument(help="Its id; without one the latest session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Equity beside buy-and-hold, trades, fees, drawdown, costs, and why nothing was traded."""
    from rich.console import Console

    from triplegain.cli.database import latest_session, with_database
    from triplegain.cli.report_json import report_as_json
    from triplegain.cli.report_view import report_view
    from triplegain.cli.tables import print_json
    from triplegain.storage.database import Database
    from triplegain.storage.session_report import SessionReport, read_report

    async def read(database: Database) -> SessionReport:
        return await read_report(database, session or await latest_session(database))

    found = with_database(read)
    if as_json:
        print_json(report_as_json(found))
    else:
        console = Console()
        console.print(report_view(found, console))

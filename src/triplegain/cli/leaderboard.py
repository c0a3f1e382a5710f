"""`leaderboard`: how the models of a session have done, and whether that says anything."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption


def register(app: typer.Typer) -> None:
    """Add `leaderboard`."""
    app.command()(leaderboard)


def leaderboard(
    session: Annotated[str | None, typer.Option(help="Its id; without one the latest session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Votes, failures, hit rates and costs by model, with the range in which luck alone may put them."""
    from rich.console import Console

    from triplegain.cli.database import latest_session, with_database
    from triplegain.cli.leaderboard_view import leaderboard_as_json, leaderboard_view
    from triplegain.cli.tables import print_json
    from triplegain.storage.database import Database
    from triplegain.storage.leaderboard import Leaderboard, read_leaderboard

    async def read(database: Database) -> Leaderboard:
        return await read_leaderboard(database, session or await latest_session(database))

    found = with_database(read)
    if as_json:
        print_json(leaderboard_as_json(found))
    else:
        Console().print(leaderboard_view(found))

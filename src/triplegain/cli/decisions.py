"""`decisions`: what was decided, by whom, what risk said to it, what was sent, and why nothing was."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption
from triplegain.domain.records import Outcome


def register(app: typer.Typer) -> None:
    """Add `decisions`."""
    app.command()(decisions)


def decisions(
    session: Annotated[str | None, typer.Option(help="Its id; without one the latest session.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of this pair only, like BTC/USDT.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(case_sensitive=False, help="Of this outcome only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the latest first.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Only those before this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The decisions of a session with their votes, the risk engine's clamps, and the order that came of each."""
    from rich.console import Console

    from triplegain.cli.database import latest_session, with_database
    from triplegain.cli.decisions_view import Trail, decisions_view, read_trail, trail_as_json
    from triplegain.cli.tables import print_json
    from triplegain.storage.database import Database

    async def read(database: Database) -> Trail:
        return await read_trail(
            database,
            session or await latest_session(database),
            symbol=symbol and symbol.upper(),
            outcome=outcome and outcome.value,
            limit=limit,
            before=before,
        )

    found = with_database(read)
    if as_json:
        print_json(trail_as_json(found))
    else:
        Console().print(decisions_view(found))

"""`decisions`: what was decided, by whom, what risk said to it, what was sent, and why nothing was."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, tell
from triplegain.domain.records import Outcome


def decisions(
    session: Annotated[str | None, typer.Option(help="Its id; without one the latest session.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of this pair only, like BTC/USDT.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(case_sensitive=False, help="Of this outcome only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the latest first.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Only those before this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The decisions of a session with their votes, the risk engine's clamps, and the order that came of each."""
    from triplegain.cli.database import read_session_of
    from triplegain.cli.decisions_view import decisions_view, read_trail, trail_as_json

    pair = symbol and symbol.upper()
    read = partial(read_trail, symbol=pair, outcome=outcome and outcome.value, limit=limit, before=before)
    tell(as_json, read_session_of(session, read), decisions_view, trail_as_json)

"""`report`, `decisions`, `leaderboard`: what a session did, from what is stored, while it runs or long after."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, tell
from triplegain.domain.records import Outcome

_SessionOption = Annotated[str | None, typer.Option(help="Its id; without one the latest session.")]


def report(
    session: Annotated[str | None, typer.Argument(help="Its id; without one the latest session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Equity beside buy-and-hold, trades, fees, drawdown, costs, and why nothing was traded."""
    from rich.console import Console

    from triplegain.cli.database import read_session_of
    from triplegain.cli.report_json import report_as_json
    from triplegain.cli.report_view import report_view
    from triplegain.storage.session_report import read_report

    found = read_session_of(session, read_report)
    tell(as_json, found, lambda found: report_view(found, Console()), report_as_json)


def decisions(
    session: _SessionOption = None,
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


def leaderboard(
    session: _SessionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Votes, failures, hit rates and costs by model, with the range in which luck alone may put them."""
    from triplegain.cli.database import read_session_of
    from triplegain.cli.leaderboard_view import leaderboard_as_json, leaderboard_view
    from triplegain.storage.leaderboard import read_leaderboard

    tell(as_json, read_session_of(session, read_leaderboard), leaderboard_view, leaderboard_as_json)

"""`report`: what a session did, from what is stored, while it runs or long after."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, tell


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

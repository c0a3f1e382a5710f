"""`leaderboard`: how the models of a session have done, and whether that says anything."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, tell


def leaderboard(
    session: Annotated[str | None, typer.Option(help="Its id; without one the latest session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Votes, failures, hit rates and costs by model, with the range in which luck alone may put them."""
    from triplegain.cli.database import read_session_of
    from triplegain.cli.leaderboard_view import leaderboard_as_json, leaderboard_view
    from triplegain.storage.leaderboard import read_leaderboard

    tell(as_json, read_session_of(session, read_leaderboard), leaderboard_view, leaderboard_as_json)

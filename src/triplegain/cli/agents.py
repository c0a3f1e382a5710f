"""`agents`: what they last said and when they run, and a run at once."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell


def show(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """The tasks of the schedule, who takes part, and what is held of each market."""
    from triplegain.cli.agents_view import agents_view

    with running_system(session) as api:
        tell(as_json, api.get("/agents"), agents_view)


def run(
    task: Annotated[str, typer.Argument(help="technical, regime, sentiment, decision, rebalance.", show_default=False)],
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Run a task now, beside its schedule."""
    words = "runs with the market's next move: `agents show`, `decisions` tell what came"
    with running_system(session) as api:
        answer = api.post(f"/agents/{part(task.lower())}/run")
        tell(as_json, answer, lambda found: f"PAPER  {found['task']} {words}")

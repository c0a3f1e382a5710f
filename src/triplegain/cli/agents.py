"""`agents`: what they last said and when they run, and a run at once."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system

agents = typer.Typer(no_args_is_help=True, help="The agents of the running session.")


def register(app: typer.Typer) -> None:
    app.add_typer(agents, name="agents")


@agents.command("show")
def show(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """The tasks of the schedule, who takes part, and what is held of each market."""
    from rich.console import Console

    from triplegain.cli.agents_view import agents_view
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        found = api.get("/agents")
        if as_json:
            print_json(found)
        else:
            Console().print(agents_view(found))


@agents.command("run")
def run(
    task: Annotated[str, typer.Argument(help="technical, regime, sentiment, decision, rebalance.", show_default=False)],
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Run a task now, beside its schedule."""
    from urllib.parse import quote

    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        answer = api.post(f"/agents/{quote(task.lower(), safe='')}/run")
        if as_json:
            print_json(answer)
        else:
            print(
                f"PAPER  {answer['task']} runs with the market's next move: `agents show`, `decisions` tell what came"
            )

"""`flat`, `emergency`, `pause`, `resume`: the running session as a whole."""

from __future__ import annotations

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system


def register(app: typer.Typer) -> None:
    app.command("flat")(flat)
    app.command("emergency")(emergency)
    app.command("pause")(pause)
    app.command("resume")(resume)


def flat(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Close everything: positions by market orders, entries that have not filled by cancels."""
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        answer = api.post("/paper/flat")
        if as_json:
            return print_json(answer)
        names = answer["positions"]
        print(f"PAPER  closing {', '.join(names)}" if names else "PAPER  nothing is open")
        return print("       trading goes on; `pause` keeps new positions from being opened")


def emergency(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Pause and close everything, in one step. `resume` trades again."""
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        answer = api.post("/coordinator/emergency")
        if as_json:
            return print_json(answer)
        names = answer["positions"]
        return print(f"PAPER  paused; {'closing ' + ', '.join(names) if names else 'nothing is open'}")


def pause(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Open nothing new; positions stay protected."""
    _steer("pause", "paused: nothing new is opened, positions stay protected", as_json, session)


def resume(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Trade again after a pause."""
    _steer("resume", "trading again", as_json, session)


def _steer(command: str, told: str, as_json: bool, session: str | None) -> None:
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        answer = api.post(f"/paper/{command}")
        if as_json:
            print_json(answer)
        else:
            print(f"PAPER  {answer['session']} {told}")

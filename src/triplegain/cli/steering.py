"""`flat`, `emergency`, `pause`, `resume`: the running session as a whole."""

from __future__ import annotations

from typing import Any

from triplegain.cli.client import JsonOption, SessionOption, running_system, tell


def flat(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Close everything: positions by market orders, entries that have not filled by cancels."""
    on = "       trading goes on; `pause` keeps new positions from being opened"
    with running_system(session) as api:
        tell(as_json, api.post("/paper/flat"), lambda found: f"PAPER  {_closing(found)}\n{on}")


def emergency(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Pause and close everything, in one step. `resume` trades again."""
    with running_system(session) as api:
        tell(as_json, api.post("/coordinator/emergency"), lambda found: f"PAPER  paused; {_closing(found)}")


def _closing(answer: dict[str, Any]) -> str:
    names = ", ".join(answer["positions"])
    return f"closing {names}" if names else "nothing is open"


def pause(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Open nothing new; positions stay protected."""
    _steer("pause", "paused: nothing new is opened, positions stay protected", as_json, session)


def resume(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Trade again after a pause."""
    _steer("resume", "trading again", as_json, session)


def _steer(command: str, told: str, as_json: bool, session: str | None) -> None:
    with running_system(session) as api:
        tell(as_json, api.post(f"/paper/{command}"), lambda found: f"PAPER  {found['session']} {told}")

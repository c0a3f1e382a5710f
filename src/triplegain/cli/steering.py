"""`flat`, `emergency`, `pause`, `resume`: the running session as a whole. Without a name what stops stops every session
of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triplegain.cli.client import JsonOption, SessionOption, running_system, tell


def flat(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Close everything: positions by market orders, entries that have not filled by cancels."""
    on = "       trading goes on; `pause` keeps new positions from being opened"
    with running_system(session, all_of_process=True) as api:
        tell(as_json, api.post("/paper/flat"), lambda found: f"{_each(found, closing)}\n{on}")


def emergency(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Pause and close everything, in one step. `resume` trades again."""
    with running_system(session, all_of_process=True) as api:
        answer = api.post("/coordinator/emergency")
    tell(as_json, answer, lambda found: _each(found, lambda each: f"paused; {closing(each)}"))


def pause(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Open nothing new; positions stay protected."""
    with running_system(session, all_of_process=True) as api:
        answer = api.post("/paper/pause")
    paused = "paused: nothing new is opened, positions stay protected"
    tell(as_json, answer, lambda found: _each(found, lambda _: paused, f"{found['session']} "))


def resume(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Trade again after a pause."""
    with running_system(session) as api:
        tell(as_json, api.post("/paper/resume"), lambda found: f"PAPER  {found['session']} trading again")


def closing(answer: dict[str, Any]) -> str:
    """What a brake has begun, in words."""
    lent = [f"what is on margin of {symbol}" for symbol in answer["margin"]]
    names = ", ".join([*answer["positions"], *lent])
    return f"closing {names}" if names else "nothing is open"


def _each(answer: dict[str, Any], words: Callable[[dict[str, Any]], str], name: str = "") -> str:
    """A line for the session, and one for each other that was reached."""
    others = [f"       {session} {words(each)}" for session, each in answer["others"].items()]
    return "\n".join([f"PAPER  {name}{words(answer)}", *others])

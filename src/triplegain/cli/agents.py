"""`agents`: what they last said and when they run, and a run at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell
from triplegain.cli.tables import QUIET, RIGHT, WARNING, WHOLE, duration, table_of, worded
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.outside import tame

_SECONDS = 19
_WORDS_MAX = 120


def show(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """The tasks of the schedule, who takes part, and what is held of each market."""
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


def agents_view(found: Mapping[str, Any]) -> RenderableType:
    """The answer of GET /agents."""
    parts: list[RenderableType] = [Text(f"PAPER  Agents of {found['session']}, times in UTC", style="bold")]
    if found["level"] != "normal" or found["failing"]:
        parts.append(Text(f"  {found['level']}: {found['failing']}", style=WARNING))
    if found["trader"] is not None:
        parts.append(Text(f"  trades by itself: {found['trader']}"))
    parts += [_tasks(found["tasks"]), _markets(found["markets"])]
    parts.append(_models(found["models"]) if found["models"] else Text("no model takes part: all goes by rules"))
    if found["latest"]:
        parts.append(_latest(found["latest"]))
    return Group(*parts)


def _tasks(tasks: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        tasks,
        ("task", "name", WHOLE),
        ("every", lambda each: duration(each["interval_s"] * SECOND_NS), RIGHT),
        ("runs", "runs", RIGHT),
        ("asked for", "asked_for", RIGHT),
        ("missed", "missed", RIGHT),
        ("skipped", lambda each: ", ".join(f"{count} {why}" for why, count in each["skipped"].items())),
        ("next", lambda each: "in progress" if each["in_progress"] else _moment(each["next_due"]), WHOLE),
    )


def _markets(markets: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        markets,
        ("pair", "symbol", WHOLE),
        ("regime", lambda each: worded(each["regime"])),
        ("technical", lambda each: _held(each["technical"], "{bias} {confidence_pct} %")),
        ("sentiment", lambda each: _held(each["sentiment"], "{overall_pct:+d}")),
    )


def _held(said: Mapping[str, Any] | None, form: str) -> Text:
    return Text("none", style=QUIET) if said is None else Text(form.format_map(said))


def _models(models: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        models,
        ("model", lambda each: each["name"], WHOLE),
        ("provider", "provider"),
        ("parts", lambda each: ", ".join(each["roles"])),
    )


def _latest(analyses: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        analyses,
        ("said last", "task", WHOLE),
        ("of", "symbol", WHOLE),
        ("at", lambda each: _moment(each["time"]), WHOLE),
        ("by", lambda each: each["model"] or "rules"),
        ("what", _said),
    )


def _said(each: Mapping[str, Any]) -> Text:
    words = tame(each["reason"], _WORDS_MAX)
    return Text(f"abstains: {words}", style=QUIET) if each["abstained"] else Text(f"{words} ({each['confidence']})")


def _moment(time: str | None) -> str:
    return "with the market" if time is None else time[:_SECONDS].replace("T", " ")

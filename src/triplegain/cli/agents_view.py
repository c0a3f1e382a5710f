"""Agents and their tasks, as `agents show` prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.hostile import tame
from triplegain.cli.tables import QUIET, WARNING, duration, listing
from triplegain.domain.clock import SECOND_NS

_SECONDS = 19
_WORDS_MAX = 120


def agents_view(found: Mapping[str, Any]) -> RenderableType:
    """The answer of GET /agents."""
    parts: list[RenderableType] = [Text(f"PAPER  Agents of {found['session']}, times in UTC", style="bold")]
    if found["level"] != "normal" or found["failing"]:
        parts.append(Text(f"  {found['level']}: {tame(found['failing'])}", style=WARNING))
    if found["trader"] is not None:
        parts.append(Text(f"  trades by itself: {found['trader']}"))
    parts += [_tasks(found["tasks"]), _markets(found["markets"])]
    parts.append(_models(found["models"]) if found["models"] else Text("no model takes part: all goes by rules"))
    if found["latest"]:
        parts.append(_latest(found["latest"]))
    return Group(*parts)


def _tasks(tasks: Sequence[Mapping[str, Any]]) -> RenderableType:
    numbers = ("every", "runs", "asked for", "missed")
    table = listing("task", *numbers, "skipped", "next", right=numbers, whole=("task", "next"))
    for each in tasks:
        skipped = ", ".join(f"{count} {why}" for why, count in each["skipped"].items())
        table.add_row(
            each["name"],
            duration(each["interval_s"] * SECOND_NS),
            str(each["runs"]),
            str(each["asked_for"]),
            str(each["missed"]),
            skipped,
            "in progress" if each["in_progress"] else _moment(each["next_due"]),
        )
    return table


def _markets(markets: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = listing("pair", "regime", "technical", "sentiment", whole=("pair",))
    for each in markets:
        technical, sentiment = each["technical"], each["sentiment"]
        table.add_row(
            each["symbol"],
            each["regime"].replace("_", " "),
            _nothing() if technical is None else Text(f"{technical['bias']} {technical['confidence_pct']} %"),
            _nothing() if sentiment is None else Text(f"{sentiment['overall_pct']:+d}"),
        )
    return table


def _models(models: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = listing("model", "provider", "parts", whole=("model",))
    for each in models:
        table.add_row(tame(each["name"]), each["provider"], ", ".join(each["roles"]))
    return table


def _latest(analyses: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = listing("said last", "of", "at", "by", "what", whole=("said last", "of", "at"))
    for each in analyses:
        words = tame(each["reason"], _WORDS_MAX)
        said = Text(f"abstains: {words}", style=QUIET) if each["abstained"] else Text(f"{words} ({each['confidence']})")
        table.add_row(each["task"], each["symbol"], _moment(each["time"]), tame(each["model"] or "rules"), said)
    return table


def _moment(time: str | None) -> str:
    return "with the market" if time is None else time[:_SECONDS].replace("T", " ")


def _nothing() -> Text:
    return Text("none", style=QUIET)

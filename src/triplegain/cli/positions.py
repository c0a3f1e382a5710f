"""`position`: list, close."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import RenderableType

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell, tell_rows
from triplegain.cli.tables import RIGHT, WHOLE, average, blank, price, signed_amount


def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """The open positions, newest first."""
    with running_system(session) as api:
        tell_rows(
            as_json,
            api,
            "positions",
            api.pages("/paper/positions", {"closed": everything}),
            everything,
            ("id", "position_id", WHOLE),
            ("pair", "symbol", WHOLE),
            ("quantity", "quantity", RIGHT),
            ("entry", lambda each: average(each["average_entry"]), RIGHT),
            ("stop", lambda each: blank(each["stop"], price), RIGHT),
            ("target", lambda each: blank(each["target"], price), RIGHT),
            ("result", _result, RIGHT),
            ("state", _state, WHOLE),
        )


def close(
    name: Annotated[str, typer.Argument(metavar="ID", help="The position, like pos-1.", show_default=False)],
    quantity: Annotated[str | None, typer.Option(help="Only so much of it; the rest keeps its stop.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Begin to take a position off, by an order on the market."""
    words = "`position list --all` shows when it is over"
    with running_system(session) as api:
        answer = api.post(f"/paper/positions/{part(name)}/close", {"quantity": quantity})
        what = ", ".join(answer["positions"]) if quantity is None else f"{quantity} of {name}"
        tell(as_json, answer, lambda _: f"PAPER  closing {what}: {words}")


def _result(position: dict[str, Any]) -> RenderableType:
    result = position["unrealised" if position["is_open"] else "realised"]
    return signed_amount(result, position["symbol"].partition("/")[2])


def _state(position: dict[str, Any]) -> str:
    if position["is_open"]:
        return "dust" if position["dust"] else "open"
    return position["close_reason"] or "closed"

"""`position`: list, close, margin."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell, tell_rows
from triplegain.cli.tables import RIGHT, WHOLE, average, blank, pairs, price, signed_amount, table_of, usd, worded


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


def margin(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """What is held on margin: equity, margin and level, and each position."""
    with running_system(session) as api:
        tell(as_json, api.get("/margin"), margin_view)


def margin_view(seen: dict[str, Any]) -> RenderableType:
    """The answer of GET /margin."""
    state = "off" if not seen["enabled"] else worded(seen["state"])
    title = Text.assemble((f"PAPER  Margin of {seen['session']}  ", "bold"), state)
    owed = ", ".join(f"{amount} {asset}" for asset, amount in seen["owed"].items()) or "nothing"
    level = "nothing is used" if seen["level_percent"] is None else f"{seen['level_percent']} %"
    figures = (
        ("Equity", Text.assemble(usd(seen["equity"]), " USD, collateral ", usd(seen["collateral"]))),
        ("Margin", Text.assemble(usd(seen["used"]), " USD used, ", usd(seen["free"]), " free")),
        ("Level", Text(level)),
        ("Owed", Text(owed)),
        ("Rates of", Text(seen["dated"])),
    )
    positions = table_of(
        seen["positions"],
        ("order", "order_id", WHOLE),
        ("pair", "symbol", WHOLE),
        ("side", lambda each: f"{each['side']} x{each['leverage']}", WHOLE),
        ("quantity", "quantity", RIGHT),
        ("cost", "cost", RIGHT),
        ("price", lambda each: blank(each["price"], price), RIGHT),
        ("result", lambda each: signed_amount(each["unrealised"], each["symbol"].partition("/")[2]), RIGHT),
        ("fees", "fees", RIGHT),
    )
    return Group(title, pairs(figures), positions)


def _result(position: dict[str, Any]) -> RenderableType:
    result = position["unrealised" if position["is_open"] else "realised"]
    return signed_amount(result, position["symbol"].partition("/")[2])


def _state(position: dict[str, Any]) -> str:
    if position["is_open"]:
        return "dust" if position["dust"] else "short" if position["side"] == "sell" else "open"
    return position["close_reason"] or "closed"

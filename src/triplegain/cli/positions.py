"""`position`: list, close."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system

positions = typer.Typer(no_args_is_help=True, help="Positions of the running session.")


def register(app: typer.Typer) -> None:
    app.add_typer(positions, name="position")


@positions.command("list")
def show_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """The open positions, newest first."""
    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        found = api.pages("/paper/positions", {"closed": everything})
        if as_json:
            return print_json({"mode": "paper", "session": api.session, "positions": found})
        return _table(found, "Positions" if everything else "Open positions", api.session)


@positions.command("close")
def close(
    name: Annotated[str, typer.Argument(metavar="ID", help="The position, like pos-1.", show_default=False)],
    quantity: Annotated[str | None, typer.Option(help="Only so much of it; the rest keeps its stop.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Begin to take a position off, by an order on the market."""
    from urllib.parse import quote

    from triplegain.cli.tables import print_json

    with running_system(session) as api:
        body = None if quantity is None else {"quantity": quantity}
        answer = api.post(f"/paper/positions/{quote(name, safe='')}/close", body)
        if as_json:
            return print_json(answer)
        what = ", ".join(answer["positions"]) if quantity is None else f"{quantity} of {name}"
        return print(f"PAPER  closing {what}: `position list --all` shows when it is over")


def _table(found: list[dict[str, Any]], title: str, session: str) -> None:
    from rich.console import Console

    from triplegain.cli.tables import listing, signed_amount

    numbers = ("quantity", "entry", "stop", "target", "result")
    table = listing("id", "pair", *numbers, "state", right=numbers, whole=("id", "pair", "state"))
    table.title = f"PAPER  {title} of {session}"
    for position in found:
        quote = position["symbol"].partition("/")[2]
        result = _number(position["unrealised" if position["is_open"] else "realised"])
        table.add_row(
            position["position_id"],
            position["symbol"],
            position["quantity"],
            f"{Decimal(position['average_entry']):,.10g}",
            _price(position["stop"]),
            _price(position["target"]),
            signed_amount(result, quote),
            ("dust" if position["dust"] else "open") if position["is_open"] else position["close_reason"] or "closed",
        )
    Console().print(table if found else f"PAPER  no {title.lower()} in {session}")


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _price(text: str | None) -> str:
    return "" if text is None else f"{Decimal(text):,f}"

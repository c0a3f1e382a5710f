"""`order`: place, amend, cancel, list."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from triplegain.cli.client import ApiClient, JsonOption, SessionOption, running_system

_ACTIVE = ["pending", "open", "partially_filled"]
orders = typer.Typer(no_args_is_help=True, help="Orders of the running session.")
_Name = Annotated[str, typer.Argument(metavar="ID", help="Client order id or order id.", show_default=False)]


class _Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class _Tif(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    GTD = "gtd"


def register(app: typer.Typer) -> None:
    app.add_typer(orders, name="order")


@orders.command("place")
def place(
    symbol: Annotated[str, typer.Argument(help="The pair, like BTC/USDT.", show_default=False)],
    side: Annotated[_Side, typer.Argument(case_sensitive=False, show_default=False)],
    quantity: Annotated[str, typer.Argument(help="How much of the base asset.", show_default=False)],
    limit: Annotated[str | None, typer.Option(metavar="PRICE", help="Limit price; without it: market.")] = None,
    stop_loss: Annotated[str | None, typer.Option(metavar="PRICE", help="Sell at market once it trades here.")] = None,
    stop: Annotated[str | None, typer.Option(metavar="PRICE", help="Protects the position this opens.")] = None,
    target: Annotated[str | None, typer.Option(metavar="PRICE", help="Takes the profit of the position.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Rejected rather than taking.")] = False,
    tif: Annotated[_Tif | None, typer.Option(case_sensitive=False, help="Time in force.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="1h", help="Length or time; means gtd.")] = None,
    name: Annotated[str | None, typer.Option("--id", help="Client order id: the same id is the same order.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Place an order and say what the exchange answered."""
    from triplegain.domain.ids import request_id
    from triplegain.domain.orders import OrderKind

    prices = {OrderKind.LIMIT: limit, OrderKind.STOP_LOSS: stop_loss}
    named = {kind: price for kind, price in prices.items() if price is not None}
    if len(named) > 1:
        raise typer.BadParameter(f"{' and '.join(f'--{kind}' for kind in named)} are two kinds of order: choose one")
    kind, price = next(iter(named.items()), (OrderKind.MARKET, None))
    wanted = {
        "client_order_id": name or f"cli-{request_id()}",
        "symbol": symbol,
        "side": side.value,
        "quantity": quantity,
        "order_type": kind.value,
        "price": price,
        "stop": stop,
        "target": target,
        "time_in_force": tif and tif.value,
        "expires": expires,
        "post_only": post_only,
    }
    with running_system(session) as api:
        _show(api.place({field: value for field, value in wanted.items() if value is not None}), as_json)


@orders.command("amend")
def amend(
    name: _Name,
    quantity: Annotated[str | None, typer.Option(help="New total quantity.")] = None,
    price: Annotated[str | None, typer.Option(help="New limit or trigger price.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Change a resting order in place."""
    changes = {field: value for field, value in (("quantity", quantity), ("price", price)) if value is not None}
    if not changes:
        raise typer.BadParameter("say what to change: --quantity, --price, or both")
    with running_system(session) as api:
        _show(api.patch(f"/paper/orders/{_part(name)}", changes), as_json)


@orders.command("cancel")
def cancel(
    name: Annotated[str | None, typer.Argument(metavar="ID", help="Client order id or order id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All orders but those that protect a position.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Cancel an order, or all."""
    if (name is None) is not everything:
        raise typer.BadParameter("name one order, or say --all")
    with running_system(session) as api:
        if name is not None:
            _show(api.delete(f"/paper/orders/{_part(name)}"), as_json)
        else:
            _cancel_all(api, as_json)


@orders.command("list")
def show_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """The open orders, newest first."""
    with running_system(session) as api:
        found = api.pages("/paper/orders", {} if everything else {"status": _ACTIVE})
        if as_json:
            return _print_json({"mode": "paper", "session": api.session, "orders": found})
        return _table(found, "Orders" if everything else "Open orders", api.session)


def _cancel_all(api: ApiClient, as_json: bool) -> None:
    """One act of the server."""
    answer = api.delete("/paper/orders")
    if as_json:
        return _print_json(answer)
    cancelled, kept = answer["cancelled"], answer["kept"]
    print(f"PAPER  {len(cancelled)} cancelled" + (f": {', '.join(cancelled)}" if cancelled else ""))
    if kept:
        print(f"       {len(kept)} kept, they protect positions or take them off: {', '.join(kept)}")
    return None


def _part(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _print_json(value: object) -> None:
    from triplegain.cli.tables import print_json

    print_json(value)


def _show(order: dict[str, Any], as_json: bool) -> None:
    """One order in one line."""
    if as_json:
        return _print_json(order)
    price = "at market" if order["price"] is None else f"{order['order_type']} {Decimal(order['price']):,f}"
    line = f"PAPER  {order['client_order_id']} {order['status'].replace('_', ' ')}: {order['side']} {order['quantity']}"
    line += f" {order['symbol']} {price}"
    if order["average_price"] is not None:
        base, _, quote = order["symbol"].partition("/")
        average = f"{Decimal(order['average_price']):,.10g}"
        line += f", filled {order['filled_quantity']} {base} at {average}, fees {order['fees']} {quote}"
    if order["position_id"]:
        line += f", position {order['position_id']}"
    if order["reason"]:
        line += f" ({order['reason']})"
    print(line)
    return None


def _table(found: list[dict[str, Any]], title: str, session: str) -> None:
    from rich.console import Console

    from triplegain.cli.tables import listing

    numbers = ("quantity", "price", "filled", "average")
    table = listing("id", "pair", "order", *numbers, "status", right=numbers, whole=("pair", "order"))
    table.title = f"PAPER  {title} of {session}"
    for order in found:
        average = order["average_price"]
        table.add_row(
            order["client_order_id"],
            order["symbol"],
            f"{order['side']} {order['order_type']}",
            order["quantity"],
            "" if order["price"] is None else f"{Decimal(order['price']):,f}",
            order["filled_quantity"],
            "" if average is None else f"{Decimal(average):,.10g}",
            order["status"].replace("_", " ") + (f": {order['code']}" if order["code"] else ""),
        )
    Console().print(table if found else f"PAPER  no {title.lower()} in {session}")

"""`order`: place, amend, cancel."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell
from triplegain.domain.ids import request_id
from triplegain.domain.orders import FeePreference, OrderKind, Side, TimeInForce

_Name = Annotated[str, typer.Argument(metavar="ID", help="Client order id or order id.", show_default=False)]


def place(
    symbol: Annotated[str, typer.Argument(help="The pair, like BTC/USDT.", show_default=False)],
    side: Annotated[Side, typer.Argument(case_sensitive=False, show_default=False)],
    quantity: Annotated[str | None, typer.Argument(help="How much of the base asset.", show_default=False)] = None,
    limit: Annotated[str | None, typer.Option(metavar="PRICE", help="Limit price; without it: market.")] = None,
    stop_loss: Annotated[str | None, typer.Option(metavar="PRICE", help="Sell at market once it trades here.")] = None,
    kind: Annotated[OrderKind | None, typer.Option("--type", case_sensitive=False, help="Any other type.")] = None,
    price: Annotated[str | None, typer.Option(metavar="PRICE", help="Its limit or trigger; +100, -2%, #1%.")] = None,
    limit_price: Annotated[str | None, typer.Option(metavar="PRICE", help="The limit after its trigger.")] = None,
    display: Annotated[str | None, typer.Option(metavar="QUANTITY", help="What an iceberg shows at a time.")] = None,
    cost: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Buy at market for so much, fee extra.")] = None,
    stop: Annotated[str | None, typer.Option(metavar="PRICE", help="Protects the position this opens.")] = None,
    target: Annotated[str | None, typer.Option(metavar="PRICE", help="Takes the profit of the position.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Rejected rather than taking.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Must take a margin position off.")] = False,
    leverage: Annotated[int | None, typer.Option(min=1, help="Lent so many times: a position on margin.")] = None,
    close: Annotated[
        str | None, typer.Option(metavar="'TYPE PRICE'", help="Each fill opens this to close what it filled.")
    ] = None,
    starts: Annotated[str | None, typer.Option(metavar="1h", help="Length or time: waits until then.")] = None,
    deadline: Annotated[str | None, typer.Option(metavar="5s", help="Refused if it arrives later than this.")] = None,
    check: Annotated[bool, typer.Option("--validate", help="Only ask what would be said to it.")] = False,
    tif: Annotated[TimeInForce | None, typer.Option(case_sensitive=False, help="Time in force.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="1h", help="Length or time; means gtd.")] = None,
    fee: Annotated[
        FeePreference, typer.Option(case_sensitive=False, help="Which currency of the pair the fee is taken in.")
    ] = FeePreference.QUOTE,
    name: Annotated[str | None, typer.Option("--id", help="Client order id: the same id is the same order.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Place an order and say what the exchange answered."""
    kind, price = _named(kind, price, {OrderKind.LIMIT: limit, OrderKind.STOP_LOSS: stop_loss})
    wanted = {
        "client_order_id": name or f"cli-{request_id()}",
        "symbol": symbol,
        "side": side.value,
        "quantity": quantity,
        "order_type": kind.value,
        "price": price,
        "limit_price": limit_price,
        "display_quantity": display,
        "cost": cost,
        "stop": stop,
        "target": target,
        "time_in_force": tif and tif.value,
        "expires": expires,
        "post_only": post_only,
        "reduce_only": reduce_only,
        "leverage": leverage,
        "close": _closing(close),
        "starts": starts,
        "deadline": deadline,
        "fee_preference": fee.value,
    }
    with running_system(session) as api:
        if check:
            tell(
                as_json,
                api.post("/paper/orders/validate", wanted),
                lambda _: "PAPER  nothing stands against it; not sent",
            )
            return
        tell(as_json, api.place(wanted), order_line)


def _closing(words: str | None) -> dict[str, str] | None:
    """`TYPE PRICE [LIMIT]`, as the API takes it."""
    if words is None:
        return None
    kind, *prices = words.split()
    if len(prices) > 2 or not prices:
        raise typer.BadParameter(
            "--close takes a type with its price, like 'stop-loss 58000' or 'stop-loss-limit 58000 57900'"
        )
    return {"order_type": kind, **dict(zip(("price", "limit_price"), prices, strict=False))}


def _named(
    kind: OrderKind | None, price: str | None, short: dict[OrderKind, str | None]
) -> tuple[OrderKind, str | None]:
    """The type and its price: by name, or by an option that says both."""
    said = {each: value for each, value in short.items() if value is not None}
    if len(said) > 1:
        raise typer.BadParameter(f"{' and '.join(f'--{each}' for each in said)} are two kinds of order: choose one")
    if not said:
        return kind or (OrderKind.MARKET if price is None else OrderKind.LIMIT), price
    [(short_kind, value)] = said.items()
    if kind not in (None, short_kind) or price is not None:
        raise typer.BadParameter(f"--{short_kind} PRICE stands for --type {short_kind} --price PRICE: say one of them")
    return short_kind, value


def amend(
    name: _Name,
    quantity: Annotated[str | None, typer.Option(help="New total quantity.")] = None,
    price: Annotated[str | None, typer.Option(help="New limit or trigger price; how far it trails: +2%.")] = None,
    limit_price: Annotated[str | None, typer.Option(help="New limit of what waits for its trigger.")] = None,
    display: Annotated[str | None, typer.Option(help="What an iceberg shows from now on.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Not at a price at which it would take.")] = False,
    deadline: Annotated[str | None, typer.Option(help="It may not arrive later: 60 s ahead at most.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Change an open order in place."""
    named = {"quantity": quantity, "price": price, "limit_price": limit_price, "display_quantity": display}
    changes: dict[str, Any] = {field: value for field, value in named.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what to change: --quantity, --price, --limit-price or --display")
    if post_only:
        changes["post_only"] = True
    if deadline is not None:
        changes["deadline"] = deadline
    with running_system(session) as api:
        tell(as_json, api.patch(f"/paper/orders/{part(name)}", changes), order_line)


def cancel(
    names: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Client order ids or order ids.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All orders but those that protect a position.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Cancel orders, or all: without a session's name those of every session of the process."""
    if (not names) is not everything:
        raise typer.BadParameter("name the orders, or say --all")
    with running_system(session, all_of_process=everything) as api:
        if names and len(names) == 1:
            tell(as_json, api.delete(f"/paper/orders/{part(names[0])}"), order_line)
        elif names:
            tell(as_json, api.post("/paper/orders/cancel-batch", {"orders": names}), _all_cancelled)
        else:
            tell(as_json, api.post("/paper/orders/cancel-all"), _cancelled_everywhere)


def _cancelled_everywhere(answer: dict[str, Any]) -> str:
    others = [_all_cancelled(each).replace("PAPER ", f"       {name}", 1) for name, each in answer["others"].items()]
    return "\n".join([_all_cancelled(answer), *others])


def _all_cancelled(answer: dict[str, Any]) -> str:
    cancelled, kept = answer["cancelled"], answer["kept"]
    told = f"PAPER  {len(cancelled)} cancelled" + (f": {', '.join(cancelled)}" if cancelled else "")
    if kept:
        told += f"\n       {len(kept)} kept, they protect positions or take them off: {', '.join(kept)}"
    for name, why in answer["left"].items():
        told += f"\n       {name} is left: {why}"
    return told


def order_line(order: dict[str, Any]) -> str:
    """One order in one line."""
    asked = order["asked"] if order["cost"] is None else f"for {order['cost']} at market"
    price = asked if order["price"] is None else f"{order['order_type']} {Decimal(order['price']):,f}"
    line = f"PAPER  {order['client_order_id']} {order['status'].replace('_', ' ')}: {order['side']} {order['quantity']}"
    line += (
        f" {order['symbol']} {price}" if order["cost"] is None else f" {order['symbol']} for {order['cost']} at market"
    )
    if order["average_price"] is not None:
        base, average = order["symbol"].partition("/")[0], f"{Decimal(order['average_price']):,.10g}"
        line += f", filled {order['filled_quantity']} {base} at {average}, fees {order['fees']} {order['fee_asset']}"
    if order["position_id"]:
        line += f", position {order['position_id']}"
    if order["reason"]:
        line += f" ({order['reason']})"
    return line

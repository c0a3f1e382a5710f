"""`risk`: how the account stands, what would be said to a trade, and the reset that ends a halt."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from triplegain.cli.client import JsonOption, SessionOption, running_system, tell
from triplegain.domain.orders import Side


def show(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Equity and losses, halts and cool-downs, where the breakers act, and the limits of the next trade."""
    from triplegain.cli.risk_view import risk_view

    with running_system(session) as api:
        tell(as_json, api.get("/risk/state"), risk_view)


def check(
    symbol: Annotated[str, typer.Argument(help="The pair, like BTC/USDT.", show_default=False)],
    side: Annotated[Side, typer.Option(case_sensitive=False, help="A sell takes off what is held.")] = Side.BUY,
    stop: Annotated[str | None, typer.Option(metavar="PRICE", help="Stop-loss; a buy needs one.")] = None,
    target: Annotated[str | None, typer.Option(metavar="PRICE", help="Takes the profit.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Of the base asset; without: by the sizing rule.")] = None,
    notional: Annotated[str | None, typer.Option(help="In the quote currency, in place of the quantity.")] = None,
    limit: Annotated[str | None, typer.Option(metavar="PRICE", help="Limit price; without it: market.")] = None,
    confidence: Annotated[str | None, typer.Option(help="From 0 to 1; without it 0.75.", show_default=False)] = None,
    regime: Annotated[str | None, typer.Option(help="Like ranging; without it the current one.")] = None,
    leverage: Annotated[int | None, typer.Option(min=1, max=5, help="Without it 1.", show_default=False)] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """What risk would say to a trade now. Nothing is sent."""
    from triplegain.cli.risk_view import verdict_view

    asked = {
        "symbol": symbol,
        "side": side.value,
        "stop": stop,
        "target": target,
        "quantity": quantity,
        "notional": notional,
        "price": limit,
        "confidence": confidence,
        "regime": regime,
        "leverage": leverage,
    }
    with running_system(session) as api:
        verdict = api.post("/risk/validate", {field: value for field, value in asked.items() if value is not None})
        tell(as_json, verdict, verdict_view)


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """End every halt: equity as it is now becomes the peak and the opening of day and week. It is recorded."""
    with running_system(session) as api:
        if not yes:
            _confirm(api.get("/risk/state"))
        tell(as_json, api.post("/risk/reset"), _ended)


def _ended(answer: dict[str, Any]) -> str:
    ended = answer["ended"]
    told = f"PAPER  risk of {answer['session']} was reset; " + ("ended:" if ended else "no halt was in force")
    on = "losses are measured from equity as it is now, and leverage is 1 for a while"
    return "\n       ".join((told, *ended, on))


def _confirm(state: dict[str, object]) -> None:
    """Ask on the terminal. Without one nobody can answer, and nothing is done."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("a reset forgets today's losses: say --yes")
    halts = state["halts"]
    assert isinstance(halts, list)
    for halt in halts:
        print(f"PAPER  {halt['reason']}", file=sys.stderr)
    words = (
        "Forget these losses and trade again?" if halts else "No halt is in force. Measure losses anew all the same?"
    )
    typer.confirm(words, abort=True, err=True)

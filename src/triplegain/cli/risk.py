"""`risk`: how the account stands, what would be said to a trade, and the reset that ends a halt."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.client import JsonOption, SessionOption, running_system, tell
from triplegain.cli.tables import (
    ALARM,
    GAIN,
    LOSS,
    QUIET,
    RIGHT,
    WARNING,
    WHOLE,
    pairs,
    price,
    signed_percent,
    table_of,
    usd,
    worded,
)
from triplegain.domain.orders import Side

_STATES = {"running": GAIN, "paused": WARNING, "halted": ALARM}
_OUTCOMES = {"approved": GAIN, "modified": WARNING, "rejected": LOSS, "halted": ALARM}


def show(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Equity and losses, halts and cool-downs, where the breakers act, and the limits of the next trade."""
    with running_system(session) as api:
        tell(as_json, api.get("/risk/state"), risk_view)


def check(
    symbol: Annotated[str, typer.Argument(help="The pair, like BTC/USDT.", show_default=False)],
    side: Annotated[
        Side, typer.Option(case_sensitive=False, help="A sell takes off what is held, with a stop it is a short.")
    ] = Side.BUY,
    stop: Annotated[
        str | None, typer.Option(metavar="PRICE", help="Stop-loss; a buy needs one, and so does a short.")
    ] = None,
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
        tell(as_json, api.post("/risk/validate", asked), verdict_view)


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


def risk_view(state: Mapping[str, Any]) -> RenderableType:
    """The answer of GET /risk/state."""
    parts: list[RenderableType] = [
        Text.assemble(
            (f"PAPER  Risk of {state['session']}  ", "bold"), (state["state"], _STATES.get(state["state"], ""))
        )
    ]
    parts += [Text(f"  {words}", style=WARNING) for words in state["words"] or ()]
    if not state["words"]:
        parts.append(Text("  nothing stands against a new trade", style=QUIET))
    return Group(*parts, pairs(_figures(state)), _breakers(state["breakers"]), _markets(state["markets"]))


def _figures(state: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    limits, drawdown = state["limits"], state["drawdown_percent"]
    yield "Equity", Text.assemble(usd(state["equity"]), " USD, peak ", usd(state["peak_equity"]))
    yield "Drawdown", signed_percent(None if drawdown is None else -Decimal(drawdown))
    yield "Today", signed_percent(state["day_percent"])
    yield "This week", signed_percent(state["week_percent"])
    yield "Losses in a row", Text(str(state["losses_in_a_row"]))
    largest, loss = usd(limits["position_max_usd"]), usd(limits["loss_at_stop_max_usd"])
    yield "A trade at most", Text.assemble(largest, " USD, losing ", loss, " at its stop")
    yield "Exposure", Text.assemble(usd(limits["exposure_usd"]), " of ", usd(limits["exposure_max_usd"]), " USD")
    places = (
        f"{limits['open_positions']} of {limits['positions_max']}, {limits['positions_per_symbol_max']} in one pair"
    )
    yield "Positions", Text(places)


def _breakers(breakers: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        breakers,
        ("breaker", "kind"),
        ("after", lambda each: f"-{each['loss_percent']} %", RIGHT),
        ("from", lambda each: usd(each["measured_from"]), RIGHT),
        ("acts at", lambda each: usd(each["acts_at"]), RIGHT),
    )


def _markets(markets: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table_of(
        markets,
        ("pair", "symbol", WHOLE),
        ("regime", lambda each: worded(each["regime"])),
        ("confidence", lambda each: f"from {each['confidence_min']}", RIGHT),
        ("size", lambda each: f"x {each['size_factor']}", RIGHT),
        ("leverage", "leverage_max", RIGHT),
        ("stop", lambda each: f"{each['stop_min_percent']} to {each['stop_max_percent']} %", RIGHT),
        ("open", "open_positions", RIGHT),
    )


def verdict_view(verdict: Mapping[str, Any]) -> RenderableType:
    """The answer of POST /risk/validate."""
    outcome = verdict["outcome"]
    title = Text.assemble(
        (f"PAPER  {verdict['side']} {verdict['symbol']}  ", "bold"), (outcome, _OUTCOMES.get(outcome, ""))
    )
    parts: list[RenderableType] = [title, pairs(_verdict(verdict))]
    if verdict["paused"] and verdict["approved"] and verdict["side"] == "buy":
        parts.append(Text("  trading is paused: agents would not open it now", style=WARNING))
    return Group(*parts, Text("  nothing was sent", style=QUIET))


def _verdict(verdict: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    base = verdict["symbol"].partition("/")[0]
    if verdict["quantity"] is not None:
        yield ("Would send" if verdict["approved"] else "Asked for"), Text(f"{verdict['quantity']} {base}")
    for name in ("entry", "stop", "target"):
        if verdict[name] is not None:
            yield name.capitalize(), price(verdict[name])
    yield "Confidence", Text(f"{verdict['confidence']} in {worded(verdict['regime'])}")
    for reason in verdict["reasons"]:
        yield "Refused", _told(reason, LOSS)
    for clamp in verdict["clamps"]:
        yield "Cut", Text(f"{worded(clamp['rule'])}: {clamp['from']} to {clamp['to']}", style=WARNING)
    for warning in verdict["warnings"]:
        yield "Warned", _told(warning, WARNING)


def _told(reason: Mapping[str, str], style: str) -> Text:
    return Text.assemble((reason["words"], style), (f" ({reason['rule']})", QUIET))

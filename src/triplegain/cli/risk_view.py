"""The state of risk and a verdict, as `risk` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

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
)  # fmt: skip

_STATES = {"running": GAIN, "paused": WARNING, "halted": ALARM}
_OUTCOMES = {"approved": GAIN, "modified": WARNING, "rejected": LOSS, "halted": ALARM}


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

"""The state of risk and a verdict, as `risk` prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.tables import ALARM, GAIN, LOSS, QUIET, WARNING, listing, pairs, price, signed_percent, usd

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
    limits = state["limits"]
    drawdown = _number(state["drawdown_percent"])
    yield "Equity", Text.assemble(usd(_number(state["equity"])), " USD, peak ", usd(_number(state["peak_equity"])))
    yield "Drawdown", signed_percent(None if drawdown is None else -drawdown)
    yield "Today", signed_percent(_number(state["day_percent"]))
    yield "This week", signed_percent(_number(state["week_percent"]))
    yield "Losses in a row", Text(str(state["losses_in_a_row"]))
    largest, loss = _number(limits["position_max_usd"]), _number(limits["loss_at_stop_max_usd"])
    yield "A trade at most", Text.assemble(usd(largest), " USD, losing ", usd(loss), " at its stop")
    exposure, most = _number(limits["exposure_usd"]), _number(limits["exposure_max_usd"])
    yield "Exposure", Text.assemble(usd(exposure), " of ", usd(most), " USD")
    places = (
        f"{limits['open_positions']} of {limits['positions_max']}, {limits['positions_per_symbol_max']} in one pair"
    )
    yield "Positions", Text(places)


def _breakers(breakers: Sequence[Mapping[str, Any]]) -> RenderableType:
    numbers = ("after", "from", "acts at")
    table = listing("breaker", *numbers, right=numbers)
    for each in breakers:
        base, at = _number(each["measured_from"]), _number(each["acts_at"])
        table.add_row(each["kind"], f"-{each['loss_percent']} %", usd(base), usd(at))
    return table


def _markets(markets: Sequence[Mapping[str, Any]]) -> RenderableType:
    numbers = ("confidence", "size", "leverage", "stop", "open")
    table = listing("pair", "regime", *numbers, right=numbers, whole=("pair",))
    for each in markets:
        table.add_row(
            each["symbol"],
            each["regime"].replace("_", " "),
            f"from {each['confidence_min']}",
            f"x {each['size_factor']}",
            str(each["leverage_max"]),
            f"{each['stop_min_percent']} to {each['stop_max_percent']} %",
            str(each["open_positions"]),
        )
    return table


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
            yield name.capitalize(), price(_number(verdict[name]))
    yield "Confidence", Text(f"{verdict['confidence']} in {verdict['regime'].replace('_', ' ')}")
    for reason in verdict["reasons"]:
        yield "Refused", _told(reason, LOSS)
    for clamp in verdict["clamps"]:
        yield "Cut", Text(f"{clamp['rule'].replace('_', ' ')}: {clamp['from']} to {clamp['to']}", style=WARNING)
    for warning in verdict["warnings"]:
        yield "Warned", _told(warning, WARNING)


def _told(reason: Mapping[str, str], style: str) -> Text:
    return Text.assemble((reason["words"], style), (f" ({reason['rule']})", QUIET))


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

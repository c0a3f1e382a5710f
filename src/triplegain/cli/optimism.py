"""`optimism`: by how much other paper modes would have flattered a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.app.optimism import Optimism, read_optimism
from triplegain.cli.client import JsonOption, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import QUIET, RIGHT, WARNING, WHOLE, moment, pairs, table_of, worded
from triplegain.config import home_dir
from triplegain.domain.clock import iso
from triplegain.domain.json_form import fields_of, plain_json
from triplegain.optimism.flattery import RuleFigures

_CAVEAT = (
    "Above zero a rule tells more than this exchange did. Flatters = price + fills + fee, in basis points of what was "
    "traded here or there. The orders are those of the record: what an agent would have done next is not asked. Ranges "
    "draw the orders of an hour together, a tenth of all at most: what lasts for longer makes the true ones wider than "
    "95 %."
)


def optimism(
    session: Annotated[str | None, typer.Argument(help="Its id; without one the latest session.")] = None,
    feed: Annotated[
        str | None,
        typer.Option(
            "--feed", help="Where its market is, if not as the session says: replay:PATH.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The orders of a session, filled again as other paper modes fill them, and how much each would have flattered."""
    home = home_dir()
    found = read_session_of(session, lambda database, session_id: read_optimism(home, database, session_id, feed))
    tell(as_json, found, optimism_view, optimism_as_json)


def optimism_as_json(found: Optimism) -> dict[str, Any]:
    """Money is text, rates are basis points, what is not known is null."""
    return {
        "mode": "paper",
        "session": found.session.session_id,
        **fields_of(found.session, "feed", "seed"),
        **fields_of(found, "synthetic", "orders", "other_quotes", "left_out"),
        "market": {
            "start": None if found.begins_ns is None else iso(found.begins_ns),
            "end": iso(found.until_ns) if found.until_ns else None,
        },
        "rules": [plain_json(each) for each in found.rules],
        "caveat": _CAVEAT,
    }


def optimism_view(found: Optimism) -> RenderableType:
    """A table for each quote currency, and what it does not say."""
    return Group(*_parts(found))


def _parts(found: Optimism) -> Iterator[RenderableType]:
    session, synthetic = found.session, " (synthetic: no real market)" if found.synthetic else ""
    rows = [
        ("Market", Text(f"{session.feed}{synthetic}")),
        ("Seen again", Text(f"{moment(found.begins_ns)} to {moment(found.until_ns)} UTC")),
        ("Orders", Text(f"{found.orders}, {found.orders - sum(found.left_out.values())} of them compared")),
        *_doubts(found),
        *(("Left out", Text(f"{count}: {worded(reason)}", style=WARNING)) for reason, count in found.left_out.items()),
    ]
    yield pairs(rows, title=f"PAPER  {session.session_id} as other paper modes would have told it")
    for asset in dict.fromkeys(each.asset for each in found.rules):
        yield ""
        yield _table(asset, [each for each in found.rules if each.asset == asset])
    if found.rules:
        versions = ", ".join(dict.fromkeys(f"{each.rule} {each.version}" for each in found.rules))
        yield Text(f"{_CAVEAT} Rules of {versions}.", style=QUIET)
    else:
        yield Text("There is no order that could be compared.", style=WARNING)


def _doubts(found: Optimism) -> Iterator[tuple[str, RenderableType]]:
    if found.other_quotes:
        yield "Other quotes", Text(f"{found.other_quotes} orders met others than at their decision", style=WARNING)


def _table(asset: str, rules: list[RuleFigures]) -> RenderableType:
    return table_of(
        rules,
        ("Rule", "rule", WHOLE),
        ("Filled", lambda each: f"{each.filled_here}/{each.filled_there} of {each.orders}", RIGHT),
        ("Flatters", lambda each: _rate(each.basis_points), RIGHT),
        ("95 %", _range, RIGHT),
        ("Price", lambda each: _rate(each.price), RIGHT),
        ("Fills", lambda each: _rate(each.fills), RIGHT),
        ("Fee", lambda each: _rate(each.fee), RIGHT),
        title=f"In basis points, paid in {asset}; filled here/there",
    )


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:+,.1f}"


def _range(each: RuleFigures) -> str:
    if each.low is None or each.high is None:
        return "too few" if each.orders else ""
    return f"{each.low:+,.1f} to {each.high:+,.1f}"

"""`session`: the sessions there are, one of them, its end, and a new start."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.api.address import running_sessions
from triplegain.cli.client import JsonOption, SessionOption, running_system, tell
from triplegain.cli.database import read_session_of, with_database
from triplegain.cli.tables import (
    RIGHT,
    WHOLE,
    amount,
    moment,
    order_cells,
    pairs,
    price,
    signed_amount,
    signed_percent,
    signed_usd,
    table_of,
    traded_by,
)
from triplegain.config.loader import home_dir
from triplegain.domain.clock import SystemClock
from triplegain.domain.json_form import fields_of, plain_json
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import SessionRecord, SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import SessionReport, SessionResult, read_report, read_results
from triplegain.storage.session_store import SessionStore

_OPEN = [status for status in OrderStatus if not status.is_final]
_ROWS_MAX = 100
_Id = Annotated[str, typer.Argument(help="The session's id, as `session list` shows it.")]


def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, latest first.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """All sessions, the latest first."""

    async def read(database: Database) -> list[SessionResult]:
        return await read_results(database, await SessionReader(database).list_sessions(limit=limit))

    running = {each.session for each in running_sessions(home_dir(create=False))}
    tell(
        as_json,
        with_database(read),
        lambda found: results_view(found, running),
        lambda found: results_as_json(found, running),
    )


def show(session: _Id, as_json: JsonOption = False) -> None:
    """One session: its settings, balances, open positions and orders."""
    tell(as_json, read_session_of(session, read_session), session_view)


def end(session: _Id, as_json: JsonOption = False) -> None:
    """End a session that nobody runs. Its record stays; it cannot go on."""

    async def change(database: Database) -> SessionReport:
        await SessionStore(database, SystemClock()).set_status(session, SessionStatus.ENDED)
        return await read_report(database, session)

    ended = with_database(change)
    still_open = sum(each.positions - each.closed for each in ended.symbols)
    told = f"The session {session} has ended; `tg report {session}` shows it."
    if still_open:
        told += f"\nPositions that were open stay in its record as they were: {still_open}."
    tell(as_json, ended.session, lambda _: told)


def reset(as_json: JsonOption = False, session: SessionOption = None) -> None:
    """Archive the running session and open a new one with the same settings. Nothing is deleted."""
    with running_system(session) as api:
        answer = api.post("/paper/reset")
    tell(
        as_json, answer, lambda found: f"PAPER  {found['session']} is running; {found['previous']} is archived as ended"
    )


async def read_session(database: Database, session_id: str) -> dict[str, Any]:
    """`session`, who `traded`, `statement`, `balances`, `positions` and `orders` (open ones).

    Raises SessionNotFoundError.
    """
    reader = SessionReader(database)
    session = await reader.session(session_id)
    (result,) = await read_results(database, [session])
    return {
        "session": session,
        "traded": result.traded,
        "statement": result.statement,
        "balances": await reader.balances(session_id),
        "positions": await reader.positions(session_id, closed=False, limit=_ROWS_MAX),
        "orders": await reader.orders(session_id, status=_OPEN, limit=_ROWS_MAX),
    }


def session_view(found: Mapping[str, Any]) -> RenderableType:
    """What `read_session` found, for eyes."""
    session = found["session"]
    facts: list[tuple[str, RenderableType]] = [
        ("Session", Text(session.session_id, style="bold")),
        ("Status", Text(session.status.value)),
        ("Feed", Text(session.feed)),
        ("Traded by", Text(traded_by(found["traded"]))),
        ("Profit", Text.assemble(signed_usd(found["statement"].profit), " USD")),
        ("Seed", Text(str(session.seed))),
        ("Created", Text(f"{moment(session.created_at_ns)} UTC")),
        ("Last stored", Text(f"{moment(session.updated_at_ns)} UTC")),
        ("Market time", Text(f"{moment(session.market_time_ns)} UTC")),
        ("Opened with", Text(", ".join(amount(each, name).plain for name, each in session.initial_balances.items()))),
        ("Settings", Text(_settings(session))),
    ]
    parts: list[RenderableType] = [pairs(facts)]
    if found["balances"]:
        parts.append(
            table_of(
                found["balances"],
                ("Asset", "asset"),
                ("Total", lambda each: amount(each.total), RIGHT),
                ("Held", lambda each: amount(each.held), RIGHT),
                title="Balances",
            )
        )
    if found["positions"]:
        parts.append(
            table_of(
                found["positions"],
                ("Position", "position_id"),
                ("Pair", "symbol"),
                ("Quantity", lambda each: amount(each.quantity), RIGHT),
                ("Entry", lambda each: price(each.average_entry), RIGHT),
                ("Stop", lambda each: price(each.stop) if each.stop is not None else "none", RIGHT),
                ("Target", lambda each: price(each.target) if each.target is not None else "none", RIGHT),
                ("Realised", lambda each: signed_amount(each.realised, each.symbol.partition("/")[2]), RIGHT),
                title="Open positions",
            )
        )
    if found["orders"]:
        headings = ("Order", "Pair", "Side", "Type", "Price", "Filled", "Status")
        columns = [(heading, itemgetter(place)) for place, heading in enumerate(headings)]
        parts.append(table_of(map(order_cells, found["orders"]), *columns, title="Open orders"))
    return Group(*parts)


def results_view(found: Sequence[SessionResult], running: Collection[str] = ()) -> RenderableType:
    """A line for each session; `running`: those that run on this machine."""
    if not found:
        return "There is no session yet: `tg paper` starts one."
    return table_of(
        found,
        ("Session", lambda each: each.session.session_id, WHOLE),
        ("Status", lambda each: "running" if each.session.session_id in running else each.session.status.value),
        ("Feed", lambda each: each.session.feed),
        ("Traded by", lambda each: each.traded.trader),
        ("Profit", lambda each: signed_percent(each.statement.profit_percent)),
        ("Last stored (UTC)", lambda each: moment(each.session.updated_at_ns), WHOLE),
    )


def results_as_json(found: Sequence[SessionResult], running: Collection[str] = ()) -> list[dict[str, Any]]:
    return [
        plain_json(each.session)
        | fields_of(each, "traded")
        | fields_of(each.statement, "equity", "profit")
        | {"running": each.session.session_id in running}
        for each in found
    ]


def _settings(session: SessionRecord) -> str:
    """Those that are one value; `--json` has all."""
    single = {name: value for name, value in session.settings.items() if not isinstance(value, (Mapping, list))}
    return ", ".join(f"{name} {value}" for name, value in single.items()) or "see --json"

"""Positions, and the way out of them. Nobody names a price: a position is closed by an order on the market."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from triplegain.api.brakes import brake
from triplegain.api.requests import Nothing, PositionClose, PositionPage
from triplegain.api.resources import Closing, Position, PositionPages
from triplegain.api.visit import CurrentVisit, Visit
from triplegain.domain import commands
from triplegain.domain.commands import ClosePosition, Done, Flat, ReducePosition
from triplegain.domain.money import text
from triplegain.domain.values import NAME

PositionName = Annotated[str, Path(pattern=NAME)]


async def list_positions(visit: CurrentVisit, query: Annotated[PositionPage, Query()]) -> PositionPages:
    view = visit.control.view()
    shown, following = await query.rows(visit.reader.positions, view.session_id)
    gains = view.unrealised or {}
    items = [Position.of(each, mode=view.mode, unrealised=gains.get(each.position_id)) for each in shown]
    return PositionPages(mode=view.mode, items=items, next=following)


async def close_position(visit: CurrentVisit, name: PositionName, body: PositionClose | None = None) -> Closing:
    """All of it, or the `quantity` that is named; what stays keeps its stop."""
    command: ClosePosition | ReducePosition = ClosePosition(name)
    details = {"position_id": name}
    if body is not None and body.quantity is not None:
        command = ReducePosition(name, body.quantity)
        details["quantity"] = text(body.quantity)
    audit = visit.audit("position_close", details)
    return _closing(visit, await visit.carry_out(command, audit, "GET /paper/positions"))


@brake
async def close_all_positions(visit: Visit, body: Nothing | None = None) -> Closing:
    """Flat: everything is closed, entries that have not filled are cancelled."""
    return _closing(visit, await visit.carry_out(Flat(), visit.audit("flat"), "GET /paper/positions"))


def _closing(visit: Visit, done: Done[commands.ClosingProgress]) -> Closing:
    return Closing.of(done.record, mode=visit.moment().mode)

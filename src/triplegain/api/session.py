"""The session as a whole: how it stands, its equity over time, pausing, starting over."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from triplegain.api import portfolio_resource
from triplegain.api.requests import HistoryPage, Nothing
from triplegain.api.resources import Acknowledged, Health, NewSession, acknowledged
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import Pause, ResetSession, Resume
from triplegain.domain.refusals import Code, RefusedError


async def show_mode(visit: CurrentVisit) -> portfolio_resource.Mode:
    return portfolio_resource.mode(visit.view())


async def show_portfolio(visit: CurrentVisit) -> portfolio_resource.Portfolio:
    view = visit.view()
    return portfolio_resource.portfolio(view, await visit.reader.halts(view.session_id))


async def list_history(visit: CurrentVisit, query: Annotated[HistoryPage, Query()]) -> portfolio_resource.HistoryPages:
    """The equity curve as it was stored, one point a minute of market time."""
    now = visit.moment()
    found = await visit.reader.portfolio_snapshots(
        now.session_id, after=query.after, limit=query.limit + 1, newest_first=query.newest_first
    )
    items = [portfolio_resource.history_point(each) for each in found[: query.limit]]
    more = len(found) > query.limit
    return portfolio_resource.HistoryPages(mode=now.mode, items=items, next=items[-1].number if more else None)


async def pause(visit: CurrentVisit, body: Nothing | None = None) -> Acknowledged:
    """No new decisions; protection goes on."""
    await visit.carry_out(Pause(), visit.audit("trading_paused"), "GET /paper/mode")
    return acknowledged(visit.moment())


async def resume(visit: CurrentVisit, body: Nothing | None = None) -> Acknowledged:
    await visit.carry_out(Resume(), visit.audit("trading_resumed"), "GET /paper/mode")
    return acknowledged(visit.moment())


async def reset(visit: CurrentVisit, body: Nothing | None = None) -> NewSession:
    """End and archive the session, and open a new one with the same settings. Nothing is deleted."""
    now = visit.moment()
    audit = visit.audit("paper_reset", {"session": now.session_id})
    opened = await visit.carry_out(ResetSession(), audit, "GET /paper/mode")
    return NewSession(mode=now.mode, session=opened.record, previous=now.session_id)


async def live(visit: CurrentVisit) -> Health:
    """The process answers."""
    return Health(mode=visit.moment().mode, status="live")


async def ready(visit: CurrentVisit) -> Health:
    """The session trades, or is paused by hand; 503 with the reason once it has halted."""
    now = visit.moment()
    if now.halted:
        raise RefusedError(Code.HALTED, f"the session has halted: {now.halted}")
    return Health(mode=now.mode, status="paused" if now.paused else "ready")

"""The session as a whole: how it stands, its equity over time, pausing, starting over, stopping everything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import PlainTextResponse

from triplegain.api.access import Role
from triplegain.api.brakes import brake
from triplegain.api.requests import HistoryPage, Nothing
from triplegain.api.resources import (
    Acknowledged,
    Coordinator,
    EmergencyBegun,
    Health,
    HistoryPages,
    HistoryPoint,
    Mode,
    NewSession,
    Portfolio,
    Readiness,
    portfolio,
)
from triplegain.api.visit import CurrentCaller, CurrentReception, CurrentVisit, CurrentVisits, Visit
from triplegain.domain.commands import Emergency, Pause, ResetSession, Resume
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.views import AgentsView, CoordinatorView


async def show_mode(visit: CurrentVisit) -> Mode:
    return Mode.of(visit.moment())


async def show_portfolio(visit: CurrentVisit) -> Portfolio:
    view = visit.control.view()
    return portfolio(view, await visit.reader.halts(view.session_id))


async def list_history(visit: CurrentVisit, query: Annotated[HistoryPage, Query()]) -> HistoryPages:
    """The equity curve as it was stored, one point a minute of market time."""
    now = visit.moment()
    shown, following = await query.rows(visit.reader.portfolio_snapshots, now.session_id)
    return HistoryPages(mode=now.mode, items=[HistoryPoint.of(each) for each in shown], next=following)


@brake
async def pause(visit: Visit, body: Nothing | None = None) -> Acknowledged:
    """No new decisions; protection goes on."""
    await visit.carry_out(Pause(), visit.audit("trading_paused"), "GET /paper/mode")
    return Acknowledged.of(visit.moment())


async def resume(visit: CurrentVisit, body: Nothing | None = None) -> Acknowledged:
    await visit.carry_out(Resume(), visit.audit("trading_resumed"), "GET /paper/mode")
    return Acknowledged.of(visit.moment())


async def reset(visit: CurrentVisit, body: Nothing | None = None) -> NewSession:
    """End and archive the session, and open a new one with the same settings. Nothing is deleted."""
    now = visit.moment()
    audit = visit.audit("paper_reset", {"session": now.session_id})
    opened = await visit.carry_out(ResetSession(), audit, "GET /paper/mode")
    return NewSession(mode=now.mode, session=opened.record, previous=now.session_id)


async def live(visits: CurrentVisits) -> Health:
    """The process answers."""
    return Health(mode=next(iter(visits.values())).moment().mode, status="live")


async def ready(visits: CurrentVisits, reception: CurrentReception, caller: CurrentCaller) -> Readiness:
    """The session trades, or is paused by hand; 503 with the reason where it has halted or its database is away, and
    while nothing can be traded in any market. Where none is named: each that runs here, or should."""
    main, *others = [visit.moment() for visit in visits.values()]
    if main.away:
        raise RefusedError(Code.DATABASE_AWAY, f"the database is away, and the session waits for it: {main.away}")
    if main.halted:
        raise RefusedError(Code.HALTED, f"the session has halted: {main.halted}")
    halted = {each.session_id: each.halted for each in others if each.halted}
    if caller.session is None:
        halted |= reception.directory.failed()
    if halted and caller.role is Role.PUBLIC:
        # Nobody without a key is told what runs here.
        raise RefusedError(
            Code.HALTED, f"{len(halted)} of the sessions here halted: `GET /health` with a key names them"
        )
    if halted:
        raise RefusedError(Code.HALTED, "; ".join(f"{name} has halted: {why}" for name, why in halted.items()))
    if main.unready:
        raise RefusedError(Code.NOT_READY, main.unready)
    return Readiness(mode=main.mode, status="paused" if main.paused else "ready", waits_for=main.waits_for)


async def metrics(visits: CurrentVisits, reception: CurrentReception, caller: CurrentCaller) -> PlainTextResponse:
    """Figures in Prometheus' text format, of each session that runs here where none is named."""
    shown = reception.directory.metrics(tuple(visits), tuple(reception.failed(caller)))
    return PlainTextResponse(shown, media_type="text/plain; version=0.0.4")


async def show_status(visit: CurrentVisit) -> Coordinator:
    return Coordinator.of(visit.control.view(), visit.control.see(AgentsView), visit.control.see(CoordinatorView))


@brake
async def emergency(visit: Visit, body: Nothing | None = None) -> EmergencyBegun:
    """Pause and begin to close everything, in one step: nothing can be opened in between."""
    audit = visit.audit("admin_override", {"act": "emergency"})
    closing = (await visit.carry_out(Emergency(), audit, "GET /coordinator/status")).record
    return EmergencyBegun.of(closing, visit.moment())

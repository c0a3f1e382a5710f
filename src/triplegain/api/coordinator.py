"""The coordinator: how the session as a whole stands, and the one command that stops everything."""

from __future__ import annotations

from triplegain.api import portfolio_resource
from triplegain.api.coordinator_resource import Coordinator
from triplegain.api.requests import Nothing
from triplegain.api.resources import EmergencyBegun
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import Emergency


async def show_status(visit: CurrentVisit) -> Coordinator:
    view, mind = visit.view(), visit.control.agents()
    return Coordinator(
        **dict(portfolio_resource.mode(view)),
        **dict(visit.control.coordinator()),
        level=mind.level,
        failing=mind.failing,
        tasks=mind.tasks,
        last_decisions=list(view.last_decisions),
    )


async def emergency(visit: CurrentVisit, body: Nothing | None = None) -> EmergencyBegun:
    """Pause and begin to close everything, in one step: nothing can be opened in between."""
    audit = visit.audit("admin_override", {"act": "emergency"})
    closing = (await visit.carry_out(Emergency(), audit, "GET /coordinator/status")).record
    now = visit.moment()
    return EmergencyBegun(
        mode=now.mode,
        session=now.session_id,
        paused=now.paused,
        halted=now.halted,
        positions=list(closing.positions),
        left=list(closing.left),
    )

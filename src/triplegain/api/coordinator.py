"""The coordinator: how the session as a whole stands, and the one command that stops everything."""

from __future__ import annotations

from triplegain.api.requests import Nothing
from triplegain.api.resources import Coordinator, EmergencyBegun
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import Emergency


async def show_status(visit: CurrentVisit) -> Coordinator:
    return Coordinator.of(visit.view(), visit.control.agents(), visit.control.coordinator())


async def emergency(visit: CurrentVisit, body: Nothing | None = None) -> EmergencyBegun:
    """Pause and begin to close everything, in one step: nothing can be opened in between."""
    audit = visit.audit("admin_override", {"act": "emergency"})
    closing = (await visit.carry_out(Emergency(), audit, "GET /coordinator/status")).record
    return EmergencyBegun.of(closing, visit.moment())

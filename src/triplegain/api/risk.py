"""Risk: how the account stands, what would be said to a trade, and the reset that ends a halt."""

from __future__ import annotations

from triplegain.api import risk_resource
from triplegain.api.requests import Nothing
from triplegain.api.risk_requests import RiskQuestion
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import ResetRisk


async def show_risk(visit: CurrentVisit) -> risk_resource.RiskState:
    return visit.control.risk()


async def validate(visit: CurrentVisit, body: RiskQuestion) -> risk_resource.Verdict:
    """What risk would say to this trade now. Nothing is sent, counted or changed."""
    now = visit.moment()
    return risk_resource.verdict(visit.control.judge(body), now.session_id, now.mode, now.paused)


async def reset_risk(visit: CurrentVisit, body: Nothing | None = None) -> risk_resource.RiskReset:
    """End every halt: equity as it is now becomes the peak and the opening of day and week. 409 while it is unknown."""
    now = visit.moment()
    audit = visit.audit("risk_reset", {"session": now.session_id})
    ended = await visit.carry_out(ResetRisk(), audit, "GET /risk/state")
    return risk_resource.RiskReset(mode=now.mode, session=now.session_id, ended=list(ended.record))

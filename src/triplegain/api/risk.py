"""Risk: how the account stands, what would be said to a trade, and the reset that ends a halt."""

from __future__ import annotations

from triplegain.api.requests import Nothing, RiskQuestion
from triplegain.api.resources import RiskReset, Verdict, verdict
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import ResetRisk


async def validate(visit: CurrentVisit, body: RiskQuestion) -> Verdict:
    """What risk would say to this trade now. Nothing is sent, counted or changed."""
    found = visit.control.judge(body.proposal(), body.notional, body.regime)
    return verdict(found, visit.moment())


async def reset_risk(visit: CurrentVisit, body: Nothing | None = None) -> RiskReset:
    """End every halt: equity as it is now becomes the peak and the opening of day and week. 409 while it is unknown."""
    now = visit.moment()
    audit = visit.audit("risk_reset", {"session": now.session_id})
    ended = await visit.carry_out(ResetRisk(), audit, "GET /risk/state")
    return RiskReset(mode=now.mode, session=now.session_id, ended=list(ended.record))

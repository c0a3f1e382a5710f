"""Agents: what they last said, when they run next, a run at once, and what was decided."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from triplegain.api import agents_resource
from triplegain.api.requests import AnalysisPage, DecisionPage, Nothing
from triplegain.api.visit import CurrentVisit
from triplegain.domain.agent_records import VoteRecord
from triplegain.domain.commands import RunTask
from triplegain.domain.values import WORD

TaskName = Annotated[str, Path(pattern=WORD)]
_VOTES_MAX = 100_000


async def show_agents(visit: CurrentVisit) -> agents_resource.Agents:
    now = visit.moment()
    latest = await visit.reader.latest_analyses(now.session_id)
    return agents_resource.Agents(
        mode=now.mode,
        session=now.session_id,
        market_time=now.market_time_ns,
        latest=[agents_resource.analysis(each) for each in latest],
        **dict(visit.control.agents()),
    )


async def list_analyses(visit: CurrentVisit, query: Annotated[AnalysisPage, Query()]) -> agents_resource.AnalysisPages:
    """Every answer and abstention of the analysts."""
    now = visit.moment()
    found = await visit.reader.analyses(
        now.session_id,
        task=query.task,
        symbol=query.symbol,
        after=query.after,
        limit=query.limit + 1,
        newest_first=query.newest_first,
    )
    items = [agents_resource.analysis(each) for each in found[: query.limit]]
    more = len(found) > query.limit
    return agents_resource.AnalysisPages(mode=now.mode, items=items, next=items[-1].number if more else None)


async def run_task(visit: CurrentVisit, task: TaskName, body: Nothing | None = None) -> agents_resource.RunRequested:
    """Run a task now, beside its schedule. Refused where the run would only be skipped."""
    now = visit.moment()
    audit = visit.audit("agent_run", {"task": task})
    await visit.carry_out(RunTask(task), audit, "GET /agents")
    return agents_resource.RunRequested(mode=now.mode, session=now.session_id, task=task)


async def list_decisions(visit: CurrentVisit, query: Annotated[DecisionPage, Query()]) -> agents_resource.DecisionPages:
    """What was decided and what came of it, with the votes that counted."""
    now = visit.moment()
    found = await visit.reader.decisions(
        now.session_id,
        symbol=query.symbol,
        outcome=query.outcome,
        after=query.after,
        limit=query.limit + 1,
        newest_first=query.newest_first,
    )
    shown = found[: query.limit]
    votes: dict[int | None, list[VoteRecord]] = {}
    numbers = [each.number for each in shown]
    for vote in await visit.reader.votes(now.session_id, decision_numbers=numbers, limit=_VOTES_MAX):
        votes.setdefault(vote.decision_number, []).append(vote)
    return agents_resource.DecisionPages(
        mode=now.mode,
        items=[agents_resource.decision(each, votes.get(each.number, []), now.mode) for each in shown],
        next=shown[-1].number if len(found) > query.limit else None,
    )

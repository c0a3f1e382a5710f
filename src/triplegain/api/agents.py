"""Agents: what they see, what they last said, when they run next, a run at once, and what was decided."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from triplegain.api.requests import AnalysisPage, DecisionPage, Nothing
from triplegain.api.resources import Agents, Analysis, AnalysisPages, Decision, DecisionPages, RunRequested
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import RunTask
from triplegain.domain.values import WORD
from triplegain.domain.views import AgentsView, LastLooks

TaskName = Annotated[str, Path(pattern=WORD)]
#: BTC-USDT: a path cannot hold the slash.
PairName = Annotated[str, Path(pattern=r"^[A-Za-z0-9.]{1,16}[-_][A-Za-z0-9.]{1,16}$")]


async def show_agents(visit: CurrentVisit) -> Agents:
    now = visit.moment()
    seen = visit.control.see(AgentsView)
    stored = await visit.reader.latest_analyses(now.session_id)
    said = sorted((*stored, *visit.control.see(LastLooks).said), key=lambda each: each.time_ns)
    latest = {(each.task, each.symbol): each for each in said}
    return Agents.of(
        seen,
        mode=now.mode,
        session=now.session_id,
        market_time=now.market_time_ns,
        latest=[Analysis.of(latest[each]) for each in sorted(latest)],
    )


async def list_analyses(visit: CurrentVisit, query: Annotated[AnalysisPage, Query()]) -> AnalysisPages:
    """Every answer and abstention of models, and those of rules that said something else than the one before."""
    now = visit.moment()
    shown, following = await query.rows(visit.reader.analyses, now.session_id)
    return AnalysisPages(mode=now.mode, items=[Analysis.of(each) for each in shown], next=following)


async def run_task(visit: CurrentVisit, task: TaskName, body: Nothing | None = None) -> RunRequested:
    """Run a task now, beside its schedule. Refused where the run would only be skipped."""
    now = visit.moment()
    audit = visit.audit("agent_run", {"task": task})
    await visit.carry_out(RunTask(task), audit, "GET /agents")
    return RunRequested(mode=now.mode, session=now.session_id, task=task)


async def list_decisions(visit: CurrentVisit, query: Annotated[DecisionPage, Query()]) -> DecisionPages:
    """What was decided and what came of it, with the votes that counted."""
    now = visit.moment()
    shown, following = await query.rows(visit.reader.decisions, now.session_id)
    votes = await visit.reader.votes_of(now.session_id, shown)
    items = [Decision.of(each, mode=now.mode, votes=votes.get(each.number, [])) for each in shown]
    return DecisionPages(mode=now.mode, items=items, next=following)


async def show_snapshot(
    visit: CurrentVisit,
    pair: PairName,
    compact: Annotated[bool, Query(description="the form for models, within the token budget")] = False,
) -> Response:
    """Canonical JSON; its SHA-256 is the ETag. 409 with the reason where there is nothing to see."""
    shown = visit.control.snapshot(pair.replace("_", "-").replace("-", "/").upper(), compact)
    return Response(shown.json, media_type="application/json", headers={"ETag": f'"{shown.hash}"'})

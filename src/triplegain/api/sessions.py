"""The sessions there are, and which of them run here."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from triplegain.api.requests import SessionQuery
from triplegain.api.resources import Session, Sessions
from triplegain.api.visit import CurrentCaller, CurrentReception
from triplegain.domain.refusals import RefusedError


async def list_sessions(
    reception: CurrentReception, caller: CurrentCaller, query: Annotated[SessionQuery, Query()]
) -> Sessions:
    """The latest first. Whoever reaches one session is shown that one."""
    directory = reception.directory
    running = directory.running()
    try:
        main = directory.control(None).moment().session_id
    except RefusedError:
        main = None
    wanted = None if caller.session is None else {caller.session}
    if query.running:
        wanted = set(running) if wanted is None else wanted & set(running)
    found = await reception.reader.list_sessions(limit=query.limit, only=wanted)
    items = [Session.of(each, running=each.session_id in running, main=each.session_id == main) for each in found]
    return Sessions(items=items)

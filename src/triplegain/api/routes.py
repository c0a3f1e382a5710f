"""Every route there is, with who may use it. What is not in this table does not exist and is not let through."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

from fastapi import params
from pydantic import BaseModel

from triplegain.api import agents, order_commands, orders, positions, risk, session, sessions
from triplegain.api.access import Budget, Role
from triplegain.api.addressee import ONE_SESSION, PREFIX, SESSIONS, Addressee
from triplegain.api.visit import CurrentVisit
from triplegain.api.wire import Part, Resource, part_of
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.views import Margin, RiskState

OPENAPI = f"{PREFIX}/openapi.json"
_PARAMETER = re.compile(r"\{\w+\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One way in. `endpoint` is None where FastAPI has its own. `is_text`: it answers no JSON. `of_session`: there is
    one of each session. `query`: its parameters, and whether each may be given several times."""

    method: str
    path: str
    endpoint: Callable[..., Any] | None
    role: Role
    budget: Budget = Budget.DEFAULT
    status: int = 200
    is_text: bool = False
    of_session: bool = True
    pattern: re.Pattern[str] = field(init=False, repr=False)
    query: Mapping[str, bool] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pattern = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(self.path))
        object.__setattr__(self, "pattern", re.compile(pattern))
        object.__setattr__(self, "query", dict(_query_of(self.endpoint)) if self.endpoint else {})

    @property
    def path_of_one(self) -> str | None:
        """Where it is for a session that is named; None where there is no such thing, or only without the prefix."""
        is_there = self.of_session and self.path.startswith(PREFIX)
        return ONE_SESSION + self.path.removeprefix(PREFIX) if is_there else None

    def role_for(self, asked: Addressee) -> Role:
        """Whether a session of that name runs here is told to nobody without a key."""
        return max(self.role, Role.VIEWER) if asked.names else self.role


def _query_of(endpoint: Callable[..., Any]) -> Iterator[tuple[str, bool]]:
    """The parameters an endpoint takes from the query: one by one, or as the fields of a model."""
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        if not any(isinstance(each, params.Query) for each in getattr(hint, "__metadata__", ())):
            continue
        kind = get_args(hint)[0]
        if issubclass(kind, BaseModel):
            yield from ((each, get_origin(found.annotation) is list) for each, found in kind.model_fields.items())
        else:
            yield name, False


def _both(method: str, path: str, endpoint: Callable[..., Any], role: Role, *rest: Any) -> tuple[Route, Route]:
    """Under the prefix and without it."""
    return Route(method, PREFIX + path, endpoint, role, *rest), Route(method, path, endpoint, role, *rest)


def _live(kind: type, name: str) -> Callable[..., Any]:
    """The endpoint that shows a view of the running session as it is."""
    shown = part_of(kind, Resource)

    async def show(visit: CurrentVisit) -> Part:
        return shown.of(visit.control.see(kind))

    show.__name__ = name
    show.__annotations__["return"] = shown
    return show


ROUTES: tuple[Route, ...] = (
    *_both("GET", "/health/live", session.live, Role.PUBLIC),
    *_both("GET", "/health/ready", session.ready, Role.PUBLIC),
    *_both("GET", "/health", session.ready, Role.PUBLIC),
    *_both("GET", "/metrics", session.metrics, Role.VIEWER, Budget.READS, 200, True),
    *_both("GET", "/paper/mode", session.show_mode, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/portfolio", session.show_portfolio, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/portfolio/history", session.list_history, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/positions", positions.list_positions, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/orders", orders.list_orders, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/orders/{name}", orders.show_order, Role.VIEWER, Budget.READS),
    *_both("GET", "/paper/orders/{name}/explanation", orders.explain_order, Role.VIEWER, Budget.READS),
    *_both("POST", "/paper/trade", orders.place_order, Role.TRADER, Budget.TRADE, 201),
    *_both("POST", "/paper/orders/validate", order_commands.validate_order, Role.TRADER, Budget.TRADE),
    *_both("POST", "/paper/orders/batch", order_commands.place_batch, Role.TRADER, Budget.TRADE, 201),
    *_both("POST", "/paper/orders/cancel-batch", order_commands.cancel_batch, Role.TRADER, Budget.CANCEL),
    *_both("POST", "/paper/orders/cancel-all-after", order_commands.cancel_all_after, Role.TRADER, Budget.CANCEL),
    *_both("POST", "/paper/orders/{name}/edit", order_commands.edit_order, Role.TRADER, Budget.TRADE, 201),
    *_both("PATCH", "/paper/orders/{name}", orders.amend_order, Role.TRADER, Budget.TRADE),
    *_both("DELETE", "/paper/orders/{name}", orders.cancel_order, Role.TRADER, Budget.CANCEL),
    *_both("POST", "/paper/orders/cancel-all", orders.cancel_all_orders, Role.TRADER, Budget.STOP),
    *_both("DELETE", "/paper/orders", orders.cancel_all_orders, Role.TRADER, Budget.STOP),
    *_both("POST", "/paper/positions/{name}/close", positions.close_position, Role.TRADER, Budget.CANCEL, 202),
    *_both("POST", "/paper/flat", positions.close_all_positions, Role.TRADER, Budget.STOP, 202),
    *_both("POST", "/paper/pause", session.pause, Role.ADMIN, Budget.STOP),
    *_both("POST", "/paper/resume", session.resume, Role.ADMIN),
    *_both("POST", "/paper/reset", session.reset, Role.ADMIN, Budget.RESET, 201),
    Route("GET", f"{PREFIX}/coordinator/status", session.show_status, Role.VIEWER, Budget.READS),
    Route("POST", f"{PREFIX}/coordinator/pause", session.pause, Role.ADMIN, Budget.STOP),
    Route("POST", f"{PREFIX}/coordinator/resume", session.resume, Role.ADMIN),
    Route("POST", f"{PREFIX}/coordinator/emergency", session.emergency, Role.TRADER, Budget.STOP, 202),
    Route("POST", f"{PREFIX}/coordinator/tasks/{{task}}/run", agents.run_task, Role.TRADER, Budget.DEFAULT, 202),
    Route("GET", f"{PREFIX}/risk/state", _live(RiskState, "show_risk"), Role.VIEWER, Budget.READS),
    Route("GET", f"{PREFIX}/margin", _live(Margin, "show_margin"), Role.VIEWER, Budget.READS),
    Route("POST", f"{PREFIX}/risk/validate", risk.validate, Role.VIEWER, Budget.READS),
    Route("POST", f"{PREFIX}/risk/reset", risk.reset_risk, Role.ADMIN, Budget.RESET),
    Route("GET", f"{PREFIX}/agents", agents.show_agents, Role.VIEWER, Budget.READS),
    Route("GET", f"{PREFIX}/agents/analyses", agents.list_analyses, Role.VIEWER, Budget.READS),
    Route("POST", f"{PREFIX}/agents/{{task}}/run", agents.run_task, Role.TRADER, Budget.DEFAULT, 202),
    Route("GET", f"{PREFIX}/decisions", agents.list_decisions, Role.VIEWER, Budget.READS),
    Route("GET", f"{PREFIX}/snapshot/{{pair}}", agents.show_snapshot, Role.VIEWER, Budget.READS),
    Route("GET", SESSIONS, sessions.list_sessions, Role.VIEWER, Budget.READS, of_session=False),
    Route("GET", OPENAPI, None, Role.VIEWER, Budget.READS, of_session=False),
)


def find_route(method: str, asked: Addressee) -> Route:
    """The route a request means. Raises RefusedError with 404, or 405 where the path takes other methods."""
    all_here = (route for route in ROUTES if route.of_session or not asked.base)
    fitting = [route for route in all_here if route.pattern.fullmatch(asked.path)]
    for route in fitting:
        if route.method == method:
            return route
    if fitting:
        allowed = sorted({route.method for route in fitting})
        raise RefusedError(Code.METHOD_NOT_ALLOWED, f"this path takes {', '.join(allowed)}", {"allowed": allowed})
    raise RefusedError(Code.NOT_FOUND, f"there is no such path; {OPENAPI} lists all")

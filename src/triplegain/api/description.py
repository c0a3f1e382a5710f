"""What the OpenAPI says of a route beside its answer: the key it needs, and every way in which it is refused."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from triplegain.api import orders, positions, session
from triplegain.api.access import Role
from triplegain.api.addressee import ONE_SESSION, PREFIX, SESSIONS
from triplegain.api.resources import Order, Refused
from triplegain.api.routes import ROUTES, Route
from triplegain.domain.refusals import Code
from triplegain.domain.values import SESSION

_SCHEME = "key"
#: Any request may be refused so, by the door or because the session or the database is away.
_ALWAYS = (400, 401, 403, 404, 408, 413, 421, 422, 429, 431, 500, 503)
#: An act may be at odds with how things stand, or its outcome unknown.
_ACT = (409, 504)
#: What these ask for may be stored and not sent yet, which is told in the shape of a refusal.
_MAY_STAND = (orders.amend_order, positions.close_position, positions.close_all_positions, session.emergency)
_STANDS = Code.STANDS.status
_REFUSED = {"$ref": f"#/components/schemas/{Refused.__name__}"}


def responses_of(route: Route) -> dict[int | str, dict[str, Any]]:
    """By status; the answer of success is known from the endpoint.

    The one shape of a refusal is named, not given as a model: FastAPI would build its validator anew for each status of
    each route, which takes longer than all else in the making of the application.
    """
    refused = {*_ALWAYS, *(_ACT if route.method != "GET" else ())}
    if route.path.endswith("/snapshot/{pair}"):
        refused.add(Code.NO_SNAPSHOT.status)
    found: dict[int | str, dict[str, Any]] = {status: _refusal(HTTPStatus(status).phrase) for status in sorted(refused)}
    if route.endpoint in _MAY_STAND and route.status != _STANDS:
        found[_STANDS] = _refusal("Stored, and sent as soon as the market takes it")
    if route.path.endswith("/paper/trade"):
        found[200] = {"model": Order, "description": "This id is known: the order as it is now"}
    return found


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _REFUSED}}}


def security_of(route: Route) -> dict[str, Any]:
    """On this machine a public route needs no key."""
    needed: list[dict[str, list[str]]] = [{_SCHEME: []}]
    return {"security": [*needed, {}] if route.role is Role.PUBLIC else needed}


#: What an answer names that other routes take: (answer's path, method, status), where in it, and the routes.
_LINKS = (
    (("/paper/trade", "post", "201"), "$response.body#/client_order_id", "/paper/orders/{name}"),
    (("/paper/positions", "get", "200"), "$response.body#/items/0/position_id", "/paper/positions/{name}/close"),
)


#: Of every operation on one session.
_SESSION = {
    "name": "session",
    "in": "path",
    "required": True,
    "description": "one that runs here",
    "schema": {"type": "string", "pattern": SESSION},
}


def _add_those_of_one(paths: dict[str, Any]) -> None:
    """What there is of the main session there is of each, under its name."""
    for route in ROUTES:
        if (path := route.path_of_one) is None:
            continue
        operation = paths[route.path][route.method.lower()]
        paths.setdefault(path, {})[route.method.lower()] = {
            **operation,
            "operationId": f"{operation['operationId']}_of_session",
            "parameters": [_SESSION, *operation.get("parameters", [])],
            "security": [{_SCHEME: []}],
            "responses": {status: dict(answer) for status, answer in operation["responses"].items()},
        }


def _link(paths: dict[str, Any]) -> None:
    for base, same in ((PREFIX, {}), (ONE_SESSION, {"session": "$request.path.session"})):
        for (path, method, status), named, target in _LINKS:
            told = paths[base + path][method]["responses"][status]
            told["links"] = {
                act: {"operationId": operation["operationId"], "parameters": {"name": named, **same}}
                for act, operation in paths[base + target].items()
            }
    paths[SESSIONS]["get"]["responses"]["200"]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"session": "$response.body#/items/0/session"},
        }
        for path, operations in paths.items()
        for operation in operations.values()
        if path.startswith(ONE_SESSION) and path.count("{") == 1
    }


def describe(app: FastAPI) -> None:
    """Add to what FastAPI finds: the scheme of keys, the shape of refusals, the second one of what is begun, all of it
    once more for a session by its name, which answer leads where."""
    found = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(found())
        return found()

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(told: dict[str, Any]) -> None:
    scheme = {"type": "http", "scheme": "bearer", "description": "the admin key is in TRIPLEGAIN_HOME/admin.key"}
    components, paths = told["components"], told["paths"]
    components["securitySchemes"] = {_SCHEME: scheme}
    components["schemas"][Refused.__name__] = Refused.model_json_schema(mode="serialization")
    for route in ROUTES:
        if route.endpoint in _MAY_STAND and route.status == _STANDS and route.path in paths:
            answer = paths[route.path][route.method.lower()]["responses"][str(_STANDS)]
            content = answer["content"]["application/json"]
            content["schema"] = {"anyOf": [content["schema"], _REFUSED]}
        if route.is_text and route.path in paths:
            answer = paths[route.path][route.method.lower()]["responses"]["200"]
            answer["content"] = {"text/plain": {"schema": {"type": "string"}}}
    _add_those_of_one(paths)
    _link(paths)

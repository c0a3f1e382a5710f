"""Which routes there are, and who may use them: written out here a second time, on purpose."""

from __future__ import annotations

import re

import pytest
from tests.api.alone import Alone
from tests.api.conftest import Bench

from triplegain.api.addressee import Addressee
from triplegain.api.app import create_app
from triplegain.api.routes import ROUTES, find_route
from triplegain.domain.refusals import RefusedError

PAPER = {
    "GET /paper/mode": "viewer",
    "GET /paper/portfolio": "viewer",
    "GET /paper/portfolio/history": "viewer",
    "GET /paper/positions": "viewer",
    "GET /paper/orders": "viewer",
    "GET /paper/orders/{name}": "viewer",
    "GET /paper/orders/{name}/explanation": "viewer",
    "POST /paper/trade": "trader",
    "PATCH /paper/orders/{name}": "trader",
    "DELETE /paper/orders/{name}": "trader",
    "DELETE /paper/orders": "trader",
    "POST /paper/orders/cancel-all": "trader",
    "POST /paper/orders/validate": "trader",
    "POST /paper/orders/batch": "trader",
    "POST /paper/orders/cancel-batch": "trader",
    "POST /paper/orders/cancel-all-after": "trader",
    "POST /paper/orders/{name}/edit": "trader",
    "POST /paper/positions/{name}/close": "trader",
    "POST /paper/flat": "trader",
    "POST /paper/pause": "admin",
    "POST /paper/resume": "admin",
    "POST /paper/reset": "admin",
    "GET /health/live": "public",
    "GET /health/ready": "public",
    "GET /health": "public",
    "GET /metrics": "viewer",
}
EXPECTED = {
    **PAPER,
    **{route.replace(" ", " /api/v1", 1): role for route, role in PAPER.items()},
    "GET /api/v1/coordinator/status": "viewer",
    "GET /api/v1/snapshot/{pair}": "viewer",
    "GET /api/v1/risk/state": "viewer",
    "GET /api/v1/margin": "viewer",
    "POST /api/v1/risk/validate": "viewer",
    "POST /api/v1/risk/reset": "admin",
    "GET /api/v1/agents": "viewer",
    "GET /api/v1/agents/analyses": "viewer",
    "POST /api/v1/agents/{task}/run": "trader",
    "GET /api/v1/decisions": "viewer",
    "POST /api/v1/coordinator/tasks/{task}/run": "trader",
    "POST /api/v1/coordinator/emergency": "trader",
    "POST /api/v1/coordinator/pause": "admin",
    "POST /api/v1/coordinator/resume": "admin",
    "GET /api/v1/sessions": "viewer",
    "GET /api/v1/openapi.json": "viewer",
}
#: What there is of every session; health of one that is named needs a key.
OF_ONE = {
    route.replace(" /api/v1", " /api/v1/sessions/{session}"): "viewer" if role == "public" else role
    for route, role in EXPECTED.items()
    if "/api/v1" in route and route.split("/")[-1] not in ("sessions", "openapi.json")
}
RANK = ("public", "viewer", "trader", "admin")


def test_the_table_is_this_table() -> None:
    assert {f"{route.method} {route.path}": route.role.label for route in ROUTES} == EXPECTED


def test_the_application_has_the_routes_of_the_table_and_no_other(bench: Bench) -> None:
    served = {
        f"{method} {getattr(route, 'path', None)}"
        for route in create_app(Alone(bench.control), bench.reader, bench.guard).routes
        for method in getattr(route, "methods", None) or {"?"}
    }
    assert served - {"HEAD /api/v1/openapi.json"} == set(EXPECTED)


@pytest.mark.parametrize("route", [route for route in EXPECTED if "{" in route])
def test_a_parameter_never_reaches_over_a_slash(route: str) -> None:
    method, path = route.split()
    assert find_route(method, unnamed(re.sub(r"{\w+}", "x", path))).role.label == EXPECTED[route]
    with pytest.raises(RefusedError):
        find_route(method, unnamed(re.sub(r"{\w+}", "x/y/z", path)))


def unnamed(path: str) -> Addressee:
    return Addressee(frozenset(), "", path)


async def test_every_route_refuses_no_key_a_wrong_key_and_too_low_a_role(bench: Bench) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for number, (route, needed) in enumerate(EXPECTED.items()):
        method, path = route.split()
        url = path.replace("{name}", "nothing")
        address = f"10.0.0.{number}"
        async with bench.client(None, address) as nobody:
            assert (await nobody.request(method, url)).status_code == 401, route
            assert (await nobody.request(method, url, headers=wrong)).status_code == 401, route
        for role in RANK[1 : RANK.index(needed)]:
            bench.clock.advance_to(bench.clock.now_ns() + 60 * 10**9)
            async with bench.client(role) as low:
                answer = await low.request(method, url)
                assert answer.status_code == 403, route
                assert answer.json()["error_code"] == "forbidden"
    assert not bench.control.orders and not bench.control.paused


async def test_health_needs_no_key_on_this_machine_only(bench: Bench) -> None:
    async with bench.client(None) as here, bench.client(None, "192.0.2.1") as elsewhere:
        assert (await here.get("/health/live")).json() == {"mode": "paper", "status": "live"}
        assert (await here.get("/api/v1/health/ready")).json()["status"] == "ready"
        assert (await elsewhere.get("/health/live")).status_code == 401
        bench.control.halted = "the database is gone"
        halted = await here.get("/health/ready")
    assert halted.status_code == 503
    assert "the database is gone" in halted.json()["error_message"]


async def test_what_is_not_in_the_table_is_not_there(bench: Bench) -> None:
    async with bench.client("admin") as admin, bench.client(None) as nobody:
        assert (await admin.get("/docs")).status_code == 404
        assert (await admin.get("/paper/mode/")).status_code == 404
        assert (await nobody.get("/docs")).status_code == 401
        wrong_method = await admin.get("/paper/trade")
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")


async def test_the_published_description_has_each_route_once(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        paths = (await viewer.get("/api/v1/openapi.json")).json()["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described == {route for route in EXPECTED if "/api/v1" in route and "openapi" not in route} | {*OF_ONE}


async def test_the_description_names_the_key_and_every_refusal_in_its_one_shape(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        told = (await viewer.get("/api/v1/openapi.json")).json()
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in told["components"]["schemas"]
    for path, methods in told["paths"].items():
        for method, described in methods.items():
            refused = {status for status in described["responses"] if status >= "400"}
            assert {"400", "401", "403", "413", "421", "422", "429", "500", "503"} <= refused, path
            assert ("504" in refused) is (method != "get"), path
            for status in refused:
                content = described["responses"][status]["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Refused"}, (path, status)
            assert {"key": []} in described["security"] and ({} in described["security"]) is path.startswith(
                "/api/v1/health"
            ), path
    assert set(told["paths"]["/api/v1/paper/trade"]["post"]["responses"]) >= {"200", "201", "409"}


async def test_the_description_has_both_shapes_of_what_is_begun(bench: Bench) -> None:
    refused = {"$ref": "#/components/schemas/Refused"}
    async with bench.client("viewer") as viewer:
        for _ in range(2):
            paths = (await viewer.get("/api/v1/openapi.json")).json()["paths"]
            shapes = {
                path.removeprefix("/api/v1").removeprefix("/sessions/{session}"): answer["content"]["application/json"][
                    "schema"
                ]
                for path, methods in paths.items()
                for answer in [each["responses"]["202"] for each in methods.values() if "202" in each["responses"]]
            }
            assert shapes.pop("/paper/orders/{name}") == refused
            begun = ("/paper/positions/{name}/close", "/paper/flat", "/coordinator/emergency")
            assert all(shapes.pop(path)["anyOf"][1] == refused for path in begun)
            assert all("anyOf" not in schema for schema in shapes.values()) and shapes


async def test_the_description_has_every_name_under_which_a_field_is_taken(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        bodies = (await viewer.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for body, name, other in (
        ("Trade", "price", "entry_price"),
        ("RiskQuestion", "price", "entry_price"),
        ("RiskQuestion", "notional", "size"),
    ):
        told = bodies[body]["properties"]
        assert told[other]["anyOf"] == told[name]["anyOf"], (body, other)
        assert {"not": {"required": [name, other]}} in bodies[body]["allOf"]

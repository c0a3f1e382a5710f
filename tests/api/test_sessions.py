"""Several sessions in one process: whom a request reaches, and whom it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.conftest import Bench
from tests.api.several import ENDED, MAIN, SECOND, THIRD, Directory, several

from triplegain.api.access import RequestLimits
from triplegain.api.addressee import Addressee, addressee
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.commands import Answer, Command, NotDone, R, Stands, Unknown
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code, Refusal

ONE = "/api/v1/sessions"
Submit = Callable[[Command[R], Origin, SecurityEvent], Awaitable[Answer[R]]]


@pytest.fixture
async def here(bench: Bench) -> Directory:
    return await several(bench, bench.control._store)


def refuses(answer: Answer[Any]) -> Submit[Any]:
    async def submit(command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        return answer

    return submit


# -- whom a request reaches ------------------------------------------------------------------------------------------


async def test_a_session_that_is_named_answers_and_without_a_name_the_main_one(bench: Bench, here: Directory) -> None:
    async with bench.client("admin") as owner:
        for path in ("paper/mode", "risk/state", "agents", "coordinator/status", "paper/portfolio"):
            told = {name: (await owner.get(f"{ONE}/{name}/{path}")).json()["session"] for name in (MAIN, SECOND, THIRD)}
            assert told == {name: name for name in told}, path
            assert (await owner.get(f"/api/v1/{path}")).json()["session"] == MAIN, path
            by_header = await owner.get(f"/api/v1/{path}", headers={"X-Session": SECOND})
            assert by_header.json()["session"] == SECOND, path


async def test_orders_with_the_same_id_are_one_in_each_session(
    bench: Bench, here: Directory, order: dict[str, Any]
) -> None:
    async with bench.client("admin") as owner:
        for number, name in enumerate((SECOND, THIRD), 1):
            answer = await owner.post(f"{ONE}/{name}/paper/trade", json={**order, "quantity": f"0.{number}"})
            assert answer.status_code == 201
            assert answer.headers["location"] == f"{ONE}/{name}/paper/orders/mine"
            shown = (await owner.get(answer.headers["location"])).json()
            assert shown["quantity"] == f"0.{number}"
        assert (await owner.get("/paper/orders/mine")).status_code == 404
        assert [len((await owner.get(f"{ONE}/{name}/paper/orders")).json()["items"]) for name in here.running()] == [
            2, 1, 1,
        ]  # fmt: skip
        cancelled = await owner.delete(f"{ONE}/{SECOND}/paper/orders/mine")
        assert cancelled.json()["status"] == "cancelled"
        assert (await owner.get(f"{ONE}/{THIRD}/paper/orders/mine")).json()["status"] == "open"
    assert await bench.reader.order(MAIN, client_order_id="mine") is None


async def test_rows_are_those_of_the_session_that_is_named(bench: Bench, here: Directory) -> None:
    async with bench.client("viewer") as viewer:
        for path in ("paper/positions", "paper/portfolio/history", "decisions", "agents/analyses", "paper/orders"):
            of_main, of_second = [(await viewer.get(f"{ONE}/{name}/{path}")).json()["items"] for name in (MAIN, SECOND)]
            # The main one has bought twice, the second nothing.
            assert (len(of_main), of_second) == (0 if path == "agents/analyses" else 2, []), path


async def test_an_act_is_written_down_with_its_session(bench: Bench, here: Directory, order: dict[str, Any]) -> None:
    async with bench.client("admin") as owner:
        await owner.post(f"{ONE}/{SECOND}/paper/trade", json=order)
    rows = await bench.reader._database.rows(
        "looking", "SELECT session_id FROM security_events WHERE kind='paper_trade'"
    )
    assert [row["session_id"] for row in rows] == [SECOND]


async def test_where_to_ask_is_said_with_the_session_that_was_named(
    bench: Bench, here: Directory, monkeypatch: pytest.MonkeyPatch, order: dict[str, Any]
) -> None:
    monkeypatch.setattr(here.controls[SECOND], "submit", refuses(Unknown("the database went away")))
    async with bench.client("admin") as owner:
        answer = await owner.post(f"{ONE}/{SECOND}/paper/trade", json=order)
    assert answer.status_code == 504
    assert answer.json()["error_message"].endswith(f"ask GET /sessions/{SECOND}/paper/orders/mine")


async def test_a_command_never_goes_to_a_session_that_has_taken_the_place_of_the_one_that_was_named(
    bench: Bench, here: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = bench.reader.order

    async def reset_meanwhile(session: str, **named: Any) -> Any:
        found = await find(MAIN, client_order_id="c-1")
        here.controls[SECOND].session_id = "its_successor"
        return found

    monkeypatch.setattr(bench.reader, "order", reset_meanwhile)
    async with bench.client("admin") as owner:
        answer = await owner.patch(f"{ONE}/{SECOND}/paper/orders/mine", json={"price": "901"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "session_not_found")
    assert await bench.events("order_amend") == []


# -- names -----------------------------------------------------------------------------------------------------------

NOT_HERE = [
    "unknown", ENDED, "a", "0", "A.b-c_d", "x" * 64, "x" * 65, "y" * 3000, "-", "_", ".hidden", "...", "%", "*", "'--",
    MAIN.upper(), f"{MAIN} ", f" {MAIN}", f"{MAIN}\n", f"{MAIN}\x00", "naïve", "𝒔", "\u202e", "null", "None", "~",
    "{session}", "B.second-1_x;v=1", "B.second-1_x?x", "B.second-1_x#x", "B:second", "B\\second",
]  # fmt: skip


async def test_a_session_that_does_not_run_here_is_404_whatever_its_name(bench: Bench, here: Directory) -> None:
    asked = product(NOT_HERE, (("GET", "paper/mode"), ("POST", "paper/flat"), ("GET", "health")))
    async with bench.client("admin") as owner:
        for name, (method, path) in asked:
            answer = await owner.request(method, f"{ONE}/{quote(name, safe='')}/{path}")
            assert answer.status_code == 404, (name, answer.text)
            told = answer.json()
            assert told["error_code"] == "session_not_found", name
            assert "does not run here" in told["error_message"] and len(told["error_message"]) < 250, name
            # No budget of a minute is to be spent.
            bench.clock.advance_to(bench.clock.now_ns() + 60 * SECOND_NS)
    assert await bench.events("flat") == []


async def test_a_name_is_the_same_however_it_is_encoded(bench: Bench, here: Directory) -> None:
    async with bench.client("admin") as owner:
        for raw in ("%42.second-1_x", "B%2Esecond%2D1%5Fx", "B.second-1%5fx"):
            assert (await owner.get(f"{ONE}/{raw}/paper/mode")).json()["session"] == SECOND, raw


ELSEWHERE = [
    f"{ONE}/{SECOND}", f"{ONE}/{SECOND}/", f"{ONE}/", f"{ONE}//paper/mode", f"{ONE}/{SECOND}//paper/mode",
    f"{ONE}/{SECOND}/openapi.json", f"{ONE}/{SECOND}/sessions", f"{ONE}/{SECOND}/sessions/{THIRD}/paper/mode",
    f"{ONE}/{SECOND}/api/v1/paper/mode", f"{ONE}/{SECOND}/../paper/mode", f"{ONE}/{SECOND}/%2e%2e/paper/mode",
    f"{ONE}/..%2f{SECOND}/paper/mode", f"{ONE}/{SECOND}%2f..%2fpaper/mode", f"{ONE}/%2e%2e%2fpaper%2fmode",
    f"/sessions/{SECOND}/paper/mode", f"/paper/sessions/{SECOND}/paper/mode", f"{ONE}/{SECOND}/paper/mode/",
    f"/api/v1/sessions%20/{SECOND}/paper/mode", f"{ONE}/{SECOND}/docs", f"//api/v1/sessions/{SECOND}/paper/mode",
]  # fmt: skip


async def test_no_other_path_leads_to_a_session(bench: Bench, here: Directory) -> None:
    for path in ELSEWHERE:
        assert await status_of(bench, path) == 404, path


async def status_of(bench: Bench, path: str) -> int:
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answered.append(message)

    # As a server hands it on that makes nothing of dots and slashes.
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": httpx.URL(f"http://x{path}").path
        if ".." not in path else path.replace("%2e", ".").replace("%2f", "/"),
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer key-of-admin")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await bench.app(scope, receive, send)
    status: int = answered[0]["status"]
    return status


@given(name=st.text(min_size=1, max_size=80), rest=st.text(max_size=80))
def test_a_path_names_a_session_or_is_left_as_it_is(name: str, rest: str) -> None:
    path = f"{ONE}/{name}/{rest}"
    asked = addressee({"type": "http", "headers": [], "path": path})
    # A name ends at the first slash, and is never empty.
    first, _, others = f"{name}/{rest}".partition("/")
    if first:
        assert asked == Addressee(frozenset({first}), f"/sessions/{first}", f"/api/v1/{others}")
    else:
        assert asked == Addressee(frozenset(), "", path)


@pytest.mark.parametrize(
    "named", [[("X-Session", THIRD)], [("X-Session", SECOND), ("X-Session", THIRD)], [("X-Session", "")]]
)
async def test_names_that_contradict_each_other_are_refused(
    bench: Bench, here: Directory, named: list[tuple[str, str]]
) -> None:
    async with bench.client("admin") as owner:
        headers = [*owner.headers.multi_items(), *named]
        answer = await owner.post(f"{ONE}/{SECOND}/paper/pause", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")
        same = [*owner.headers.multi_items(), ("X-Session", SECOND)]
        assert (await owner.post(f"{ONE}/{SECOND}/paper/pause", headers=same)).status_code == 200
    assert [control.paused for control in here.controls.values()] == [False, True, False]


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_a_key_of_a_session_means_it_and_reaches_no_other(
    bench: Bench, here: Directory, order: dict[str, Any]
) -> None:
    refusals = set()
    async with bench.client(f"trader {SECOND}") as trader:
        assert (await trader.get("/paper/mode")).json()["session"] == SECOND
        assert (await trader.post("/paper/trade", json=order)).headers["location"] == "/api/v1/paper/orders/mine"
        assert (await trader.get(f"{ONE}/{SECOND}/paper/orders/mine")).status_code == 200
        for other in (MAIN, THIRD, ENDED, "unknown", "x" * 3000, "%20", "B.second-1_"):
            asked = [
                await trader.post(f"{ONE}/{other}/paper/flat"),
                await trader.get(f"{ONE}/{other}/paper/orders/c-1"),
                await trader.get(f"{ONE}/{other}/health"),
                await trader.post("/paper/orders/cancel-all", headers={"X-Session": other}),
            ]
            refusals |= {(answer.status_code, answer.text) for answer in asked}
    [(status, words)] = refusals
    assert status == 403 and SECOND in words and MAIN not in words
    assert await bench.events("flat") == [] and bench.control.paused is False
    denied = await bench.events("authorization_denied")
    assert {event.details["session"] for event in denied} == {SECOND}
    assert {event.details["needs"] for event in denied} == {"a key of another session"}
    assert "unknown" not in str([event.details for event in denied]), "what a client wrote is not written down"


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("trader", 403), ("admin", 200)])
async def test_a_key_of_a_session_has_its_role_there(bench: Bench, here: Directory, role: str, status: int) -> None:
    async with bench.client(f"{role} {SECOND}") as own:
        assert (await own.post("/paper/pause")).status_code == status
    assert [control.paused for control in here.controls.values()] == [False, status == 200, False]


async def test_a_key_of_a_session_that_does_not_run_reaches_nothing(bench: Bench, here: Directory) -> None:
    del here.controls[SECOND]
    async with bench.client(f"admin {SECOND}") as own:
        for path in ("/paper/mode", "/health", f"{ONE}/{SECOND}/paper/mode"):
            answer = await own.get(path)
            assert (answer.status_code, answer.json()["error_code"]) == (404, "session_not_found")
            assert MAIN not in answer.text and THIRD not in answer.text
        assert (await own.post("/api/v1/coordinator/emergency")).status_code == 404
    assert not bench.control.paused


async def test_a_revoked_key_of_a_session_is_out(bench: Bench, here: Directory) -> None:
    assert await bench.security.revoke_session_keys(SECOND) == 3
    assert await bench.security.revoke_session_keys(SECOND) == 0
    await bench.guard.keys.refresh()
    async with bench.client(f"admin {SECOND}") as out, bench.client(f"admin {THIRD}") as own:
        assert ((await out.get("/paper/mode")).status_code, (await own.get("/paper/mode")).status_code) == (401, 200)


async def test_whether_a_session_runs_is_told_to_nobody_without_a_key(bench: Bench, here: Directory) -> None:
    async with bench.client(None) as nobody:
        assert (await nobody.get("/api/v1/health")).status_code == 200
        asked = [await nobody.get(f"{ONE}/{name}/health") for name in (MAIN, SECOND, "unknown")]
        asked += [await nobody.get("/health", headers={"X-Session": name}) for name in (MAIN, "unknown")]
    assert len({(answer.status_code, answer.text) for answer in asked}) == 1 and asked[0].status_code == 401


async def test_health_without_a_name_is_that_of_all(bench: Bench, here: Directory) -> None:
    """Not well while one of them has halted or runs no more, whose name nobody without a key is told."""

    async def health(role: str | None, path: str = "/health") -> tuple[int, str]:
        async with bench.client(role) as asking:
            answer = await asking.get(path)
            return answer.status_code, answer.json().get("error_message", "")

    assert await health(None) == (200, "")
    here.controls[SECOND].halted = "the books differ"
    assert await health("viewer") == (503, f"{SECOND} has halted: the books differ")
    status, words = await health(None)
    assert status == 503 and SECOND not in words and "books" not in words
    assert (await health(f"viewer {SECOND}"))[0] == 503
    for path in (f"{ONE}/{MAIN}/health", f"{ONE}/{THIRD}/health", "/health/live"):
        assert (await health("viewer", path))[0] == 200
    assert (await health(f"viewer {THIRD}"))[0] == 200
    here.controls[SECOND].halted = ""
    here.ended[ENDED] = "a row is out of range"
    assert await health("viewer") == (503, f"{ENDED} has halted: a row is out of range")
    assert (await health(f"viewer {THIRD}"))[0] == 200
    del here.controls[MAIN]
    assert [(await health(None, path))[0] for path in ("/health", "/health/live")] == [503, 200]


async def test_figures_are_of_each_session_or_of_the_one_that_is_named(bench: Bench, here: Directory) -> None:
    def shown(told: list[httpx.Response]) -> list[list[str]]:
        names = MAIN, SECOND, THIRD, ENDED
        return [[name for name in names if f'session="{name}"' in each.text] for each in told]

    async with bench.client("viewer") as owner, bench.client(f"viewer {THIRD}") as own:
        told = [await owner.get("/metrics"), await owner.get(f"{ONE}/{SECOND}/metrics"), await own.get("/metrics")]
        assert shown(told) == [[MAIN, SECOND, THIRD], [SECOND], [THIRD]]
        # One that failed is told of to whoever reaches all, also where a single one is left.
        here.ended[ENDED] = "a row is out of range"
        del here.controls[MAIN], here.controls[SECOND]
        told = [await owner.get("/metrics"), await owner.get(f"{ONE}/{THIRD}/metrics"), await own.get("/metrics")]
        assert shown(told) == [[THIRD, ENDED], [THIRD], [THIRD]]


# -- which there are -------------------------------------------------------------------------------------------------


async def test_the_list_marks_those_that_run_here(bench: Bench, here: Directory) -> None:
    def marks(answer: httpx.Response) -> dict[str, tuple[bool, bool, str]]:
        return {each["session"]: (each["running"], each["main"], each["status"]) for each in answer.json()["items"]}

    async with bench.client("viewer") as viewer:
        everything, running = await viewer.get(ONE), await viewer.get(ONE, params={"running": "true"})
        one = await viewer.get(ONE, params={"limit": 1})
    of_running = {
        MAIN: (True, True, "active"), SECOND: (True, False, "active"), THIRD: (True, False, "active"),
    }  # fmt: skip
    assert marks(everything) == of_running | {ENDED: (False, False, "ended")}
    assert marks(running) == of_running
    assert len(marks(one)) == 1
    async with bench.client(f"viewer {SECOND}") as own:
        for wanted in ({}, {"running": "true"}):
            assert set(marks(await own.get(ONE, params=wanted))) == {SECOND}
    del here.controls[MAIN]
    async with bench.client("viewer") as viewer:
        assert not any(main for _, main, _ in marks(await viewer.get(ONE)).values())


# -- brakes ----------------------------------------------------------------------------------------------------------

BRAKES = [
    ("POST", "paper/pause"), ("POST", "coordinator/pause"), ("POST", "coordinator/emergency"), ("POST", "paper/flat"),
    ("POST", "paper/orders/cancel-all"), ("DELETE", "paper/orders"),
]  # fmt: skip


async def acts(bench: Bench) -> list[str]:
    """The sessions in which something was done, in order."""
    query = "SELECT session_id FROM security_events WHERE session_id IS NOT NULL ORDER BY event_number"
    return [row["session_id"] for row in await bench.reader._database.rows("looking", query)]


@pytest.mark.parametrize(("method", "path"), BRAKES)
async def test_what_stops_reaches_all_sessions_where_the_owner_names_none(
    bench: Bench, here: Directory, method: str, path: str
) -> None:
    async with bench.client("admin") as owner:
        answer = await owner.request(method, f"/api/v1/{path}")
        named = await owner.request(method, f"{ONE}/{THIRD}/{path}")
    assert answer.status_code == named.status_code in (200, 202), answer.text
    told = answer.json()
    assert set(told["others"]) == {SECOND, THIRD}
    assert named.json() == told["others"][THIRD] | {"others": {}}
    if "session" in told:
        assert (told["session"], told["others"][SECOND]["session"]) == (MAIN, SECOND)
    found = await acts(bench)
    assert sorted(found[:3]) == sorted([MAIN, SECOND, THIRD]) and found[3:] == [THIRD]


@pytest.mark.parametrize(("method", "path"), BRAKES)
async def test_what_stops_reaches_one_session_by_its_key_or_name(
    bench: Bench, here: Directory, method: str, path: str
) -> None:
    async with bench.client(f"admin {THIRD}") as own, bench.client("admin") as owner:
        assert (await own.request(method, f"/api/v1/{path}")).json()["others"] == {}
        by_header = await owner.request(method, f"/api/v1/{path}", headers={"X-Session": SECOND})
        assert by_header.json()["others"] == {}
    assert await acts(bench) == [THIRD, SECOND]


async def test_every_route_out_of_the_budget_of_brakes_is_one_and_no_other(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        told = (await viewer.get("/api/v1/openapi.json")).json()
    schemas = told["components"]["schemas"]
    brakes = {
        (method.upper(), path.removeprefix("/api/v1/"))
        for path, methods in told["paths"].items()
        for method, described in methods.items()
        if "{session}" not in path and "Everywhere" in str(described["responses"])
    }
    assert brakes == set(BRAKES)
    assert {name for name in schemas if "Everywhere" in name} == {
        "AcknowledgedEverywhere", "CancelledEverywhere", "ClosingEverywhere", "EmergencyBegunEverywhere",
    }  # fmt: skip


async def test_resuming_is_of_one_session(bench: Bench, here: Directory) -> None:
    async with bench.client("admin") as owner:
        await owner.post("/api/v1/coordinator/emergency")
        assert [control.paused for control in here.controls.values()] == [True] * 3
        assert (await owner.post("/paper/resume")).json()["session"] == MAIN
        assert [control.paused for control in here.controls.values()] == [False, True, True]


async def test_no_session_waits_for_another_to_stop(
    bench: Bench, here: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = asyncio.Barrier(3)
    for control in here.controls.values():
        stop = control.submit

        async def together(command: Command[R], origin: Origin, audit: SecurityEvent, stop: Any = stop) -> Answer[R]:
            await met.wait()
            found: Answer[R] = await stop(command, origin, audit)
            return found

        monkeypatch.setattr(control, "submit", together)
    async with bench.client("admin") as owner:
        assert (await owner.post("/paper/flat")).status_code == 202


NOT = NotDone(Refusal(Code.HALTED, "the session has halted"))
STANDS = Stands(None, "the market is paused")
UNKNOWN = Unknown("the database went away")


@pytest.mark.parametrize(
    ("second", "third", "main", "status", "code", "done"),
    [
        (NOT, None, None, 504, "outcome_unknown", [MAIN, THIRD]),
        (None, None, NOT, 504, "outcome_unknown", [SECOND, THIRD]),
        (NOT, NOT, None, 504, "outcome_unknown", [MAIN]),
        (NOT, NOT, NOT, 503, "halted", []),
        (UNKNOWN, None, None, 504, "outcome_unknown", [MAIN, THIRD]),
        (NOT, UNKNOWN, NOT, 504, "outcome_unknown", []),
        (STANDS, None, None, 202, "stands", [MAIN, THIRD]),
        (STANDS, STANDS, STANDS, 202, "stands", []),
        (STANDS, NOT, None, 504, "outcome_unknown", [MAIN]),
        (STANDS, NOT, NOT, 504, "outcome_unknown", []),
    ],
)
async def test_what_is_not_stopped_everywhere_is_said_with_each_session(
    bench: Bench, here: Directory, monkeypatch: pytest.MonkeyPatch,
    second: Any, third: Any, main: Any, status: int, code: str, done: list[str],
) -> None:  # fmt: skip
    """All done, all not done, everything stands, or else nobody may take it for one of these."""
    answers = {MAIN: main, SECOND: second, THIRD: third}
    for name, answer in answers.items():
        if answer is not None:
            monkeypatch.setattr(here.controls[name], "submit", refuses(answer))
    async with bench.client("admin") as owner:
        told = await owner.post("/api/v1/coordinator/emergency")
    assert (told.status_code, told.json()["error_code"]) == (status, code)
    assert list(told.json()["details"]["done"]) == done
    assert set(told.json()["details"]["sessions"]) == {name for name, answer in answers.items() if answer is not None}
    assert sorted(await acts(bench)) == sorted(done)


async def test_where_to_ask_after_a_brake_is_said_for_each_session_it_was_to_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.control, "submit", refuses(UNKNOWN))
    async with bench.client("admin") as owner:
        alone = (await owner.post("/paper/flat")).json()
        monkeypatch.undo()
        here = await several(bench, bench.control._store)
        monkeypatch.setattr(here.controls[SECOND], "submit", refuses(UNKNOWN))
    async with bench.client("admin") as owner:
        together = (await owner.post("/paper/flat")).json()
    assert alone["error_message"] == "the database went away: ask GET /paper/positions"
    assert together["error_message"] == (
        f"carried out in {MAIN}, {THIRD}; {SECOND}: the database went away: ask GET /sessions/{SECOND}/paper/positions"
    )


async def test_a_bug_in_one_session_keeps_no_other_from_stopping(
    bench: Bench, here: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(command: Command[R], origin: Origin, audit: SecurityEvent) -> Answer[R]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(here.controls[SECOND], "submit", broken)
    async with bench.client("admin") as owner:
        told = await owner.post("/paper/flat")
    assert (told.status_code, list(told.json()["details"]["done"])) == (504, [MAIN, THIRD])
    assert told.json()["details"]["sessions"][SECOND]["error_code"] == "internal_error"
    assert "secret detail" not in told.text and "secret detail" in caplog.text


@pytest.mark.parametrize(("method", "path"), BRAKES)
async def test_a_session_that_failed_is_named_among_those_that_are_not_stopped(
    bench: Bench, here: Directory, method: str, path: str
) -> None:
    """What it has in the market is still there. What the others answered is not lost; one that is named is stopped."""
    here.ended[ENDED] = "a row is out of range"
    async with bench.client("admin") as owner, bench.client(f"admin {THIRD}") as own:
        named = await owner.request(method, f"{ONE}/{SECOND}/{path}")
        by_key = await own.request(method, f"/api/v1/{path}")
        told = await owner.request(method, f"/api/v1/{path}")
        assert named.status_code == by_key.status_code in (200, 202)
        assert (told.status_code, told.json()["error_code"]) == (504, "outcome_unknown")
        [(failed, why)] = told.json()["details"]["sessions"].items()
        assert (failed, why["error_code"], why["error_message"]) == (
            ENDED, "stopped", "not done: it runs no more: a row is out of range",
        )  # fmt: skip
        done = told.json()["details"]["done"]
        assert list(done) == [MAIN, SECOND, THIRD] and set(done[SECOND]) == set(named.json()) - {"others"}
        # The rule is the same where one is left.
        del here.controls[MAIN], here.controls[SECOND]
        last = (await owner.request(method, f"/api/v1/{path}")).json()["details"]
    assert (list(last["done"]), list(last["sessions"])) == ([THIRD], [ENDED])


async def test_what_stops_reaches_the_others_when_the_main_session_is_gone(bench: Bench, here: Directory) -> None:
    del here.controls[MAIN]
    async with bench.client("admin") as owner:
        assert (await owner.get("/paper/mode")).status_code == 404
        told = await owner.post("/api/v1/coordinator/emergency")
        assert (told.json()["session"], list(told.json()["others"])) == (SECOND, [THIRD])
        del here.controls[SECOND]
        told = await owner.post("/api/v1/coordinator/emergency")
        assert (told.json()["session"], told.json()["others"]) == (THIRD, {})
        del here.controls[THIRD]
        told = await owner.post("/api/v1/coordinator/emergency")
        assert (told.status_code, told.json()["error_code"]) == (404, "session_not_found")


# -- budgets ---------------------------------------------------------------------------------------------------------


async def spend(client: httpx.AsyncClient, method: str, path: str) -> int:
    """How many were answered before the budget was empty."""
    for count in range(1000):
        answer = await client.request(method, path)
        if answer.status_code == 429:
            return count
    raise AssertionError("there is no limit")


async def test_no_session_uses_up_what_another_has(bench: Bench, here: Directory) -> None:
    limits = RequestLimits()
    async with bench.client("admin") as owner, bench.client(f"admin {SECOND}") as own:
        for _ in range(limits.cancel):
            await owner.delete(f"{ONE}/{SECOND}/paper/orders/c-9")
        assert (await owner.delete(f"{ONE}/{SECOND}/paper/orders/c-9")).status_code == 429
        assert await spend(owner, "POST", f"{ONE}/{SECOND}/paper/pause") == limits.stop
        # The owner's brake on the second is worn, on the third and on all it is not, and the second's own is not.
        assert (await owner.post(f"{ONE}/{THIRD}/paper/flat")).status_code == 202
        assert (await owner.post("/api/v1/coordinator/emergency")).status_code == 202
        assert (await owner.delete(f"{ONE}/{THIRD}/paper/orders/c-9")).status_code == 404
        assert (await own.post("/paper/pause")).status_code == 200
        assert (await own.delete("/paper/orders/c-9")).status_code == 404


async def test_no_name_is_a_way_to_more_requests(bench: Bench, here: Directory) -> None:
    """A name under which nothing runs, the main session with its name and without: all one budget."""
    limits = RequestLimits()
    async with bench.client("viewer") as viewer:
        for number in range(limits.reads):
            path = [f"{ONE}/{MAIN}/paper/mode", "/paper/mode", f"{ONE}/no-{number}/paper/mode", ONE][number % 4]
            assert (await viewer.get(path)).status_code in (200, 404)
        for path in (f"{ONE}/{MAIN}/paper/mode", "/paper/mode", f"{ONE}/another/paper/mode", ONE):
            assert (await viewer.get(path)).status_code == 429
        assert (await viewer.get(f"{ONE}/{SECOND}/paper/mode")).status_code == 200

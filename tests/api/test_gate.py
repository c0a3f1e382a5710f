"""Who gets in, how often, with how much; and that nothing secret gets out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.api.conftest import Bench
from tests.storage.revoked import revoke_api_key

from triplegain.api.access import RequestLimits
from triplegain.api.keys import key_hash
from triplegain.domain.records import SecurityEvent
from triplegain.storage.errors import StorageError

MINUTE_NS = 60 * 10**9


async def test_a_refusal_is_one_shape_with_all_security_headers(bench: Bench) -> None:
    async with bench.client(None) as nobody:
        answer = await nobody.get("/paper/mode")
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()) == {"error_code", "error_message", "details"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert len(answer.headers["x-request-id"]) == 16


WRONG_KEYS = RequestLimits().wrong_keys


async def test_guessing_ends_after_its_budget_even_all_at_once(bench: Bench) -> None:
    async with bench.client(None) as guesser:
        guesses = [guesser.get("/paper/mode", headers={"Authorization": f"Bearer {n}"}) for n in range(80)]
        answers = await asyncio.gather(*guesses)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (WRONG_KEYS, 80 - WRONG_KEYS)
    assert answers[-1].json()["details"]["limit"] == "limits_per_minute.wrong_keys"
    assert "address loopback (limits_per_minute.wrong_keys in api.yaml)" in answers[-1].json()["error_message"]


async def test_refused_strangers_are_a_row_an_address_and_minute_however_many_they_are(bench: Bench) -> None:
    for number in range(40):
        async with bench.client(None, f"10.0.{number}.1") as stranger:
            for _ in range(3):
                await stranger.get("/paper/mode")
    assert await bench.events("auth_failure") == [], "nothing is asked of the database for a stranger"
    await bench.guard.strangers.write()
    rows = await bench.events("auth_failure")
    assert len(rows) == 17
    assert rows[0].address == "10.0.0.1" and rows[0].details == {"count": 3, "unauthorized": 3}
    assert (rows[-1].address, rows[-1].details["count"]) == ("others", 24 * 3)
    await bench.guard.strangers.write()
    assert len(await bench.events("auth_failure")) == 17, "a minute without strangers leaves nothing"


async def test_refusals_that_cannot_be_stored_are_counted_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(events: Sequence[SecurityEvent]) -> None:
        raise StorageError("the disk is full")

    async with bench.client(None) as stranger:
        await stranger.get("/paper/mode")
        with monkeypatch.context() as away:
            away.setattr(bench.security, "record_security_events", broken)
            await bench.guard.strangers.write()
        await stranger.get("/paper/mode")
    await bench.guard.strangers.write()
    [row] = await bench.events("auth_failure")
    assert row.details["count"] == 2


async def test_addresses_of_one_machine_or_network_are_one_sender(bench: Bench) -> None:
    statuses = []
    for number in range(WRONG_KEYS + 1):
        async with bench.client(None, f"127.0.{number}.1") as here, bench.client(None, f"2001:db8::{number}") as there:
            statuses.append([(await each.get("/paper/mode")).status_code for each in (here, there)])
    assert statuses == [[401, 401]] * WRONG_KEYS + [[429, 429]]


async def test_a_right_key_is_never_locked_out_by_strangers_at_its_address(bench: Bench) -> None:
    async with bench.client(None) as guesser, bench.client("admin") as newcomer:
        for _ in range(RequestLimits().address + 1):
            await guesser.get("/paper/mode")
        assert (await guesser.get("/health/live")).status_code == 429
        assert (await newcomer.get("/paper/mode")).status_code == 200


async def test_each_key_has_its_own_budget_for_each_kind_of_request(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader, bench.client("admin") as admin:
        answers = [await trader.post("/paper/trade", json=order) for _ in range(31)]
        assert [answer.status_code for answer in answers] == [201] + [200] * 29 + [429]
        assert "(limits_per_minute.trade in api.yaml)" in answers[-1].json()["error_message"]
        assert (await trader.post("/paper/flat")).status_code == 202, "closing everything has another budget"
        assert (await trader.get("/paper/mode")).status_code == 200
        assert (await admin.post("/paper/trade", json=order)).status_code == 200
        # 30 a minute come back one every two seconds.
        bench.clock.advance_to(bench.clock.now_ns() + 2 * 10**9)
        codes = [(await trader.post("/paper/trade", json=order)).status_code for _ in range(2)]
    assert codes == [200, 429]


SAFER = [
    ("DELETE", "/paper/orders/mine"), ("POST", "/paper/positions/p-1/close"), ("POST", "/paper/orders/cancel-all"),
    ("POST", "/paper/flat"), ("POST", "/api/v1/coordinator/emergency"), ("POST", "/paper/pause"),
]  # fmt: skip


@pytest.mark.parametrize("spent", ["default", "reads", "trade", "reset"])
async def test_what_makes_safer_is_not_refused_for_what_else_was_asked(
    bench: Bench, order: dict[str, Any], spent: str
) -> None:
    asked = {
        "default": ("POST", "/paper/resume", None), "reads": ("GET", "/paper/mode", None),
        "trade": ("POST", "/paper/trade", order), "reset": ("POST", "/api/v1/risk/reset", None),
    }  # fmt: skip
    method, path, body = asked[spent]
    async with bench.client("admin") as admin:
        await admin.post("/paper/trade", json=order)
        while (await admin.request(method, path, json=body)).status_code != 429:
            pass
        for method, path in SAFER:
            assert (await admin.request(method, path)).status_code in (200, 202), path


async def test_single_cancels_leave_room_for_stopping_everything(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader:
        await trader.post("/paper/trade", json=order)
        while (await trader.delete("/paper/orders/mine")).status_code != 429:
            pass
        assert (await trader.post("/api/v1/coordinator/emergency")).status_code == 202


async def test_how_much_strangers_of_one_address_may_ask_is_configured(bench: Bench) -> None:
    await bench.limit(RequestLimits(address=3))
    async with bench.client(None) as here, bench.client("viewer") as viewer:
        answers = [await here.get("/health/live") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert "limits_per_minute.address" in answers[-1].json()["error_message"]
        assert [(await viewer.get("/paper/mode")).status_code for _ in range(4)] == [200] * 4


async def test_a_revoked_key_is_out_as_soon_as_the_keys_are_read_again(bench: Bench) -> None:
    async with bench.client("trader") as trader:
        assert (await trader.get("/paper/mode")).status_code == 200
        await revoke_api_key(bench.security, key_hash("key-of-trader"))
        await bench.guard.keys.refresh()
        assert (await trader.get("/paper/mode")).status_code == 401


@pytest.mark.parametrize("role", [None, "admin"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8733"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "LOCALHOST.:1", "Origin": "http://localhost:3000"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_only_its_own_names_and_pages_reach_it(
    bench: Bench, role: str | None, headers: dict[str, str], status: int
) -> None:
    async with bench.client(role) as client:
        answer = await client.get("/health/live", headers=headers)
    assert answer.status_code == status, answer.text
    assert status == 200 or set(answer.json()) == {"error_code", "error_message", "details"}


async def test_a_request_for_another_session_is_refused(bench: Bench) -> None:
    async with bench.client("admin") as admin:
        answer = await admin.post("/paper/pause", headers={"X-Session": "paper_other"})
        assert (answer.status_code, answer.json()["error_code"]) == (404, "session_not_found")
        assert not bench.control.paused
        session = {"X-Session": bench.control.session_id}
        assert (await admin.post("/paper/pause", headers=session)).status_code == 200


async def test_a_body_whose_end_is_said_in_two_ways_is_refused(bench: Bench) -> None:
    headers = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    async with bench.client("admin") as admin:
        answer = await admin.post("/paper/pause", headers=headers, content=b"{}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "unreadable")
    assert not bench.control.paused


async def test_admission_and_denial_are_written_down_without_the_key(bench: Bench) -> None:
    async with bench.client("viewer") as viewer:
        await viewer.get("/paper/mode")
        await viewer.get("/paper/mode")
        await viewer.delete("/paper/orders/c-1%20secret")
    [admitted] = await bench.events("auth_success")
    assert admitted.actor.startswith("viewer:")
    [denied] = await bench.events("authorization_denied")
    assert denied.details == {"method": "DELETE", "path": "/paper/orders/{name}", "needs": "trader"}
    assert "key-of" not in str(await bench.security.security_events())


async def test_an_audit_that_fails_does_not_change_the_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(events: Sequence[SecurityEvent]) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(bench.security, "record_security_events", broken)
    async with bench.client(None) as nobody, bench.client("viewer") as viewer:
        assert (await nobody.get("/paper/mode")).status_code == 401
        assert (await viewer.get("/paper/mode")).status_code == 200


async def test_a_database_that_is_away_makes_no_key_a_wrong_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> dict[str, str]:
        raise StorageError("the server is gone")

    monkeypatch.setattr(bench.security, "api_keys", away)
    with pytest.raises(StorageError):
        await bench.guard.keys.refresh()
    async with bench.client("viewer") as viewer:
        assert (await viewer.get("/paper/mode")).status_code == 200


async def test_a_body_is_counted_in_bytes_whatever_it_claims(bench: Bench) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    async with bench.client("trader") as trader:
        answer = await trader.post("/paper/trade", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error_code"]) == (413, "body_too_large")


async def test_a_bug_is_500_without_its_words_and_with_the_id_to_look_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(bench.control, "moment", broken)
    async with bench.client("viewer") as viewer:
        answer = await viewer.get("/paper/mode")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "internal_error")
    assert "secret detail" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["error_message"]
    assert answer.headers["x-request-id"] in caplog.text and "secret detail" in caplog.text
    assert "key-of-viewer" not in caplog.text

"""Who gets in, how often, with how much; and that nothing secret gets out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.conftest import Bench
from tests.storage.revoked import revoke_api_key

from triplegain.api.access import RequestLimits
from triplegain.api.app import create_app
from triplegain.api.doorkeeper import FAILURES_PER_ADDRESS
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


async def test_guessing_ends_after_its_budget_even_all_at_once(bench: Bench) -> None:
    async with bench.client(None) as guesser:
        guesses = [guesser.get("/paper/mode", headers={"Authorization": f"Bearer {n}"}) for n in range(80)]
        answers = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert answers.count(401) == FAILURES_PER_ADDRESS
    assert answers.count(429) == 80 - FAILURES_PER_ADDRESS
    assert len(await bench.events("auth_failure")) == FAILURES_PER_ADDRESS
    assert len(await bench.events("rate_limited")) == 1, "a flood of requests is not a flood of rows"


async def test_a_key_that_was_right_before_is_not_locked_out_by_a_guesser(bench: Bench) -> None:
    async with bench.client("viewer") as viewer, bench.client(None) as guesser:
        assert (await viewer.get("/paper/mode")).status_code == 200
        for _ in range(FAILURES_PER_ADDRESS):
            await guesser.get("/paper/mode")
        assert (await guesser.get("/paper/mode")).status_code == 429
        assert (await viewer.get("/paper/mode")).status_code == 200
    async with bench.client("admin") as newcomer:
        refused = await newcomer.get("/paper/mode")
        bench.clock.advance_to(bench.clock.now_ns() + int(refused.headers["retry-after"]) * 10**9)
        assert (await newcomer.get("/paper/mode")).status_code == 200


async def test_each_key_has_its_own_budget_for_each_kind_of_request(bench: Bench, order: dict[str, Any]) -> None:
    async with bench.client("trader") as trader, bench.client("admin") as admin:
        codes = [(await trader.post("/paper/trade", json=order)).status_code for _ in range(31)]
        assert codes == [201] + [200] * 29 + [429]
        assert (await trader.post("/paper/flat")).status_code == 202, "closing everything has another budget"
        assert (await trader.get("/paper/mode")).status_code == 200
        assert (await admin.post("/paper/trade", json=order)).status_code == 200
        # 30 a minute come back one every two seconds.
        bench.clock.advance_to(bench.clock.now_ns() + 2 * 10**9)
        codes = [(await trader.post("/paper/trade", json=order)).status_code for _ in range(2)]
    assert codes == [200, 429]


async def test_how_much_one_address_may_ask_is_configured(bench: Bench) -> None:
    limits = RequestLimits(address=3, reads=100)
    bench.app = create_app(bench.control, bench.reader, bench.security, limits, bench.clock)
    async with bench.client("viewer") as viewer, bench.client("viewer", "127.0.0.2") as elsewhere:
        assert [(await viewer.get("/paper/mode")).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert (await elsewhere.get("/paper/mode")).status_code == 200


async def test_a_revoked_key_is_out_at_once(bench: Bench) -> None:
    from triplegain.api.keys import key_hash

    async with bench.client("trader") as trader:
        assert (await trader.get("/paper/mode")).status_code == 200
        await revoke_api_key(bench.security, key_hash("key-of-trader"))
        assert (await trader.get("/paper/mode")).status_code == 401


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
    async def broken(event: SecurityEvent, session_id: str | None = None) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(bench.security, "record_security_event", broken)
    async with bench.client(None) as nobody, bench.client("viewer") as viewer:
        assert (await nobody.get("/paper/mode")).status_code == 401
        assert (await viewer.get("/paper/mode")).status_code == 200


async def test_a_database_that_is_away_is_503_and_not_a_wrong_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(key_hash: str) -> str | None:
        raise StorageError("the server is gone")

    monkeypatch.setattr(bench.security, "api_key_role", away)
    async with bench.client("viewer") as viewer:
        answer = await viewer.get("/paper/mode")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "storage")


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

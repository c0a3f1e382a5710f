"""`session` and `db`: the commands that work on what is stored, whether or not a session runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Stored, Tg
from tests.storage.scripted_session import ScriptedSession, session_record
from tests.storage.test_stored_books import traded

from triplegain.api.keys import key_hash
from triplegain.domain.records import SessionStatus
from triplegain.storage.security_log import SecurityLog, StoredKey
from triplegain.storage.session_store import SessionStore


async def one_session(store: SessionStore) -> None:
    """A position and a resting order of 100.4 USDT are open."""
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    for batch in (script.opening(), script.buy(), script.rest()):
        await store.commit("a", batch)
    await store.set_status("a", SessionStatus.PAUSED)


def test_sessions_are_listed(tg: Tg, stored: Stored) -> None:
    assert "tg paper" in tg("session", "list").out
    stored(one_session)
    assert [(each["session_id"], each["status"]) for each in json.loads(tg("session", "list", "--json").out)] == [
        ("a", "paused")
    ]
    assert "paused" in tg("session", "list").out


def test_a_session_is_shown_with_what_is_open(tg: Tg, stored: Stored) -> None:
    stored(one_session)
    shown = tg("session", "show", "a").out
    # 10000 - 100.4 paid = 9899.6, of which the resting order holds 100.4
    for words in ("p-1", "970", "c-2", "9,899.6", "100.4", "0 of 0.1"):
        assert words in shown, words
    found = json.loads(tg("session", "show", "a", "--json").out)
    assert found["balances"][1] == {"asset": "USDT", "total": "9899.6", "held": "100.4"}
    assert [each["position_id"] for each in found["positions"]] == ["p-1"]
    assert tg("session", "show", "b").code == 2


def test_an_ended_session_stays_in_the_record_and_can_be_ended_twice(tg: Tg, stored: Stored) -> None:
    stored(one_session)
    ran = tg("session", "end", "a")
    assert (ran.code, "Positions that were open stay" in ran.out) == (0, True)
    assert tg("session", "end", "a").code == 0
    assert json.loads(tg("session", "show", "a", "--json").out)["session"]["status"] == "ended"
    assert tg("report", "a").code == 0
    assert tg("session", "end", "b").code == 2


def test_a_session_that_runs_is_not_ended(tg: Tg, stored: Stored) -> None:
    codes = []

    async def running(store: SessionStore) -> None:
        await store.create(session_record("a"))
        import asyncio

        codes.append((await asyncio.to_thread(tg, "session", "end", "a")).code)

    stored(running)
    assert codes == [7]


def test_reset_without_a_running_system_says_so(tg: Tg) -> None:
    ran = tg("session", "reset")
    assert (ran.code, ran.out) == (8, "")
    assert "no session is running" in ran.err


def test_db_status_tells_version_schema_and_sessions(tg: Tg, stored: Stored) -> None:
    stored(one_session)
    found = json.loads(tg("db", "status", "--json").out)
    assert (found["embedded"], found["pending"], found["sessions"]) == (False, [], {"paused": 1})
    assert "005_paper_trading.sql" in found["applied"]
    assert "up to date" in tg("db", "status").out


def test_db_status_changes_nothing_and_db_migrate_does(
    tg: Tg, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", empty_database_url)
    for _ in range(2):
        assert json.loads(tg("db", "status", "--json").out)["applied"] == []
    assert "db migrate" in tg("db", "status").out
    assert "applied 001_foundation.sql" in tg("db", "migrate").out
    assert json.loads(tg("db", "migrate", "--json").out) == {"applied": []}


def test_a_backup_is_written_once(tg: Tg, stored: Stored, tmp_path: Path) -> None:
    stored(one_session)
    path = tmp_path / "copy"
    assert json.loads(tg("db", "backup", str(path), "--json").out)["bytes"] == path.stat().st_size
    before = path.read_bytes()
    ran = tg("db", "backup", str(path))
    assert (ran.code, "exists already" in ran.err, path.read_bytes() == before) == (5, True, True)


def test_cleanup_deletes_sessions_only_when_told_to(tg: Tg, stored: Stored) -> None:
    async def long_ended(store: SessionStore) -> None:
        await one_session(store)
        await store.set_status("a", SessionStatus.ENDED)

    # The sessions of these tests ended in November 2023.
    stored(long_ended)
    assert json.loads(tg("db", "cleanup", "--json").out) == {
        "rolled_up": 1, "snapshots_deleted": 2, "sessions_deleted": 0, "trades_deleted": 0, "steps_sealed": 0,
        "analyses_deleted": 0,
    }  # fmt: skip
    assert "Removed: 1 ended sessions" in tg("db", "cleanup", "--sessions-older-than", "1").out
    assert tg("report", "a").code == 2


def test_a_server_that_is_not_there_is_told_without_the_password(tg: Tg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", "postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
    for words in (("report",), ("session", "list"), ("db", "status")):
        ran = tg(*words)
        assert ran.code == 5
        assert "the database server is gone" in ran.err
        assert "hunter2" not in ran.err + ran.out


def test_books_that_differ_are_told_with_both_figures_by_verify_and_doctor(tg: Tg, stored: Stored) -> None:
    async def tampered(store: SessionStore) -> None:
        await traded(store)
        async with store._database.transaction("tampering") as connection:
            await connection.execute("UPDATE paper_balances SET total = total + 1000000 WHERE asset = 'USDT'")

    sound = tg("db", "verify")
    assert (sound.code, "agree" in sound.out) == (0, True)
    stored(tampered)
    told = json.loads(tg("db", "verify", "--json").out)
    assert told["ok"] is False and "the balance of USDT is 10" in told["differences"][0]
    assert tg("db", "verify").code == 1
    books = next(each for each in json.loads(tg("doctor", "--json").out)["checks"] if each["check"] == "books")
    assert (books["verdict"], told["differences"][0] in books["found"]) == ("fix", True)


def test_a_key_of_a_session_is_shown_once_and_stored_by_its_hash(tg: Tg, stored: Stored) -> None:
    keys: dict[str, StoredKey] = {}

    async def look(store: SessionStore) -> None:
        keys.clear()
        keys.update(await SecurityLog(store._database, store._clock).api_keys())

    stored(one_session)
    made = tg("session", "key", "a", "--role", "viewer", "--name", "a dashboard\udcff", "--json").json
    assert (made["session"], made["role"], len(made["key"])) == ("a", "viewer", 43)
    shown = tg("session", "key", "a").out.splitlines()
    assert "reaches a alone" in shown[1]
    stored(look)
    assert keys == {key_hash(made["key"]): ("viewer", "a"), key_hash(shown[0]): ("trader", "a")}
    listed = {each["key"]: (each["session"], each["role"]) for each in tg("session", "keys", "--json").json}
    one, other = key_hash(made["key"])[:12], key_hash(shown[0])[:12]
    assert listed == {one: ("a", "viewer"), other: ("a", "trader")}
    for wrong in (one[:11], "0" * 12, "", "%" * 12):
        assert tg("session", "revoke-key", wrong).code == 2
    assert tg("session", "revoke-key", one, "--json").json == {"session": "a", "key": one}
    assert tg("session", "revoke-key", one).code == 2
    stored(look)
    assert keys == {key_hash(shown[0]): ("trader", "a")}
    assert "out 20" in tg("session", "keys", "a").out and tg("session", "keys", "b").code == 2
    assert tg("session", "key", "a", "--revoke", "--json").json == {"session": "a", "revoked": 1}
    stored(look)
    assert keys == {}


def test_no_key_is_made_for_a_session_that_is_not_there_or_is_over(tg: Tg, stored: Stored) -> None:
    stored(one_session)
    assert (tg("session", "key", "b").code, tg("session", "key", "a", "--role", "owner").code) == (2, 2)
    assert tg("session", "end", "a").code == 0
    ended = tg("session", "key", "a")
    assert ended.code == 2 and "has ended" in ended.err
    assert tg("session", "key", "a", "--revoke").out == "Keys of a that are shut out now: 0.\n"


def test_orders_and_fills_are_listed_and_told(tg: Tg, stored: Stored) -> None:
    """Of a session that nobody runs."""
    assert tg("fills").code == 2
    stored(one_session)
    [fill] = json.loads(tg("fills", "--json").out)["fills"]
    assert (fill["symbol"], fill["price"], fill["quantity"], fill["client_order_id"]) == (
        "BTC/USDT", "1000", "0.1", "c-1",
    )  # fmt: skip
    assert [each["request"]["client_order_id"] for each in json.loads(tg("orders", "--json").out)["orders"]] == ["c-2"]
    everything = tg("orders", "--all", "--session", "a").out
    assert fill["order_id"] in everything and "c-2" in everything
    assert fill["fill_id"] in tg("fills").out
    for name in ("c-1", fill["order_id"], fill["fill_id"]):
        told = tg("explain", name)
        assert told.code == 0 and "Bought 0.1 BTC at 1,000" in told.out and fill["fill_id"] in told.out, told
    found = json.loads(tg("explain", "c-1", "--json").out)
    assert (found["order_id"], found["steps"][0]["quantity"], found["why_not"]) == (fill["order_id"], "0.1", [])
    assert "it filled whole" in tg("explain", "c-1", "--why-not").out
    waits = tg("explain", "c-2", "--why-not").out
    assert "It is open, with 0.1 of 0.1 BTC left to fill." in waits
    unknown = tg("explain", "nobody")
    assert unknown.code == 8 and "`fills` list them" in unknown.err
    for command in (("fills",), ("orders",), ("explain", "c-1")):
        nowhere = tg(*command, "--session", "nosuch")
        assert nowhere.code == 2 and "there is no session nosuch" in nowhere.err, command
    assert tg("explain", "\udcff\udcfe").code == 8
    assert tg("fills", "--limit", "9" * 20).code == 2
    assert "the newest 1: `--limit` tells more" in tg("orders", "--all", "--limit", "1").out
    assert "tells more" not in tg("orders", "--all", "--limit", "2").out
    assert tg("session", "end", "a").code == 0
    assert "It was open when the session ended, with 0.1 of 0.1 BTC" in tg("explain", "c-2", "--why-not").out
    [row] = json.loads(tg("orders", "--json").out)["orders"]
    assert (row["client_order_id"], row["side"], row["order_type"], row["price"]) == ("c-2", "buy", "limit", "1000")

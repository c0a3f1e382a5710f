"""Stored sessions, read page by page, counted and hashed."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from msgspec.structs import replace
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CloseReason, PositionRecord, SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.session_hashes import LEDGER
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import read_report
from triplegain.storage.session_store import SessionStore


async def run(store: SessionStore, name: str, buys: int) -> ScriptedSession:
    created = await store.create(session_record(name))
    script = ScriptedSession(created.session_id)
    await store.commit(script.session_id, script.opening())
    for _ in range(buys):
        await store.commit(script.session_id, script.buy())
    return script


def closed(position: PositionRecord, realised: Decimal) -> PositionRecord:
    return replace(
        position,
        quantity=Decimal(0),
        realised=realised,
        realised_usd=realised,
        closed_at_ns=position.opened_at_ns + 1,
        close_reason=CloseReason.MANUAL,
    )


async def test_pages_follow_the_cursor_without_gap_or_repetition(store: SessionStore, reader: SessionReader) -> None:
    await run(store, "a", 5)
    first = await reader.fills("a", limit=2)
    second = await reader.fills("a", limit=2, after=first[-1].fill_number)
    third = await reader.fills("a", limit=2, after=second[-1].fill_number)
    assert [each.fill_number for each in first + second + third] == [1, 2, 3, 4, 5]
    newest = await reader.orders("a", limit=2, newest_first=True)
    older = await reader.orders("a", limit=2, newest_first=True, after=newest[-1].order_number)
    assert [each.order_number for each in newest + older] == [5, 4, 3, 2]


async def test_filters_work_before_the_limit(store: SessionStore, reader: SessionReader) -> None:
    script = await run(store, "a", 3)
    await store.commit("a", script.rest())
    found = await reader.orders("a", status=[OrderStatus.OPEN], symbol="BTC/USDT", limit=1)
    assert [each.order_number for each in found] == [4]
    assert await reader.orders("a", symbol="XRP/USDT") == []
    assert await reader.orders("a", status=[]) == []
    assert [each.order_number for each in await reader.fills("a", order_number=2)] == [2]


async def test_one_order_is_found_by_either_of_its_ids(store: SessionStore, reader: SessionReader) -> None:
    await run(store, "a", 2)
    by_client = await reader.order("a", client_order_id="c-2")
    assert by_client is not None
    assert await reader.order("a", order_id=by_client.order_id) == by_client
    assert await reader.order("a", client_order_id="c-9") is None


async def test_statistics_are_what_is_stored(store: SessionStore, reader: SessionReader) -> None:
    script = await run(store, "a", 3)
    won, lost, _ = await reader.positions("a")
    changed = closed(won, Decimal(5)), closed(lost, Decimal(-2))
    await store.commit("a", replace(script.idle(), positions=changed))
    found = await reader.statistics("a")
    assert (found.orders, found.fills, found.fees) == (3, 3, {"USDT": Decimal("1.2")})
    assert [each.position_id for each in await reader.positions("a", closed=False)] == ["p-3"]


async def test_reasons_for_what_was_not_traded_are_counted(store: SessionStore, database: Database) -> None:
    script = await run(store, "a", 1)
    for reason in ("no fresh price", "cool-down", "no fresh price"):
        await store.commit("a", script.refuse(reason))
    found = (await read_report(database, "a")).untraded
    assert [(each.reason, each.count) for each in found] == [("no fresh price", 2), ("cool-down", 1)]


async def test_equal_runs_have_equal_hashes_whatever_their_name(store: SessionStore, reader: SessionReader) -> None:
    await run(store, "first", 3)
    await run(store, "second", 3)
    await run(store, "shorter", 2)
    first = await reader.hashes("first")
    assert await reader.hashes("second") == first
    shorter = await reader.hashes("shorter")
    assert shorter.fills_sha256 != first.fills_sha256
    assert shorter.ledger_sha256 != first.ledger_sha256


async def test_a_stop_in_between_does_not_change_the_hashes(store: SessionStore, reader: SessionReader) -> None:
    await run(store, "straight", 3)
    script = await run(store, "halted", 1)
    await store.set_status("halted", SessionStatus.PAUSED)
    await store.release("halted")
    await store.resume("halted")
    for _ in range(2):
        await store.commit("halted", script.buy())
    assert await reader.hashes("halted") == await reader.hashes("straight")


async def test_the_ledger_hash_is_over_sorted_json_lines_without_spaces(
    store: SessionStore, reader: SessionReader
) -> None:
    await run(store, "a", 0)
    lines = [line async for line in reader.canonical_lines(LEDGER, "a")]
    assert lines[0] == (
        b'{"account":"wallet","amount":"10000","asset":"USDT","fill_number":0,"kind":"deposit","order_number":0,'
        b'"sequence":1,"time_ns":1700000000000000000,"transaction":1}'
    )
    by_hand = hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()
    assert (await reader.hashes("a")).ledger_sha256 == by_hand


async def test_sessions_are_listed_latest_first(store: SessionStore, reader: SessionReader) -> None:
    await store.create(session_record("a"))
    await store.create(replace(session_record("b"), updated_at_ns=session_record().updated_at_ns + 10**9))
    assert [each.session_id for each in await reader.list_sessions()] == ["b", "a"]
    await store.set_status("b", SessionStatus.ENDED)
    assert [each.session_id for each in await reader.list_sessions(include_ended=False)] == ["a"]

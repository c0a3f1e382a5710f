"""What agents leave behind: stored with its step, whole or not at all, and read back as it was given."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.mind_steps import alert, analysis, hodl, outcome, risk, vote
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record
from tests.storage.stored_rows import ledger_entries

from triplegain.domain.agent_records import AlertKind, HodlStep
from triplegain.domain.clock import ManualClock
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, LedgerEntry
from triplegain.domain.money import atoms
from triplegain.domain.records import BalanceRecord, CommitBatch, SessionStatus
from triplegain.domain.storable import encode, storable
from triplegain.storage.database import Database
from triplegain.storage.errors import CommitRefusedError
from triplegain.storage.retention import Retention
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

TABLES = ("analyses", "votes", "outcomes", "risk_state", "risk_history", "alerts", "hodl")


async def opened(store: SessionStore) -> ScriptedSession:
    """With decision 1 stored."""
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    for batch in (script.opening(), script.buy()):
        await store.commit("a", batch)
    return script


def thought(batch: CommitBatch, **lists: Any) -> CommitBatch:
    changed: dict[str, Any] = {name: tuple(records) for name, records in lists.items()}
    return replace(batch, **changed)


async def rows_stored(database: Database) -> int:
    query = " + ".join(f"(SELECT count(*) FROM paper_{table})" for table in TABLES)
    row = await database.row("counting", f"SELECT {query} AS n")
    assert row is not None
    return int(row["n"])


async def test_everything_reads_back_as_it_was_given(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    batch = thought(
        script.idle(),
        analyses=[analysis(1), analysis(2, "sentiment", "BTC", abstained=True)],
        votes=[vote(1), vote(2, model="grok", action="abstain", failure="timeout"), vote(3, decision=None)],
        outcomes=[outcome(1), outcome(1, 4, None), outcome(3)],
        risk=[risk(1), risk(2, "halted")],
        alerts=[alert(1)],
        hodl=[hodl(1), hodl(2, HodlStep.BOUGHT, "BTC")],
    )
    await store.commit("a", batch)
    assert await reader.analyses("a") == list(batch.analyses)
    assert await reader.votes("a") == list(batch.votes)
    assert await reader.outcomes("a") == list(batch.outcomes)
    assert await reader.risk("a") == list(batch.risk)
    assert await reader.alerts("a") == list(batch.alerts)
    assert await reader.hodl("a") == list(batch.hodl)


async def test_votes_of_a_step_may_count_for_a_decision_of_the_same_step(
    store: SessionStore, reader: SessionReader
) -> None:
    script = await opened(store)
    await store.commit("a", thought(script.buy(), votes=[vote(1, decision=2), vote(2, decision=2, model="grok")]))
    assert [each.model for each in await reader.votes("a", decision_numbers=[2])] == ["gpt", "grok"]
    assert await reader.votes("a", decision_numbers=[1]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"analyses": [analysis(1)]},
        {"analyses": [analysis(3)]},
        {"analyses": [analysis(2), analysis(4)]},
        {"votes": [vote(1)]},
        {"votes": [vote(3)]},
        {"votes": [vote(2, decision=9)]},
        {"votes": [replace(vote(2), confidence=Decimal("1.01"))]},
        {"votes": [replace(vote(2), failure="timeout")]},
        {"outcomes": [outcome(1)]},
        {"outcomes": [outcome(1, 4), outcome(1, 4)]},
        {"outcomes": [outcome(2)]},
        {"outcomes": [replace(outcome(1, 4), price=None)]},
        {"risk": [risk(1)]},
        {"risk": [risk(3)]},
        {"alerts": [alert(1)]},
        {"alerts": [alert(3)]},
        {"hodl": [hodl(1)]},
        {"hodl": [hodl(3)]},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}-{len(str(wrong))}",
)
async def test_a_batch_that_does_not_continue_what_is_stored_changes_nothing(
    store: SessionStore, reader: SessionReader, database: Database, wrong: dict[str, Any]
) -> None:
    script = await opened(store)
    first = {
        "analyses": [analysis(1)], "votes": [vote(1)], "outcomes": [outcome(1)], "risk": [risk(1)],
        "alerts": [alert(1)], "hodl": [hodl(1)],
    }  # fmt: skip
    await store.commit("a", thought(script.idle(), **first))
    before = await rows_stored(database)
    # What would be right comes with it, and must not be stored either.
    right = {"analyses": [analysis(2)], "alerts": [alert(2)], "risk": [risk(2)]}
    with pytest.raises(CommitRefusedError):
        await store.commit("a", thought(script.buy(), **(right | wrong)))
    assert await rows_stored(database) == before
    assert len(await reader.decisions("a")) == 1
    assert await reader.risk("a") == [risk(1)]


async def test_every_list_goes_on_from_batch_to_batch(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    for number in (1, 2, 3):
        await store.commit(
            "a",
            thought(
                script.idle(), analyses=[analysis(number)], votes=[vote(number)], risk=[risk(number)],
                alerts=[alert(number)], hodl=[hodl(number)],
            ),
        )  # fmt: skip
    for pages in (reader.analyses, reader.votes, reader.alerts, reader.hodl):
        assert [each.number for each in await pages("a")] == [1, 2, 3]


async def test_outcomes_come_hours_after_their_vote_in_any_order(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    await store.commit("a", thought(script.idle(), votes=[vote(1), vote(2)]))
    await store.commit("a", thought(script.idle(), outcomes=[outcome(2)]))
    await store.commit("a", thought(script.idle(), outcomes=[outcome(1, 24), outcome(2, 4)]))
    found = {(each.vote_number, each.horizon_ns // (3600 * 10**9)) for each in await reader.outcomes("a")}
    assert found == {(1, 24), (2, 1), (2, 4)}


async def test_the_risk_state_is_the_latest_change(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    assert await reader.risk("a") == []
    for number, kind in ((1, "updated"), (2, "halted")):
        await store.commit("a", thought(script.idle(), risk=[risk(number, kind)]))
    assert await reader.risk("a", newest_first=True, limit=1) == [risk(2, "halted")]


async def test_the_latest_analysis_of_each_task_and_symbol_is_found(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    made = [
        analysis(1), analysis(2, symbol="XRP/USDT"), analysis(3, "regime"), analysis(4), analysis(5, "regime"),
        analysis(6, "sentiment", "BTC"),
    ]  # fmt: skip
    await store.commit("a", thought(script.idle(), analyses=made))
    assert [(each.task, each.symbol, each.number) for each in await reader.latest_analyses("a")] == [
        ("regime", "BTC/USDT", 5), ("sentiment", "BTC", 6), ("technical", "BTC/USDT", 4), ("technical", "XRP/USDT", 2),
    ]  # fmt: skip
    assert await reader.latest_analyses("b") == []


async def test_pages_and_filters(store: SessionStore, reader: SessionReader) -> None:
    script = await opened(store)
    await store.commit(
        "a",
        thought(
            script.idle(),
            analyses=[analysis(number, "regime" if number % 2 else "technical") for number in range(1, 7)],
            votes=[vote(1), vote(2, model="grok"), vote(3), vote(4, decision=None)],
            alerts=[alert(1), alert(2, AlertKind.OVERDUE), alert(3)],
            hodl=[hodl(1), hodl(2, asset="BTC")],
            risk=[risk(1), risk(2), risk(3)],
        ),
    )
    assert [each.number for each in await reader.analyses("a", task="regime", after=1, limit=1)] == [3]
    assert [each.number for each in await reader.analyses("a", limit=2, newest_first=True, after=5)] == [4, 3]
    assert await reader.analyses("a", symbol="XRP/USDT") == []
    assert [each.number for each in await reader.votes("a", model="gpt")] == [1, 3, 4]
    assert [each.number for each in await reader.votes("a", decision_numbers=[1], after=1)] == [2, 3]
    assert [each.number for each in await reader.alerts("a", kind=AlertKind.STOP_LOST, newest_first=True)] == [3, 1]
    assert [each.number for each in await reader.hodl("a", asset="BTC")] == [2]


async def test_a_transfer_to_the_bag_is_conserved_and_checked(store: SessionStore, database: Database) -> None:
    """After the buy 9899.6 USDT are in the wallet; 1.5 of them go to the bag: 9898.1."""
    script = await opened(store)
    last = (await ledger_entries(database, "a"))[-1]
    sides = ((LedgerAccount.WALLET, "-1.5"), (LedgerAccount.HODL, "1.5"))
    entries = tuple(
        LedgerEntry(
            last.sequence + step, last.transaction + 1, START_NS, EntryKind.TRANSFER, account, "USDT",
            atoms(Decimal(value)),
        )
        for step, (account, value) in enumerate(sides, start=1)
    )  # fmt: skip
    batch = replace(script.idle(), entries=entries)
    with pytest.raises(CommitRefusedError, match="the balance of USDT"):
        await store.commit("a", batch)
    moved = replace(batch, balances=(BalanceRecord("USDT", Decimal("9898.1"), Decimal(0)),))
    with pytest.raises(CommitRefusedError, match=r"out of balance by -1\.5"):
        await store.commit("a", replace(moved, entries=entries[:1]))
    await store.commit("a", moved)
    held = [each for each in await ledger_entries(database, "a") if each.account is LedgerAccount.HODL]
    assert [(each.asset, each.amount_atoms) for each in held] == [("USDT", atoms(Decimal("1.5")))]


async def test_text_that_the_database_cannot_hold_does_not_stop_a_commit(
    store: SessionStore, reader: SessionReader
) -> None:
    script = await opened(store)
    hostile = replace(vote(1), reasoning="a\0b\ud83dc \\u0000 \\\0")
    await store.commit("a", thought(script.idle(), votes=[hostile]))
    assert (await reader.votes("a"))[0].reasoning == "a\ufffdb\ufffdc \\u0000 \\\ufffd"


def test_only_what_cannot_be_stored_is_replaced() -> None:
    assert storable("caf\u00e9 \U0001f600\0\udfff") == "caf\u00e9 \U0001f600\ufffd\ufffd"
    assert encode({"a": "\0\0", "b": "\\u0000"}) == '{"a":"\ufffd\ufffd","b":"\\\\u0000"}'.encode()
    assert encode({"\ud800": (Decimal("1.50"), ["\0"])}) == '{"\ufffd":["1.50",["\ufffd"]]}'.encode()


async def test_nothing_of_the_mind_goes_while_its_session_stays(
    store: SessionStore, reader: SessionReader, database: Database, clock: ManualClock
) -> None:
    script = await opened(store)
    await store.commit(
        "a", thought(script.idle(), analyses=[analysis(1)], votes=[vote(1)], outcomes=[outcome(1)], risk=[risk(1)])
    )
    await store.set_status("a", SessionStatus.ENDED)
    clock.advance_to(START_NS + 400 * 86_400 * 10**9)
    await Retention(database).roll_up(clock.now_ns())
    # analysis, vote, outcome, risk history, risk state
    assert await rows_stored(database) == 5
    await Retention(database).remove_ended(clock.now_ns())
    assert await rows_stored(database) == 0

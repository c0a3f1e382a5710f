"""A session of an earlier form is converted when it is taken up, once, as a step of its own."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.storage.scripted_session import START_NS, ScriptedSession, last_step, session_record

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import ManualClock
from triplegain.storage import forms
from triplegain.storage.database import Database
from triplegain.storage.errors import SessionFormError
from triplegain.storage.forms.conversion import Converter, Forms, Kept
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


def fourth(kept: Kept) -> Kept:
    """From the script's form: the wallet is a part for each asset, and the steps are gone. Names the open orders."""
    wallet = kept.parts["wallet", ""]
    assets = {("wallet.asset", asset): {"total": total} for asset, total in wallet["total"].items()}
    held = ", ".join(row["client_order_id"] for row in kept.rows["paper_orders"] if row["status"] == "open")
    alert = {
        "number": 1, "time_ns": START_NS, "kind": "session_converted", "symbol": "", "position_id": "",
        "message": f"not carried over: the place in the queue of {held}",
    }  # fmt: skip
    return replace(kept, state={}, parts=assets, alerts=(*kept.alerts, alert))


WAY = Forms(4, {3: Converter(fourth, ("paper_orders",))})


@pytest.fixture
async def left(database: Database, clock: ManualClock) -> AsyncIterator[ScriptedSession]:
    """Three steps of form 3, of which the last leaves an order open."""
    store, script = SessionStore(database, clock), ScriptedSession("a")
    await store.create(session_record("a"))
    for batch in (script.opening(), script.buy(), script.rest()):
        await store.commit("a", batch)
    await store.close()
    yield script


async def test_it_has_the_parts_of_the_present_form_and_goes_on(
    database: Database, clock: ManualClock, reader: SessionReader, left: ScriptedSession, database_url: str
) -> None:
    store = SessionStore(database, clock, WAY)
    found = await store.resume("a")
    assert found is not None
    parts = {name: msgspec.json.decode(state) for name, state in found.parts.items()}
    # 10000 - 100.4 = 9899.6 USDT, in atoms of 1e-18 as text.
    assert parts["wallet.asset", "USDT"] == {"total": left.kept_wallet()["total"]["USDT"]}
    assert {name for name, _ in parts} == {"wallet.asset"}
    assert (found.form, await last_step(database_url)) == (4, 4)
    [alert] = await reader.alerts("a")
    assert (alert.kind, alert.message) == (
        AlertKind.SESSION_CONVERTED,
        "not carried over: the place in the queue of c-2",
    )
    await store.commit("a", replace(left.buy(), form=4, parts=()))
    await store.close()
    # Converted once.
    again = await store.resume("a")
    assert (again.parts, again.form) == (found.parts, 4)
    assert len(await reader.alerts("a")) == 1
    assert {each.asset: each.total for each in await reader.balances("a")}["BTC"] == Decimal("0.2")
    await store.close()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Forms(2, {}), "newer version"),
        (Forms(4, {}), "another version"),
        # There is a way to 4 and none from there.
        (Forms(5, {3: WAY.converters[3]}), "another version"),
    ],
)
async def test_where_there_is_no_way_nothing_is_changed(
    database: Database, clock: ManualClock, left: ScriptedSession, known: Forms, words: str
) -> None:
    query = "SELECT xmin::text, t.* FROM paper_session_state t"
    before = await database.rows("looking", query)
    with pytest.raises(SessionFormError, match=words) as refused:
        await SessionStore(database, clock, known).resume("a")
    assert refused.value.exit_code == 2
    assert await database.rows("looking", query) == before


async def test_a_session_of_which_nobody_can_say_the_form_can_be_ended(
    database: Database, clock: ManualClock, left: ScriptedSession
) -> None:
    await database.rows("damaging it", "UPDATE paper_session_state SET state = '[1, 2]'")
    store = SessionStore(database, clock, WAY)
    with pytest.raises(SessionFormError, match="another version"):
        await store.resume("a")
    assert (await store.resume("a", to_end=True)).session.session_id == "a"
    await store.close()


def test_a_converter_knows_no_type_of_today() -> None:
    folder = forms.__path__[0]
    for path in sorted(p for p in Path(folder).glob("*.py") if p.stem != "__init__"):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [each.name for each in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert all(name.startswith("triplegain.storage.forms.") for name in names if name.startswith("triplegain"))

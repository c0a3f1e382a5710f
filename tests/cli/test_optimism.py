"""`optimism` for programs and for eyes."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO

from msgspec.structs import replace
from rich.console import Console
from tests.cli.conftest import Stored, Tg
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.app.optimism import Optimism
from triplegain.cli.optimism import optimism_as_json, optimism_view
from triplegain.optimism.flattery import RuleFigures
from triplegain.optimism.recorded import LeftOut
from triplegain.storage.session_store import SessionStore

TOLD = RuleFigures(
    "freqtrade", "2026.9", "its source", "USDT", 12, 8, 9, 1, Decimal(10_000), Decimal("12.345678"), 12.5, 1, -3.25,
    20.0, 2.0, 15.5, -5.0,
)  # fmt: skip
FEW = replace(TOLD, rule="LEAN", orders=4, low=None, high=None)
NONE = RuleFigures(
    "kraken-cli", "0.3.2", "", "USDT", 0, 0, 0, 0, Decimal(0), Decimal(0), None, 1, None, None, None, None, None
)
WIDE = replace(
    TOLD, rule="hummingbot", orders=1212, filled_here=188, filled_there=189, flattered=Decimal("123456.7"),
    basis_points=112.5, low=-113.2, fills=115.5,
)  # fmt: skip
FOUND = Optimism(session_record("a"), True, START_NS, START_NS, 14, 3, {LeftOut.KIND: 2}, (TOLD, FEW, NONE, WIDE))


def test_a_table_says_what_each_rule_would_have_told() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(optimism_view(FOUND))
    shown = console.export_text()
    assert "14, 12 of them compared" in shown and "2: type not modelled" in shown
    assert "3 orders met others than at their decision" in shown
    rows = {line.split()[0]: " ".join(line.split()) for line in reversed(shown.splitlines()) if line.strip()}
    assert rows["hummingbot"] == "hummingbot 188/189 of 1212 +112.5 -113.2 to +20.0 +2.0 +115.5 -5.0"
    assert rows["LEAN"] == "LEAN 8/9 of 4 +12.5 too few +2.0 +15.5 -5.0"
    assert rows["kraken-cli"] == "kraken-cli 0/0 of 0"
    assert "Rules of freqtrade 2026.9, LEAN 2026.9, kraken-cli 0.3.2, hummingbot 2026.9." in " ".join(shown.split())


def test_a_program_reads_amounts_as_text_and_what_is_unknown_as_null() -> None:
    told = optimism_as_json(FOUND)
    assert (told["session"], told["orders"], told["other_quotes"], told["left_out"]) == (
        "a",
        14,
        3,
        {LeftOut.KIND.value: 2},
    )
    assert told["market"] == {"start": "2023-11-14T22:13:20.000000Z", "end": "2023-11-14T22:13:20.000000Z"}
    assert "wider than 95 %" in told["caveat"]
    assert told["rules"][0]["flattered"] == "12.345678"
    assert (told["rules"][1]["low"], told["rules"][2]["basis_points"]) == (None, None)


def test_the_command_looks_at_the_session_that_is_named(tg: Tg, stored: Stored) -> None:
    async def steps(store: SessionStore) -> None:
        await store.create(replace(session_record("live"), feed="live"))
        await store.create(session_record("a"))
        script = ScriptedSession("a")
        for step in (script.opening(), script.buy()):
            await store.commit("a", step)

    stored(steps)
    ran = tg("optimism", "a", "--json")
    assert (ran.code, ran.json["left_out"], ran.json["rules"]) == (0, {LeftOut.NO_MARKET.value: 1}, [])
    assert "There is no order that could be compared." in tg("optimism", "a").out
    gone = tg("optimism", "live", "--json")
    assert (gone.code, gone.json["error_code"]) == (6, "market_gone")

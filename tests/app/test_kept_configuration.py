"""A session keeps by value what shapes its results; what is written otherwise since is named, and taken on demand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.session.stored_parts import rows_of

from triplegain.app.opening import PaperOptions
from triplegain.app.paper_system import PaperSystem
from triplegain.config import Config, ConfigurationError, config_as_dict, load_config
from triplegain.config.kept import changes, kept_config
from triplegain.domain.clock import SystemClock
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

STORED = Path(__file__).parents[1] / "config" / "stored_config_27f38d1.json"


@asynccontextmanager
async def opened(url: str, folder: Path, told: list[str], **options: Any) -> AsyncIterator[PaperSystem]:
    """The session `kept` on the demo market; `told` is what a person reads before it runs."""
    clock, database = SystemClock(), await Database.connect(url)
    store, reader = SessionStore(database, clock), SessionReader(database)
    chosen = PaperOptions(feed="demo", speed="max", session="kept", llm="none", duration="5s", **options)
    system = PaperSystem(chosen, load_config({}, folder), folder, database, store, reader, clock, {}, tell=told.append)
    try:
        await system.open()
        yield system
    finally:
        await system.models.aclose()
        await store.close()
        await database.close()


async def test_a_changed_key_is_named_and_taken_only_when_asked_for(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, []) as system:
        await system.run()
    (tmp_path / "indicators.yaml").write_text("rsi: 3\n")
    (tmp_path / "api.yaml").write_text("port: 9000\n")  # the host's: no business of the session

    told: list[str] = []
    async with opened(database_url, tmp_path, told) as system:
        assert system.opened.session.settings.indicators.rsi == 14
        assert system.opened.record.settings["config"]["indicators"]["rsi"] == 14
        await system.run()
    assert told == [
        "The session kept keeps its configuration; --apply-config would change:",
        "  indicators.rsi: 14 -> 3",
    ]

    told = []
    async with opened(database_url, tmp_path, told, apply_config=True) as system:
        assert system.opened.session.settings.indicators.rsi == 3
        record, position = system.opened.record, system.opened.position
        await system.run()
    assert told == ["The session kept goes on with configuration 2:", "  indicators.rsi: 14 -> 3"]
    assert record.settings["config"]["indicators"]["rsi"] == 3
    first, second = record.settings["configurations"]
    assert first == {"number": 1, "market_time_ns": 0, "feed_position": 0, "changed": {}}
    assert (second["number"], second["changed"]) == (2, {"indicators.rsi": [14, 3]})
    assert second["feed_position"] == position > 0
    # Ten seconds of market time had been played when it was taken.
    assert second["market_time_ns"] == pytest.approx(record.market_time_ns, abs=10**9)

    told = []
    async with opened(database_url, tmp_path, told) as system:
        assert system.opened.session.settings.indicators.rsi == 3
    assert told == []


async def test_another_trader_begins_afresh_on_the_same_account(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, []) as system:
        await system.run()
        before = rows_of(system.opened.session.wallet)
    (tmp_path / "agents.yaml").write_text("trader: random\n")
    told: list[str] = []
    async with opened(database_url, tmp_path, told, apply_config=True) as system:
        assert rows_of(system.opened.session.wallet) == before
    assert told[1:] == ["  agents.trader: auto -> random"]
    # Nothing was stored in that run: what the trader before remembered is gone all the same.
    async with opened(database_url, tmp_path, told := []) as system:
        await system.run()
    assert told == []


async def test_what_was_decided_at_the_opening_stays(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path, []) as system:
        await system.run()
    (tmp_path / "execution.yaml").write_text("paper_trading: {initial_balance: {USDT: 5}}\n")
    (tmp_path / "market.yaml").write_text("instruments: [BTC/USDT]\n")
    # What is set aside, and what a rebalance has out, is not left behind by a file.
    (tmp_path / "hodl.yaml").write_text("enabled: false\n")
    (tmp_path / "portfolio.yaml").write_text("rebalance: {enabled: true}\n")
    told: list[str] = []
    async with opened(database_url, tmp_path, told, apply_config=True) as system:
        settings = system.opened.session.settings
        assert settings.initial_balances["USDT"] == 10_000 and settings.rebalance is None
        assert settings.hodl is not None
        await system.run()
    assert told == []


def _same_where_stored(stored: Any, now: Any) -> bool:
    """Every key has the form it had; keys may have been added."""
    if isinstance(stored, dict):
        return all(name in now and _same_where_stored(value, now[name]) for name, value in stored.items())
    return bool(stored == now)


def test_a_configuration_that_is_not_stored_is_named() -> None:
    damaged: tuple[object, ...] = (None, [], "x")
    for stored in damaged:
        with pytest.raises(ConfigurationError, match="is not stored: start a new one with --reset"):
            kept_config(Config(), stored)


def test_a_configuration_stored_by_an_earlier_version_is_kept_as_it_was() -> None:
    stored = json.loads(STORED.read_text())
    # Models that took part by themselves then are named in what is stored, and go on.
    models = stored["llm"].pop("models"), stored["llm"].pop("roles")
    stored["market"]["history"]["trade_retention_days"] = 0  # the host's
    assert kept_config(Config(), stored) == (Config(), [])
    assert _same_where_stored(stored, config_as_dict(Config()))
    stored["llm"] |= {"models": models[0], "roles": models[1]}
    assert kept_config(Config(), stored)[0].roles["technical"] == ("qwen",)
    for name in ("models", "roles"):
        del stored["llm"][name]
    stored["indicators"]["rsi"] = 7
    stored["risk"]["regimes"]["choppy"]["max_leverage"] = 2
    stored["database"]["fsync"] = False  # the host's
    stored["llm"]["options"] = {"gpt": {"base_url": "http://there", "temperature": None, "thinking": "high"}}
    del stored["snapshot"]  # nothing was kept of it
    kept, beyond = kept_config(Config(), stored)
    assert beyond == []
    assert (kept.indicators.rsi, kept.database.fsync) == (7, True)
    assert [str(change) for change in changes(kept, Config())] == [
        "risk.regimes.choppy.max_leverage: 2 -> 1",
        "indicators.rsi: 7 -> 14",
        "llm.options: {gpt: {thinking: high}} -> {}",
    ]


@pytest.mark.parametrize(
    ("path", "stored", "now"),
    [
        # Beyond a bound of the key, of whole numbers, of what can be computed with, above what must be positive.
        (("risk", "max_position_pct"), "250", "100"),
        (("execution", "paper_trading", "fill_delay_ms"), 10**9, 600_000),
        (("indicators", "rsi"), 0, 2),
        (("orchestration", "tasks", "technical", "interval_s"), 10**30, 9_223_372_036),
        (("agents", "sentiment", "social_weight"), "1e60", "1000000000000000000"),
        (("agents", "sentiment", "social_weight"), "0", "0.000001"),
        (("agents", "sentiment", "social_weight"), "0." + "1" * 60, "0." + "1" * 38),
    ],
)
def test_a_number_beyond_the_bounds_of_today_is_the_nearest_within(
    path: tuple[str, ...], stored: Any, now: Any
) -> None:
    told = json.loads(json.dumps(config_as_dict(Config())))
    place = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = stored
    kept, beyond = kept_config(Config(), told)
    assert [(each.path, each.kept, each.written) for each in beyond] == [(path, stored, now)]
    assert kept_config(Config(), json.loads(json.dumps(config_as_dict(kept)))) == (kept, [])


async def test_an_old_session_opens_with_what_is_beyond_its_bounds_named_once(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, []) as system:
        await system.run()
    database = await Database.connect(database_url)
    try:
        beyond = (
            """UPDATE paper_sessions SET settings = jsonb_set(settings, '{config,risk,max_position_pct}', '"250"')"""
        )
        await database.rows("an earlier version", beyond)
        await database.rows("as the upgrade did", "SELECT paper_seal('kept')")
        told: list[str] = []
        async with opened(database_url, tmp_path, told) as system:
            assert system.opened.session.settings.limits.size_max == 1
            await system.run()
        assert told == [
            "The session kept goes on with configuration 2:",
            "  risk.max_position_pct: 250 -> 100",
            "The session kept keeps its configuration; --apply-config would change:",
            "  risk.max_position_pct: 100 -> 20",
        ]
        async with opened(database_url, tmp_path, told := []) as system:
            await system.run()
        assert told[0].startswith("The session kept keeps its configuration")
        [alert] = await database.rows("alerts", "SELECT kind, message FROM paper_alerts")
        assert tuple(alert.values()) == (
            "configuration_changed",
            "beyond the bounds of today: risk.max_position_pct: 250 -> 100",
        )
    finally:
        await database.close()

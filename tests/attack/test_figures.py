"""Figures that flatter, and what a report or a session that goes on might leave out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome
from tests.app.stored_record import ask, database_of

pytestmark = pytest.mark.slow

_BREAKERS = "breakers: {daily_loss_pct: 0.01, weekly_loss_pct: 0.02, drawdown_pct: 0.05}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


@pytest.fixture
def home(home: PaperHome, config: Path) -> PaperHome:
    return PaperHome(home.path, {"TRIPLEGAIN_CONFIG_DIR": str(config)})


def report(home: PaperHome, session: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(home.run("report", session, "--json").stdout)
    return found


def test_who_has_traded_nothing_has_won_nothing(home: PaperHome) -> None:
    """Whatever holding would have brought in the first minute."""
    summary = home.paper("--feed", "demo", "--llm", "none", "--candle", "1d", "--duration", "5m", "--session", "idle")
    assert (summary["fills"], summary["equity"]) == (0, "10000")
    equity = report(home, "idle")["equity"]
    assert (equity["opening"], equity["profit"], equity["profit_percent"]) == ("10000", "0", "0")
    assert equity["buy_and_hold_profit"] != "0"
    assert {each["equity"] for each in equity["curve"]} == {"10000"}


def test_a_session_that_was_halted_says_so_first_and_keeps_what_it_was_opened_with(
    home: PaperHome, config: Path
) -> None:
    (config / "risk.yaml").write_text(RESTLESS_RISK + _BREAKERS)
    summary = home.paper("--feed", "demo", "--llm", "none", "--duration", "5m", "--session", "halts")
    assert summary["halted"] and summary["fills"] > 0
    shown = home.run("report", "halts").stdout.splitlines()
    assert shown[1].startswith("HALTED since "), shown[:3]
    told = report(home, "halts")
    assert {each["kind"] for each in told["halts"]} == {"daily", "weekly", "drawdown"}
    assert told["halted_seconds"] > 0 and told["before_halt"]["equity"]
    assert told["equity"]["last_known"]["equity"] == summary["equity"]
    assert (told["traded"]["trader"], told["traded"]["candle_s"]) == ("ema_baseline", 1)
    (config / "agents.yaml").write_text("baseline_ema: {fast: 8}\n")
    again = home.run("paper", "--session", "halts", "--speed", "max", "--duration", "1s")
    assert again.code == 0, again
    said = again.stdout + again.stderr
    assert "keeps its configuration; --apply-config would change:" in said and "baseline_ema.fast" in said
    assert report(home, "halts")["traded"] == told["traded"]


def test_no_more_is_analysed_than_is_decided_on(home: PaperHome, tmp_path: Path) -> None:
    """An analysis is made for whoever reads it."""
    quarter_ms = 900_000
    start = 1_700_001_000_000 // quarter_ms * quarter_ms
    rows = [f"{start + n * quarter_ms},100.0,101.0,99.0,{100 + n % 7 / 10:.1f},1.5" for n in range(100)]
    candles = tmp_path / "files" / "BTC_USDT-15m.csv"
    candles.parent.mkdir()
    candles.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows, ""]))
    home.paper("--feed", f"replay:{candles.parent}", "--llm", "none", "--session", "quarters")
    with database_of(home) as url:
        query = "SELECT (SELECT count(*) FROM paper_analyses WHERE session_id = 'quarters') AS analyses"
        (found,) = ask(
            url, f"{query}, (SELECT count(*) FROM paper_decisions WHERE session_id = 'quarters') AS decisions"
        )
    assert found["analyses"] <= found["decisions"], dict(found)

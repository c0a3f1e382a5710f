"""Figures that flatter, and what a report or a session that goes on might leave out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome

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

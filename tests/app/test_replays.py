"""Recorded markets as paper sessions: each trades, adds up, and is the same however often it is run or stopped."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome
from tests.app.stored_record import ask, check_record, database_of

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
_WHOLE = ("orders", "fills", "fees", "equity", "halted", "fills_sha256", "ledger_sha256")
_ENDED = "SELECT status::text, feed FROM paper_sessions WHERE session_id = $1"
_HELD = "SELECT coalesce(sum(held), 0) FROM paper_balances WHERE session_id = $1"
_OPEN = "SELECT count(*) FROM paper_orders WHERE session_id = $1 AND NOT is_final(status)"


def _whole(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: summary[name] for name in _WHOLE}


def _check_ended(home: PaperHome, session: str, feed: str) -> None:
    """The record adds up, the session has ended, and nothing is held without an open order."""
    with database_of(home) as url:
        check_record(url, session)
        assert tuple(ask(url, _ENDED, session)[0]) == ("ended", feed)
        if not ask(url, _OPEN, session)[0][0]:
            assert ask(url, _HELD, session)[0][0] == 0


@pytest.fixture(scope="module")
def shared_home(shared_home: PaperHome, tmp_path_factory: pytest.TempPathFactory) -> PaperHome:
    """A trader that does not rest: in eleven minutes it would be asleep for ten."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "risk.yaml").write_text(RESTLESS_RISK)
    return replace(shared_home, environ={"TRIPLEGAIN_CONFIG_DIR": str(folder)})


@pytest.fixture(scope="module")
def l2_run(captures: Path, shared_home: PaperHome) -> dict[str, Any]:
    """The Binance order book capture from end to end: eleven minutes of market."""
    return shared_home.paper("--feed", f"replay:{captures / _L2}", "--session", "whole")


def test_the_beginning_of_an_order_book_capture_is_traded(captures: Path, shared_home: PaperHome) -> None:
    feed = f"replay:{captures / _L2}"
    summary = shared_home.paper("--feed", feed, "--session", "beginning", "--duration", "90s")
    assert summary["feed"] == feed and summary["events"] > 5_000 and summary["fills"] > 0
    with database_of(shared_home) as url:
        check_record(url, "beginning")
        assert ask(url, _ENDED, "beginning")[0][0] == "paused"


@pytest.mark.slow
def test_a_whole_order_book_capture_is_traded_to_its_end(shared_home: PaperHome, l2_run: dict[str, Any]) -> None:
    assert l2_run["events"] == 99_570 and l2_run["fills"] > 0 and Decimal(l2_run["fees"]["USDT"]) > 0
    assert not l2_run["halted"]
    _check_ended(shared_home, "whole", l2_run["feed"])
    finished = shared_home.run("paper", "--speed", "max", "--session", "whole")
    assert finished.code == 2 and "has ended" in finished.stderr


@pytest.mark.slow
def test_a_second_replay_gives_the_same_hashes(captures: Path, shared_home: PaperHome, l2_run: dict[str, Any]) -> None:
    again = shared_home.paper("--feed", f"replay:{captures / _L2}", "--session", "again")
    assert again["events"] == l2_run["events"] and _whole(again) == _whole(l2_run)


@pytest.mark.slow
def test_a_replay_stopped_and_resumed_gives_the_same_hashes(
    captures: Path, shared_home: PaperHome, l2_run: dict[str, Any]
) -> None:
    feed = f"replay:{captures / _L2}"
    parts = [shared_home.paper("--feed", feed, "--session", "parts", "--duration", length) for length in ("3m", "4m")]
    parts.append(shared_home.paper("--session", "parts"))
    assert 0 < parts[0]["fills"] < l2_run["fills"] and parts[0]["fills_sha256"] != l2_run["fills_sha256"]
    assert sum(part["events"] for part in parts) == l2_run["events"]
    assert _whole(parts[-1]) == _whole(l2_run)
    _check_ended(shared_home, "parts", feed)


@pytest.mark.slow
def test_a_session_keeps_its_feed(captures: Path, shared_home: PaperHome) -> None:
    feed = f"replay:{captures / _L2}"
    shared_home.paper("--feed", feed, "--session", "faithful", "--duration", "1m")
    finished = shared_home.run("paper", "--feed", "demo", "--speed", "max", "--session", "faithful")
    assert finished.code == 2 and feed in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "recorded", "events", "halted"),
    [
        ("trades", "kraken_trades_btcusdt_2023-11", 36_051, False),  # five days of Kraken BTC/USDT
        ("candles", "kraken_ohlcv_btcusdt/BTC_USDT-15m.feather", 35_071, True),  # a year, in which drawdown halts
        ("three-pairs", "binance_ohlcv_1m_three_pairs_2021-05", 128_743, False),  # three times a month of minutes
    ],
)
def test_trades_and_candles_are_paper_sessions_too(
    captures: Path, shared_home: PaperHome, name: str, recorded: str, events: int, halted: bool
) -> None:
    feed = f"replay:{captures / recorded}"
    summary = shared_home.paper("--feed", feed, "--session", name, timeout_s=240)
    assert summary["events"] == events and summary["fills"] > 0 and summary["halted"] is halted
    assert summary["equity"] is not None and Decimal(summary["equity"]) > 0
    _check_ended(shared_home, name, feed)

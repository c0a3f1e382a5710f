"""`paper` and the commands beside it, as a user starts them: processes, exit codes, what they print and what stays."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import Finished, PaperHome
from tests.app.stored_record import ask, check_record, database_of

_SUMMARY = {
    "mode": str, "session": str, "feed": str, "events": int, "orders": int, "fills": int, "fees": dict,
    "equity": str, "decisions": int, "abstentions": int, "risk_refused": int, "runs": dict, "models": list,
    "llm_cost_usd": str, "halted": bool, "fills_sha256": str, "ledger_sha256": str, "events_per_s": float,
}  # fmt: skip
_HASHES = ("fills_sha256", "ledger_sha256")
_COMPARED = ("events", "orders", "fills", "fees", "equity", "halted", *_HASHES)
_LIVE_SWITCHES = {
    "TRIPLEGAIN_TRADING_MODE": "live",
    "TRIPLEGAIN_CONFIRM_LIVE_TRADING": "I_UNDERSTAND_THE_RISKS",
    "KRAKEN_API_KEY": "key-of-the-real-exchange",
    "KRAKEN_API_SECRET": "secret-of-the-real-exchange",
}


@pytest.fixture(scope="module")
def minute(shared_home: PaperHome) -> dict[str, Any]:
    """One minute of the demo market, uninterrupted."""
    return shared_home.paper("--session", "minute", "--duration", "1m")


def _config(folder: Path, **files: str) -> dict[str, str]:
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return {"TRIPLEGAIN_CONFIG_DIR": str(folder)}


def _refused(finished: Finished, code: int, *words: str) -> None:
    """One clear line on stderr, nothing on stdout."""
    assert finished.code == code, finished
    (line,) = finished.stderr.splitlines()
    assert finished.stdout == "" and "Traceback" not in line and "Error:" not in line
    for word in words:
        assert word in line


def test_a_run_on_the_demo_market_trades_and_ends_with_one_line_of_json(minute: dict[str, Any]) -> None:
    assert {name: type(value) for name, value in minute.items()} == _SUMMARY
    assert list(minute) == list(_SUMMARY)
    assert (minute["mode"], minute["session"], minute["feed"], minute["halted"]) == ("paper", "minute", "demo", False)
    assert minute["events"] > 1000 and minute["fills"] > 0 and minute["orders"] > 0 and minute["events_per_s"] > 0
    assert all(isinstance(fee, str) and re.fullmatch(r"\d+(\.\d+)?", fee) for fee in minute["fees"].values())
    assert re.fullmatch(r"\d+(\.\d+)?", minute["equity"])
    assert all(re.fullmatch(r"[0-9a-f]{64}", minute[name]) for name in _HASHES)
    # Nobody is asked and nothing is spent without a key; the analysts run by rules, at the start and after a minute.
    assert (minute["models"], minute["llm_cost_usd"], minute["runs"]) == ([], "0", {"technical": 1, "regime": 1})
    assert minute["decisions"] > 0


def test_what_a_run_leaves_behind_adds_up(shared_home: PaperHome, minute: dict[str, Any]) -> None:
    with database_of(shared_home) as url:
        check_record(url, minute["session"])


def test_a_fresh_home_gives_the_same_run_and_keeps_its_secrets(tmp_path: Path, minute: dict[str, Any]) -> None:
    """Also the whole way of a first start: cluster made, server started and stopped again."""
    home = PaperHome(tmp_path / "home")
    summary = home.paper("--duration", "1m")
    assert {name: summary[name] for name in _COMPARED} == {name: minute[name] for name in _COMPARED}
    assert (home.path / "admin.key").stat().st_mode & 0o777 == 0o600
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert not (home.path / "postgres" / "data" / "postmaster.pid").exists()
    assert list((home.path / "running").iterdir()) == []


def test_a_session_stopped_half_way_and_resumed_ends_like_one_run(
    shared_home: PaperHome, minute: dict[str, Any]
) -> None:
    """A duration counts from the first message of its run, so the second half ends later than the whole by the pause
    before that message: a few messages, in which nothing is filled."""
    first = shared_home.paper("--session", "halves", "--duration", "30s")
    second = shared_home.paper("--session", "halves", "--duration", "30s")
    assert first["session"] == second["session"] == "halves"
    assert 0 < first["events"] < minute["events"] and first["fills_sha256"] != minute["fills_sha256"]
    assert 0 <= first["events"] + second["events"] - minute["events"] < 10
    whole = ("fills", "fees", *_HASHES)
    assert {name: second[name] for name in whole} == {name: minute[name] for name in whole}


def test_a_session_of_another_version_is_refused_in_words_and_keeps_its_record(shared_home: PaperHome) -> None:
    first = shared_home.paper("--session", "older", "--duration", "5s")
    with database_of(shared_home) as url:
        ask(url, "UPDATE paper_session_state SET state = '{\"form\": 1}' WHERE session_id = 'older'")
        refused = shared_home.run("paper", "--feed", "demo", "--speed", "max", "--session", "older")
        kept = ask(url, "SELECT count(*) FROM paper_order_events WHERE session_id = 'older'")[0][0]
    assert refused.code == 2 and "another version" in refused.stderr and "--reset" in refused.stderr
    assert kept >= first["orders"]
    again = shared_home.paper("--session", "older", "--reset", "--duration", "5s")
    assert again["session"] == "older_2"


def test_another_seed_is_another_market(shared_home: PaperHome, minute: dict[str, Any]) -> None:
    other = shared_home.paper("--session", "seed", "--seed", "5", "--duration", "1m")
    assert other["fills"] > 0
    assert all(other[name] != minute[name] for name in _HASHES)


def test_without_a_name_the_demo_goes_on_until_it_is_reset(tmp_path: Path, shared_home: PaperHome) -> None:
    """`run_paper_trading` is the same command; a database URL takes the place of the embedded server."""
    with database_of(shared_home) as url:
        home = PaperHome(tmp_path / "home", {"TRIPLEGAIN_DATABASE_URL": url})
        words = ("--feed", "demo", "--speed", "max", "--duration", "5s", "--json", "--seed", "77")
        first = home.run(*words, module="triplegain.run_paper_trading").answer
        second = home.run(*words, module="triplegain.run_paper_trading").answer
        third = home.run(*words, "--reset", module="triplegain.run_paper_trading").answer
    assert set(first) == set(_SUMMARY)
    assert first["session"] == second["session"] != third["session"]
    assert not (home.path / "postgres").exists()


def test_stored_sessions_can_be_looked_at(shared_home: PaperHome, minute: dict[str, Any]) -> None:
    report = shared_home.run("report", "minute", "--json")
    assert report.code == 0 and json.loads(report.stdout)["fills"] == minute["fills"]
    listed = shared_home.run("session", "list", "--json")
    (found,) = [row for row in json.loads(listed.stdout) if row["session_id"] == "minute"]
    assert (found["status"], found["feed"]) == ("paused", "demo")
    status = shared_home.run("db", "status")
    assert status.code == 0 and "up to date" in status.stdout and status.stderr == ""


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_with_every_live_switch_set_nothing_is_started(tmp_path: Path, as_json: bool) -> None:
    config = _config(tmp_path / "config", execution="trading_mode: live\n")
    home = PaperHome(tmp_path / "home", _LIVE_SWITCHES | config)
    finished = home.run("paper", "--speed", "max", "--duration", "5s", *(["--json"] if as_json else []))
    if as_json:
        assert finished.code == 4 and "live trading is not built yet" in finished.error["error_message"]
    else:
        _refused(finished, 4, "live trading is not built yet", "Nothing was started")
    assert "secret-of-the-real-exchange" not in finished.stdout + finished.stderr
    assert not home.path.exists() or list(home.path.iterdir()) == []


@pytest.mark.parametrize("missing", ["TRIPLEGAIN_CONFIRM_LIVE_TRADING", "KRAKEN_API_SECRET"])
def test_a_request_for_live_that_lacks_something_starts_nothing(tmp_path: Path, missing: str) -> None:
    switches = {name: value for name, value in _LIVE_SWITCHES.items() if name != missing}
    home = PaperHome(tmp_path / "home", switches | _config(tmp_path / "config", execution="trading_mode: live\n"))
    _refused(home.run("paper", "--speed", "max", "--duration", "5s"), 4, missing)
    assert not (home.path / "postgres").exists()


def test_paper_trading_that_is_switched_off_does_not_start(tmp_path: Path) -> None:
    config = _config(tmp_path / "config", execution="paper_trading:\n  enabled: false\n")
    home = PaperHome(tmp_path / "home", config)
    _refused(home.run("paper", "--speed", "max", "--duration", "5s"), 3, "paper_trading.enabled")
    assert not (home.path / "postgres").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--feed", "moon"), 2, "moon"),
        (("--feed", "replay:"), 2, "replay:PATH"),
        (("--feed", "live"), 6, "cannot be reached"),
        (("--feed", "replay:/nowhere/at/all"), 6, "/nowhere/at/all"),
        (("--speed", "fast"), 2, "--speed"),
        (("--speed", "-1"), 2, "--speed"),
        (("--duration", "5x"), 2, "--duration"),
        (("--candle", "7m"), 2, "candle"),
        (("--session", "../elsewhere"), 2, "../elsewhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_makes_no_sense_is_refused_in_one_line(
    shared_home: PaperHome, words: tuple[str, ...], code: int, told: str
) -> None:
    given = words if "--duration" in words else (*words, "--duration", "5s")
    _refused(shared_home.run("paper", "--session", "never", *given), code, told)


def test_a_truncated_capture_is_refused_and_no_session_made(
    tmp_path: Path, captures: Path, shared_home: PaperHome
) -> None:
    (whole, *_) = sorted((captures / "binance_spot_l2_trades_btcusdt_2024-08").glob("*.gz"))
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[:200_000])
    with pytest.raises(EOFError):
        gzip.decompress(cut.read_bytes())
    words = ("paper", "--feed", f"replay:{cut}", "--speed", "max", "--session", "truncated")
    _refused(shared_home.run(*words), 6, str(cut), "cut off")
    finished = shared_home.run(*words, "--json")
    assert finished.code == 6 and finished.error["error_code"] == "capture"
    assert shared_home.run("report", "truncated").code == 2

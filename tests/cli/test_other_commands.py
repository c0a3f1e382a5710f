"""`captures`, `config` and `doctor`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Stored, Tg
from tests.storage.scripted_session import session_record

from triplegain.cli import doctor
from triplegain.storage.session_store import SessionStore


def test_verify_answers_updates_mismatches_and_gaps(tg: Tg, captures: Path) -> None:
    ran = tg("captures", "verify", str(captures / "kraken_wsv2_btcusd_book"), "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"updates": 510, "mismatches": 0, "gaps": 0})
    ran = tg("captures", "verify", str(captures / "kraken_wsv2_minagbp_book"))
    assert (ran.code, "30 updates" in ran.out) == (0, True)


def test_a_wrong_checksum_ends_with_exit_code_6(tg: Tg, captures: Path, tmp_path: Path) -> None:
    source = captures / "kraken_wsv2_btcusd_book" / "orderbook-v2.json"
    document = json.loads(source.read_text())
    document["updates"][100]["data"][0]["checksum"] += 1
    damaged = tmp_path / "orderbook-v2.json"
    damaged.write_text(json.dumps(document))
    ran = tg("captures", "verify", str(damaged), "--json")
    assert ran.code == 6
    assert json.loads(ran.out)["mismatches"] >= 1
    damaged.write_text(source.read_text()[:5000])
    ran = tg("captures", "verify", str(damaged))
    assert (ran.code, str(damaged) in ran.err) == (6, True)
    assert tg("captures", "verify", str(tmp_path / "nothing")).code == 6


def test_captures_are_listed_with_what_they_hold(tg: Tg, captures: Path) -> None:
    folder = captures / "kraken_wsv2_btcusd_book"
    assert "BTC/USD" in tg("captures", "list", str(folder)).out
    (found,) = json.loads(tg("captures", "list", str(folder), "--json").out)
    assert (found["symbol"], found["depth"], found["rows"]) == ("BTC/USD", "book", 510)


def test_an_empty_folder_holds_no_market_and_that_is_no_error(tg: Tg, tmp_path: Path) -> None:
    ran = tg("captures", "list", str(tmp_path))
    assert (ran.code, "no recorded market" in ran.out) == (0, True)


def test_config_show_masks_secrets(tg: Tg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", "postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
    shown = tg("config", "show")
    assert shown.code == 0
    assert "fill_delay_ms: 100" in shown.out
    assert "hunter2" not in shown.out
    assert json.loads(tg("config", "show", "--json").out)["execution"]["paper_trading"]["fill_delay_ms"] == 100


def test_config_check_names_file_line_and_key(tg: Tg, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tg("config", "check").code == 0
    monkeypatch.setenv("TRIPLEGAIN_CONFIG_DIR", str(tmp_path))
    (tmp_path / "execution.yaml").write_text("paper_trading:\n  fil_delay_ms: 5\n")
    ran = tg("config", "check")
    assert (ran.code, "execution.yaml:2" in ran.out, "fill_delay_ms" in ran.out) == (3, True, True)
    (problem,) = json.loads(tg("config", "check", "--json").out)["problems"]
    assert (problem["line"], problem["key"]) == (2, "paper_trading.fil_delay_ms")
    assert tg("config", "show").code == 3


def verdicts(tg: Tg) -> dict[str, tuple[str, str]]:
    """Check -> verdict and what to do."""
    found = json.loads(tg("doctor", "--json").out)
    return {each["check"]: (each["verdict"], each["action"]) for each in found["checks"]}


def test_doctor_is_content_with_a_sound_system(tg: Tg, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KRAKEN_API_KEY", raising=False)
    monkeypatch.delenv("KRAKEN_API_SECRET", raising=False)
    ran = tg("doctor")
    assert (ran.code, "All is well" in ran.out) == (0, True)
    assert verdicts(tg)["database"][0] == "ok"


def test_doctor_tells_a_session_left_behind_from_a_running_one(tg: Tg, stored: Stored) -> None:
    said = []

    async def running(store: SessionStore) -> None:
        await store.create(session_record("a"))
        import asyncio

        said.append((await asyncio.to_thread(verdicts, tg))["sessions"][0])

    stored(running)
    # Its process has gone and nobody paused it.
    said.append(verdicts(tg)["sessions"][0])
    assert said == ["ok", "note"]


def test_doctor_says_what_to_do(tg: Tg, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", "postgresql://somebody:hunter2@127.0.0.1:1/nowhere")
    monkeypatch.setenv("TRIPLEGAIN_TRADING_MODE", "live")
    monkeypatch.setenv("KRAKEN_API_KEY", "key")
    monkeypatch.setenv("TRIPLEGAIN_CAPTURES", str(tmp_path / "none"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**6))
    monkeypatch.setattr(doctor, "_PYTHON_MIN", (4, 0))
    ran = tg("doctor", "--json")
    assert ran.code == 1
    assert "hunter2" not in ran.out
    found = verdicts(tg)
    assert {check: found[check][0] for check in ("Python", "disk", "trading mode", "exchange keys")} == {
        "Python": "fix", "disk": "fix", "trading mode": "note", "exchange keys": "note",
    }  # fmt: skip
    assert (found["database"][0], found["recorded markets"][0]) == ("fix", "note")


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_doctor_and_every_command_refuse_a_home_that_others_reach_into(tg: Tg, tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    ran = tg("doctor", "--json")
    [home] = [each for each in ran.json["checks"] if each["check"] == "home folder"]
    assert (ran.code, home["verdict"]) == (1, "fix")
    for said in (ran.out, tg("report").err, tg("pause").err):
        assert f"chmod go-rw {tmp_path}" in said
    tmp_path.chmod(0o700)
    assert "chmod" not in tg("pause").err


def test_doctor_tells_of_a_key_that_others_can_read(tg: Tg, tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("k")
    (tmp_path / "admin.key").chmod(0o644)
    [key] = [each for each in tg("doctor", "--json").json["checks"] if each["check"] == "admin key"]
    assert key["verdict"] == "fix" and "chmod go-rw" in key["action"]


def test_doctor_names_every_fault_of_the_configuration(tg: Tg, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIPLEGAIN_CONFIG_DIR", str(tmp_path))
    (tmp_path / "api.yaml").write_text("port: 0\n")
    (tmp_path / "risc.yaml").write_text("")
    ran = tg("doctor")
    assert ran.code == 1
    assert "api.yaml" in ran.out
    assert "risk.yaml" in ran.out

"""`position`, `flat`, `pause`, `resume` against a running session."""

from __future__ import annotations

from pathlib import Path

from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg
from tests.cli.running_session import running

from triplegain.cli.steering import closing


def test_positions_are_listed_and_closed(tg: Tg, system: StoredControl) -> None:
    listed = tg("position", "list")
    assert "PAPER" in listed.out and "p-1" in listed.out and "-0.4 USDT" in listed.out
    [position] = tg("position", "list", "--all", "--json").json["positions"]
    assert (position["position_id"], position["unrealised"], position["stop"]) == ("p-1", "-0.4", "970")
    assert tg("position", "close", "p-1").out.startswith("PAPER  closing p-1")
    missing = tg("position", "close", "p-9")
    assert (missing.code, missing.err) == (8, "there is no open position p-9\n")


def test_the_session_is_steered(tg: Tg, system: StoredControl) -> None:
    assert tg("pause").out.startswith("PAPER  paper_20231114_221320 paused")
    assert system.paused
    assert tg("resume", "--json").json["paused"] is False
    assert not system.paused
    assert tg("flat").out.startswith("PAPER  closing p-1, p-2\n")


def test_what_is_on_margin_is_named_by_its_pair() -> None:
    assert closing({"positions": ["p-1"], "margin": ["BTC/USDT"]}) == "closing p-1, what is on margin of BTC/USDT"
    assert closing({"positions": [], "margin": []}) == "nothing is open"


def test_the_session_may_be_named(tg: Tg, system: StoredControl) -> None:
    assert tg("pause", "--session", system.session_id).code == 0
    other = tg("pause", "--session", "paper_x")
    assert other.code == 8 and system.session_id in other.err


def test_what_stops_stops_all_sessions_of_the_process_unless_one_is_named(
    tg: Tg, database_url: str, home: Path
) -> None:
    main = "paper_20231114_221320"
    with running(database_url, home, "b", "c"):
        assert tg("pause").out.splitlines() == [
            f"PAPER  {main} paused: nothing new is opened, positions stay protected",
            "       b paused: nothing new is opened, positions stay protected",
            "       c paused: nothing new is opened, positions stay protected",
        ]
        assert set(tg("flat", "--json").json["others"]) == {"b", "c"}
        assert tg("emergency").out.splitlines()[1] == "       b paused; closing p-1, p-2"
        assert set(tg("order", "cancel", "--all", "--json").json["others"]) == {"b", "c"}
        assert "       b 0 cancelled" in tg("order", "cancel", "--all").out.splitlines()
        assert tg("order", "cancel", "--all", "--session", "b", "--json").json["others"] == {}
        assert tg("emergency", "--session", "b", "--json").json["others"] == {}
        asks = tg("resume")
        assert asks.code == 8 and "several sessions are running" in asks.err
        assert tg("resume", "--session", "b").out == "PAPER  b trading again\n"

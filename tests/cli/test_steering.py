"""`position`, `flat`, `pause`, `resume` against a running session."""

from __future__ import annotations

from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg


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


def test_the_session_may_be_named(tg: Tg, system: StoredControl) -> None:
    assert tg("pause", "--session", system.session_id).code == 0
    other = tg("pause", "--session", "paper_x")
    assert other.code == 8 and system.session_id in other.err

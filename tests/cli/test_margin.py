"""`position margin` against a running session."""

from __future__ import annotations

from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg


def test_the_figures_and_positions_are_shown(tg: Tg, system: StoredControl) -> None:
    shown = tg("position", "margin")
    assert shown.code == 0
    for words in (f"Margin of {system.session_id}  called", "7,199.95 USD", "79.9994 %", "buy x5", "-2,800.05"):
        assert words in shown.out

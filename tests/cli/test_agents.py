"""`agents` and `emergency` against a running session."""

from __future__ import annotations

from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg

from triplegain.cli.agents import agents_view
from triplegain.cli.terminal import Terminal


def test_tasks_markets_and_models_are_shown(tg: Tg, system: StoredControl) -> None:
    shown = tg("agents", "show")
    assert shown.code == 0
    for words in (
        "reduced: ollama failed 3 times: timeout",
        "trades by itself: ema_baseline",
        "3 paused",
        "2023-11-14 22:14:20",
        "in progress",
        "long 25 %",
        "-40",
        "decision, regime",
    ):
        assert words in shown.out
    assert tg("agents", "show", "--json").json["latest"] == []


def test_what_a_model_wrote_reaches_the_terminal_tame() -> None:
    said = {
        "task": "technical", "symbol": "BTC/USDT", "model": "evil\x1b]0;title\x07", "abstained": False,
        "confidence": "0.6", "reason": "calm\x1b[2Jdown", "time": "2023-11-14T22:13:20.000000Z",
    }  # fmt: skip
    found = {
        "session": "s", "level": "normal", "failing": "", "trader": None, "tasks": [], "markets": [], "models": [],
        "latest": [said],
    }  # fmt: skip
    console = Terminal(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(agents_view(found))
    shown = captured.get()
    assert "\x1b" not in shown and "calm\ufffd[2Jdown (0.6)" in shown
    assert "no model takes part" in shown


def test_a_task_is_run(tg: Tg, system: StoredControl) -> None:
    assert tg("agents", "run", "Regime").out.startswith("PAPER  regime runs with the market's next move")
    assert tg("agents", "run", "regime", "--json").json["task"] == "regime"
    unknown = tg("agents", "run", "decision")
    assert unknown.code == 8 and "no task decision" in unknown.err
    system.paused = True
    not_now = tg("agents", "run", "regime")
    assert not_now.code == 8 and "`resume` first" in not_now.err


def test_an_emergency_pauses_and_closes(tg: Tg, system: StoredControl) -> None:
    assert tg("emergency").out.startswith("PAPER  paused; closing p-1, p-2")
    assert system.paused
    assert tg("emergency", "--json").json["positions"] == ["p-1", "p-2"]

"""`risk` against a running session."""

from __future__ import annotations

from decimal import Decimal

import pytest
import typer
from tests.api import told
from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg

from triplegain.domain.orders import Limit, Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal

CHECK = ("risk", "check", "BTC/USDT")


def test_the_state_is_shown_in_figures_and_words(tg: Tg, system: StoredControl) -> None:
    shown = tg("risk", "show")
    assert shown.code == 0
    for words in (
        f"PAPER  Risk of {system.session_id}  running",
        "cool-down after a loss until 22:23:20 UTC",
        "8,000.00 USD, peak 10,000.00",
        "-20.00 %",
        "1,600.00 USD, losing 160.00 at its stop",
        "7,600.00",
        "from 0.75",
        "0.5 to 3 %",
    ):
        assert words in shown.out
    # The week has no opening yet: that is not a loss of 0.
    assert "unknown" in shown.out
    state = tg("risk", "show", "--json").json
    assert (state["equity"], state["week_percent"]) == ("8000", None)


def test_a_check_says_approved_and_cut_or_refused_and_why(tg: Tg, system: StoredControl) -> None:
    cut = tg(*CHECK, "--stop", "970", "--target", "1100", "--quantity", "0.5", "--confidence", "0.8")
    assert cut.code == 0
    for words in ("buy BTC/USDT  modified", "0.1 BTC", "size max: 0.5 to 0.1", "72 % of equity", "nothing was sent"):
        assert words in cut.out
    refused = tg(*CHECK, "--side", "BUY")
    assert "rejected" in refused.out and "a stop-loss is required (stop_required)" in refused.out
    assert tg(*CHECK, "--json").json["reasons"] == [{"rule": "stop_required", "words": "a stop-loss is required"}]
    assert system.orders == {}


def test_a_check_of_a_paused_session_says_that_nothing_would_be_opened(tg: Tg, system: StoredControl) -> None:
    system.paused = True
    assert "trading is paused" in tg(*CHECK, "--stop", "970").out


def test_a_check_asks_what_was_typed_and_leaves_the_rest_to_the_session(tg: Tg, system: StoredControl) -> None:
    tg(*CHECK, "--stop", "970", "--notional", "250", "--limit", "990", "--regime", "choppy", "--leverage", "2")
    proposal = TradeProposal(
        "BTC/USDT",
        Side.BUY,
        Intent.OPEN,
        Limit(Decimal(990)),
        stop=Decimal(970),
        leverage=2,
        confidence=Decimal("0.75"),
    )
    assert system.asked == (proposal, Decimal(250), Regime.CHOPPY)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*CHECK, "--quantity", "a lot"), 2),
        ((*CHECK, "--confidence", "2"), 2),
        ((*CHECK, "--side", "hold"), 2),
        ((*CHECK, "--side", "sell", "--target", "900"), 2),
        ((*CHECK, "--regime", "sunny"), 2),
        (("risk", "check", "DOGE/USDT"), 8),
    ],
)
def test_what_cannot_be_asked_is_one_line(tg: Tg, system: StoredControl, words: tuple[str, ...], code: int) -> None:
    said = tg(*words)
    assert (said.code, said.out) == (code, "") and said.err


def test_a_reset_wants_a_yes(tg: Tg, system: StoredControl) -> None:
    asked = tg("risk", "reset")
    assert asked.code == 2 and "--yes" in asked.err
    done = tg("risk", "reset", "--yes")
    assert done.out.startswith(f"PAPER  risk of {system.session_id} was reset; ended:\n")
    assert "drawdown: -20.00 % from the peak" in done.out
    assert tg("risk", "reset", "--yes", "--json").json["ended"]


def test_on_a_terminal_a_reset_asks_and_takes_no_for_an_answer(
    tg: Tg, system: StoredControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.halted = "drawdown"
    asked: list[str] = []

    def answer(words: str, abort: bool, err: bool) -> None:
        asked.append(words)
        raise typer.Abort

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", answer)
    said = tg("risk", "reset")
    assert (said.code, said.out) == (130, "")
    assert asked == ["Forget these losses and trade again?"] and told.HALT in said.err


def test_a_reset_that_cannot_be_says_why(tg: Tg, system: StoredControl) -> None:
    system.halted = "no price"
    refused = tg("risk", "reset", "--yes")
    assert (refused.code, refused.err) == (8, "equity is unknown or not above zero\n")


@pytest.mark.parametrize("words", [("risk", "show"), CHECK, ("risk", "reset"), ("agents", "show"), ("emergency",)])
def test_without_a_running_session_it_says_how_to_start_one(tg: Tg, words: tuple[str, ...]) -> None:
    said = tg(*words)
    assert said.code == 8 and "./tg paper" in said.err

"""The live view: what it says, and that it fits."""

from __future__ import annotations

import errno
import io
import logging
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from rich.console import Console
from tests.cli.sample_view import FILLS, MIND, NOON_NS, SUMMARY, position, view

from triplegain.cli.dashboard import dashboard, shares
from triplegain.cli.view import LiveView, plain_line, summary_panel
from triplegain.domain.records import BalanceRecord
from triplegain.domain.views import Beside

UNKNOWN = structs.replace(
    SUMMARY, opening=None, equity=None, buy_and_hold=None, realised_usd=None, unrealised_usd=None, drawdown=None,
    fees={}, trade_count=0, wins=0, losses=0,
)  # fmt: skip
#: Nothing is known yet.
BARE: dict[str, Any] = {
    "summary": UNKNOWN, "quotes": {}, "balances": (), "positions": (), "open_orders": (), "last_decisions": (),
    "unrealised": None, "progress": None,
}  # fmt: skip


def drawn(what: Any, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), record=True, force_terminal=True)
    console.print(what)
    return console.export_text().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (200, 60), (119, 25), (120, 30)])
@pytest.mark.parametrize("crowd", [0, 1, 40])
def test_the_screen_is_never_larger_than_the_terminal(width: int, height: int, crowd: int) -> None:
    crowded = view(
        positions=tuple(position(number) for number in range(crowd)),
        last_decisions=("a long reason " * 30,) * crowd,
        alerts=("an alert " * 30,) * crowd,
        beside=tuple(Beside(f"s{number}", stands="a long reason " * 30) for number in range(crowd)),
    )
    told = ("something was told " * 30,) * crowd
    lines = drawn(dashboard(crowded, FILLS * crowd, width, height, told), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_sessions_beside_the_one_that_is_shown_have_a_line_each() -> None:
    """Those in which something is wrong first; what has no room is counted."""
    fine = [Beside(f"fine{number}", Decimal(500), Decimal("-1.5"), 2) for number in range(5)]
    shown = drawn(
        dashboard(view(beside=(*fine, Beside("gone", stands="runs no more: a row"))), FILLS, 120, 24), 120, 24
    )
    lines = [line.strip() for line in shown if line.startswith(("fine", "gone", "and "))]
    assert lines == [
        "gone  equity unknown  today unknown  positions 0  runs no more: a row",
        "fine0  equity 500.00  today -1.50  positions 2",
        "fine1  equity 500.00  today -1.50  positions 2",
        "and 3 more sessions: `tg session list` shows all",
    ]


def test_the_screen_says_what_matters_at_80_by_24() -> None:
    shown = "\n".join(drawn(dashboard(view(synthetic=True), FILLS, 80, 24), 80, 24))
    for words in (
        " PAPER ", " SYNTHETIC MARKET ", "paper_20240801_120000", "2024-08-01 12:01:01 UTC", "41,234/s", "43.21%",
        "10,123.46 USD", "+123.46 (+1.23 %)", "10,050.10", "+73.36", "64,553.01", "no fresh price", "8,712.34567",
        "63,482.1", "+8.5 USDT", "stop-loss", "6455", "no cross of the averages", "Ctrl-C",
    ):  # fmt: skip
        assert words in shown, words


def test_a_missing_value_is_unknown_and_never_zero() -> None:
    shown = "\n".join(drawn(dashboard(view(**BARE), (), 140, 40), 140, 40))
    assert "Equity unknown" in shown
    assert "0.00" not in shown
    unpriced = structs.replace(SUMMARY, equity=None)
    assert "Equity unknown" in "\n".join(drawn(dashboard(view(summary=unpriced), (), 80, 24), 80, 24))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 5), (80, 3)])
def test_the_smallest_terminal_does_not_crash_it(width: int, height: int) -> None:
    drawn(dashboard(view(), FILLS, width, height), width, height)
    drawn(dashboard(view(**BARE), (), width, height), width, height)


def test_the_screen_tells_who_decides_and_what_holds_trading_back() -> None:
    shown = "\n".join(drawn(dashboard(view(), FILLS, 160, 60), 160, 60))
    for words in (
        "2 models vote: gpt, sonnet", "technical 61", "BTC/USDT long 62 %", "sentiment +12", "cool-down trade BTC/USDT",
        "1 decided trades wait", "41.7",
    ):  # fmt: skip
        assert words in shown, words
    rules = replace(MIND, voters=(), trader="ema_baseline", level="emergency", warning="4.10 of 5 USD are spent")
    shown = "\n".join(drawn(dashboard(view(decisions=rules), FILLS, 160, 60), 160, 60))
    for words in ("ema_baseline decides", "models fail: emergency", "4.10 of 5 USD"):
        assert words in shown, words


def test_a_halt_by_risk_is_told_apart_from_a_session_that_has_halted() -> None:
    by_risk = view(decisions=replace(MIND, halted="daily loss: -5.10 % today; no new trades before 00:00 UTC"))
    assert "NO NEW TRADES: daily loss" in drawn(dashboard(by_risk, (), 140, 30), 140, 30)[0]
    assert "NO NEW TRADES: daily loss" in plain_line(by_risk).plain


def test_halted_and_paused_are_told() -> None:
    assert (
        "HALTED: the database is gone" in drawn(dashboard(view(halted="the database is gone"), (), 120, 30), 120, 30)[0]
    )
    assert "PAUSED" in drawn(dashboard(view(paused=True), (), 80, 24), 80, 24)[0]
    assert "PAUSED" in plain_line(view(paused=True)).plain


def test_a_database_that_is_away_is_told() -> None:
    away = view(away="the database server is gone")
    assert "DATABASE AWAY: the database server is gone" in drawn(dashboard(away, (), 120, 30), 120, 30)[0]
    assert "DATABASE AWAY: the database server is gone" in plain_line(away).plain


def test_before_the_first_message_no_figure_is_shown() -> None:
    early = view(market_time_ns=0, summary=structs.replace(SUMMARY, equity=Decimal(0)))
    assert "waiting for the market's first message" in plain_line(early).plain
    assert "Equity" not in "\n".join(drawn(dashboard(early, (), 80, 24), 80, 24))


def test_rows_are_shared_so_that_nobody_starves() -> None:
    assert shares([2, 40, 3], 8) == [2, 3, 3]
    assert shares([1, 1], 10) == [1, 1]
    assert shares([5, 5], 0) == [0, 0]
    assert shares([5], -3) == [0]


def test_without_a_terminal_a_line_is_printed_every_minute_and_the_summary_at_the_end() -> None:
    clock = iter([0.0, 1.0, 59.9, 60.0, 61.0])
    out = io.StringIO()
    with LiveView(Console(file=out, width=60), ticks=lambda: next(clock)) as screen:
        for number in range(5):
            screen.update(view(events_per_s=float(number)), FILLS)
    lines = [line for line in out.getvalue().splitlines() if "events/s" in line]
    assert [line.split()[-2] for line in lines] == ["0", "3"]
    assert "tg report paper_20240801_120000" in out.getvalue()


def test_on_a_terminal_the_screen_is_given_back_before_the_summary() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with LiveView(console, ticks=lambda: 0.0) as screen:
        screen.update(view(), FILLS)
    text = out.getvalue()
    taken, given_back = text.index("\x1b[?1049h"), text.index("\x1b[?1049l")
    assert taken < given_back < text.rindex("tg report")


def test_what_is_told_while_the_screen_is_up_stands_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, force_terminal=True, width=80, height=24), ticks=lambda: 0.0) as screen:
        screen.tell("before there is anything to see")
        screen.update(view(), FILLS)
        with caplog.at_level(logging.WARNING, "triplegain"):
            screen.tell("the model is down")
    assert "before there is anything to see" in out.getvalue()
    assert "the model is down" not in out.getvalue()
    assert [record.getMessage() for record in caplog.records] == ["the model is down"]


def test_what_is_told_while_the_screen_is_up_is_on_it_for_a_while() -> None:
    now, shown = [0.0], list[str]()

    def draw() -> None:
        out.truncate(0)
        screen.update(view(), FILLS)
        shown.append(out.getvalue())

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    with LiveView(console, ticks=lambda: now[0]) as screen:
        screen.tell("before it is up")
        assert "before it is up" in out.getvalue()
        draw()
        screen.tell("The database is away:\nthe server is gone.")
        for now[0] in (1.0, 59.0, 61.0):
            draw()
    assert ["The database is away: the server is gone." in each for each in shown] == [False, True, True, False]
    assert "before it is up" not in shown[0]


def test_a_run_that_showed_nothing_ends_without_a_summary() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, force_terminal=True)):
        pass
    assert out.getvalue() == ""


def test_the_summary_tells_where_the_report_is() -> None:
    balances = (BalanceRecord("USDT", Decimal("10123.456"), Decimal("123.456")),)
    shown = "\n".join(drawn(summary_panel(view(balances=balances, market_time_ns=NOON_NS), FILLS), 100, 40))
    for words in ("PAPER", "10,123.46 USD", "2024-08-01 12:00:00", FILLS[-1], "tg report paper_20240801_120000"):
        assert words in shown, words


@pytest.mark.parametrize(("width", "height"), [(80, 24), (130, 36)])
def test_a_market_that_is_not_in_order_says_why_beside_its_whole_name(width: int, height: int) -> None:
    words = "the order book does not agree with Kraken's checksum; it is asked for again"
    notes = "15,922 messages, 1 wrong checksum, recording"
    troubled = view(feed="live", progress=None, conditions={"BTC/USDT": words, "XRP/BTC": ""}, feed_notes=notes)
    shown = "\n".join(drawn(dashboard(troubled, FILLS, width, height), width, height))
    assert "BTC/USDT  the order book does" in shown
    assert "1 wrong checksum" in shown
    assert f"BTC/USDT: {words}" in plain_line(troubled).plain and notes in plain_line(troubled).plain


def test_a_look_at_the_session_is_only_taken_when_it_would_be_drawn() -> None:
    now = [0.0]
    with LiveView(Console(file=io.StringIO(), width=60), ticks=lambda: now[0]) as screen:
        assert screen.is_due
        screen.update(view(), FILLS)
        due = []
        for now[0] in (0.1, 59.9, 60.0):
            due.append(screen.is_due)
    assert due == [False, False, True]


class _Broken(io.StringIO):
    """Takes nothing."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


class _Leaving(Console):
    def on_broken_pipe(self) -> None:
        raise SystemExit(1)


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), BrokenPipeError()])
def test_what_cannot_be_shown_ends_no_session(error: OSError, is_terminal: bool) -> None:
    console = _Leaving(file=_Broken(error), force_terminal=is_terminal, width=80, height=24)
    with LiveView(console) as screen:
        screen.tell("a word")
        screen.update(view(), FILLS)

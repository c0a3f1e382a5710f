"""`report` on a session written by hand, for programs and for eyes."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Stored, Tg
from tests.storage.scripted_session import START_NS, STEP_NS, ScriptedSession, session_record

from triplegain.cli.report import merged
from triplegain.domain.agent_records import RiskRecord
from triplegain.domain.records import CloseReason, PortfolioSnapshot
from triplegain.storage.session_report import UntradedReason
from triplegain.storage.session_store import SessionStore


async def two_trades(store: SessionStore) -> None:
    """Three buys at a fee of 0.4 each; the first is closed with +5 after 10 s, the second with -2 after 30 s."""
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    batches = [script.buy() for _ in range(3)]
    for batch in batches:
        await store.commit("a", batch)
    closed = [
        replace(
            batch.positions[0],
            quantity=Decimal(0),
            realised=Decimal(realised),
            realised_usd=Decimal(realised),
            closed_at_ns=batch.positions[0].opened_at_ns + seconds * 10**9,
            close_reason=reason,
        )
        for batch, realised, seconds, reason in (
            (batches[0], 5, 10, CloseReason.TAKE_PROFIT),
            (batches[1], -2, 30, CloseReason.STOP_LOSS),
        )
    ]
    await store.commit("a", replace(script.idle(), positions=tuple(closed)))
    await store.commit("a", script.refuse("confidence 0.5 is below 0.6"))


def test_a_program_reads_exact_numbers_as_text(tg: Tg, stored: Stored) -> None:
    stored(two_trades)
    ran = tg("report", "a", "--json")
    assert ran.code == 0
    report = json.loads(ran.out)
    # Equity fell by three fees of 0.4 from 10000: 9998.8, that is -0.012 %; buy-and-hold stayed at 10000.
    assert report["equity"]["current"] == "9998.8"
    assert (report["equity"]["profit"], report["equity"]["profit_percent"]) == ("-1.2", "-0.012")
    assert report["equity"]["ahead_of_holding"] == "-1.2"
    # From 9999.6, the first snapshot, to 9998.8: 0.8 of 9999.6 = 0.0080003 %
    assert report["equity"]["max_drawdown_percent"].startswith("0.008000320")
    trades = report["trades"]
    assert (trades["closed"], trades["wins"], trades["losses"], trades["win_rate_percent"]) == (2, 1, 1, "50")
    assert (trades["average_win_usd"], trades["average_loss_usd"], trades["average_holding_s"]) == ("5", "-2", 20.0)
    # 5 - 2 - 0.4 of the one still open
    assert (trades["realised"], trades["realised_usd"]) == ({"USDT": "2.6"}, "2.6")
    assert report["fees"] == {"USDT": "1.2"}
    assert report["orders"] == {"filled": 3}
    assert [(each["reason"], each["count"]) for each in report["not_traded"]] == [("confidence 0.5 is below 0.6", 1)]
    assert report["synthetic"] is True


def test_without_a_name_the_latest_session_is_reported(tg: Tg, stored: Stored) -> None:
    async def two(store: SessionStore) -> None:
        await store.create(session_record("older"))
        record = session_record("newer")
        await store.create(replace(record, updated_at_ns=record.updated_at_ns + 10**9))

    stored(two)
    assert json.loads(tg("report", "--json").out)["session"] == "newer"


def test_eyes_see_mode_market_and_every_figure_within_the_terminal(
    tg: Tg, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stored(two_trades)
    shown = tg("report", "a").out
    for words in (
        "PAPER", "SYNTHETIC MARKET", "9,998.80", "-1.20", "-0.01 %", "2 closed: 1 won, 1 lost", "50.0 %",
        "+5.00", "-2.00", "20 s", "1.2 USDT", "3 filled", "take profit", "confidence 0.5 is below 0.6",
    ):  # fmt: skip
        assert words in shown, words
    assert max(map(len, shown.splitlines())) <= 80


def test_what_is_not_known_is_called_unknown(tg: Tg, stored: Stored) -> None:
    async def nothing(store: SessionStore) -> None:
        await store.create(session_record("a"))

    stored(nothing)
    shown = tg("report", "a").out
    assert shown.count("unknown") >= 5
    assert " 0.00" not in shown
    report = json.loads(tg("report", "a", "--json").out)
    assert report["equity"]["current"] is None
    assert report["trades"]["win_rate_percent"] is None
    assert report["period"] == {"start": None, "end": None, "seconds": None}


async def halted_twice(store: SessionStore) -> None:
    """One second after the other: a daily halt that is over a second later, and a drawdown that holds for good."""
    await two_trades(store)
    script = ScriptedSession("b")
    await store.create(session_record("b"))
    await store.commit("b", script.opening())
    began_ns = START_NS + STEP_NS
    daily = ["daily", str(began_ns + STEP_NS // 2), "daily loss: -5 % today"]
    for number, (equity, kind, halts) in enumerate(
        [
            ("9900", "daily_loss", [daily]),
            ("9800", "drawdown", [["drawdown", None, "drawdown: -20 % from the peak"]]),
            ("9700", "loss", [["drawdown", None, "drawdown: -20 % from the peak"]]),
        ],
        1,
    ):
        batch = script.idle()
        time_ns = batch.market_time_ns
        snapshot = PortfolioSnapshot(
            number, time_ns, Decimal(equity), Decimal(10000), (), Decimal(0), Decimal(0), Decimal(0), 0
        )
        change = RiskRecord(number, time_ns, kind, "", {"halts": halts})
        await store.commit("b", replace(batch, portfolio_snapshots=(snapshot,), risk=(change,)))


def test_the_first_thing_a_report_says_is_that_trading_stands_still_and_how_long(tg: Tg, stored: Stored) -> None:
    stored(halted_twice)
    lines = tg("report", "b").out.splitlines()
    assert lines[1].startswith("HALTED since 2023-11-14 22:13:2") and "drawdown: -20 %" in lines[1]
    report = json.loads(tg("report", "b", "--json").out)
    assert report["halted"] == "drawdown: -20 % from the peak"
    assert [(each["kind"], each["ends_at"] is None) for each in report["halts"]] == [
        ("daily", False),
        ("drawdown", True),
    ]
    # The daily halt is over after half a step of 1.000000001 s, the other holds for the last step.
    assert report["halted_seconds"] == pytest.approx(1.5, abs=1e-6)
    # 9800 was the last equity up to the halt: 2 % below 10000, and 200 behind holding.
    assert report["before_halt"]["equity"] == "9800"
    shown = "\n".join(lines)
    assert "Before the halt" in shown and "-200.00" in shown


def test_a_list_of_sessions_says_who_traded_and_what_came_of_it(tg: Tg, stored: Stored) -> None:
    stored(two_trades)
    [listed] = json.loads(tg("session", "list", "--json").out)
    # 9998.8 of 10000 are left; the only decision was that of the baseline.
    assert (listed["equity"], listed["profit"]) == ("9998.8", "-1.2")
    trader = listed["traded"]["trader"]
    assert trader
    for command in (("session", "list"), ("session", "show", "a"), ("report", "a")):
        shown = tg(*command).out
        assert (trader in shown and "-0.01" in shown) or "-1.20" in shown


def test_an_unknown_session_is_told_with_exit_code_2(tg: Tg, stored: Stored) -> None:
    assert tg("report").err.startswith("there is no session yet")
    ran = tg("report", "b")
    assert (ran.code, "session list" in ran.err) == (2, True)


def test_reasons_that_differ_in_a_number_only_are_one_line() -> None:
    reasons = [
        UntradedReason("BTC/USDT", "abstained", "warming up: 1 of 21 candles", 1, 10),
        UntradedReason("BTC/USDT", "held", "no cross", 2, 30),
        UntradedReason("BTC/USDT", "abstained", "warming up: 2 of 21 candles", 2, 20),
    ]
    assert merged(reasons) == [
        UntradedReason("BTC/USDT", "abstained", "warming up: … of 21 candles", 3, 20),
        UntradedReason("BTC/USDT", "held", "no cross", 2, 30),
    ]

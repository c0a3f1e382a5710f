"""The report's numbers, from a session whose every step is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace
from tests.storage.scripted_session import START_NS, STEP_NS, ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CloseReason, PortfolioSnapshot, PositionRecord, SessionRecord, SessionStatus
from triplegain.storage import session_report
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.equity_history import EquityHistory, read_equity_history
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.retention import Retention
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import SessionReport, read_report
from triplegain.storage.session_store import SessionStore


def exact(*values: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, values))


def snapshots(first: int, *values: tuple[str | None, str | None]) -> tuple[PortfolioSnapshot, ...]:
    """One a second: equity and buy-and-hold."""
    return tuple(
        PortfolioSnapshot(
            number,
            START_NS + number * STEP_NS,
            None if equity is None else Decimal(equity),
            None if holding is None else Decimal(holding),
            (),
            None,
            None,
            None,
            0,
        )
        for number, (equity, holding) in enumerate(values, first)
    )


def closed(position: PositionRecord, realised: str, seconds: int, reason: CloseReason) -> PositionRecord:
    return replace(
        position,
        quantity=Decimal(0),
        realised=Decimal(realised),
        realised_usd=Decimal(realised),
        closed_at_ns=position.opened_at_ns + seconds * 10**9,
        close_reason=reason,
    )


async def run(
    store: SessionStore, buys: int = 0, curve: Sequence[tuple[str | None, str | None]] = ()
) -> ScriptedSession:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    for _ in range(buys):
        await store.commit("a", script.buy())
    if curve:
        await store.commit("a", replace(script.idle(), portfolio_snapshots=snapshots(buys + 1, *curve)))
    return script


async def test_equity_is_told_beside_buy_and_hold(store: SessionStore, database: Database) -> None:
    await run(store, curve=[("10000", "10000"), ("10500", "10200"), ("10250", "10400")])
    equity = (await read_report(database, "a")).equity
    assert equity.opening == 10000
    # 10250 - 10000 = 250 = 2.5 %; held: 10400 - 10000 = 400 = 4 %; 10250 - 10400 = -150
    assert (equity.profit, equity.profit_percent) == exact("250", "2.5")
    assert (equity.buy_and_hold_profit, equity.buy_and_hold_percent) == exact("400", "4")
    assert equity.ahead_of_holding == -150


async def test_the_drawdown_is_the_deepest_fall_from_a_peak_in_percent(store: SessionStore, database: Database) -> None:
    # From 12000 to 10800: 1200 = 10 %. From 20000 to 18500: 1500, more dollars but 7.5 %.
    curve = ["10000", "12000", "11500", None, "10800", "20000", "18500", "19000"]
    await run(store, curve=[(equity, "10000") for equity in curve])
    drawdown = (await read_report(database, "a")).equity.drawdown
    assert drawdown is not None
    assert (drawdown.peak, drawdown.trough, drawdown.percent) == exact("12000", "10800", "10")
    assert (drawdown.peak_at_ns, drawdown.trough_at_ns) == (START_NS + 2 * STEP_NS, START_NS + 5 * STEP_NS)


async def test_an_unknown_equity_stays_unknown_and_the_last_known_one_is_told_beside_it(
    store: SessionStore, database: Database
) -> None:
    await run(store, curve=[(None, None), ("10010", "10000"), (None, None)])
    equity = (await read_report(database, "a")).equity
    assert (equity.snapshots, equity.unknown_snapshots) == (3, 2)
    assert equity.last is not None
    assert (equity.last.equity, equity.profit, equity.profit_percent, equity.ahead_of_holding) == (None,) * 4
    assert equity.last_known is not None
    assert equity.last_known.equity == 10010
    # The opening balances were first valued by the second snapshot, after a trade had earned 10.
    assert equity.opening == 10000


async def test_the_curve_is_thinned_and_keeps_its_last_point(store: SessionStore, database: Database) -> None:
    await run(store, curve=[(str(10000 + number), "10000") for number in range(50)])
    equity = (await read_report(database, "a", points_max=5)).equity
    # Fifty points in five buckets: the last of each ten.
    assert [point.equity for point in equity.curve] == [10009, 10019, 10029, 10039, 10049]
    assert equity.snapshots == 50


async def test_trades_are_counted_by_pair_and_by_reason(
    store: SessionStore, database: Database, reader: SessionReader
) -> None:
    script = await run(store, buys=4)
    one, two, three, _ = await reader.positions("a")
    changed = (
        closed(one, "5", 10, CloseReason.TAKE_PROFIT),
        closed(two, "-2", 20, CloseReason.STOP_LOSS),
        closed(three, "-3.5", 60, CloseReason.STOP_LOSS),
    )
    await store.commit("a", replace(script.idle(), positions=changed))
    report = await read_report(database, "a")
    trades = report.trades
    assert (trades.closed, trades.wins, trades.losses) == (3, 1, 2)
    # 1 of 3 = 33.33 %; (-2 - 3.5) / 2 = -2.75; (10 + 20 + 60) / 3 = 30 s
    assert trades.win_rate_percent is not None
    assert round(trades.win_rate_percent, 2) == Decimal("33.33")
    assert (trades.average_win_usd, trades.average_loss_usd) == exact("5", "-2.75")
    assert trades.average_holding_ns == 30 * 10**9
    assert trades.best is not None and trades.worst is not None
    assert (trades.best.position_id, trades.worst.position_id) == ("p-1", "p-3")
    (figures,) = report.symbols
    # 5 - 2 - 3.5 - 0.4 of the one still open; four buys of 100 USDT at a fee of 0.4
    assert (figures.realised, report.realised_usd) == (Decimal("-0.9"), Decimal("-0.9"))
    assert (figures.positions, figures.closed, figures.fills) == (4, 3, 4)
    assert figures.notional == 400
    assert report.fees == {"USDT": Decimal("1.6")}
    assert report.orders == {OrderStatus.FILLED: 4}
    reasons = [(each.reason, each.count, each.realised_usd) for each in report.close_reasons]
    assert reasons == [(CloseReason.STOP_LOSS, 2, Decimal("-5.5")), (CloseReason.TAKE_PROFIT, 1, Decimal(5))]


async def test_without_a_usd_price_dollars_are_unknown_and_the_own_currency_is_not(
    store: SessionStore, database: Database, reader: SessionReader
) -> None:
    script = await run(store, buys=3)
    one, two, three = await reader.positions("a")
    unpriced = replace(closed(one, "5", 10, CloseReason.SIGNAL), realised_usd=None)
    priced = closed(two, "-2", 10, CloseReason.SIGNAL), closed(three, "1", 10, CloseReason.SIGNAL)
    await store.commit("a", replace(script.idle(), positions=(unpriced, *priced)))
    report = await read_report(database, "a")
    # 5 - 2 + 1
    assert (report.realised_usd, report.realised) == (None, {"USDT": Decimal(4)})
    assert (report.trades.average_win_usd, report.trades.average_loss_usd) == (None, Decimal(-2))
    assert (report.trades.best, report.trades.worst) == (None, None)
    assert [each.realised_usd for each in report.close_reasons] == [None]


async def test_shortfall_adds_up_over_the_fills_that_had_quotes(store: SessionStore, database: Database) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    parts = [
        {"delay": "0.5", "spread": "0.05", "impact": "0", "fee": "0.4"},
        {"delay": "-0.25", "spread": "0.05", "impact": "0.1", "fee": "0.4"},
        None,
    ]
    for shortfall in parts:
        batch = script.buy()
        explanation = {"model": "book", "shortfall": shortfall}
        fill = msgspec.structs.replace(batch.fills[0], explanation=explanation, maker=shortfall is None)
        await store.commit("a", replace(batch, fills=(fill,)))
    report = await read_report(database, "a")
    (cost,) = report.shortfall
    # delay 0.25 + spread 0.1 + impact 0.1 + fee 0.8 = 1.25 of 200 USDT = 62.5 basis points
    assert (cost.delay, cost.spread, cost.impact, cost.fee) == exact("0.25", "0.1", "0.1", "0.8")
    assert (cost.fills, cost.known, cost.total, cost.basis_points) == (3, 2, Decimal("1.25"), Decimal("62.5"))
    assert (report.fills, report.maker_fills) == (3, 1)
    assert round(report.symbols[0].maker_percent or 0, 1) == Decimal("33.3")


async def test_a_session_without_anything_reports_nothing_and_invents_nothing(
    store: SessionStore, database: Database
) -> None:
    await store.create(session_record("a"))
    report: SessionReport = await read_report(database, "a")
    assert report.started_at_ns is None
    # Nobody has looked at the account yet; 10000 USDT are 10000 dollars all the same.
    assert (report.equity.opening, report.equity.equity, report.equity.last) == (Decimal(10000), None, None)
    assert (report.equity.drawdown, report.halts, report.halted) == (None, (), "")
    assert (report.trades.win_rate_percent, report.trades.average_win_usd, report.trades.best) == (None, None, None)
    assert (report.symbols, report.shortfall, report.realised_usd) == ((), (), Decimal(0))
    with pytest.raises(SessionNotFoundError):
        await read_report(database, "b")


async def test_a_rolled_up_session_keeps_its_report(
    store: SessionStore, database: Database, clock: ManualClock
) -> None:
    await run(store, curve=[("10000", "10000"), ("12000", "10100"), ("10800", "10200"), ("11000", "10300")])
    await store.set_status("a", SessionStatus.ENDED)
    clock.advance_to(START_NS + 40 * 86_400 * 10**9)
    assert (await Retention(database).roll_up(clock.now_ns()))["snapshots_deleted"] == 4
    equity = (await read_report(database, "a")).equity
    assert equity.hourly
    assert (equity.opening, equity.profit, equity.ahead_of_holding) == exact("10000", "1000", "700")
    # The hour's low of 10000 is told before its high of 12000; from there to the last, 11000, it fell 8.33 %.
    assert equity.drawdown is not None
    assert round(equity.drawdown.percent, 2) == Decimal("8.33")


async def test_a_commit_while_the_report_is_read_is_not_half_in_it(
    store: SessionStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = await run(store, buys=1)

    async def meanwhile(connection: AnyConnection, record: SessionRecord, points_max: int) -> EquityHistory:
        await store.commit("a", script.buy())
        return await read_equity_history(connection, record, points_max)

    monkeypatch.setattr(session_report, "read_equity_history", meanwhile)
    report = await read_report(database, "a")
    # One buy of 100 USDT and its fee of 0.4 in everything; the second came later.
    assert (report.fills, report.orders, report.fees) == (1, {OrderStatus.FILLED: 1}, {"USDT": Decimal("0.4")})
    assert report.equity.snapshots == 1
    assert [each.total for each in report.balances if each.asset == "USDT"] == [Decimal("9899.6")]

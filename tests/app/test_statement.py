"""One statement of account: what the view, the report, its JSON, the API and plain SQL say of the same moment."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console
from tests.cli.sample_view import view
from tests.session.sessions import START_NS, demo, settings_for
from tests.storage.scripted_session import session_record

from triplegain.api.resources import portfolio
from triplegain.cli.dashboard import dashboard
from triplegain.cli.report import report_as_json, report_view
from triplegain.cli.view import plain_line
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.statement import AccountSummary
from triplegain.domain.views import SessionView
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.session_report import SessionReport, read_report
from triplegain.storage.session_store import SessionStore

WHOLE = """
SELECT asset, sum(amount) AS amount FROM paper_ledger_entries
WHERE session_id = 'test' AND account = $1::text::ledger_account GROUP BY asset
"""

#: Called at each snapshot with the session, its database, what the report says and what the view says.
Look = Callable[[TradingSession, Mapping[str, Decimal], Mapping[str, Decimal], SessionReport, AccountSummary], None]


@asynccontextmanager
async def stored(url: str, balances: Mapping[str, Decimal]) -> AsyncIterator[tuple[Database, SessionStore]]:
    database = await Database.connect(url)
    store = SessionStore(database, ManualClock(START_NS))
    await store.create(replace(session_record("test"), initial_balances=balances))
    yield database, store
    await store.close()
    await database.close()


async def looked_at(url: str, session: TradingSession, events: Any, look: Look) -> int:
    """Play events; at each snapshot store everything and look. How many looks were taken."""
    looks = 0
    async with stored(url, session.settings.initial_balances) as (database, store):
        for number, event in enumerate(events, 1):
            session.on_event(event)
            if not session.record.has_waiting or session.record.snapshot_due_ns <= session.now_ns:
                continue
            batch = session.take_batch(number, START_NS)
            await store.commit("test", batch)
            if not batch.portfolio_snapshots:
                continue
            wallet, fees = [
                {row["asset"]: row["amount"] for row in await database.rows("summing up", WHOLE, account)}
                for account in ("wallet", "fees")
            ]
            look(session, wallet, fees, await read_report(database, "test"), session.portfolio.pnl_summary())
            looks += 1
    return looks


def marked(session: TradingSession, balances: Mapping[str, Decimal]) -> Decimal | None:
    """Dollars as they are, coins at the middle of their dollar pair; None before there is one."""
    total = Decimal(0)
    for asset, amount in balances.items():
        price = Decimal(1) if asset == "USDT" else session.prices.mark(f"{asset}/USDT")
        if amount and price is None:
            return None
        total += amount * (price or 0)
    return total


@pytest.mark.parametrize("opening", [{"USDT": "10000"}, {"USDT": "5000", "BTC": "0.05", "XRP": "1000"}])
async def test_view_report_and_sql_say_the_same_at_every_snapshot(database_url: str, opening: dict[str, str]) -> None:
    balances = {asset: Decimal(amount) for asset, amount in opening.items()}
    feed = demo(seed=3, seconds=150)
    session = TradingSession(settings_for(feed, initial_balances=balances, snapshot_interval_ns=6 * SECOND_NS))
    equities: list[Decimal] = []

    def look(
        session: TradingSession,
        wallet: Mapping[str, Decimal],
        fees: Mapping[str, Decimal],
        report: SessionReport,
        seen: AccountSummary,
    ) -> None:
        equity = report.equity
        for name in ("opening", "equity", "buy_and_hold", "profit", "realised_usd", "unrealised_usd", "fees_usd"):
            assert getattr(equity, name) == getattr(seen, name), name
        assert equity.drawdown == seen.drawdown
        # The ledger, added up: what is ours at the prices of now, and what was paid as fees.
        assert seen.equity == marked(session, wallet)
        if seen.equity is None:
            return
        equities.append(seen.equity)
        assert equity.opening == equities[0]
        assert {asset: fee for asset, fee in seen.fees.items() if fee} == {a: f for a, f in fees.items() if f}
        fall = max((max(equities[: at + 1]) - low) / max(equities[: at + 1]) for at, low in enumerate(equities))
        assert equity.drawdown is not None and abs(equity.drawdown.percent - fall * 100) < Decimal("1e-20")
        told = report_as_json(report)["equity"]
        assert (Decimal(told["profit"]), Decimal(told["current"])) == (seen.profit, seen.equity)

    looks = await looked_at(database_url, session, feed.events(), look)
    assert looks > 20 and session.portfolio.state.trade_count > 3


def shown(what: Any) -> str:
    console = Console(width=160, height=60, file=io.StringIO(), record=True)
    console.print(what)
    return console.export_text()


def as_view(session: TradingSession, seen: AccountSummary) -> SessionView:
    return view(summary=seen, balances=session.portfolio.balances(), positions=(), open_orders=())


async def test_cash_and_no_fills_is_no_profit_anywhere_from_the_first_message_on(database_url: str) -> None:
    feed = demo(seed=5, seconds=150)
    session = TradingSession(settings_for(feed, baseline=None, snapshot_interval_ns=10 * SECOND_NS))

    def look(
        session: TradingSession,
        wallet: Mapping[str, Decimal],
        fees: Mapping[str, Decimal],
        report: SessionReport,
        seen: AccountSummary,
    ) -> None:
        assert wallet["USDT"] == 10_000 and not fees
        told = report_as_json(report)["equity"]
        assert [told[name] for name in ("opening", "current", "profit", "profit_percent")] == [
            "10000",
            "10000",
            "0",
            "0",
        ]
        over_http = json.loads(portfolio(as_view(session, seen)).model_dump_json())["summary"]
        assert (over_http["initial_equity"], over_http["current_equity"]) == ("10000", "10000")
        assert (over_http["total"], over_http["total_percent"]) == ("0", "0")
        for words in (shown(dashboard(as_view(session, seen), (), 160, 50)), shown(plain_line(as_view(session, seen)))):
            assert "+0.00 (+0.00 %)" in words
        eyes = shown(report_view(report, Console(width=160)))
        assert "10,000.00   +0.00   +0.00 %" in eyes

    assert await looked_at(database_url, session, feed.events(), look) > 10
    assert session.prices.mark("BTC/USDT") is not None

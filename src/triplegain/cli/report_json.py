"""A report as JSON: what `report --json` answers. Money is text, an unknown number null."""

from __future__ import annotations

from typing import Any

from triplegain.domain.clock import iso
from triplegain.domain.json_form import fields_of, plain_json, with_derived
from triplegain.domain.statement import halted_for_ns
from triplegain.storage.session_report import SessionReport


def report_as_json(report: SessionReport) -> dict[str, Any]:
    session, equity, started = report.session, report.equity, report.started_at_ns
    now, fall = session.market_time_ns, report.equity.drawdown
    shown: dict[str, Any] = {
        "session": session.session_id,
        **fields_of(session, "status", "feed", "seed", "initial_balances"),
        **fields_of(report, "synthetic", "paused", "halted", "before_halt", "traded", "fills", "maker_fills", "fees"),
        **fields_of(report, "orders", "rejections", "close_reasons", "security_events"),
        "halts": [plain_json(each) | {"seconds": halted_for_ns([each], now) / 10**9} for each in report.halts],
        "halted_seconds": report.halted_ns / 10**9,
        "period": {
            "start": iso(started) if started else None,
            "end": iso(now) if now else None,
            "seconds": (now - started) / 10**9 if started and now else None,
        },
        "equity": {
            **fields_of(equity, "opening", "profit", "profit_percent", "buy_and_hold", "buy_and_hold_profit"),
            **fields_of(equity, "buy_and_hold_percent", "ahead_of_holding", "last_known", "snapshots"),
            **fields_of(equity, "unknown_snapshots", "hourly", "curve"),
            "current": equity.equity,
            "realised": equity.realised_usd,
            "unrealised": equity.unrealised_usd,
            "fees": equity.fees_usd,
            "max_drawdown": fall,
            "max_drawdown_percent": fall.percent if fall else None,
        },
        "balances": {each.asset: fields_of(each, "total", "held") for each in report.balances},
        "trades": with_derived(report.trades, "win_rate_percent", "average_win_usd", "average_loss_usd")
        | fields_of(report, "realised", "realised_usd"),
        "symbols": {each.symbol: with_derived(each, "maker_percent") for each in report.symbols},
        "shortfall": [with_derived(each, "total", "basis_points") for each in report.shortfall],
        "not_traded": report.untraded,
    }
    return {name: plain_json(value) for name, value in shown.items()}

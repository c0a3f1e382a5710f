"""A report as JSON: what `report --json` answers. Money is text, an unknown number null."""

from __future__ import annotations

from typing import Any

from triplegain.domain.clock import iso
from triplegain.domain.json_form import plain_json
from triplegain.domain.statement import HaltPeriod, halted_for_ns
from triplegain.storage.equity_history import EquityHistory
from triplegain.storage.session_report import SessionReport


def report_as_json(report: SessionReport) -> dict[str, Any]:
    session, trades = report.session, report.trades
    return {
        "session": session.session_id,
        "status": session.status.value,
        "feed": session.feed,
        "synthetic": report.synthetic,
        "seed": session.seed,
        "paused": report.paused,
        "halted": report.halted,
        "halts": [_halt(each, report.session.market_time_ns) for each in report.halts],
        "halted_seconds": report.halted_ns / 10**9,
        "before_halt": plain_json(report.before_halt),
        "traded": plain_json(report.traded),
        "period": plain_json(_times(report)),
        "equity": _equity(report.equity),
        "balances": {each.asset: plain_json({"total": each.total, "held": each.held}) for each in report.balances},
        "initial_balances": plain_json(session.initial_balances),
        "trades": {
            **plain_json(trades),
            "win_rate_percent": plain_json(trades.win_rate_percent),
            "average_win_usd": plain_json(trades.average_win_usd),
            "average_loss_usd": plain_json(trades.average_loss_usd),
            "realised": plain_json(report.realised),
            "realised_usd": plain_json(report.realised_usd),
        },
        "symbols": {
            each.symbol: {**plain_json(each), "maker_percent": plain_json(each.maker_percent)}
            for each in report.symbols
        },
        "fills": report.fills,
        "maker_fills": report.maker_fills,
        "fees": plain_json(report.fees),
        "orders": plain_json(report.orders),
        "rejections": plain_json(report.rejections),
        "shortfall": [
            {**plain_json(each), "total": plain_json(each.total), "basis_points": plain_json(each.basis_points)}
            for each in report.shortfall
        ],
        "close_reasons": plain_json(report.close_reasons),
        "not_traded": plain_json(report.untraded),
        "security_events": plain_json(report.security_events),
    }


def _times(report: SessionReport) -> dict[str, Any]:
    started, now = report.started_at_ns, report.session.market_time_ns
    return {
        "start": iso(started) if started else None,
        "end": iso(now) if now else None,
        "seconds": (now - started) / 10**9 if started and now else None,
    }


def _halt(period: HaltPeriod, now_ns: int) -> dict[str, Any]:
    shown: dict[str, Any] = plain_json(period)
    return {**shown, "seconds": halted_for_ns([period], now_ns) / 10**9}


def _equity(equity: EquityHistory) -> dict[str, Any]:
    drawdown = equity.drawdown
    figures = {
        "opening": equity.opening,
        "current": equity.equity,
        "profit": equity.profit,
        "profit_percent": equity.profit_percent,
        "buy_and_hold": equity.buy_and_hold,
        "buy_and_hold_profit": equity.buy_and_hold_profit,
        "buy_and_hold_percent": equity.buy_and_hold_percent,
        "ahead_of_holding": equity.ahead_of_holding,
        "realised": equity.realised_usd,
        "unrealised": equity.unrealised_usd,
        "fees": equity.fees_usd,
        "last_known": equity.last_known,
        "max_drawdown": drawdown,
        "max_drawdown_percent": drawdown.percent if drawdown else None,
        "snapshots": equity.snapshots,
        "unknown_snapshots": equity.unknown_snapshots,
        "hourly": equity.hourly,
        "curve": equity.curve,
    }
    shown = plain_json(figures)
    assert isinstance(shown, dict)
    return shown

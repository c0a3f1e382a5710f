"""`report`: what a session did, from what is stored, while it runs or long after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from triplegain.cli.client import JsonOption, tell
from triplegain.cli.curve import curve
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import (
    ALARM,
    GAIN,
    LOSS,
    QUIET,
    RIGHT,
    UNKNOWN,
    WARNING,
    WHOLE,
    Column,
    amount,
    brief,
    duration,
    moment,
    pairs,
    percent,
    roughly,
    signed_amount,
    signed_percent,
    signed_usd,
    table_of,
    traded_by,
    usd,
    worded,
)
from triplegain.cli.terminal import Terminal
from triplegain.domain.clock import iso
from triplegain.domain.json_form import fields_of, plain_json, with_derived
from triplegain.domain.statement import difference, halted_for_ns, percent_of
from triplegain.domain.usd import cash_usd
from triplegain.storage.equity_history import EquityHistory
from triplegain.storage.session_report import SessionReport, SymbolFigures, TradeResult, UntradedReason, read_report

_HOLDING = "blue"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_REASONS_MAX = 20
_CURVE_ROWS = 6
_CURVE_COLUMNS_MAX = 100


def report(
    session: Annotated[str | None, typer.Argument(help="Its id; without one the latest session.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Equity beside buy-and-hold, trades, fees, drawdown, costs, and why nothing was traded."""
    found = read_session_of(session, read_report)
    tell(as_json, found, lambda found: report_view(found, Terminal()), report_as_json)


def report_as_json(report: SessionReport) -> dict[str, Any]:
    """Money is text, an unknown number null."""
    session, equity, started = report.session, report.equity, report.started_at_ns
    now = session.market_time_ns
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
            "max_drawdown": equity.drawdown,
            "max_drawdown_percent": equity.max_drawdown_percent,
        },
        "balances": {each.asset: fields_of(each, "total", "held") for each in report.balances},
        "trades": with_derived(report.trades, "win_rate_percent", "average_win_usd", "average_loss_usd")
        | fields_of(report, "realised", "realised_usd"),
        "symbols": {each.symbol: with_derived(each, "maker_percent") for each in report.symbols},
        "shortfall": [with_derived(each, "total", "basis_points") for each in report.shortfall],
        "not_traded": report.untraded,
    }
    return {name: plain_json(value) for name, value in shown.items()}


def report_view(report: SessionReport, console: Console) -> RenderableType:
    """The whole report, as wide as the console."""
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in _parts(report, console)))


def _parts(report: SessionReport, console: Console) -> Iterator[RenderableType]:
    yield Group(Rule(_title(report), align="left"), *_notices(report))
    yield _session(report)
    yield _equity(report, console)
    yield _trades(report)
    if report.symbols:
        yield _symbols(report)
    yield _orders(report)
    if report.shortfall:
        yield _shortfall(report)
    if report.close_reasons:
        yield _close_reasons(report)
    yield _untraded(report)


def _title(report: SessionReport) -> Text:
    title = Text.assemble((" PAPER ", "bold black on yellow"), " ", (report.session.session_id, "bold"))
    if report.synthetic:
        title.append(" ").append(" SYNTHETIC MARKET ", "bold black on magenta")
    return title.append(f" {report.session.status}")


def _notices(report: SessionReport) -> Iterator[Text]:
    """What a person must not overlook."""
    holding = [each for each in report.halts if each.holds(report.session.market_time_ns)]
    for each in holding:
        yield Text(f"HALTED since {moment(each.began_at_ns)} UTC: {each.reason}", style=ALARM)
    if report.paused:
        yield Text("Trading is paused: `tg resume` goes on.", style=WARNING)
    for figures in report.symbols:
        if figures.unprotected:
            yield Text(f"{figures.symbol}: {figures.unprotected} open position(s) without a stop", style=ALARM)
        if figures.dust:
            yield Text(
                f"{figures.symbol}: {figures.dust} rest(s) below the exchange's minimum are kept as dust", style=QUIET
            )


def _halts(report: SessionReport) -> Iterator[tuple[str, RenderableType]]:
    """How long nothing was opened, and where the account stood before that."""
    if not report.halts:
        return
    lived = report.session.market_time_ns - (report.started_at_ns or 0) if report.started_at_ns else None
    share = f" of {duration(lived)}" if lived else ""
    yield "Halted", Text(f"{duration(report.halted_ns)}{share}, {len(report.halts)} time(s)", style=WARNING)
    before, opening = report.before_halt, report.equity.opening
    if before is not None:
        profit, ahead = difference(before.equity, opening), difference(before.equity, before.buy_and_hold)
        value = _beside(usd(before.equity), profit, percent_of(profit, opening))
        yield "Before the halt", Text.assemble(value, "   ahead of holding ", signed_usd(ahead))


def _session(report: SessionReport) -> RenderableType:
    started, now = report.started_at_ns, report.session.market_time_ns
    length = duration(now - started) if started and now else UNKNOWN
    opening = ", ".join(amount(value, asset).plain for asset, value in report.session.initial_balances.items() if value)
    feed = f"{report.session.feed} (synthetic: no real market)" if report.synthetic else report.session.feed
    rows = [
        ("Feed", Text(feed)),
        ("Market time", Text(f"{moment(started)} to {moment(now)} UTC, {length}")),
        ("Traded by", Text(traded_by(report.traded))),
        ("Opened with", Text(opening or "nothing")),
        ("Holds", _balances(report)),
    ]
    return pairs(rows)


def _balances(report: SessionReport) -> Text:
    parts = []
    for each in report.balances:
        held = f" ({amount(each.held).plain} held)" if each.held else ""
        parts.append(f"{amount(each.total, each.asset).plain}{held}")
    return Text(", ".join(parts) or "nothing yet")


def _equity(report: SessionReport, console: Console) -> RenderableType:
    equity = report.equity
    last = equity.last
    rows: list[tuple[str, RenderableType]] = [
        ("Opening equity", usd(equity.opening)),
        ("Equity", _beside(usd(equity.equity), equity.profit, equity.profit_percent)),
        (
            "Buy and hold",
            _beside(usd(equity.buy_and_hold), equity.buy_and_hold_profit, equity.buy_and_hold_percent),
        ),
        ("Ahead of holding", signed_usd(equity.ahead_of_holding)),
        ("Realised", signed_usd(equity.realised_usd)),
        ("Unrealised", signed_usd(equity.unrealised_usd)),
        ("Max drawdown", _drawdown(equity)),
        *_halts(report),
    ]
    if last is not None and last.equity is None and equity.last_known is not None:
        known = equity.last_known
        rows.append(("Last known equity", Text(f"{usd(known.equity).plain} at {moment(known.time_ns)} UTC")))
    if equity.unknown_snapshots:
        rows.append(("Unknown in", Text(f"{equity.unknown_snapshots} of {equity.snapshots} snapshots", style=WARNING)))
    when = f", as of {moment(last.time_ns)} UTC" if last else ""
    told = Text(f"Fees count as realised when they are paid. {_yardstick(report)}", style=QUIET)
    title = f"Equity in USD{when} (USDT counts as 1 USD)"
    return Group(pairs(rows, title=title), told, *_chart(equity, console))


def _yardstick(report: SessionReport) -> str:
    """What buying and holding means here."""
    session = report.session
    if cash_usd(session.initial_balances) is None:
        return "Buy and hold: the opening balances left alone."
    first = session.settings.get("instruments") or [["its first pair"]]
    return f"Buy and hold: all of it in {first[0][0].partition('/')[0]} at the first price, without fees."


def _beside(value: Text, profit: Decimal | None, share: Decimal | None) -> Text:
    if profit is None:
        return value
    return Text.assemble(value, "   ", signed_usd(profit), "   ", signed_percent(share))


def _drawdown(equity: EquityHistory) -> Text:
    fall = equity.drawdown
    if fall is None:
        return Text(UNKNOWN, style=WARNING)
    if fall.peak == fall.trough:
        return Text("none")
    at_least = "at least " if equity.hourly else ""
    return Text(
        f"{at_least}{fall.percent:.2f} %: from {usd(fall.peak)} at {moment(fall.peak_at_ns)} "
        f"to {usd(fall.trough)} at {moment(fall.trough_at_ns)}"
    )


def _chart(equity: EquityHistory, console: Console) -> Iterator[RenderableType]:
    values = [each for point in equity.curve for each in (point.equity, point.buy_and_hold) if each is not None]
    if len(equity.curve) < 2 or not values or console.encoding.lower() not in ("utf-8", "utf8"):
        return
    high, low = usd(max(values)).plain, usd(min(values)).plain
    margin = max(len(high), len(low)) + 1
    width = min(console.width - margin - 2, _CURVE_COLUMNS_MAX)
    ours = [(point.time_ns, point.equity) for point in equity.curve]
    holding = [(point.time_ns, point.buy_and_hold) for point in equity.curve]
    rows = curve([(ours, GAIN), (holding, _HOLDING)], width, _CURVE_ROWS)
    yield Text()
    for number, row in enumerate(rows):
        label = high if number == 0 else low if number == len(rows) - 1 else ""
        yield Text.assemble((label.rjust(margin), QUIET), " ", row)
    yield Text.assemble(" " * (margin + 1), ("equity", GAIN), "  ", ("buy and hold", _HOLDING))


def _trades(report: SessionReport) -> RenderableType:
    trades = report.trades
    even = trades.closed - trades.wins - trades.losses
    counts = f"{trades.closed} closed: {trades.wins} won, {trades.losses} lost"
    rows: list[tuple[str, RenderableType]] = [("Trades", Text(f"{counts}, {even} even" if even else counts))]
    if trades.closed:
        rows += [
            ("Win rate", percent(trades.win_rate_percent) if trades.wins + trades.losses else Text("none decided")),
            ("Average win", signed_usd(trades.average_win_usd) if trades.wins else Text("no win")),
            ("Average loss", signed_usd(trades.average_loss_usd) if trades.losses else Text("no loss")),
            ("Best", _result(trades.best)),
            ("Worst", _result(trades.worst)),
            ("Held on average", Text(duration(trades.average_holding_ns))),
        ]
    own = [signed_amount(value, asset) for asset, value in report.realised.items()]
    rows += [
        ("Net result", Text("  ").join([*own, Text.assemble(signed_usd(report.realised_usd), " USD")])),
        ("Fees", Text(", ".join(amount(fee, asset).plain for asset, fee in report.fees.items()) or "none")),
    ]
    return pairs(rows, title="Trades, net of fees, in USD")


def _result(result: TradeResult | None) -> Text:
    if result is None:
        return Text(UNKNOWN, style=WARNING)
    return Text.assemble(signed_usd(result.realised_usd), f"  {result.symbol} {result.position_id}")


def _symbols(report: SessionReport) -> RenderableType:
    return table_of(
        report.symbols,
        ("Pair", "symbol", WHOLE),
        ("Trades", _closed_and_open, RIGHT),
        ("W/L", lambda each: f"{each.wins}/{each.losses}", RIGHT),
        ("Fills", "fills", RIGHT),
        ("Maker", lambda each: percent(each.maker_percent) if each.fills else "", RIGHT),
        ("Fees", lambda each: amount(brief(each.fees)), RIGHT),
        ("Realised", lambda each: signed_amount(brief(each.realised), each.quote), RIGHT),
        ("USD", lambda each: signed_usd(each.realised_usd), RIGHT),
        title="By pair, in the quote currency",
    )


def _closed_and_open(figures: SymbolFigures) -> str:
    still_open = figures.positions - figures.closed
    return f"{figures.closed} +{still_open} open" if still_open else str(figures.closed)


def _orders(report: SessionReport) -> RenderableType:
    total = sum(report.orders.values())
    by_status = ", ".join(f"{count} {worded(status.value)}" for status, count in report.orders.items())
    taker = report.fills - report.maker_fills
    rows: list[tuple[str, RenderableType]] = [
        ("Orders", Text(f"{total}: {by_status}" if total else "none")),
        ("Fills", Text(f"{report.fills}: {report.maker_fills} maker, {taker} taker" if report.fills else "none")),
    ]
    for each in report.symbols:
        rows.append(("Turnover", Text(f"{amount(each.notional, each.quote)} in {each.symbol}")))
    rows += [("Refused", Text(f"{count} x {code}", style=LOSS)) for code, count in report.rejections.items()]
    return pairs(rows, title="Orders")


def _shortfall(report: SessionReport) -> RenderableType:
    def cost(name: str) -> Column:
        return name.capitalize(), lambda each: roughly(getattr(each, name) if each.known else None), RIGHT

    return table_of(
        report.shortfall,
        ("Paid in", "asset"),
        ("Fills", lambda each: f"{each.known} of {each.fills}" if each.known < each.fills else str(each.fills), RIGHT),
        *map(cost, ("delay", "spread", "impact", "fee", "total")),
        ("bp", lambda each: UNKNOWN if each.basis_points is None else f"{each.basis_points:,.1f}", RIGHT),
        title="Cost of trading against the middle at the decision",
    )


def _close_reasons(report: SessionReport) -> RenderableType:
    return table_of(
        report.close_reasons,
        ("Closed by", lambda each: worded(each.reason.value)),
        ("Trades", "count", RIGHT),
        ("USD", lambda each: signed_usd(each.realised_usd), RIGHT),
        title="Why positions were closed",
    )


def _untraded(report: SessionReport) -> RenderableType:
    if not report.untraded:
        return pairs([("Not traded", Text("nothing was refused, held or abstained"))])
    return table_of(
        merged(report.untraded)[:_REASONS_MAX],
        ("Times", "count", RIGHT),
        ("Pair", "symbol", WHOLE),
        ("Outcome", "outcome", WHOLE),
        ("Reason", "reason"),
        title="Why nothing was traded",
    )


def merged(reasons: Sequence[UntradedReason]) -> list[UntradedReason]:
    """Reasons that differ in a number only are one, most frequent first: `warming up: … of 21 candles`."""
    alike: dict[tuple[str, str, str], list[UntradedReason]] = {}
    for each in reasons:
        alike.setdefault((each.symbol, each.outcome, _NUMBER.sub("#", each.reason)), []).append(each)
    found = [
        UntradedReason(
            symbol, outcome, _in_common(group), sum(e.count for e in group), max(e.last_time_ns for e in group)
        )
        for (symbol, outcome, _), group in alike.items()
    ]
    return sorted(found, key=lambda each: -each.count)


def _in_common(group: Sequence[UntradedReason]) -> str:
    words = _NUMBER.split(group[0].reason)
    numbers = zip(*(_NUMBER.findall(each.reason) for each in group), strict=True)
    shown = [found[0] if len(set(found)) == 1 else "…" for found in numbers]
    return "".join(word + number for word, number in zip(words, [*shown, ""], strict=True))

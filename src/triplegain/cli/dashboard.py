"""The live view of a session as one screen: no line longer, no line more than the terminal has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from triplegain.cli.beside import beside_lines
from triplegain.cli.tables import (
    ALARM,
    GAIN,
    QUIET,
    RIGHT,
    WARNING,
    Column,
    amount,
    brief,
    cell,
    moment,
    order_cells,
    percent,
    price,
    signed_amount,
    signed_percent,
    signed_usd,
    traded_by,
    usd,
)
from triplegain.domain.orders import Side
from triplegain.domain.quote import Quote
from triplegain.domain.records import PositionRecord
from triplegain.domain.views import SessionView

_WIDE = 120
_HINT = "Ctrl-C stops cleanly: everything is stored, the next start goes on from here."

#: A part of the screen: how many rows it would like, and how it looks with at most so many.
_Section = tuple[int, Callable[[int], RenderableType]]
_Sections = list[_Section]


def dashboard(
    view: SessionView, fills: Sequence[str], width: int, height: int, told: Sequence[str] = ()
) -> RenderableType:
    """`fills` in words, oldest first; `told` is what the program itself has said lately."""
    top: list[RenderableType] = [*header(view, width), *equity_lines(view), *beside_lines(view, max(height // 6, 2))]
    room = 2 if height < 30 else 4
    said = [_line(Text(" ".join(words.split()), style=WARNING)) for words in told[-(room // 2) :]]
    alerts = [_line(Text(f"! {alert}", style=ALARM)) for alert in view.alerts[-(room - len(said)) :]]
    top += [*alerts, *said]
    rows_left = height - len(top) - 1
    body = _wide(view, fills, rows_left) if width >= _WIDE else _narrow(view, fills, rows_left)
    return Group(*top, body, _line(Text(_HINT, style=QUIET)))


def header(view: SessionView, width: int) -> list[RenderableType]:
    """Mode, feed, session and state; market time and speed; how far a replay has come."""
    first = Text.assemble((f" {view.mode.upper()} ", "bold black on yellow"), " ")
    if view.synthetic:
        first.append(" SYNTHETIC MARKET ", "bold black on magenta").append(" ")
    first.append(view.session_id, "bold").append("  ").append_text(state(view))
    second = Text.assemble(
        f"{moment(view.market_time_ns)} UTC",
        (f"  {view.events:,} events, {view.events_per_s:,.0f}/s  ", QUIET),
    )
    second.append(_tail(f"{view.feed}  {view.feed_notes}".strip(), width - len(second)))
    lines: list[RenderableType] = [_line(first), _line(second)]
    if view.progress is not None:
        done = min(max(view.progress, 0.0), 1.0)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=1.0, completed=done, width=max(width - 10, 10)), Text(f"{done:7.2%}"))
        lines.append(bar)
    return lines


def state(view: SessionView) -> Text:
    """Halted, waiting for the database, paused or running."""
    if view.halted:
        return Text(f" HALTED: {view.halted} ", style=ALARM)
    if view.away:
        return Text(f" DATABASE AWAY: {view.away} ", style=ALARM)
    if view.decisions is not None and view.decisions.halted:
        return Text(f" NO NEW TRADES: {view.decisions.halted} ", style=ALARM)
    if view.paused:
        return Text(" PAUSED ", style="bold black on bright_yellow")
    if view.waits_for:
        return Text(f"waiting for {view.waits_for}", style=WARNING)
    return Text("running", style=GAIN)


def equity_lines(view: SessionView) -> list[RenderableType]:
    """Equity beside buy-and-hold, and where it comes from. A figure that is missing is unknown."""
    if not view.market_time_ns:
        return [Text("Waiting for the market's first message.", style=QUIET)]
    summary = view.summary
    first = Text.assemble(
        ("Equity ", QUIET),
        Text(usd(summary.equity).plain, style="bold" if summary.equity is not None else "bold yellow"),
        " USD  ",
        signed_usd(summary.profit),
        " (",
        signed_percent(summary.profit_percent),
        ")",
        ("   Holding ", QUIET),
        usd(summary.buy_and_hold),
        ("   Ahead ", QUIET),
        signed_usd(summary.ahead_of_holding),
    )
    fees = ", ".join(amount(fee, asset).plain for asset, fee in summary.fees.items())
    wins = percent(summary.win_rate_percent) if summary.win_rate_percent is not None else Text("none yet")
    second = Text.assemble(
        ("Realised ", QUIET),
        signed_usd(summary.realised_usd),
        ("  Unrealised ", QUIET),
        signed_usd(summary.unrealised_usd),
        ("  Fees ", QUIET),
        fees or "none",
        ("  Fills ", QUIET),
        str(summary.trade_count),
        ("  Win rate ", QUIET),
        wins,
    )
    third = Text.assemble(
        ("Drawdown ", QUIET),
        percent(summary.max_drawdown_percent),
        ("  Traded by ", QUIET),
        traded_by(view.traded),
    )
    return [_line(first), _line(second), _line(third)]


def decision_lines(view: SessionView) -> list[str]:
    """Who decides, what holds trading back, what the analysts hold of each market. The most urgent comes last, for it
    is the end that is shown where there is little room."""
    summary = view.decisions
    if summary is None:
        return []
    names = summary.voters
    who = f"{len(names)} models vote: {', '.join(names)}" if names else f"{summary.trader} decides"
    runs = ", ".join(f"{task} {count}" for task, count in summary.runs.items())
    lines = [f"{who or 'nobody decides'}; runs: {runs or 'none'}", *summary.opinions]
    if summary.waiting:
        lines.append(f"{summary.waiting} decided trades wait for a conflict to pass")
    if summary.hodl:
        lines.append("hodl bag: " + ", ".join(amount(each, asset).plain for asset, each in summary.hodl.items()))
    lines += summary.risk
    if summary.level:
        lines.append(f"models fail: {summary.level}")
    return [*lines, *([summary.warning] if summary.warning else [])]


def shares(wanted: Sequence[int], available: int) -> list[int]:
    """Rows for each part: nobody gets more than wanted, and nobody starves while another has plenty."""
    given = [0] * len(wanted)
    while available > 0 and given != list(wanted):
        for index, want in enumerate(wanted):
            if available > 0 and given[index] < want:
                given[index] += 1
                available -= 1
    return given


def _narrow(view: SessionView, fills: Sequence[str], rows: int) -> RenderableType:
    """One below the other; prices and balances side by side."""
    fixed = max(len(view.quotes), len(view.balances)) + 1
    beside = Table.grid(padding=(0, 2))
    beside.add_row(prices(view, len(view.quotes)), balances(view, len(view.balances)))
    sections: _Sections = [
        (len(view.positions), lambda n: positions(view, n)),
        (len(view.open_orders), lambda n: orders(view, n)),
        (len(fills), lambda n: words("Last fills", fills, n)),
        (len(view.last_decisions), lambda n: words("Last decisions", view.last_decisions, n)),
        (len(thoughts := decision_lines(view)), lambda n: words("Agents", thoughts, n)),
    ]
    filled = [section for section in sections if section[0]]
    given = shares([want for want, _ in filled], rows - fixed - len(filled))
    parts = [draw(count) for (_, draw), count in zip(filled, given, strict=True) if count]
    return Group(beside, *parts)


def _wide(view: SessionView, fills: Sequence[str], rows: int) -> RenderableType:
    """Two columns of framed parts: the market and our place in it on the left, what happened on the right."""
    thoughts = decision_lines(view)
    left: _Sections = [
        (len(view.quotes) + 1, lambda n: _framed("Prices", prices(view, n - 1))),
        (len(view.positions) + 1, lambda n: _framed("Open positions", positions(view, n - 1))),
        (len(view.open_orders) + 1, lambda n: _framed("Open orders", orders(view, n - 1))),
    ]
    right: _Sections = [
        (len(view.balances) + 1, lambda n: _framed("Balances", balances(view, n - 1))),
        (max(len(fills), 1), lambda n: _framed("Last fills", words("", fills, n))),
        (
            max(len(view.last_decisions), 1),
            lambda n: _framed("Last decisions", words("", view.last_decisions, n)),
        ),
        (len(thoughts), lambda n: _framed("Agents", words("", thoughts, n))),
    ]
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(*(_column(column, rows) for column in (left, right)))
    return grid


def _column(sections: Sequence[_Section], rows: int) -> RenderableType:
    """Frames take two rows each."""
    given = shares([want for want, _ in sections], rows - 2 * len(sections))
    return Group(*(draw(count) for (_, draw), count in zip(sections, given, strict=True) if count))


def _framed(title: str, body: RenderableType) -> RenderableType:
    return Panel(body, title=title, title_align="left", border_style=QUIET, padding=(0, 1))


def _tail(words: str, width: int) -> str:
    """The end of a path tells more than its beginning."""
    return words if len(words) <= width else f"…{words[len(words) - max(width, 1) + 1 :]}"


def _line(text: Text) -> Text:
    """One line, cut where the terminal ends."""
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def prices(view: SessionView, rows: int) -> Table:
    """These tables show at most `rows` rows below their header."""

    def quoted(place: int) -> Callable[[tuple[str, Quote | None]], Text | str]:
        def shown(row: tuple[str, Quote | None]) -> Text | str:
            symbol, quote = row
            condition = view.conditions.get(symbol, "")
            if quote is not None and not condition:
                return _quoted(quote)[place]
            return "" if place else Text(condition or "no fresh price", style=WARNING)

        return shown

    columns = [(heading, quoted(place), RIGHT) for place, heading in enumerate(("Bid", "Ask", "Last"))]
    table = _table(list(view.quotes.items()), rows, ("Pair", itemgetter(0)), *columns)
    # Words about a market may be cut, its name may not.
    table.columns[0].min_width = max(map(len, view.quotes), default=0)
    return table


def balances(view: SessionView, rows: int) -> Table:
    return _table(
        view.balances,
        rows,
        ("Asset", "asset"),
        ("Total", lambda each: amount(each.total), RIGHT),
        ("Held", lambda each: amount(each.held) if each.held else Text("0", style=QUIET), RIGHT),
    )


def positions(view: SessionView, rows: int) -> Table:
    gains = view.unrealised or {}
    return _table(
        view.positions,
        rows,
        ("Position", lambda each: Text(each.symbol + _kind(each))),
        ("Quantity", lambda each: amount(each.quantity), RIGHT),
        ("Entry", lambda each: price(brief(each.average_entry)), RIGHT),
        ("Stop", lambda each: Text("none", style=WARNING) if each.stop is None else price(each.stop), RIGHT),
        ("Target", lambda each: Text("none", style=QUIET) if each.target is None else price(each.target), RIGHT),
        (
            "Unrealised",
            lambda each: signed_amount(brief(gains.get(each.position_id)), each.symbol.partition("/")[2]),
            RIGHT,
        ),
        none="none",
    )


def _kind(position: PositionRecord) -> str:
    return (" short" if position.side is Side.SELL else "") + (" dust" if position.dust else "")


def orders(view: SessionView, rows: int) -> Table:
    headings = ("Order", "Side", "Type", "Price", "Filled", "Status")
    columns = [(heading, itemgetter(place)) for place, heading in enumerate(headings, 1)]
    return _table(list(map(order_cells, view.open_orders)), rows, *columns, none="none")


def words(title: str, lines: Sequence[str], rows: int) -> Table:
    """The newest lines, the newest first; with a `title` in the place of a header."""
    table = _table(list(lines)[::-1], rows, (title, lambda line: Text(line.strip(" :"))), none="none yet")
    table.show_header = bool(title)
    return table


def _table(found: Sequence[Any], rows: int, *columns: Column, none: str = "") -> Table:
    """No row is ever wrapped. `none` stands where there is nothing."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for heading, _, *kind in columns:
        table.add_column(heading, justify="right" if RIGHT in kind else "left", no_wrap=True, overflow="ellipsis")
    for each in found[: max(rows, 0)]:
        table.add_row(*(cell(each, column[1]) for column in columns))
    if none and rows and not found:
        table.add_row(Text(none, style=QUIET), *[""] * (len(columns) - 1))
    return table


def _quoted(quote: Quote) -> list[Text]:
    """Bid, ask and last with equally many decimals, so that they stand still while they change."""
    values = (quote.bid, quote.ask, quote.last)
    exponents = [value.as_tuple().exponent for value in values if value is not None]
    places = max((-each for each in exponents if isinstance(each, int)), default=0)
    return [Text("-", style=QUIET) if value is None else Text(f"{value:,.{max(places, 0)}f}") for value in values]

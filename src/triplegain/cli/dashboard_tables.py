"""The tables of the live view. Each shows at most `rows` rows below its header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from triplegain.cli.tables import QUIET, WARNING, amount, brief, order_cells, price, signed_amount
from triplegain.domain.quote import Quote
from triplegain.domain.views import SessionView

_NONE = "none"
_Row = TypeVar("_Row")


def prices(view: SessionView, rows: int) -> Table:
    table = _table(("Pair", "Bid", "Ask", "Last"), numbers=3)
    shown = list(view.quotes.items())
    # Words about a market may be cut, its name may not.
    table.columns[0].min_width = max((len(symbol) for symbol, _ in shown), default=0)
    for symbol, quote in _cut(shown, rows):
        condition = view.conditions.get(symbol, "")
        if quote is None or condition:
            table.add_row(symbol, Text(condition or "no fresh price", style=WARNING), "", "")
        else:
            table.add_row(symbol, *_quoted(quote))
    return table


def balances(view: SessionView, rows: int) -> Table:
    table = _table(("Asset", "Total", "Held"), numbers=2)
    for each in _cut(view.balances, rows):
        table.add_row(each.asset, amount(each.total), amount(each.held) if each.held else Text("0", style=QUIET))
    return table


def positions(view: SessionView, rows: int) -> Table:
    table = _table(("Position", "Quantity", "Entry", "Stop", "Target", "Unrealised"), numbers=5)
    gains = view.unrealised or {}
    for each in _cut(view.positions, rows):
        stop = price(each.stop) if each.stop is not None else Text("none", style=WARNING)
        table.add_row(
            Text(each.symbol + (" dust" if each.dust else "")),
            amount(each.quantity),
            price(brief(each.average_entry)),
            stop,
            price(each.target) if each.target is not None else Text("none", style=QUIET),
            signed_amount(brief(gains.get(each.position_id)), each.symbol.partition("/")[2]),
        )
    if not view.positions and rows:
        table.add_row(Text(_NONE, style=QUIET), *[""] * 5)
    return table


def orders(view: SessionView, rows: int) -> Table:
    table = _table(("Order", "Side", "Type", "Price", "Filled", "Status"), numbers=0)
    for each in _cut(view.open_orders, rows):
        _, symbol, *rest = order_cells(each)
        table.add_row(symbol, *rest)
    if not view.open_orders and rows:
        table.add_row(Text(_NONE, style=QUIET), *[""] * 5)
    return table


def words(title: str, lines: Sequence[str], rows: int) -> Table:
    """The newest lines, the newest first; with a `title` in the place of a header."""
    table = _table((title,), numbers=0)
    table.show_header = bool(title)
    newest = list(lines)[::-1][: max(rows, 0)]
    for line in newest:
        table.add_row(Text(line.strip(" :")))
    if not newest and rows:
        table.add_row(Text("none yet", style=QUIET))
    return table


def _table(columns: Sequence[str], *, numbers: int) -> Table:
    """The last `numbers` columns hold numbers. No row is ever wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for index, column in enumerate(columns):
        right = index >= len(columns) - numbers
        table.add_column(column, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    return table


def _cut(rows: Sequence[_Row], most: int) -> Sequence[_Row]:
    return rows[: max(most, 0)]


def _quoted(quote: Quote) -> list[Text]:
    """Bid, ask and last with equally many decimals, so that they stand still while they change."""
    values = (quote.bid, quote.ask, quote.last)
    exponents = [value.as_tuple().exponent for value in values if value is not None]
    places = max((-each for each in exponents if isinstance(each, int)), default=0)
    return [Text("-", style=QUIET) if value is None else Text(f"{value:,.{max(places, 0)}f}") for value in values]

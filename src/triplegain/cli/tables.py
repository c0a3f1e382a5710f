"""Numbers, times and tables as a terminal shows them. What is not known says so; it is never shown as 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, TypeVar

from rich import box
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from triplegain.cli.fitting import FittingTable
from triplegain.domain.clock import to_datetime
from triplegain.domain.json_form import plain_json
from triplegain.domain.money import plain, text
from triplegain.domain.records import OrderRecord
from triplegain.domain.statement import Traded

UNKNOWN = "unknown"
GAIN, LOSS, QUIET, WARNING, ALARM = "green", "red", "dim", "yellow", "bold white on red"
_COIN_PLACES = 8
RIGHT, WHOLE = "right", "whole"
#: Heading, field or function of the row and, of numbers, RIGHT; a column that is RIGHT or WHOLE is never wrapped.
Column = tuple[str, str | Callable[[Any], RenderableType], *tuple[str, ...]]
#: A number, or its text as JSON has it; None: not known.
Figure = Decimal | str | None
_F = TypeVar("_F", Decimal, str)
_FOUR_DIGITS, _EIGHT_DIGITS = Context(prec=4), Context(prec=8)


def _figure(form: str, unit: str = "", *, coloured: bool = False) -> Callable[[Figure], Text]:
    def shown(value: Figure) -> Text:
        if value is None:
            return _unknown()
        number = Decimal(value)
        return Text(f"{number:{form}}{unit}", style=_colour(number) if coloured else "")

    return shown


#: Dollars to the cent.
usd = _figure(",.2f")
signed_usd = _figure("+,.2f", coloured=True)
signed_percent = _figure("+,.2f", " %", coloured=True)
percent = _figure(",.1f", " %")
#: A price as it is: its tick decides its digits.
price = _figure(",f")
#: A price that no tick has rounded.
average = _figure(",.10g")


def amount(value: Decimal | None, asset: str = "") -> Text:
    """Coins, to eight places, without trailing zeros."""
    return _unknown() if value is None else Text(f"{_coins(value)} {asset}".rstrip())


def signed_amount(value: Figure, asset: str = "") -> Text:
    if value is None:
        return _unknown()
    number = Decimal(value)
    return Text(f"{'+' if number > 0 else ''}{_coins(number)} {asset}".rstrip(), style=_colour(number))


def blank(value: _F | None, shown: Callable[[_F], Text]) -> Text:
    """Nothing where there is nothing, and not `unknown`."""
    return Text() if value is None else shown(value)


def worded(word: str) -> str:
    """A word of the code as people write it."""
    return word.replace("_", " ")


def roughly(value: Decimal | None) -> Text:
    """Four digits that matter: for costs that are compared, not booked."""
    return _unknown() if value is None else Text(f"{plain(_FOUR_DIGITS.plus(value)):,f}")


def brief(value: Decimal | None) -> Decimal | None:
    """Eight digits that matter: an average or a result where there is little room."""
    return None if value is None else plain(_EIGHT_DIGITS.plus(value))


def moment(time_ns: int | None) -> str:
    """A time, UTC, to the second."""
    return UNKNOWN if not time_ns else f"{to_datetime(time_ns):%Y-%m-%d %H:%M:%S}"


def duration(length_ns: int | None) -> str:
    """The two largest units: `2 d 3 h`, `1 m 30 s`, `0.250 s`."""
    if length_ns is None:
        return UNKNOWN
    seconds, rest = divmod(length_ns, 10**9)
    if seconds < 60:
        return f"{seconds} s" if rest == 0 else f"{seconds + rest / 10**9:.3f} s"
    units = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    while units[0][0] == 0:
        units = units[1:]
    return " ".join(f"{count} {unit}" for count, unit in units[:2] if count) or "0 s"


def traded_by(traded: Traded) -> str:
    """Who decides, by which candles and which configuration; the first digits tell two configurations apart."""
    who = traded.trader or "nobody"
    models = f" ({', '.join(traded.models)})" if traded.models else ""
    candles = f", candles of {duration(traded.candle_ns)}" if traded.candle_ns else ""
    return f"{who}{models}{candles}, configuration {traded.configuration[:8]}"


def order_cells(order: OrderRecord) -> tuple[str, ...]:
    """Client id, pair, side, type, price, filled of quantity, status."""
    request, named = order.request_now, order.price_now
    asked = request.terms.words.removeprefix("at ") if named is None else price(named).plain
    filled = f"{amount(order.filled_quantity)} of {amount(order.quantity)}"
    words = request.client_order_id, request.symbol, request.side.value, request.terms.kind.value
    return *words, asked, filled, worded(order.status.value)


def table_of(rows: Iterable[Any], *columns: Column, title: str | None = None) -> Table:
    """An open table with a row for each of `rows`; row by row where the terminal is too narrow for it."""
    table = FittingTable(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    for heading, _, *kind in columns:
        justify: JustifyMethod = "right" if RIGHT in kind else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=bool(kind))
    for row in rows:
        table.add_row(*(cell(row, column[1]) for column in columns))
    return table


def cell(row: Any, value: str | Callable[[Any], RenderableType]) -> RenderableType:
    if callable(value):
        return value(row)
    found = row[value] if isinstance(row, Mapping) else getattr(row, value)
    return "" if found is None else str(found)


def pairs(rows: Iterable[tuple[str, RenderableType]], title: str | None = None) -> Table:
    """Names on the left, values on the right."""
    table = Table(
        box=None,
        show_header=False,
        title=title,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )
    table.add_column(style=QUIET, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def print_json(value: object) -> None:
    """One JSON document, indented. Money is text, an unknown number null."""
    print(json.dumps(plain_json(value), indent=2, ensure_ascii=False))


def _coins(value: Decimal) -> str:
    whole, point, places = text(round(value, _COIN_PLACES)).partition(".")
    return f"{int(whole):,}{point}{places}" if whole not in ("-0", "0") else f"{whole}{point}{places}"


def _unknown() -> Text:
    return Text(UNKNOWN, style=WARNING)


def _colour(value: Decimal) -> str:
    return GAIN if value > 0 else LOSS if value < 0 else ""

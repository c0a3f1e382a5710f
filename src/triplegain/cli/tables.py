"""Numbers, times and tables as a terminal shows them. What is not known says so; it is never shown as 0."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Context, Decimal

from rich import box
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from triplegain.domain.clock import to_datetime
from triplegain.domain.json_form import plain_json
from triplegain.domain.money import plain, text
from triplegain.domain.statement import Traded

UNKNOWN = "unknown"
GAIN, LOSS, QUIET, WARNING, ALARM = "green", "red", "dim", "yellow", "bold white on red"
_COIN_PLACES = 8
_FOUR_DIGITS, _EIGHT_DIGITS = Context(prec=4), Context(prec=8)


def usd(value: Decimal | None) -> Text:
    """Dollars to the cent."""
    return _unknown() if value is None else Text(f"{value:,.2f}")


def signed_usd(value: Decimal | None) -> Text:
    return _unknown() if value is None else Text(f"{value:+,.2f}", style=_colour(value))


def signed_percent(value: Decimal | None) -> Text:
    return _unknown() if value is None else Text(f"{value:+,.2f} %", style=_colour(value))


def percent(value: Decimal | None) -> Text:
    return _unknown() if value is None else Text(f"{value:,.1f} %")


def amount(value: Decimal | None, asset: str = "") -> Text:
    """Coins, to eight places, without trailing zeros."""
    return _unknown() if value is None else Text(f"{_coins(value)} {asset}".rstrip())


def signed_amount(value: Decimal | None, asset: str = "") -> Text:
    if value is None:
        return _unknown()
    return Text(f"{'+' if value > 0 else ''}{_coins(value)} {asset}".rstrip(), style=_colour(value))


def roughly(value: Decimal | None) -> Text:
    """Four digits that matter: for costs that are compared, not booked."""
    return _unknown() if value is None else Text(f"{plain(_FOUR_DIGITS.plus(value)):,f}")


def brief(value: Decimal | None) -> Decimal | None:
    """Eight digits that matter: an average or a result where there is little room."""
    return None if value is None else plain(_EIGHT_DIGITS.plus(value))


def price(value: Decimal | None) -> Text:
    """A price as it is: its tick decides its digits."""
    return _unknown() if value is None else Text(f"{value:,f}")


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


def listing(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = (), title: str | None = None) -> Table:
    """An open table; the columns named in `right` hold numbers, those in `right` and `whole` are never wrapped."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    numbers, unbroken = set(right), {*right, *whole}
    for column in columns:
        justify: JustifyMethod = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in unbroken)
    return table


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

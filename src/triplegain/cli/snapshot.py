"""`snapshot`: what the agents see of a market at a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from triplegain.app.feeds import open_feed
from triplegain.app.observed_market import snapshot_of_feed
from triplegain.cli.client import JsonOption
from triplegain.cli.tables import (
    QUIET,
    RIGHT,
    UNKNOWN,
    WARNING,
    WHOLE,
    amount,
    duration,
    moment,
    pairs,
    price,
    signed_percent,
    table_of,
)
from triplegain.cli.terminal import Terminal
from triplegain.config import load_config
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.money import plain
from triplegain.market.snapshot.compact import compact as compact_text
from triplegain.market.snapshot.figures import fixed
from triplegain.market.snapshot.frame import Value
from triplegain.market.snapshot.snapshot import Snapshot


def snapshot(
    symbol: Annotated[str, typer.Argument(help="The instrument, like BTC/USDT.", show_default=False)],
    feed: Annotated[str, typer.Option("--feed", help="replay:PATH or demo.", show_default=False)],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help="Market time: 2021-05-19 13:00 (UTC), or 15m after the beginning. Default: the end of the recording.",
            show_default=False,
        ),
    ] = None,
    compact: Annotated[bool, typer.Option("--compact", help="The text a language model is given.")] = False,
    tokens: Annotated[
        int | None,
        typer.Option("--tokens", min=1, help="Budget of --compact; default: snapshot.yaml.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the demo market.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """What the agents see of a recorded market: price, candles, indicators, book. Trades nothing."""
    config = load_config()
    found = snapshot_of_feed(config, open_feed(feed, seed), symbol, at)
    if compact:
        print(compact_text(found, tokens or config.snapshot.token_budget))
    elif as_json:
        # As it is hashed: not a blank more.
        print(found.json)
    else:
        console = Terminal(highlight=False)
        for part in snapshot_view(found):
            console.print(part)


def snapshot_view(snapshot: Snapshot) -> Iterator[RenderableType]:
    """Price and day, the book, indicators by timeframe, what is missing."""
    yield pairs(_price_rows(snapshot), title=f"{snapshot.symbol} at {moment(snapshot.time_ns)} UTC")
    if snapshot.book is not None:
        yield ""
        yield pairs(_book_rows(snapshot), title="Book")
    yield ""
    yield _table(snapshot)
    if snapshot.flags:
        yield Text("\n".join(snapshot.flags), style=WARNING)
    yield Text(f"snapshot {snapshot.hash}", style=QUIET)


def _price_rows(snapshot: Snapshot) -> Iterator[tuple[str, RenderableType]]:
    now, day, asset = snapshot.price, snapshot.day, snapshot.symbol.partition("/")[0]
    yield "Price", price(now.mark)
    yield "Bid, ask", Text.assemble(price(now.bid), "  ", price(now.ask))
    age = duration(max(0, snapshot.time_ns - now.time_ns) // (SECOND_NS // 1000) * (SECOND_NS // 1000))
    yield "Source", f"{now.source.value}, {age} old"
    yield "24 h", signed_percent(Decimal(fixed(day.change_pct)) if day else None)
    yield "24 h volume", amount(day.volume if day else None, asset)
    yield "Timeframes agree", UNKNOWN if snapshot.alignment is None else f"{snapshot.alignment:+.2f}"


def _book_rows(snapshot: Snapshot) -> Iterator[tuple[str, RenderableType]]:
    book = snapshot.book
    assert book is not None
    asset = snapshot.symbol.partition("/")[0]
    yield "Spread", f"{book.spread_bps:.2f} bps"
    yield "Imbalance", f"{book.imbalance:+.2f} within {book.imbalance_pct:.2g} %"
    for depth in book.depths:
        sides = (amount(depth.bid_quantity), "  ", amount(depth.ask_quantity, asset))
        yield f"Within {depth.pct} %", Text.assemble(*sides)
    yield "Seen to", f"{book.bids_reach_pct:.2f} %  {book.asks_reach_pct:.2f} %"


def _table(snapshot: Snapshot) -> RenderableType:
    """A row for each indicator, a column for each timeframe, the primary one marked."""
    frames = snapshot.timeframes
    headings = [f"{name} *" if name == snapshot.primary else name for name in frames]
    closed = [frame.closed for frame in frames.values()]
    rows: list[tuple[Text, ...]] = [
        _quiet("last close", *(moment(each.close_time_ns)[5:16] for each in closed)),
        _quiet("candles", *(str(each.history_candles) for each in closed)),
        (Text("trend"), *(_shown(each.trend, fixed) for each in closed)),
    ]
    rows += [(Text(name), *(_shown(each.indicators[name], _plain) for each in closed)) for name in closed[0].indicators]
    columns = [(heading, itemgetter(place), RIGHT) for place, heading in enumerate(headings, 1)]
    table = table_of(rows, ("Indicator", itemgetter(0), WHOLE), *columns)
    for column in table.columns[1:]:
        column.no_wrap = False
    return table


def _quiet(*words: str) -> tuple[Text, ...]:
    return tuple(Text(each, style=QUIET) for each in words)


def _shown(value: Value, text: Callable[[float], str]) -> Text:
    if value is None:
        return Text("-", style=QUIET)
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(text(value))


def _plain(value: float) -> str:
    """All digits the snapshot has, without exponent."""
    return f"{plain(Decimal(repr(value))):,f}"

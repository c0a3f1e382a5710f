"""`data`: the stored history of markets, loaded, imported, looked through and mended.

Progress is shown with rate and time left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from triplegain.app.history_import import Downloaded, HistoryDownload, Imported, import_files, kraken_history
from triplegain.app.market_data import MarketCheck, MarketData, StoredSeries, oldest_trade_ns
from triplegain.cli.client import JsonOption, tell
from triplegain.cli.database import with_database
from triplegain.cli.tables import GAIN, LOSS, QUIET, RIGHT, WARNING, WHOLE, duration, moment, table_of
from triplegain.cli.terminal import Terminal
from triplegain.config import load_config
from triplegain.domain.clock import SystemClock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.span import Span
from triplegain.feeds.captures.instruments import symbol_of
from triplegain.market.timestamps import moment_ns
from triplegain.storage.database import Database
from triplegain.storage.market_history import TAPE

_CONTRADICTS = 6
Symbols = Annotated[list[str] | None, typer.Argument(help="Pairs, like BTC/USDT; without one all.", metavar="SYMBOL…")]


def download(
    symbols: Annotated[list[str], typer.Argument(help="Pairs, like BTC/USDT.", metavar="SYMBOL…")],
    since: Annotated[str | None, typer.Option(help="from this time on, UTC: 2024-01-01 or 2024-01-01T12:00")] = None,
    until: Annotated[str | None, typer.Option(help="up to this time; without it up to now")] = None,
    kind: Annotated[
        str, typer.Option(help="trades (minutes are made of them), or candles: Kraken's last 720 of each length")
    ] = "trades",
    as_json: JsonOption = False,
) -> None:
    """Load what is not stored yet from Kraken. May be stopped at any moment; the same command goes on from there."""
    if kind not in ("trades", "candles"):
        raise InvalidValueError(f"--kind is trades or candles, not {kind!r}")
    pairs = [_symbol(word) for word in symbols]
    start = moment_ns(since) if since else None
    end = moment_ns(until) if until else None
    with watching(as_json) as progress:

        async def load(database: Database) -> list[Downloaded]:
            async with kraken_history(load_config(), progress) as rest:
                return await HistoryDownload(rest, database, progress).load(pairs, kind, start, end)

        done = with_database(load)
    tell(as_json, done, lambda found: Group(*(line for each in found for line in _downloaded(each))))


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.", metavar="PATH…")],
    as_json: JsonOption = False,
) -> None:
    """Store trades and candles of files: Kraken's CSV archives, freqtrade, CSV with a header. Twice is once."""
    with watching(as_json) as progress:
        done = with_database(lambda database: import_files(paths, database, progress))
    tell(as_json, done, imports_view)


def list_(as_json: JsonOption = False) -> None:
    """What is stored, and where it has gaps."""
    tell(as_json, with_database(lambda database: MarketData(database).series()), series_view)


def verify(
    symbols: Symbols = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="build again what disagrees, and load from Kraken what is missing")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare trades with their numbers, minutes with trades, longer candles with minutes. Exit code 6 on a clash."""
    config = load_config()
    pairs = [_symbol(word) for word in symbols or ()]
    with watching(as_json) as progress:

        async def check(database: Database) -> list[MarketCheck]:
            data = MarketData(database)
            kept_from_ns = oldest_trade_ns(config.history.trade_retention_days, SystemClock())
            found = await data.verify(pairs, kept_from_ns)
            if repair and any(each.contradictions or each.gaps for each in found):
                async with kraken_history(config, progress) as rest:
                    for each in found:
                        await data.mend(each, HistoryDownload(rest, database, progress))
                found = await data.verify(pairs, kept_from_ns)
            return found

        checks = with_database(check)
    tell(as_json, checks, checks_view)
    if any(each.contradictions for each in checks):
        raise typer.Exit(_CONTRADICTS)


def prune(as_json: JsonOption = False) -> None:
    """Remove trades older than history.trade_retention_days. Their candles stay for ever."""
    days = load_config().history.trade_retention_days

    def told(removed: dict[str, int]) -> str:
        if not days:
            return "Trades are kept for ever: history.trade_retention_days is 0."
        return f"{sum(removed.values()):,} trades older than {days} days were removed; their candles stay."

    tell(as_json, with_database(lambda database: MarketData(database).prune(days, SystemClock())), told)


def _symbol(word: str) -> str:
    symbol = symbol_of(word)
    if symbol is None:
        raise InvalidValueError(f"a pair reads BASE/QUOTE, like BTC/USDT; this is {word!r}")
    return symbol


_SHOWN = 5


class _Rate(ProgressColumn):
    """Rows so far, and a second."""

    def render(self, task: Task) -> Text:
        rows = task.fields.get("rows", 0)
        speed = rows / task.elapsed if task.elapsed else 0
        return Text(f"{rows:,} rows, {speed:,.0f}/s", style=QUIET)


class LoadingBars:
    """One bar for each thing that is loaded; what the exchange makes us wait for is said above them."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, Span]] = {}

    def begin(self, name: str, span: Span) -> None:
        self._tasks[name] = (self._bars.add_task(name, total=max(span.to_ns - span.from_ns, 1), rows=0), span)

    def reached(self, name: str, time_ns: int, rows: int) -> None:
        task, span = self._tasks[name]
        done = self._bars.tasks[task].fields["rows"] + rows
        self._bars.update(task, completed=time_ns - span.from_ns, rows=done)

    def waits(self, reason: str, seconds: float) -> None:
        self._bars.console.print(f"{reason}; trying again in {seconds:.0f} s", style=WARNING, highlight=False)


@contextmanager
def watching(as_json: bool) -> Iterator[LoadingBars]:
    """Bars on stderr, so that stdout holds the answer alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), _Rate())
    console = Terminal(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=as_json) as bars:
        yield LoadingBars(bars)


def _downloaded(each: Downloaded) -> Iterator[Text]:
    what = f"{each.symbol} {moment(each.span.from_ns)} to {moment(each.span.to_ns)}"
    if each.kind == "trades":
        made = f"{each.trades.stored:,} new trades, {each.trades.candles_built:,} minutes built"
        against, words = each.trades.candles_changed, "minutes known from elsewhere disagreed; trades hold"
    else:
        made = f"{each.candles.stored:,} new candles"
        against, words = each.candles.different, "stored candles disagree with Kraken's; they were kept"
    if against:
        yield Text(f"  {against:,} {words}", style=WARNING)
    yield Text(f"{what}: {made} ({each.pages:,} requests)")
    if each.holes:
        lost = sum(last - first + 1 for first, last in each.holes)
        yield Text(f"  {lost:,} trade numbers that Kraken does not tell", style=QUIET)


def imports_view(done: Sequence[Imported]) -> RenderableType:
    table = table_of(
        done,
        ("File", lambda each: each.path.name),
        ("Pair", "symbol", WHOLE),
        ("Venue", "venue"),
        ("Holds", "kind", WHOLE),
        ("From", lambda each: moment(each.span.from_ns)[:10], WHOLE),
        ("New", lambda each: f"{each.trades.stored + each.candles.stored:,}", RIGHT),
        ("Known", lambda each: f"{each.trades.known + each.candles.known:,}", RIGHT),
        ("Unlike", lambda each: Text(f"{each.different:,}", style=LOSS if each.different else GAIN), RIGHT),
    )
    if not any(each.different for each in done):
        return table
    words = "What was stored before stays where a file contradicts it; trades go before candles."
    return Group(table, Text(words, style=WARNING))


def series_view(found: Sequence[StoredSeries]) -> RenderableType:
    if not found:
        return "Nothing is stored: `tg data download BTC/USDT` loads from Kraken, `tg data import PATH` reads files."
    return table_of(
        found,
        ("Pair", "symbol", WHOLE),
        ("Venue", "venue", WHOLE),
        ("Holds", lambda s: "trades" if s.length_ns == TAPE else f"candles {duration(s.length_ns)}", WHOLE),
        ("From", lambda each: moment(each.span.from_ns)[:10], WHOLE),
        ("To", lambda each: moment(each.span.to_ns)[:10], WHOLE),
        ("Gaps", lambda each: f"{len(each.gaps):,}", RIGHT),
        ("Trades", lambda each: "" if each.trades is None else f"{each.trades:,}", RIGHT),
    )


def checks_view(checks: Sequence[MarketCheck]) -> RenderableType:
    return Group(*(line for each in checks for line in _checked(each))) if checks else "Nothing is stored."


def _checked(each: MarketCheck) -> Iterator[Text]:
    yield Text(f"{each.symbol} ({each.venue})", style="bold")
    yield from _times(each.minutes_unlike_trades, "minutes that disagree with their trades")
    for length, times in each.candles_unlike_minutes.items():
        yield from _times(times, f"candles of {duration(length)} that disagree with their minutes (minutes are used)")
    for name, times in each.aggregates_unlike_minutes.items():
        yield from _times(times, f"aggregated {name} candles that disagree with their minutes")
    yield from _gaps(each.tape_gaps, "trades")
    yield from _gaps(each.candle_gaps, "minutes")
    for told in (False, True):
        lost = sum(hole.last - hole.first + 1 for hole in each.holes if hole.told is told)
        if lost:
            why = "that Kraken does not tell either" if told else "missing"
            yield Text(f"  {lost:,} trade numbers {why}", style=QUIET if told else WARNING)
    if not (each.contradictions or each.gaps or any(not hole.told for hole in each.holes)):
        yield Text("  whole, and nothing disagrees", style=GAIN)


def _times(times: Sequence[int], what: str) -> Iterator[Text]:
    if times:
        shown = ", ".join(moment(time)[:16] for time in times[:_SHOWN])
        yield Text(f"  {len(times):,} {what}: {shown}{', …' if len(times) > _SHOWN else ''}", style=LOSS)


def _gaps(gaps: Sequence[Span], what: str) -> Iterator[Text]:
    if gaps:
        shown = ", ".join(f"{moment(gap.from_ns)} for {duration(gap.to_ns - gap.from_ns)}" for gap in gaps[:_SHOWN])
        more = ", …" if len(gaps) > _SHOWN else ""
        yield Text(f"  {len(gaps):,} gaps in the {what}: {shown}{more} (--repair loads them)", style=WARNING)

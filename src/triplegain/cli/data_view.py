"""The stored history as a terminal shows it: progress with rate and time left, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from triplegain.cli.tables import GAIN, LOSS, QUIET, WARNING, duration, listing, moment
from triplegain.domain.span import Span
from triplegain.storage.market_history import TAPE

if TYPE_CHECKING:
    from rich.progress import TaskID

    from triplegain.app.history_import import Downloaded, Imported
    from triplegain.app.market_data import MarketCheck, StoredSeries

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
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=as_json) as bars:
        yield LoadingBars(bars)


def print_downloads(done: Sequence[Downloaded]) -> None:
    console = Console(highlight=False)
    for each in done:
        what = f"{each.symbol} {moment(each.span.from_ns)} to {moment(each.span.to_ns)}"
        if each.kind == "trades":
            made = f"{each.trades.stored:,} new trades, {each.trades.candles_built:,} minutes built"
            _contradiction(console, each.trades.candles_changed, "minutes known from elsewhere disagreed; trades hold")
        else:
            made = f"{each.candles.stored:,} new candles"
            _contradiction(console, each.candles.different, "stored candles disagree with Kraken's; they were kept")
        console.print(f"{what}: {made} ({each.pages:,} requests)")
        if each.holes:
            lost = sum(last - first + 1 for first, last in each.holes)
            console.print(f"  {lost:,} trade numbers that Kraken does not tell", style=QUIET)


def print_imports(done: Sequence[Imported]) -> None:
    numbers = ("New", "Known", "Unlike")
    table = listing("File", "Pair", "Venue", "Holds", "From", *numbers, right=numbers, whole=("Pair", "Holds", "From"))
    for each in done:
        stored = each.trades.stored + each.candles.stored
        known = each.trades.known + each.candles.known
        against = Text(f"{each.different:,}", style=LOSS if each.different else GAIN)
        table.add_row(
            each.path.name, each.symbol, each.venue, each.kind, moment(each.span.from_ns)[:10],
            f"{stored:,}", f"{known:,}", against,
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    if any(each.different for each in done):
        console.print(
            "What was stored before stays where a file contradicts it; trades go before candles.", style=WARNING
        )


def print_series(found: Sequence[StoredSeries]) -> None:
    if not found:
        print("Nothing is stored: `tg data download BTC/USDT` loads from Kraken, `tg data import PATH` reads files.")
        return
    numbers, whole = ("Gaps", "Trades"), ("Pair", "Venue", "Holds", "From", "To")
    table = listing("Pair", "Venue", "Holds", "From", "To", "Gaps", "Trades", right=numbers, whole=whole)
    for each in found:
        table.add_row(
            each.symbol, each.venue, "trades" if each.length_ns == TAPE else f"candles {duration(each.length_ns)}",
            moment(each.span.from_ns)[:10], moment(each.span.to_ns)[:10], f"{len(each.gaps):,}",
            "" if each.trades is None else f"{each.trades:,}",
        )  # fmt: skip
    Console(highlight=False).print(table)


def print_checks(checks: Sequence[MarketCheck]) -> None:
    console = Console(highlight=False)
    if not checks:
        console.print("Nothing is stored.")
    for each in checks:
        console.print(f"{each.symbol} ({each.venue})", style="bold")
        _times(console, each.minutes_unlike_trades, "minutes that disagree with their trades")
        for length, times in each.candles_unlike_minutes.items():
            _times(console, times, f"candles of {duration(length)} that disagree with their minutes (minutes are used)")
        for name, times in each.aggregates_unlike_minutes.items():
            _times(console, times, f"aggregated {name} candles that disagree with their minutes")
        _gaps(console, each.tape_gaps, "trades")
        _gaps(console, each.candle_gaps, "minutes")
        for told in (False, True):
            lost = sum(hole.last - hole.first + 1 for hole in each.holes if hole.told is told)
            if lost:
                why = "that Kraken does not tell either" if told else "missing"
                console.print(f"  {lost:,} trade numbers {why}", style=QUIET if told else WARNING)
        if not (each.contradictions or each.gaps or any(not hole.told for hole in each.holes)):
            console.print("  whole, and nothing disagrees", style=GAIN)


def _times(console: Console, times: Sequence[int], what: str) -> None:
    if times:
        shown = ", ".join(moment(time)[:16] for time in times[:_SHOWN])
        console.print(f"  {len(times):,} {what}: {shown}{', …' if len(times) > _SHOWN else ''}", style=LOSS)


def _gaps(console: Console, gaps: Sequence[Span], what: str) -> None:
    if gaps:
        shown = ", ".join(f"{moment(gap.from_ns)} for {duration(gap.to_ns - gap.from_ns)}" for gap in gaps[:_SHOWN])
        more = ", …" if len(gaps) > _SHOWN else ""
        console.print(f"  {len(gaps):,} gaps in the {what}: {shown}{more} (--repair loads them)", style=WARNING)


def _contradiction(console: Console, count: int, what: str) -> None:
    if count:
        console.print(f"  {count:,} {what}", style=WARNING)

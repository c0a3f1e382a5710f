"""The stored history as a terminal shows it: progress with rate and time left, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from triplegain.cli.tables import GAIN, LOSS, QUIET, RIGHT, WARNING, WHOLE, duration, moment, table_of
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


def downloads_view(done: Sequence[Downloaded]) -> RenderableType:
    return Group(*(line for each in done for line in _downloaded(each)))


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

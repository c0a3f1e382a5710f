"""`record`: the live market, kept to be replayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from triplegain.app import interrupts
from triplegain.app.record_run import RecordOptions, RecordView, run_record
from triplegain.cli.client import OneLineOption
from triplegain.cli.tables import LOSS, WARNING, duration
from triplegain.cli.terminal import Terminal
from triplegain.config import home_dir, load_config
from triplegain.venues.kraken.settings import BookDepth

_DAMAGED = 6
_MEGABYTE = 1_000_000

#: Seconds between two lines where there is no screen to draw on.
_LINE_S = 5.0


def record(
    instruments: Annotated[
        str | None, typer.Option(help="BTC/USDT,XRP/USDT,...; without it those of market.yaml", show_default=False)
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="a folder; without it a new one in TRIPLEGAIN_HOME/recordings", show_default=False),
    ] = None,
    duration: Annotated[str | None, typer.Option(help="stop after so long: 60s, 5m, 2h, 1d")] = None,
    depth: Annotated[int | None, typer.Option(help="levels a side: 10, 25, 100, 500, 1000")] = None,
    as_json: OneLineOption = False,
) -> None:
    """Record Kraken's live market, every message as it came, until Ctrl-C. Nothing is traded, no key is needed."""

    options = RecordOptions(_symbols(instruments), to, duration, _depth(depth))
    with RecordLine(Terminal(stderr=as_json)) as line:
        summary = interrupts.run(run_record(options, load_config(), home_dir(), line.update))
    if as_json:
        print(json.dumps(summary, separators=(", ", ": ")))
    elif not summary["problem"]:
        print(f"Recorded in {summary['folder']}; trade on it: tg captures replay {summary['folder']}")
    if summary["problem"]:
        if not as_json:
            typer.echo(summary["problem"], err=True)
        raise typer.Exit(_DAMAGED)


def _symbols(words: str | None) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(word.strip().upper() for word in words.split(",") if word.strip())) if words else None


def _depth(depth: int | None) -> int | None:
    if depth is not None and depth not in list(BookDepth):
        raise typer.BadParameter(f"Kraken has books of 10, 25, 100, 500 or 1000 levels, not of {depth}")
    return depth


class RecordLine:
    """One line that stays up to date on a terminal, else a new one every few seconds."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._console = console
        self._before: RecordView | None = None
        self._printed_ns = -1 << 62

    def __enter__(self) -> RecordLine:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, view: RecordView) -> None:
        before, self._before = self._before, view
        if self._live is not None:
            self._live.update(_words(view, before), refresh=True)
        elif view.elapsed_ns >= self._printed_ns + _LINE_S * 10**9:
            self._printed_ns = view.elapsed_ns
            self._console.print(_words(view, before), highlight=False, soft_wrap=True)


def _words(view: RecordView, before: RecordView | None) -> Text:

    passed_ns = view.elapsed_ns - before.elapsed_ns if before else 0
    rate = (view.counters.frames - before.counters.frames) / passed_ns * 10**9 if before and passed_ns > 0 else 0.0
    text = Text.assemble(
        f"{duration(view.elapsed_ns // 10**9 * 10**9)}  {rate:,.0f} messages/s  ",
        (f"{view.in_sync}/{view.instruments} in sync", "" if view.in_sync == view.instruments else WARNING),
        f"  {view.progress.lines:,} lines  {view.progress.written_bytes / _MEGABYTE:,.1f} MB",
        f"  room for {view.progress.disk_bytes_left / _MEGABYTE:,.0f} MB",
    )
    for count, words in (
        (view.counters.mismatches, "wrong checksums"),
        (view.counters.holes, "holes"),
        (view.counters.reconnects, "reconnects"),
        (view.counters.dropped, "updates left out"),
    ):
        text.append(f"  {count:,} {words}", WARNING if count else "dim")
    if view.problem:
        text.append(f"  {view.problem}", LOSS)
    return text

"""`paper`: trade on paper."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from triplegain.app import interrupts
from triplegain.app.opening import PaperOptions
from triplegain.app.paper_run import run_paper
from triplegain.app.starting import start_paper_process
from triplegain.cli.client import OneLineOption
from triplegain.cli.terminal import Terminal
from triplegain.cli.view import LiveView
from triplegain.domain.values import INTEGER_MAX


def paper(
    feed: Annotated[str | None, typer.Option(help="live (Kraken), demo, or replay:PATH of a recorded market")] = None,
    speed: Annotated[str | None, typer.Option(help="market seconds per second, or max (default 1)")] = None,
    duration: Annotated[str | None, typer.Option(help="stop after this much market time: 60s, 5m, 2h, 1d")] = None,
    candle: Annotated[
        str | None, typer.Option(help="candle of the baseline: 1s, 5s, 15s, 1m, 5m, 15m, 1h, 4h, 1d")
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(help="go on with this session, or give a new one this name; several share one market"),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="archive the session and start a new one")] = False,
    seed: Annotated[int | None, typer.Option(help="seed of demo market and chance", min=0, max=INTEGER_MAX)] = None,
    record: Annotated[bool, typer.Option("--record", help="record what a live session sees")] = False,
    llm: Annotated[
        str | None,
        typer.Option(
            help="models that take part: auto, none, local-tiny, ollama:MODEL, or names with commas (replays: none)"
        ),
    ] = None,
    llm_tape: Annotated[
        str | None, typer.Option(help="record:PATH keeps the models' answers, replay:PATH plays them without a model")
    ] = None,
    apply_config: Annotated[
        bool, typer.Option("--apply-config", help="a stored session takes what the configuration says now")
    ] = False,
    as_json: OneLineOption = False,
) -> None:
    """Trade on paper: an exchange filled from a real order book, an exact ledger, no key and no real money.

    Ctrl-C stops cleanly: everything is stored, and the next start goes on from there.
    """

    console = Terminal(stderr=as_json)
    config, home, warnings = start_paper_process()
    for warning in warnings:
        console.print(f"[yellow]{warning}[/yellow]")
    main, others = (session[0], tuple(session[1:])) if session else (None, ())
    words = feed, speed, duration, candle, main, reset, seed, record, llm, llm_tape, apply_config
    options = PaperOptions(*words, others)
    with LiveView(console) as view:
        # Whoever collects the output of a run without a terminal has a line for each thing that happens.
        output = None if console.is_terminal or not config.log.terminal else sys.stderr if as_json else sys.stdout
        summary = interrupts.run(run_paper(options, config, home, view, output))
    if as_json:
        print(json.dumps(summary, separators=(", ", ": ")))

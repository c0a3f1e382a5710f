"""`snapshot`: what the agents see of a market at a moment."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.cli.client import JsonOption


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
    from rich.console import Console

    from triplegain.app.feeds import open_feed
    from triplegain.app.observed_market import snapshot_of_feed
    from triplegain.cli.snapshot_view import snapshot_view
    from triplegain.config import load_config
    from triplegain.market.snapshot.compact import compact as compact_text

    config = load_config()
    found = snapshot_of_feed(config, open_feed(feed, seed), symbol, at)
    if compact:
        print(compact_text(found, tokens or config.snapshot.token_budget))
    elif as_json:
        # As it is hashed: not a blank more.
        print(found.json)
    else:
        console = Console(highlight=False)
        for part in snapshot_view(found):
            console.print(part)

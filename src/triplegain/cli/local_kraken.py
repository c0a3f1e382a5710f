"""`local-kraken`: a recorded market served as Kraken would, for trials and tests on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Annotated

import typer

from triplegain.app import interrupts
from triplegain.cli.client import JsonOption
from triplegain.domain.errors import InvalidValueError
from triplegain.gateway.local_kraken import LocalKraken, sent_log
from triplegain.gateway.pacing import ServingSettings


def local_kraken(
    path: Annotated[Path, typer.Argument(help="A capture file, a folder of them, or a recording.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    speed: Annotated[str, typer.Option(help="Market seconds per second, or max: as fast as the clients read.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at its end, later in time.")] = False,
    faults: Annotated[
        int | None, typer.Option(metavar="SEED", help="Let things go wrong, drawn from this seed.")
    ] = None,
    faults_every: Annotated[float, typer.Option(min=0.1, help="Seconds between two faults, on average.")] = 5.0,
    past: Annotated[float, typer.Option(min=0, help="Seconds of the market that are history at the start.")] = 0.0,
    log: Annotated[Path | None, typer.Option(help="Write down every frame and reply that is sent.")] = None,
    derive_xrp: Annotated[
        bool, typer.Option("--derive-xrp/--no-derive-xrp", help="Make XRP/USDT and XRP/BTC from BTC/USDT.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Serve a recorded market over Kraken's REST and WebSocket v2, on this machine only."""

    settings = ServingSettings(
        port=port,
        speed=None if speed.strip().lower() == "max" else _number(speed),
        loop=loop,
        derive_xrp=derive_xrp,
        history_s=past,
        fault_seed=faults,
        fault_every_s=faults_every,
    )
    with sent_log(log) if log is not None else contextlib.nullcontext() as sent:
        # Not on an event loop yet: a signal interrupts the reading of a large recording at once.
        server = LocalKraken(path, settings, on_sent=sent)
        interrupts.run(_serve(server, as_json))


def _number(speed: str) -> float:
    try:
        return float(speed)
    except ValueError:
        raise InvalidValueError(f"--speed is a number or max, not {speed!r}") from None


async def _serve(server: LocalKraken, as_json: bool) -> None:
    over = asyncio.Event()
    with interrupts.stop_on_signals(over.set):
        async with server:
            _tell(server, as_json)
            await server.serve_until(over)


def _tell(server: LocalKraken, as_json: bool) -> None:
    variables = {
        "TRIPLEGAIN_KRAKEN_REST_URL": server.rest_url,
        "TRIPLEGAIN_KRAKEN_WS_URL": server.websocket_url,
    }
    recorded = [symbol for symbol in server.venue.markets if symbol not in server.venue.derived]
    if as_json:
        said = {
            "port": server.port,
            "environment": variables,
            "source": server.venue.name,
            "symbols": recorded,
            "derived": list(server.venue.derived),
        }
        print(json.dumps(said), flush=True)
        return
    made = f"; made from BTC/USDT: {', '.join(server.venue.derived)}" if server.venue.derived else ""
    print(f"A local Kraken serves {', '.join(recorded)}{made}. To trade on it, start TripleGain with")
    for name, value in variables.items():
        print(f"  {name}={value}")
    print("The market starts when the first client subscribes to a book. Ctrl-C ends it.", flush=True)

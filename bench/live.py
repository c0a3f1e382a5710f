"""The whole live path, sockets to fills: how soon a message is done with, how soon it fills, how many a core takes.

    python bench/live.py CAPTURE [--seconds 60] [--speed 1 --speed 20 ...]

The local Kraken serves BTC/USDT, XRP/USDT and XRP/BTC from a process of its own. `quiet`: a session that only watches;
`trading`: the baseline trader on candles of a second and a customer for each instrument. Times run from the receipt of
a frame on the socket until the session is through with its events, or has filled an order because of it.
Messages per second of CPU: of the client's whole process, its event loop and its sockets included.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.live_audit import LagTable
from tests.app.live_customer import Customer
from tests.app.live_session import SYMBOLS, LiveSession, feed_settings
from tests.app.served import served

_WARM_UP_S = 3.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="recorded market to serve, with a book of BTC/USDT")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run (default 60)")
    parser.add_argument("--speed", action="append", default=[], help="market seconds per second, or max")
    parser.add_argument("--pace", type=float, default=0.25, help="seconds between two orders (default 0.25)")
    return parser.parse_args()


async def measure(asked: argparse.Namespace, speed: str, trading: bool) -> str:
    async with served(asked.capture, speed) as addresses:
        settings = feed_settings(addresses.rest_url, addresses.websocket_url)
        async with LiveSession(settings, keep_lines=False, trading=trading) as live:
            live.session.journal.is_kept = False
            customers = [Customer(live, symbol, asked.pace) for symbol in SYMBOLS] if trading else []
            for customer in customers:
                customer.start()
            await asyncio.sleep(_WARM_UP_S)
            session, counters = live.session, live.feed.counters
            session.lags, session.fill_lags = LagTable(), LagTable()
            frames, dropped, market_ns = counters.frames, counters.dropped, session.now_ns
            wall, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(asked.seconds)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            frames, dropped = counters.frames - frames, counters.dropped - dropped
            market = (session.now_ns - market_ns) / 1e9 / wall
            lags, fills = session.lags, session.fill_lags
            for customer in customers:
                await customer.stop()
    kind = "trading" if trading else "quiet"
    return (
        f"| {speed}, {kind} | {market:.1f} | {frames / wall:,.0f} | {dropped / wall:,.0f} | {100 * cpu / wall:.0f} % "
        f"| {frames / cpu:,.0f} | {_ms(lags)} | {fills.total:,} | {_ms(fills)} |"
    )


def _ms(lags: LagTable) -> str:
    if not lags.total:
        return ""
    return f"{lags.share(0.5) * 1e3:.2f} / {lags.share(0.99) * 1e3:.1f} / {lags.most_ns / 1e6:.0f}"


def main() -> int:
    asked = arguments()
    print(
        "| speed | market s per s | messages/s | left out/s | of a core | messages per CPU s | done with, ms | fills ",
        end="",
    )
    print("| filled, ms |\n|---|---|---|---|---|---|---|---|---|")
    for speed in asked.speed or ["1", "10", "20", "max"]:
        for trading in (False, True):
            print(asyncio.run(measure(asked, speed, trading)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

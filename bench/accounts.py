"""What another account on the same market costs.

    python bench/accounts.py CAPTURE [--messages 20000] [--accounts 1 10 100] [--coins]

Sessions of five orders each that rest one per cent away share one market; in a second round one of them has its orders
at the touch. With `--coins` each owns a coin, whose price risk looks at once a second; without, dollars alone. Printed
for each count: time on the processor a message, its ratio to one account's in the same run, and memory an account.
There is no database: steps are made and thrown away.
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from triplegain.app.feeds import open_feed
from triplegain.app.settings import session_settings
from triplegain.config.loader import load_config
from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.market.feed import MarketSource
from triplegain.session.market_floor import MarketFloor
from triplegain.session.trading_session import TradingSession

_ORDERS = 5
#: Messages before the orders are sent.
_WARM = 500


def place(session: TradingSession, symbol: str, share: Decimal) -> None:
    """Five purchases that share of the price below it, a tick apart."""
    session.floor.heed(session)
    quote, tick = session.prices.quote(symbol), session.exchange.markets[symbol].instrument.tick
    assert quote is not None and quote.bid is not None
    first = (quote.bid * (1 - share)).quantize(tick)
    for number in range(_ORDERS):
        name = f"{session.settings.session_id}-{number}"
        session.by_hand.place(OrderRequest(name, symbol, Side.BUY, Decimal("0.01"), Limit(first - number * tick)))


def played(
    feed: MarketSource, events: Sequence[MarketEvent], count: int, acting: int, coins: int = 0
) -> tuple[float, int]:
    """Microseconds a message once the orders rest, and how many of them rest at the end."""
    floor = MarketFloor({one: feed.depth[one.symbol] for one in feed.instruments}, feed.source)
    usual = session_settings(load_config({}), feed, "one", 0, 1, MINUTE_NS)
    instrument = feed.instruments[0]
    balances = {instrument.quote: Decimal(100_000), instrument.base: Decimal(coins)}
    usual = replace(usual, baseline=None, initial_balances=balances)
    sessions = [TradingSession(replace(usual, session_id=f"a{number}"), floor) for number in range(count)]
    symbol = instrument.symbol
    for event in events[:_WARM]:
        floor.on_event(event)
    for number, session in enumerate(sessions):
        place(session, symbol, Decimal(0) if number < acting else Decimal("0.01"))
        session.take_batch(0, 0)
    gc.collect()
    began = time.process_time()
    for event in events[_WARM:]:
        floor.on_event(event)
        for heard in floor.heard:
            if heard.must_commit:  # type: ignore[attr-defined]
                heard.take_batch(0, 0)  # type: ignore[attr-defined]
    took_us = (time.process_time() - began) * 1e6 / (len(events) - _WARM)
    return took_us, sum(len(session.executor.orders.open_orders()) for session in sessions)


def memory(feed: MarketSource, events: Sequence[MarketEvent], count: int) -> int:
    tracemalloc.start()
    played(feed, events, count, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("capture")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--coins", action="store_true", help="each account owns a coin")
    asked = parser.parse_args()
    feed = open_feed(f"replay:{asked.capture}", 0)
    events = list(islice(feed.events(), asked.messages))
    span_s = (events[-1].exchange_time_ns - events[_WARM].exchange_time_ns) / 1e9
    print(f"{len(events):,} messages, {span_s:.0f} s of market")
    for acting in (0, 1):
        first = 0.0
        for count in asked.accounts:
            took_us, resting = min(played(feed, events, count, acting, asked.coins) for _ in range(3))
            first = first or took_us
            print(
                f"{count:>4} accounts, {acting} at the touch: {took_us:6.2f} us a message, "
                f"{took_us / first:.2f} x one's ({resting} orders rest at the end)"
            )
    few, many = asked.accounts[0], asked.accounts[-1]
    short = events[: _WARM + 2_000]
    print(f"memory: {(memory(feed, short, many) - memory(feed, short, few)) / (many - few) / 1024:.0f} KB an account")


if __name__ == "__main__":
    main()

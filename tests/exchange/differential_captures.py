"""Recorded markets for the differential test: their depth and their tape told against each other, with random orders.

What a message says, and the moment it speaks of, is as recorded; when it is told is not: for stretches of a second
either the tape or the depth comes 5 to 200 ms late, drawn from the seed. Each channel stays in order.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from tests.exchange.differential_orders import RandomTrader
from tests.exchange.differential_streams import Plan, Step
from tests.exchange.reference_book import ReferenceBook

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BestQuote, BookUpdate, CandleClosed, MarketDepth, MarketEvent, PublicTrade
from triplegain.feeds.captures.replay import open_replay

_DELAY_MS = (5, 200)


def capture_plan(path: Path, symbol: str, seed: int) -> tuple[Plan, MarketDepth]:
    """Orders of a size that the recorded market has, and money for all of them."""
    feed = open_replay(path)
    instrument = next(one for one in feed.instruments if one.symbol == symbol)
    plan = Plan(
        seed, unit_ns=MILLISECOND_NS, place_delay=20, cancel_delay=15, response_delay=10, instrument=instrument,
        base=Decimal(10**6), quote=Decimal(10**9),
    )  # fmt: skip
    return replace(plan, size=_usual_size(instrument, feed.events())), feed.depth[symbol]


def _usual_size(instrument: Instrument, events: Iterable[MarketEvent]) -> int:
    """A tenth of the median of what the first levels and prints show, and never less than may be ordered."""
    seen: list[int] = []
    for event in events:
        match event:
            case BookUpdate(symbol=instrument.symbol):
                seen += [lots for _, lots in (*event.bids[:5], *event.asks[:5]) if lots]
            case PublicTrade(symbol=instrument.symbol):
                seen.append(event.quantity)
            case CandleClosed(symbol=instrument.symbol):
                seen.append(event.candle.volume // 20)
            case _:
                continue
        if len(seen) > 200:
            break
    return max(sorted(seen)[len(seen) // 2] // 10, instrument.lots_min // 3)


def capture_stream(path: Path, plan: Plan, depth: MarketDepth, every: int) -> Iterator[Step]:
    """The market of a capture, with one order action every `every` events."""
    draws = random.Random(plan.seed)
    trader = RandomTrader(plan, random.Random(plan.seed + 1))
    seen = ReferenceBook()
    now_ns = 0
    events = (event for event in open_replay(path).events() if event.symbol == plan.instrument.symbol)
    for number, event in enumerate(_told_late(events, draws)):
        now_ns = max(now_ns, event.exchange_time_ns)
        yield event
        best = _best_now(seen, event, depth)
        if best is not None and number % every == every - 1:
            yield trader.command(best, now_ns)


def _best_now(seen: ReferenceBook, event: MarketEvent, depth: MarketDepth) -> tuple[int, int] | None:
    match event:
        case BookUpdate(snapshot=True):
            seen.snapshot(event)
        case BookUpdate():
            seen.update(event)
        case BestQuote():
            seen.trim(event)
        case PublicTrade() if depth is not MarketDepth.BOOK:
            seen.take(event)
        case _:
            pass
    if depth is not MarketDepth.BOOK:
        return None if seen.last is None else (seen.last - 1, seen.last + 1)
    bid, ask = seen.best(0), seen.best(1)
    return None if bid is None or ask is None else (bid, ask)


def _told_late(events: Iterable[MarketEvent], draws: random.Random) -> Iterator[MarketEvent]:
    """The same events in the order in which they come, the later of two channels late."""
    waiting: list[tuple[int, int, MarketEvent]] = []
    last = [0, 0]
    until_ns, late_ns, late_channel = 0, 0, 0
    for number, event in enumerate(events):
        moment = event.exchange_time_ns
        if moment >= until_ns:
            until_ns = moment + SECOND_NS
            late_ns, late_channel = draws.randint(*_DELAY_MS) * MILLISECOND_NS, draws.randint(0, 1)
        channel = 1 if isinstance(event, PublicTrade) else 0
        last[channel] = max(last[channel], moment + (late_ns if channel == late_channel else 0))
        heapq.heappush(waiting, (last[channel], number, event))
        while waiting and waiting[0][0] <= moment:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]

"""Our exchange by the way that a hurried session on a recorded market takes: what can touch nobody is passed over as
rows, all else is an event. Book, queue, matching, accounting.

usage: engine_triplegain.py MARKET.npz WORKLOAD
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import numpy as np
from measure import LATENCY_NS, ORDER_LOTS, Stopwatch, Terms, terms

from triplegain import __version__
from triplegain.domain.event_rows import BOOK, BOUGHT, NO_NUMBER, SOLD, EventRows, RowArrays
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Heartbeat, MarketDepth
from triplegain.domain.money import ATOMS_PER_UNIT
from triplegain.domain.orders import Limit, Market, OrderRequest, OrderTerms, Side, StopLoss
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import Aims, public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.ledger.wallet import Wallet


class Trader:
    """Decides by the market it sees, and reads the exchange's answers as a session would."""

    def __init__(self, start_ns: int) -> None:
        self.instrument = KRAKEN_OFFLINE_DEFAULTS[0]
        self._quantity = self.instrument.quantity(ORDER_LOTS)
        self._wallet = Wallet()
        self._wallet.deposit({"USDT": 10**9 * ATOMS_PER_UNIT, "BTC": 10**4 * ATOMS_PER_UNIT}, start_ns)
        settings = ExchangeSettings(
            place_delay_ns=LATENCY_NS,
            cancel_delay_ns=LATENCY_NS,
            response_delay_ns=LATENCY_NS,
            account_tier=AccountTier.UNLIMITED,
        )
        instruments = {self.instrument: MarketDepth.BOOK}
        self.exchange = PaperExchange("bench", public_markets(instruments), self._wallet, settings)
        self.market = self.exchange.markets[self.instrument.symbol]
        self.orders = 0
        self.fills = 0

    def decide(self, time_ns: int) -> None:
        self.exchange.run_through(time_ns)
        bid, ask = self.market.quotes()
        if bid is not None and ask is not None:
            self.act(bid, ask)
        self.collect()

    def act(self, bid: int, ask: int) -> None:
        raise NotImplementedError

    def collect(self) -> None:
        self.fills += sum(isinstance(event, OrderFilled) for event in self.exchange.drain_events())
        self._wallet.drain_entries()
        self.exchange.paths.drain()

    def place(self, side: Side, order_terms: OrderTerms) -> str:
        self.orders += 1
        name = f"w{self.orders}"
        self.exchange.place(OrderRequest(name, self.instrument.symbol, side, self._quantity, order_terms))
        return name

    def withdraw(self, name: str | None) -> None:
        if name in self.exchange.orders:
            self.exchange.cancel(name)


class MarketMaker(Trader):
    """Keeps so many pairs near the touch."""

    def __init__(self, start_ns: int, pairs: int) -> None:
        super().__init__(start_ns)
        self._pairs = pairs
        self._live: list[str] = []

    def act(self, bid: int, ask: int) -> None:
        for name in self._live:
            self.withdraw(name)
        self._live.clear()
        for step in range(self._pairs):
            self._live.append(self.place(Side.BUY, Limit(self.instrument.price(bid - step))))
            self._live.append(self.place(Side.SELL, Limit(self.instrument.price(ask + step))))


class Agent(Trader):
    """Far limits, a stop-loss, and a market order at each decision."""

    def __init__(self, start_ns: int) -> None:
        super().__init__(start_ns)
        self._live: list[str | None] = [None] * 5
        self._turn = 0

    def act(self, bid: int, ask: int) -> None:
        price = self.instrument.price
        for slot in (self._turn % 5,) if self._turn else range(5):
            self.withdraw(self._live[slot])
            if slot < 2:
                self._live[slot] = self.place(Side.BUY, Limit(price(bid - bid // 100 - slot)))
            elif slot < 4:
                self._live[slot] = self.place(Side.SELL, Limit(price(ask + ask // 100 + slot)))
            else:
                self._live[slot] = self.place(Side.SELL, StopLoss(price(bid - bid // 50)))
        self.place(Side.BUY if self._turn % 2 else Side.SELL, Market())
        self._turn += 1


def trader(asked: Terms, start_ns: int) -> Trader:
    return Agent(start_ns) if asked.pairs is None else MarketMaker(start_ns, asked.pairs)


def market_rows(path: Path, symbol: str) -> EventRows:
    """As a decoded capture tells them: kind 0 and 1 are levels of bid and ask, 2 and 3 prints of buyers and sellers."""
    told = np.load(path)
    times, prices, lots = told["ts"], told["px"], told["qty"]
    count = len(times)
    kinds = np.array((BOOK, BOOK, BOUGHT, SOLD))[told["kind"]]
    bids, depths = (told["kind"] == 0).astype(np.int64), np.zeros(count, np.int64)
    ends = np.arange(1, count + 1)
    arrays = RowArrays(kinds, times, ends, bids, depths, prices, lots)
    lists = [column.tolist() for column in (kinds, times, times, depths + NO_NUMBER, ends, bids, depths, prices, lots)]
    return EventRows(True, [symbol] * count, *lists, lambda number: Heartbeat(0, 0), arrays)


def main(path: Path, workload: str) -> None:
    asked = terms(workload)
    prepared_s = time.process_time()
    rows = market_rows(path, KRAKEN_OFFLINE_DEFAULTS[0].symbol)
    ours = trader(asked, rows.times[0])
    exchange, public = ours.exchange, ours.market.public
    public.index_of(rows)
    prepared_s = time.process_time() - prepared_s
    due, number = asked.every, 0
    # The loaded market is the benchmark's, not the exchange's: the collector need not look at it.
    gc.collect()
    gc.freeze()
    watch = Stopwatch(prepared_s)
    while number < len(rows):
        end = min(due, len(rows))
        passed = public.pass_over(rows, number, end, exchange.now_ns, Aims(exchange.next_due_ns))
        exchange.now_ns = max(exchange.now_ns, passed.latest_ns)
        number += passed.count
        if number < end:
            exchange.on_event(rows.event(number))
            number += 1
        if number == due:
            due += asked.every
            ours.decide(rows.times[number - 1])
    ours.collect()
    watch.stop()
    watch.report("triplegain", __version__, len(rows), ours.orders, ours.fills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

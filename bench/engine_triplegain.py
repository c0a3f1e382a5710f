"""Our exchange on W2 by the way that sessions take, `on_event`: book, queue, matching, accounting, every event.

usage: engine_triplegain.py WORKLOAD.npz RESTING
"""

from __future__ import annotations

import gc
import sys
from decimal import Decimal
from pathlib import Path

from measure import LATENCY_NS, ORDER_LOTS, Stopwatch, renewal_every
from workload import Columns, read

from triplegain import __version__
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.money import ATOMS_PER_UNIT
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.ledger.wallet import Wallet


class Trader:
    """Keeps `resting` limit orders near the touch, and reads the exchange's answers as a session would."""

    def __init__(self, resting: int, start_ns: int) -> None:
        self._instrument = KRAKEN_OFFLINE_DEFAULTS[0]
        self._quantity = self._instrument.quantity(ORDER_LOTS)
        self._pairs = resting // 2
        self._wallet = Wallet()
        self._wallet.deposit({"USDT": 10**9 * ATOMS_PER_UNIT, "BTC": 10**4 * ATOMS_PER_UNIT}, start_ns)
        settings = ExchangeSettings(
            place_delay_ns=LATENCY_NS,
            cancel_delay_ns=LATENCY_NS,
            response_delay_ns=LATENCY_NS,
            account_tier=AccountTier.UNLIMITED,
        )
        instruments = {self._instrument: MarketDepth.BOOK}
        self.exchange = PaperExchange("bench", public_markets(instruments), self._wallet, settings)
        self.symbol = self._instrument.symbol
        self.market = self.exchange.markets[self.symbol]
        self._live: list[str] = []
        self.orders = 0
        self.fills = 0

    def renew(self, time_ns: int) -> None:
        self.exchange.run_through(time_ns)
        for client_order_id in self._live:
            if client_order_id in self.exchange.orders:
                self.exchange.cancel(client_order_id)
        self._live.clear()
        bid, ask = self.market.quotes()
        if bid is not None and ask is not None:
            for step in range(self._pairs):
                self._place(Side.BUY, self._instrument.price(bid - step))
                self._place(Side.SELL, self._instrument.price(ask + step))
        self.collect()

    def collect(self) -> None:
        self.fills += sum(isinstance(event, OrderFilled) for event in self.exchange.drain_events())
        self._wallet.drain_entries()

    def _place(self, side: Side, price: Decimal) -> None:
        self.orders += 1
        client_order_id = f"w2-{self.orders}"
        self._live.append(client_order_id)
        self.exchange.place(OrderRequest(client_order_id, self._instrument.symbol, side, self._quantity, Limit(price)))


def market_events(columns: Columns, symbol: str) -> list[MarketEvent]:
    """The rows as a feed tells them: kind 0 and 1 are levels of bid and ask, 2 and 3 prints of buyers and sellers."""
    events: list[MarketEvent] = []
    for time_ns, kind, price, lots in zip(columns.ts, columns.kind, columns.px, columns.qty, strict=True):
        if kind >= 2:
            events.append(PublicTrade(symbol, time_ns, time_ns, price, lots, (Side.BUY, Side.SELL)[kind - 2]))
        elif kind == 0:
            events.append(BookUpdate(symbol, time_ns, time_ns, ((price, lots),), ()))
        else:
            events.append(BookUpdate(symbol, time_ns, time_ns, (), ((price, lots),)))
    return events


def main(path: Path, resting: int) -> None:
    columns = read(path)
    trader = Trader(resting, columns.ts[0])
    events = market_events(columns, trader.symbol)
    on_event = trader.exchange.on_event
    every = renewal_every(resting)
    due = every
    # The loaded market is the benchmark's, not the exchange's: the collector need not look at it.
    gc.collect()
    gc.freeze()
    watch = Stopwatch()
    for number, event in enumerate(events, start=1):
        on_event(event)
        if number == due:
            due += every
            trader.renew(event.exchange_time_ns)
    trader.collect()
    watch.stop()
    watch.report("triplegain", __version__, len(events), trader.orders, trader.fills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

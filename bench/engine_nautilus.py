"""NautilusTrader 2.0 (Rust core, strategies in Python), with queue positions and consumed liquidity.

usage: engine_nautilus.py MARKET.npz WORKLOAD
"""
# mypy: ignore-errors

from __future__ import annotations

import sys
import time
from decimal import Decimal

import nautilus_trader
import numpy as np
from measure import LATENCY_NS, MAKER, ORDER_LOTS, TAKER, Stopwatch, terms
from nautilus_trader import model
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import MakerTakerFeeModel, StaticLatencyModel
from nautilus_trader.model import Price, Quantity
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import Strategy

PRICE_DECIMALS, SIZE_DECIMALS = 1, 8
RAW_DECIMALS = len(str(Price.from_str("1").raw)) - 1
PRICE_RAW = 10 ** (RAW_DECIMALS - PRICE_DECIMALS)
SIZE_RAW = 10 ** (RAW_DECIMALS - SIZE_DECIMALS)
VENUE = model.Venue("SIM")
BTCUSD = model.InstrumentId(model.Symbol("BTC/USD"), VENUE)
BUY, SELL = model.OrderSide.BUY, model.OrderSide.SELL


def price_of(ticks: int) -> Price:
    return Price.from_raw(ticks * PRICE_RAW, PRICE_DECIMALS)


def size_of(lots: int) -> Quantity:
    return Quantity.from_raw(lots * SIZE_RAW, SIZE_DECIMALS)


class Quoter(Strategy):
    def __init__(self, config=None) -> None:
        self.seen = self.fills = 0
        self.live = []

    def on_start(self) -> None:
        self.subscribe_book_deltas(BTCUSD, model.BookType.L2_MBP, managed=True)
        self.subscribe_trades(BTCUSD)

    def on_book_deltas(self, deltas) -> None:
        self.count()

    def on_trade(self, tick) -> None:
        self.count()

    def on_order_filled(self, event) -> None:
        self.fills += 1

    def count(self) -> None:
        self.seen += 1
        if self.seen % self.every == 0:
            self.decide(self.cache.order_book(BTCUSD))

    def send(self, order):
        self.submit_order(order)
        return order.client_order_id

    def withdraw(self, client_order_id) -> None:
        order = self.cache.order(client_order_id)
        if order is not None and order.is_open:
            self.cancel_order(client_order_id)


class MarketMaker(Quoter):
    def decide(self, book) -> None:
        for client_order_id in self.live:
            self.withdraw(client_order_id)
        self.live.clear()
        bid, ask = touch(book)
        for step in range(self.pairs):
            for side, ticks in ((BUY, bid - step), (SELL, ask + step)):
                order = self.order_factory.limit(BTCUSD, side, size_of(ORDER_LOTS), price_of(ticks))
                self.live.append(self.send(order))


class Agent(Quoter):
    turn = 0

    def decide(self, book) -> None:
        bid, ask = touch(book)
        if not self.turn:
            self.live = [None] * 5
        make = self.order_factory
        for slot in [self.turn % 5] if self.turn else range(5):
            if self.live[slot] is not None:
                self.withdraw(self.live[slot])
            if slot < 2:
                order = make.limit(BTCUSD, BUY, size_of(ORDER_LOTS), price_of(bid - bid // 100 - slot))
            elif slot < 4:
                order = make.limit(BTCUSD, SELL, size_of(ORDER_LOTS), price_of(ask + ask // 100 + slot))
            else:
                order = make.stop_market(BTCUSD, SELL, size_of(ORDER_LOTS), price_of(bid - bid // 50))
            self.live[slot] = self.send(order)
        self.send(make.market(BTCUSD, BUY if self.turn % 2 else SELL, size_of(ORDER_LOTS)))
        self.turn += 1


def touch(book) -> tuple[int, int]:
    return book.best_bid_price().raw // PRICE_RAW, book.best_ask_price().raw // PRICE_RAW


def events_of(path: str) -> list:
    columns = np.load(path)
    events = []
    action, taker = model.BookAction, model.AggressorSide
    for ts, kind, px, qty in zip(*(columns[name].tolist() for name in ("ts", "kind", "px", "qty")), strict=True):
        price, size = price_of(px), size_of(qty)
        if kind < 2:
            order = model.BookOrder(BUY if kind == 0 else SELL, price, size, 0)
            what = action.UPDATE if qty else action.DELETE
            events.append(model.OrderBookDelta(BTCUSD, what, order, 128, 0, ts, ts))
        else:
            side = taker.BUY if kind == 2 else taker.SELL
            events.append(model.TradeTick(BTCUSD, price, size, side, model.TradeId(str(ts)), ts, ts))
    return events


def main(path: str, workload: str) -> None:
    asked = terms(workload)
    usd, btc = model.Currency.from_str("USD"), model.Currency.from_str("BTC")
    limits = RiskEngineConfig(max_order_submit_rate="1000000/00:00:01", max_order_modify_rate="1000000/00:00:01")
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=model.TraderId("BENCH-001"),
            bypass_logging=True,
            logging=LoggerConfig(bypass_logging=True),
            run_analysis=False,
            risk_engine=limits,
        )
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=model.OmsType.NETTING,
        account_type=model.AccountType.MARGIN,
        starting_balances=[model.Money(10_000_000, usd), model.Money(100, btc)],
        default_leverage=Decimal(5),
        book_type=model.BookType.L2_MBP,
        fee_model=MakerTakerFeeModel(Decimal(str(MAKER)), Decimal(str(TAKER))),
        latency_model=StaticLatencyModel(LATENCY_NS, 0, 0, 0),
        liquidity_consumption=True,
        queue_position=True,
    )
    engine.add_instrument(
        model.CurrencyPair(
            instrument_id=BTCUSD,
            raw_symbol=model.Symbol("BTC/USD"),
            base_currency=btc,
            quote_currency=usd,
            price_precision=PRICE_DECIMALS,
            size_precision=SIZE_DECIMALS,
            price_increment=Price(0.1, PRICE_DECIMALS),
            size_increment=Quantity(1e-8, SIZE_DECIMALS),
            margin_init=Decimal("0.1"),
            margin_maint=Decimal("0.05"),
            ts_event=0,
            ts_init=0,
        )
    )
    prepared_s = time.process_time()
    events = events_of(path)
    engine.add_data(events, sort=True)
    prepared_s = time.process_time() - prepared_s
    quoter = Agent() if asked.pairs is None else MarketMaker()
    quoter.every, quoter.pairs = asked.every, asked.pairs
    engine.add_strategy(quoter)
    watch = Stopwatch(prepared_s)
    engine.run()
    watch.stop()
    orders = engine.cache.orders_total_count()
    watch.report("nautilus_trader", nautilus_trader.__version__, len(events), orders, quoter.fills)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

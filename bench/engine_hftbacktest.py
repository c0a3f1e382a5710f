"""hftbacktest, its strategies compiled by numba beforehand. It has no stops: in W4 a fifth limit stands for it.

usage: engine_hftbacktest.py MARKET.npz WORKLOAD
"""
# mypy: ignore-errors

from __future__ import annotations

import sys
import time

import hftbacktest
import numba
import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.binding import event_dtype
from measure import LATENCY_NS, MAKER, ORDER_LOTS, TAKER, Stopwatch, terms

TICK, LOT = 0.1, 1e-8


def events_of(path: str) -> np.ndarray:
    columns = np.load(path)
    kinds = [BUY_EVENT | DEPTH_EVENT, SELL_EVENT | DEPTH_EVENT, BUY_EVENT | TRADE_EVENT, SELL_EVENT | TRADE_EVENT]
    flags = np.array([kind | EXCH_EVENT | LOCAL_EVENT for kind in kinds], np.uint64)
    events = np.zeros(len(columns["ts"]), event_dtype)
    events["ev"] = flags[columns["kind"]]
    events["exch_ts"] = events["local_ts"] = columns["ts"]
    events["px"] = np.round(columns["px"] * TICK, 1)
    events["qty"] = columns["qty"] * LOT
    return events


def venue(events: np.ndarray) -> HashMapMarketDepthBacktest:
    asset = BacktestAsset().data(events).linear_asset(1.0).tick_size(TICK).lot_size(LOT)
    asset = asset.constant_order_latency(LATENCY_NS, LATENCY_NS).power_prob_queue_model(2.0)
    asset = asset.partial_fill_exchange().trading_value_fee_model(MAKER, TAKER).last_trades_capacity(0)
    return HashMapMarketDepthBacktest([asset])


@numba.njit
def keep_quotes(venue, every, pairs, quantity):
    seen, first, following = 0, 1, 1
    while venue.wait_next_feed(False, 10**15) == 2:
        seen += 1
        if seen % every:
            continue
        orders = venue.orders(0)
        for number in range(first, following):
            if number in orders and orders.get(number).cancellable:
                venue.cancel(0, number, False)
        venue.clear_inactive_orders(0)
        first = following
        depth = venue.depth(0)
        for step in range(pairs):
            away = step * depth.tick_size
            venue.submit_buy_order(0, following, depth.best_bid - away, quantity, GTC, LIMIT, False)
            venue.submit_sell_order(0, following + 1, depth.best_ask + away, quantity, GTC, LIMIT, False)
            following += 2
    return following - 1


@numba.njit
def live_as_agent(venue, every, pairs, quantity):
    seen, following, turn = 0, 1, 0
    far = np.zeros(5, np.int64)
    while venue.wait_next_feed(False, 10**15) == 2:
        seen += 1
        if seen % every:
            continue
        orders, depth = venue.orders(0), venue.depth(0)
        bid, ask = depth.best_bid, depth.best_ask
        for slot in range(5):
            if turn and slot != turn % 5:
                continue
            if far[slot] in orders and orders.get(far[slot]).cancellable:
                venue.cancel(0, far[slot], False)
            far[slot] = following
            if slot < 2:
                venue.submit_buy_order(0, following, bid - bid * 0.01, quantity, GTC, LIMIT, False)
            elif slot < 4:
                venue.submit_sell_order(0, following, ask + ask * 0.01, quantity, GTC, LIMIT, False)
            else:
                venue.submit_buy_order(0, following, bid - bid * 0.02, quantity, GTC, LIMIT, False)
            following += 1
        if turn % 2:
            venue.submit_buy_order(0, following, ask, quantity, GTC, MARKET, False)
        else:
            venue.submit_sell_order(0, following, bid, quantity, GTC, MARKET, False)
        following += 1
        turn += 1
        venue.clear_inactive_orders(0)
    return following - 1


def main(path: str, workload: str) -> None:
    asked = terms(workload)
    prepared_s = time.process_time()
    events = events_of(path)
    market = venue(events)
    prepared_s = time.process_time() - prepared_s
    trade = live_as_agent if asked.pairs is None else keep_quotes
    arguments = (market, asked.every, asked.pairs or 0, ORDER_LOTS * LOT)
    trade.compile(tuple(numba.typeof(argument) for argument in arguments))
    watch = Stopwatch(prepared_s)
    orders = trade(*arguments)
    watch.stop()
    fills = market.state_values(0).num_trades
    watch.report("hftbacktest", hftbacktest.__version__, len(events), int(orders), int(fills))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

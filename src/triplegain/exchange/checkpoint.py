"""The machine written down and put back: everything but the public books, which the feed itself rebuilds.

`restore` is called on a fresh exchange whose feed has been played, without orders, up to the stored position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from triplegain.domain.market import FeedState
from triplegain.domain.orders import OrderRequest, OrderStatus
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.venue_market import VenueMarket


def exchange_state(exchange: PaperExchange) -> dict[str, Any]:
    """JSON-able; integers that may exceed 2^53 as text. The wallet is stored by its owner."""
    return {
        "now_ns": exchange.now_ns,
        "orders": [
            {"request": msgspec.to_builtins(order.request), "working": order.state()}
            for order in exchange.orders.values()
        ],
        "order_count": exchange.order_count,
        "recent": list(exchange.recent.items()),
        "agenda": exchange.agenda.state(),
        "draws": [exchange.latency.draws, exchange.queue.draws],
        "sequence": exchange.account.sequence,
        "fill_count": exchange.account.fill_count,
        "answered_ns": exchange.account.answered_ns,
        "volume": exchange.account.volume.state(),
        "markets": {symbol: _market_state(market) for symbol, market in exchange.markets.items()},
    }


def _market_state(market: VenueMarket) -> dict[str, Any]:
    return {
        "last": market.last,
        "last_at_ns": market.last_at_ns,
        "state": market.state.value,
        "state_reason": market.state_reason,
        "rate": market.rate.state(),
        "taken": [[[price, str(lots)] for price, lots in side.items()] for side in market.book.taken],
        "resting": [order.number for order in market.resting.all()],
        "stops": [order.number for order in market.stops.all()],
        "simple": [order.number for order in market.simple.all()],
        "fresh": market.simple.fresh(),
    }


def restore_exchange(exchange: PaperExchange, stored: Mapping[str, Any]) -> None:
    """Put orders, counters and memories back. The feed's own state of each market stays as the feed left it."""
    exchange.now_ns = max(exchange.now_ns, stored["now_ns"])
    exchange.order_count = stored["order_count"]
    exchange.recent.update(stored["recent"])
    exchange.latency.draws, exchange.queue.draws = stored["draws"]
    exchange.account.sequence = stored["sequence"]
    exchange.account.fill_count = stored["fill_count"]
    exchange.account.answered_ns = stored["answered_ns"]
    exchange.account.volume.restore(stored["volume"])
    by_number: dict[int, WorkingOrder] = {}
    for entry in stored["orders"]:
        request = msgspec.convert(entry["request"], OrderRequest)
        instrument = exchange.markets[request.symbol].instrument
        order = WorkingOrder.restore(entry["working"], request, instrument)
        by_number[order.number] = order
        exchange.adopt(order, is_open=order.status is not OrderStatus.PENDING)
    exchange.agenda.restore(stored["agenda"])
    exchange.next_due_ns = exchange.agenda.next_due_ns
    for symbol, entry in stored["markets"].items():
        _restore_market(exchange.markets[symbol], entry, by_number)


def _restore_market(market: VenueMarket, stored: Mapping[str, Any], orders: Mapping[int, WorkingOrder]) -> None:
    if market.last is None:
        market.last, market.last_at_ns = stored["last"], stored["last_at_ns"]
    if market.book.time_ns < 0:
        market.state, market.state_reason = FeedState(stored["state"]), stored["state_reason"]
    market.rate.restore(stored["rate"])
    for side, levels in enumerate(stored["taken"]):
        for price, lots in levels:
            displayed = market.book.displayed(side, price)
            market.book.taken[side][price] = min(int(lots), displayed) if displayed else int(lots)
    for number in stored["resting"]:
        market.resting.add(orders[number])
    for number in stored["stops"]:
        market.stops.add(orders[number])
    fresh = set(stored["fresh"])
    for number in stored["simple"]:
        market.simple.readmit(orders[number], fresh=number in fresh)

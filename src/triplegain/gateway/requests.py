"""What the local Kraken answers to WebSocket requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from triplegain.gateway.asset_pairs import pair_rules
from triplegain.gateway.audience import Audience
from triplegain.gateway.connection import Connection
from triplegain.gateway.past_candles import INTERVALS
from triplegain.gateway.served_market import ServedMarket, Topic
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.book import BOOK_DEPTHS
from triplegain.venues.kraken.wire.requests import Params, Request, read_params, read_request
from triplegain.venues.kraken.wire.writer import TimeText, acknowledgement, instruments, pong, refusal

_PRIVATE_CHANNELS = frozenset({"executions", "balances", "level3"})
_PRIVATE_METHODS = frozenset(
    {
        "add_order",
        "amend_order",
        "edit_order",
        "cancel_order",
        "cancel_all",
        "cancel_all_orders_after",
        "batch_add",
        "batch_cancel",
    }
)
_TRIGGERS = ("trades", "bbo")

INSTRUMENTS: Topic = ("instrument", "", "")


class RequestDesk:
    """Subscriptions and pings. Everything private is refused: nothing is ever passed on to anybody.

    Replies carry market time. `on_subscribed` hears of each channel that was subscribed.
    """

    def __init__(self, venue: Venue, audience: Audience, on_subscribed: Callable[[str], None]) -> None:
        self._venue = venue
        self._audience = audience
        self._on_subscribed = on_subscribed
        self._time = TimeText()

    def on_request(self, connection: Connection, text: bytes) -> None:
        """Answers one request of a client; whatever it says, the connection lives on."""
        try:
            request = read_request(text)
            params = read_params(request.params) if bytes(request.params) else Params()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._refuse(connection, Request(), f"Malformed request: {error}")
            return
        method = request.method
        if method == "ping":
            if bytes(request.params):
                self._refuse(connection, request, "Unsupported field: 'params' for the given msg type: ping")
            else:
                connection.answer(pong(request.req_id, *self._times()))
        elif method in _PRIVATE_METHODS or (method == "subscribe" and params.channel in _PRIVATE_CHANNELS):
            self._refuse(connection, request, "EGeneral:Permission denied" if params.token else "Token(s) not found")
        elif method in ("subscribe", "unsubscribe"):
            self._on_subscription(connection, request, params)
        else:
            self._refuse(connection, request, "Unsupported event")

    def _times(self) -> tuple[str, str]:
        now = self._time(self._venue.now_ns)
        return now, now

    def _refuse(self, connection: Connection, request: Request, error: str, symbol: str | None = None) -> None:
        connection.answer(refusal(request.method, error, request.req_id, *self._times(), symbol))

    def _on_subscription(self, connection: Connection, request: Request, params: Params) -> None:
        if params.channel == "instrument":
            self._one(connection, request, params, None)
            return
        if params.channel not in ("book", "trade", "ticker", "ohlc"):
            self._refuse(connection, request, f"Channel not supported {params.channel}")
            return
        if not params.symbol:
            self._refuse(connection, request, "Symbol(s) not found")
            return
        for symbol in params.symbol:
            market = self._venue.markets.get(symbol)
            if market is None:
                self._refuse(connection, request, f"Currency pair not supported {symbol}", symbol)
            else:
                self._one(connection, request, params, market)

    def _one(self, connection: Connection, request: Request, params: Params, market: ServedMarket | None) -> None:
        symbol = market.symbol if market is not None else None
        found = _topic(params, symbol)
        if isinstance(found, str):
            self._refuse(connection, request, found, symbol)
            return
        topic, result = found
        subscribed = topic in connection.topics
        if request.method == "unsubscribe":
            if not subscribed:
                self._refuse(connection, request, "Subscription Not Found", symbol)
                return
            self._audience.unsubscribe(connection, topic)
            connection.answer(acknowledgement("unsubscribe", result, request.req_id, *self._times()))
            return
        if subscribed:
            self._refuse(connection, request, "Already subscribed", symbol)
            return
        snapshot = params.channel != "trade" if params.snapshot is None else params.snapshot
        result = dict(sorted({**result, "snapshot": snapshot}.items()))
        connection.answer(acknowledgement("subscribe", result, request.req_id, *self._times()))
        if snapshot:
            connection.tell(topic, self._snapshot(topic))
        self._audience.subscribe(connection, topic)
        self._on_subscribed(params.channel)

    def _snapshot(self, topic: Topic) -> bytes:
        channel, symbol, detail = topic
        if channel == "instrument":
            markets = self._venue.markets.values()
            assets = dict.fromkeys(name for one in markets for name in (one.instrument.base, one.instrument.quote))
            return instruments("snapshot", [pair_rules(one) for one in markets], assets)
        market = self._venue.markets[symbol]
        if channel == "book":
            return market.book_snapshot(int(detail))
        if channel == "trade":
            return market.trade_snapshot()
        if channel == "ohlc":
            return market.candle_snapshot(int(detail), self._venue.now_ns)
        return market.ticker("snapshot")


def _topic(params: Params, symbol: str | None) -> tuple[Topic, dict[str, Any]] | str:
    """What a subscription listens to and how it is echoed, or what is wrong with it."""
    channel = params.channel
    if symbol is None:
        return INSTRUMENTS, {"channel": channel}
    if channel == "book":
        depth = 10 if params.depth is None else params.depth
        if depth not in BOOK_DEPTHS:
            return f"Subscription depth not supported {depth}"
        return ("book", symbol, depth), {"channel": channel, "depth": depth, "symbol": symbol}
    if channel == "ohlc":
        minutes = 1 if params.interval is None else params.interval
        if minutes not in INTERVALS:
            return f"Subscription ohlc interval not supported {minutes}"
        return ("ohlc", symbol, minutes), {"channel": channel, "interval": minutes, "symbol": symbol}
    if channel == "ticker":
        trigger = params.event_trigger or "trades"
        if trigger not in _TRIGGERS:
            return f"Subscription event trigger not supported {trigger}"
        return ("ticker", symbol, trigger), {"channel": channel, "event_trigger": trigger, "symbol": symbol}
    return ("trade", symbol, ""), {"channel": channel, "symbol": symbol}

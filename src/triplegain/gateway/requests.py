"""What the local Kraken answers to WebSocket requests."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.money import plain
from triplegain.gateway.connection import Audience, Connection
from triplegain.gateway.served_market import INTERVALS, ServedMarket, Topic
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.book import BOOK_DEPTHS
from triplegain.venues.kraken.wire.frames import Params, Request, read_params, read_request
from triplegain.venues.kraken.wire.names import asset_id, kraken_altname, kraken_symbol
from triplegain.venues.kraken.wire.rest import AssetPair, FeeRow
from triplegain.venues.kraken.wire.writer import PairRules, TimeText, acknowledgement, fixed, instruments, pong, refusal

#: Parts per million of a rate in one percent.
_PPM_IN_PERCENT = Decimal(10_000)

_LEVERAGE = list(range(2, 11))


def asset_pair(market: ServedMarket) -> AssetPair:
    """A pair of AssetPairs; leverage and limits are those recorded of BTC/USDT."""
    instrument = market.instrument
    tiers = instrument.fees.tiers
    return AssetPair(
        altname=kraken_altname(instrument.symbol),
        wsname=kraken_symbol(instrument.symbol),
        aclass_base="currency",
        base=asset_id(instrument.base),
        aclass_quote="currency",
        quote=asset_id(instrument.quote),
        lot="unit",
        cost_decimals=instrument.fee_decimals,
        pair_decimals=market.price_places,
        lot_decimals=market.quantity_places,
        lot_multiplier=1,
        leverage_buy=_LEVERAGE,
        leverage_sell=_LEVERAGE,
        fees=[FeeRow(Decimal(tier.volume_usd), plain(tier.taker_ppm / _PPM_IN_PERCENT)) for tier in tiers],
        fees_maker=[FeeRow(Decimal(tier.volume_usd), plain(tier.maker_ppm / _PPM_IN_PERCENT)) for tier in tiers],
        fee_volume_currency="ZUSD",
        margin_call=80,
        margin_stop=40,
        ordermin=f"{plain(instrument.quantity_min):f}",
        costmin=f"{plain(instrument.cost_min):f}",
        tick_size=f"{plain(instrument.tick):f}",
        status=market.status,
        execution_venue="international",
        long_position_limit=Decimal(80),
        short_position_limit=Decimal(80),
    )


def pair_rules(market: ServedMarket) -> PairRules:
    """The same pair for the instrument channel."""
    instrument = market.instrument
    return PairRules(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        status=market.status,
        price_places=market.price_places,
        quantity_places=market.quantity_places,
        cost_places=instrument.fee_decimals,
        price_increment=fixed(1, market.price_places),
        quantity_increment=fixed(1, market.quantity_places),
        quantity_min=fixed(instrument.lots_min, market.quantity_places),
        cost_min=f"{plain(instrument.cost_min):f}",
    )


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

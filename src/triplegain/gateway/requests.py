"""What the local Kraken answers to WebSocket and REST requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.clock import SECOND_NS, iso, to_datetime
from triplegain.domain.market import Level
from triplegain.domain.money import plain
from triplegain.gateway.connection import Audience, Connection
from triplegain.gateway.served_market import INTERVALS, ServedMarket, Topic
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.book import BOOK_DEPTHS
from triplegain.venues.kraken.wire.frames import Params, Request, read_params, read_request
from triplegain.venues.kraken.wire.rest import (
    AssetPair,
    CandleRow,
    Candles,
    FeeRow,
    TradeRow,
    Trades,
    asset_id,
    kraken_altname,
    kraken_symbol,
    pair_id,
    write_errors,
    write_reply,
)
from triplegain.venues.kraken.wire.writer import TimeText, acknowledgement, fixed, instruments, pong, refusal

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
        cost_decimals=instrument.cost_decimals,
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
            return instruments("snapshot", [(one.instrument, one.status) for one in markets], assets)
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


#: Trades on a page, and levels of a book, at most.
PAGE = 1000
_LEVELS_MAX = 500

#: Prices of Ticker, Depth and Trades have five places or those of the pair, whichever is more (recorded).
_PRICE_PLACES = 5

#: Sizes of Depth have three places.
_DEPTH_PLACES = 3

DENIED = write_errors(["EGeneral:Permission denied"])
_INVALID = write_errors(["EGeneral:Invalid arguments"])
_UNKNOWN_PAIR = write_errors(["EQuery:Unknown asset pair"])


class RestDesk:
    """Time is market time. Everything private is refused: nothing is ever passed on to anybody."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._markets: dict[str, ServedMarket] = {}
        for symbol, market in venue.markets.items():
            names = (symbol, kraken_symbol(symbol), kraken_altname(symbol), pair_id(symbol), symbol.replace("/", ""))
            self._markets |= dict.fromkeys(names, market)

    def on_public(self, method: str, query: Mapping[str, str]) -> bytes:
        """The reply to `/0/public/{method}`."""
        if method == "Time":
            return self._time()
        if method == "SystemStatus":
            return write_reply({"status": self._venue.system, "timestamp": f"{iso(self._venue.now_ns)[:19]}Z"})
        if method == "Assets":
            return self._assets(query)
        if method not in ("AssetPairs", "Ticker", "OHLC", "Depth", "Trades"):
            return write_errors(["EGeneral:Unknown method"])
        names = [name for name in query.get("pair", "").split(",") if name]
        if any(name not in self._markets for name in names):
            return _UNKNOWN_PAIR
        # The key is the name asked for when it has a slash, else the pair's own.
        found = {(name if "/" in name else pair_id(self._markets[name].symbol)): self._markets[name] for name in names}
        if not found and method in ("AssetPairs", "Ticker"):
            found = {pair_id(symbol): market for symbol, market in self._venue.markets.items()}
        if method == "AssetPairs":
            return write_reply({key: asset_pair(market) for key, market in found.items()})
        if method == "Ticker":
            return write_reply({key: self._ticker(market) for key, market in found.items()})
        if len(found) != 1:
            return _INVALID
        key, market = found.popitem()
        try:
            numbers = {name: int(query[name]) for name in ("since", "interval", "count") if query.get(name)}
        except ValueError:
            return _INVALID
        if method == "OHLC":
            return self._candles(key, market, numbers)
        if method == "Depth":
            return self._depth(key, market, numbers)
        return self._trades(key, market, numbers)

    def _time(self) -> bytes:
        now = to_datetime(self._venue.now_ns)
        return write_reply(
            {"unixtime": self._venue.now_ns // SECOND_NS, "rfc1123": f"{now:%a, %d %b %y %H:%M:%S} +0000"}
        )

    def _assets(self, query: Mapping[str, str]) -> bytes:
        every = dict.fromkeys(name for one in self._venue.instruments for name in (one.base, one.quote))
        known = {
            asset_id(name): {
                "aclass": "currency",
                "altname": {"BTC": "XBT", "DOGE": "XDG"}.get(name, name),
                "decimals": 10 if name == "BTC" else 8,
                "display_decimals": 5,
                "collateral_value": 0.0,
                "status": "enabled",
            }
            for name in every
        }
        names = [name for name in query.get("asset", "").split(",") if name]
        aliases = {str(asset["altname"]): key for key, asset in known.items()} | {
            name: asset_id(name) for name in every
        }
        wanted = [aliases.get(name, name) for name in names] or list(known)
        if any(name not in known for name in wanted):
            return write_errors(["EQuery:Unknown asset"])
        return write_reply({name: known[name] for name in wanted})

    def _price(self, market: ServedMarket, ticks: int) -> str:
        more = max(0, _PRICE_PLACES - market.price_places)
        return fixed(ticks * 10**more, market.price_places + more)

    def _ticker(self, market: ServedMarket) -> dict[str, Any]:
        def price(ticks: int) -> str:
            return self._price(market, ticks)

        def touch(level: Level) -> list[str]:
            whole = max(1, level[1] // 10**market.quantity_places)
            return [price(level[0]), str(whole), f"{whole}.000"]

        now, day, newest = market.figures(), market.day, market.tape.last(1)
        volume = market.writer.quantity(now.volume)
        return {
            "a": touch(now.ask),
            "b": touch(now.bid),
            "c": [price(now.last), market.writer.quantity(newest[0].quantity if newest else 0)],
            "v": [volume, volume],
            "p": [price(now.vwap or now.last)] * 2,
            "t": [day.trades] * 2,
            "l": [price(now.low)] * 2,
            "h": [price(now.high)] * 2,
            "o": price(day.open or now.last),
        }

    def _depth(self, key: str, market: ServedMarket, numbers: Mapping[str, int]) -> bytes:
        count = min(max(1, numbers.get("count", 100)), _LEVELS_MAX)
        second = self._venue.now_ns // SECOND_NS
        unit: int = 10 ** max(0, market.quantity_places - _DEPTH_PLACES)

        def rows(levels: list[Level]) -> list[list[Any]]:
            # Rounded half up, and never to nothing.
            return [
                [self._price(market, price), fixed(max(1, (size + unit // 2) // unit), _DEPTH_PLACES), second]
                for price, size in levels
            ]

        return write_reply(
            {key: {"asks": rows(market.book.asks.top(count)), "bids": rows(market.book.bids.top(count))}}
        )

    def _trades(self, key: str, market: ServedMarket, numbers: Mapping[str, int]) -> bytes:
        """Trades after `since` (nanoseconds), or the newest; `last` is where the next page begins."""
        count = min(max(1, numbers.get("count", PAGE)), PAGE)
        tape = market.tape
        since = numbers.get("since")
        trades = tape.last(count) if since is None else tape.after(since, count)
        rows = [
            TradeRow(
                self._price(market, trade.price),
                market.writer.quantity(trade.quantity),
                Decimal(trade.time_ns // 100).scaleb(-7),
                trade.side[0],
                trade.order_type[0],
                "",
                trade.number,
            )
            for trade in trades
        ]
        return write_reply(Trades(key, rows, str(trades[-1].time_ns if trades else since or self._venue.now_ns)))

    def _candles(self, key: str, market: ServedMarket, numbers: Mapping[str, int]) -> bytes:
        """Candles later than `since` (seconds); the last one is still open."""
        minutes = numbers.get("interval", 1)
        if minutes not in INTERVALS:
            return _INVALID
        price, quantity = market.writer.price, market.writer.quantity
        found = market.candles[minutes].rows(self._venue.now_ns)
        rows = [
            CandleRow(
                one.time_ns // SECOND_NS,
                price(one.open),
                price(one.high),
                price(one.low),
                price(one.close),
                price(one.vwap) if one.volume else "0.0",
                quantity(one.volume),
                one.trades,
            )
            for one in found
            if one.time_ns // SECOND_NS > numbers.get("since", -1)
        ]
        length = minutes * 60
        closed = self._venue.now_ns // SECOND_NS // length * length - length
        return write_reply(Candles(key, rows, closed))

"""What the local Kraken replies to public REST requests, consistent with what it has sent over WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import SECOND_NS, iso, to_datetime
from triplegain.domain.market import Level
from triplegain.gateway.requests import asset_pair
from triplegain.gateway.served_market import INTERVALS, ServedMarket
from triplegain.gateway.venue import Venue
from triplegain.venues.kraken.wire.names import asset_id, kraken_altname, kraken_symbol, pair_id
from triplegain.venues.kraken.wire.rest import CandleRow, Candles, TradeRow, Trades, write_errors, write_reply
from triplegain.venues.kraken.wire.writer import fixed

#: Trades on a page, and levels of a book, at most.
PAGE = 1000
_LEVELS_MAX = 500

#: Prices of Ticker, Depth and Trades have five places or those of the pair, whichever is more (recorded).
_PRICE_PLACES = 5

#: Sizes of Depth have three places.
_DEPTH_PLACES = 3

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

    def on_private(self) -> bytes:
        return write_errors(["EGeneral:Permission denied"])

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

        day, book = market.day, market.book
        bid, ask = book.bids.top(1)[0], book.asks.top(1)[0]
        last = market.last_price or (bid[0] + ask[0]) // 2
        newest = market.tape.last(1)
        whole = 10**market.quantity_places
        volume = market.writer.quantity(day.volume)
        return {
            "a": [price(ask[0]), str(max(1, ask[1] // whole)), f"{max(1, ask[1] // whole)}.000"],
            "b": [price(bid[0]), str(max(1, bid[1] // whole)), f"{max(1, bid[1] // whole)}.000"],
            "c": [price(last), market.writer.quantity(newest[0].quantity if newest else 0)],
            "v": [volume, volume],
            "p": [price(day.vwap or last)] * 2,
            "t": [day.trades] * 2,
            "l": [price(day.low or last)] * 2,
            "h": [price(day.high or last)] * 2,
            "o": price(day.open or last),
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

"""The one writer of WebSocket v2 frames: what Kraken would send, byte for byte where a recording shows it.

Numbers go out bare with the fixed places of their pair: a checksum needs every zero. Prices come as ticks, quantities
as lots, times as nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Level
from triplegain.domain.money import plain
from triplegain.domain.orders import Side
from triplegain.market.scaling import Scale

HEARTBEAT = b'{"channel":"heartbeat"}'

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class TapeTrade:
    """One trade; `number` counts up per instrument, `side` is the taker's, `order_type` limit or market."""

    number: int
    time_ns: int
    price: int
    quantity: int
    side: Side
    order_type: str = "market"


@dataclass(frozen=True, slots=True)
class TickerFigures:
    """Best quotes, last trade and the last 24 hours; `vwap` in ticks, cut down; `change` may be below zero."""

    bid: Level
    ask: Level
    last: int
    volume: int
    vwap: int
    low: int
    high: int
    change: int
    change_pct: str


@dataclass(slots=True)
class CandleFigures:
    """One candle, opened at `time_ns`: prices in ticks, `volume` in lots, `cost` the sum of price times volume."""

    time_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    cost: int = 0
    trades: int = 0

    @property
    def vwap(self) -> int:
        """In ticks, cut down; 0 without volume."""
        return self.cost // self.volume if self.volume else 0

    def add(self, trade: TapeTrade) -> None:
        """It grows with its trades."""
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price
        self.volume += trade.quantity
        self.cost += trade.price * trade.quantity
        self.trades += 1


def fixed(count: int, places: int) -> str:
    """A whole number of 10^-places steps with all its places: 5 at 2 places is 0.05."""
    if count < 0:
        return "-" + fixed(-count, places)
    if not places:
        return str(count)
    text = str(count).zfill(places + 1)
    return f"{text[:-places]}.{text[-places:]}"


class TimeText:
    """RFC 3339 with microseconds; remembers the second it wrote last."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, time_ns: int) -> str:
        second, rest = divmod(time_ns, SECOND_NS)
        if second != self._second:
            self._second = second
            self._text = iso(second * SECOND_NS)[:20]
        return f"{self._text}{rest // 1000:06}Z"


class PairWriter:
    """Market frames of one pair, which has `price_places` and `quantity_places` decimals."""

    __slots__ = ("_price_places", "_quantity_places", "_symbol", "_time")

    def __init__(self, symbol: str, price_places: int, quantity_places: int) -> None:
        self._symbol = symbol
        self._price_places = price_places
        self._quantity_places = quantity_places
        self._time = TimeText()

    def price(self, ticks: int) -> str:
        return fixed(ticks, self._price_places)

    def quantity(self, lots: int) -> str:
        return fixed(lots, self._quantity_places)

    def book(self, kind: str, bids: Sequence[Level], asks: Sequence[Level], checksum: int, time_ns: int) -> bytes:
        """A `snapshot` (best first) or an `update` (in the order it is to be applied; quantity 0 removes)."""
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{self._symbol}","bids":[{self._levels(bids)}],'
            f'"asks":[{self._levels(asks)}],"checksum":{checksum},"timestamp":"{self._time(time_ns)}"}}]}}'
        ).encode()

    def _levels(self, levels: Sequence[Level]) -> str:
        places, quantity_places = self._price_places, self._quantity_places
        return ",".join(
            [f'{{"price":{fixed(price, places)},"qty":{fixed(size, quantity_places)}}}' for price, size in levels]
        )

    def trades(self, kind: str, trades: Iterable[TapeTrade]) -> bytes:
        """Trades, oldest first."""
        rows = ",".join(
            [
                f'{{"symbol":"{self._symbol}","side":"{trade.side}","price":{self.price(trade.price)},'
                f'"qty":{self.quantity(trade.quantity)},"ord_type":"{trade.order_type}","trade_id":{trade.number},'
                f'"timestamp":"{self._time(trade.time_ns)}"}}'
                for trade in trades
            ]
        )
        return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'.encode()

    def ticker(self, kind: str, figures: TickerFigures, time_ns: int) -> bytes:
        price, quantity = self.price, self.quantity
        return (
            f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{self._symbol}",'
            f'"bid":{price(figures.bid[0])},"bid_qty":{quantity(figures.bid[1])},'
            f'"ask":{price(figures.ask[0])},"ask_qty":{quantity(figures.ask[1])},'
            f'"last":{price(figures.last)},"volume":{quantity(figures.volume)},"vwap":{price(figures.vwap)},'
            f'"low":{price(figures.low)},"high":{price(figures.high)},"change":{price(figures.change)},'
            f'"change_pct":{figures.change_pct},"timestamp":"{self._time(time_ns)}"}}]}}'
        ).encode()

    def candles(self, kind: str, minutes: int, candles: Iterable[CandleFigures], time_ns: int) -> bytes:
        """Candles of one interval, oldest first; the last may still be open."""
        price, time = self.price, self._time(time_ns)
        rows = ",".join(
            [
                f'{{"symbol":"{self._symbol}","open":{price(one.open)},"high":{price(one.high)},'
                f'"low":{price(one.low)},"close":{price(one.close)},"trades":{one.trades},'
                f'"volume":{self.quantity(one.volume)},"vwap":{price(one.vwap)},'
                f'"interval_begin":"{iso(one.time_ns)[:20]}000000000Z","interval":{minutes},'
                f'"timestamp":"{iso(one.time_ns + minutes * 60 * SECOND_NS)}"}}'
                for one in candles
            ]
        )
        return f'{{"channel":"ohlc","type":"{kind}","timestamp":"{time}","data":[{rows}]}}'.encode()


def instruments(kind: str, pairs: Iterable[tuple[Instrument, str]], assets: Iterable[str] = ()) -> bytes:
    """The instrument channel, pairs with their status: all of it in a snapshot, what changed in an update."""
    rows = ",".join([_pair_rules(one, status) for one, status in pairs])
    names = ",".join(
        [
            f'{{"id":"{name}","status":"enabled","precision":10,"precision_display":5,"borrowable":false,'
            f'"collateral_value":0.00,"margin_rate":0.000000}}'
            for name in assets
        ]
    )
    return f'{{"channel":"instrument","type":"{kind}","data":{{"assets":[{names}],"pairs":[{rows}]}}}}'.encode()


def _pair_rules(one: Instrument, status: str) -> str:
    price_places, quantity_places = Scale(one.tick).places, Scale(one.lot).places
    tick = fixed(1, price_places)
    return (
        f'{{"symbol":"{one.symbol}","base":"{one.base}","quote":"{one.quote}","status":"{status}",'
        f'"qty_precision":{quantity_places},"qty_increment":{fixed(1, quantity_places)},'
        f'"price_precision":{price_places},"cost_precision":{one.cost_decimals},"marginable":false,'
        f'"has_index":false,"cost_min":{plain(one.cost_min):f},"tick_size":{tick},'
        f'"price_increment":{tick},"qty_min":{fixed(one.lots_min, quantity_places)}}}'
    )


def status(system: str, connection_id: int | None = None) -> bytes:
    """The exchange's state: said to a new connection with its id, and to all when it changes."""
    said = _known(version="2.0.10", system=system, api_version="v2", connection_id=connection_id)
    return _encode({"channel": "status", "type": "update", "data": [said]})


def acknowledgement(method: str, result: dict[str, Any], req_id: int | None, time_in: str, time_out: str) -> bytes:
    """A request was carried out; of subscriptions one for each symbol, all with the request's `req_id`."""
    return _encode(
        _known(method=method, req_id=req_id, result=result, success=True, time_in=time_in, time_out=time_out)
    )


def refusal(
    method: str, error: str, req_id: int | None, time_in: str, time_out: str, symbol: str | None = None
) -> bytes:
    """A request was not carried out, and why."""
    reply = _known(error=error, method=method, req_id=req_id, success=False, symbol=symbol)
    return _encode(reply | {"time_in": time_in, "time_out": time_out})


def pong(req_id: int | None, time_in: str, time_out: str) -> bytes:
    return _encode(_known(method="pong", req_id=req_id, time_in=time_in, time_out=time_out))


def _known(**fields: Any) -> dict[str, Any]:
    """In this order, those that are there."""
    return {name: value for name, value in fields.items() if value is not None}

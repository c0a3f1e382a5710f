"""A session on candles of an hour that a test tells one by one, and a look at what its positions had in each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.session.sessions import settings_for

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import HOUR_NS
from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, CandleClosed, MarketDepth
from triplegain.domain.orders import OrderRequest
from triplegain.domain.quote import QuoteSource
from triplegain.exchange.candle_time import AFTER_NS
from triplegain.execution.position import opens
from triplegain.session.trading_session import TradingSession

START_NS = 400_000 * HOUR_NS


def instrument(symbol: str) -> Instrument:
    return Instrument(
        symbol,
        tick=Decimal("0.1"),
        lot=Decimal("1e-8"),
        quantity_min=Decimal("0.00005"),
        cost_min=Decimal("0.5"),
        cost_decimals=5,
    )


@dataclass(frozen=True)
class CandleFeed:
    """The markets that are told."""

    instruments: tuple[Instrument, ...]
    source: QuoteSource = QuoteSource.REPLAY

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        return {each.symbol: MarketDepth.CANDLES for each in self.instruments}


class Told:
    """`hour` is the number of candles told so far; each method tells the next one of every market."""

    def __init__(self, *symbols: str, **changes: Any) -> None:
        self.feed = CandleFeed(tuple(map(instrument, symbols or ("BTC/USDT",))))
        usual: dict[str, Any] = {"baseline": None, "candle_ns": HOUR_NS}
        self.session = TradingSession(settings_for(self.feed, **usual | changes))
        self.hour = 0
        self.audit = CandleAudit()
        self.alerts: list[AlertKind] = []

    @property
    def now_ns(self) -> int:
        return START_NS + self.hour * HOUR_NS

    def candle(self, prices: str, *others: str, volume: str = "100000") -> None:
        """Open, high, low, close of the first market, and of the others."""
        self.hour += 1
        for one, words in zip(self.feed.instruments, (prices, *others), strict=True):
            opened, high, low, close = (one.ticks(Decimal(word)) for word in words.split())
            lots = one.lots(Decimal(volume))
            bar = Candle(one.symbol, self.now_ns - HOUR_NS, HOUR_NS, opened, high, low, close, lots)
            self.session.on_event(CandleClosed(one.symbol, self.now_ns, self.now_ns, bar))
            self.audit.candle(bar)
        self.take()

    def wait(self, minutes: int) -> None:
        """Into the candle under way."""
        self.session.advance_to(self.now_ns + minutes * HOUR_NS // 60)
        self.take()

    def take(self) -> None:
        batch = self.session.take_batch(0, 0)
        self.alerts += [alert.kind for alert in batch.alerts]
        self.audit.take(batch.events)

    def fills(self, kind: str = "") -> list[str]:
        """`"entry 1 @ 100.1 (hour 1)"`: which order's purpose, and with the open of which candle."""
        self.take()
        return [
            f"{purpose} {quantity.normalize():f} @ {price.normalize():f} (hour {(opened - START_NS) // HOUR_NS})"
            for purpose, quantity, price, opened in self.audit.told
            if kind in ("", purpose)
        ]


@dataclass
class _Position:
    symbol: str
    #: By open of the candle: what was bought in it, and what was sold at its open and later in it; of a short turned
    #: around.
    bought: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    sold_at_open: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    sold: defaultdict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    stops: list[_Stop] = field(default_factory=list)


@dataclass
class _Stop:
    number: int
    quantity: Decimal
    accepted_ns: int
    over_ns: int = 1 << 62
    #: (since when, how much it covers)
    covers: list[tuple[int, Decimal]] = field(default_factory=list)


@dataclass(eq=False)
class CandleAudit:
    """Follows a session's record from outside: fills by the candle they are of, and candles without a stop."""

    length_ns: int = HOUR_NS

    told: list[tuple[str, Decimal, Decimal, int]] = field(default_factory=list)
    #: By purpose: fills of market orders at the open of the moment at which they were sent, and all others.
    at_next_open: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    _opens: dict[str, list[int]] = field(default_factory=dict)
    _orders: dict[int, OrderRequest] = field(default_factory=dict)
    _sent_ns: dict[int, int] = field(default_factory=dict)
    _positions: dict[str, _Position] = field(default_factory=dict)
    _stops: dict[int, _Stop] = field(default_factory=dict)

    def candle(self, candle: Candle) -> None:
        self._opens.setdefault(candle.symbol, []).append(candle.open_time_ns)

    def take(self, events: Iterable[ExchangeEvent]) -> None:
        for event in events:
            match event:
                case OrderSubmitted(order_number=number, request=request):
                    self._orders[number], self._sent_ns[number] = request, event.time_ns
                case OrderAccepted(order_number=number):
                    self._accepted(number, event.time_ns)
                case OrderAmended(order_number=number) if number in self._stops:
                    self._stops[number].covers.append((event.time_ns, event.quantity))
                case OrderCancelled(order_number=number) if number in self._stops:
                    self._stops[number].over_ns = event.time_ns
                case OrderFilled():
                    self._filled(event)
                case _:
                    pass

    def _accepted(self, number: int, time_ns: int) -> None:
        request = self._orders[number]
        if request.position_id is not None and request.terms.waits and not opens(request):
            stop = _Stop(number, request.quantity, time_ns, covers=[(time_ns, request.quantity)])
            self._stops[number] = stop
            self._positions[request.position_id].stops.append(stop)

    def _filled(self, event: OrderFilled) -> None:
        request, cause = self._orders[event.order_number], event.explanation["cause"]
        opened, model = cause["open_time_ns"], event.explanation["model"]
        self.told.append((request.purpose, event.quantity, event.price, opened))
        if request.terms.price is None:
            sent = self._sent_ns[event.order_number]
            is_next = sent - AFTER_NS <= opened <= sent
            (self.at_next_open if is_next else self.late)[request.purpose] += 1
        if request.position_id is None:
            return
        position = self._positions.setdefault(request.position_id, _Position(event.symbol))
        if opens(request):
            position.bought[opened] += event.quantity
        else:
            (position.sold_at_open if model == "candle" else position.sold)[opened] += event.quantity
        if event.order_number in self._stops and event.status.is_final:
            self._stops[event.order_number].over_ns = event.time_ns

    def bare(self) -> tuple[int, list[tuple[str, int]]]:
        """How many candles positions were held in, and those in which coins had neither a stop that met the candle nor
        were sold at its open: position and open of the candle."""
        looked, bare = 0, []
        for name, position in self._positions.items():
            opens, held = self._opens[position.symbol], Decimal(0)
            for opened in opens:
                held += position.bought[opened] - position.sold_at_open[opened]
                if held:
                    looked += 1
                    if held > self._covered(position, opened, opened + self.length_ns):
                        bare.append((name, opened))
                held -= position.sold[opened]
        return looked, bare

    @staticmethod
    def _covered(position: _Position, opened: int, closes: int) -> Decimal:
        """How many coins had a stop from the open on. One that is sent in answer to the candle's own purchase has met
        it."""
        begins = closes if position.bought[opened] else opened
        covered = Decimal(0)
        for stop in position.stops:
            if stop.accepted_ns <= begins + AFTER_NS and stop.over_ns >= closes:
                told = [quantity for since, quantity in stop.covers if since <= begins + AFTER_NS]
                covered += told[0] if stop.accepted_ns >= closes else told[-1]
        return covered

"""A recorded market as an exchange that goes on: one event after the other, lap after lap, with what each sends out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import BestQuote, BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.orders import Side
from triplegain.gateway.served_book import SideChange
from triplegain.gateway.served_market import Outgoing, ServedMarket
from triplegain.market.feed import Feed, FeedError
from triplegain.venues.kraken.wire.writer import TapeTrade

#: The pair they are made from.
SOURCE = "BTC/USDT"


@dataclass(frozen=True, slots=True)
class Derivation:
    """Price and quantity of the source times these are price and quantity of the derived pair."""

    symbol: str
    price: Decimal
    quantity: int


#: One XRP is 2.28 USDT and 0.000037 BTC when a BTC is 61,700 USDT, and each level is worth what it was. Both pairs
#: follow BTC/USDT alone: away from that price no triangle holds between the three.
DERIVATIONS = (
    Derivation("XRP/BTC", Decimal("6e-10"), 27_000),
    Derivation("XRP/USDT", Decimal("3.7e-5"), 27_000),
)


class DerivedMarket:
    """Takes over every change of its source. Levels that fall on one tick are added up; bids are rounded down, asks up,
    so that the book stays uncrossed; a trade is rounded like the side it took from.
    """

    def __init__(self, derivation: Derivation, source: Instrument) -> None:
        instrument = next(one for one in KRAKEN_OFFLINE_DEFAULTS if one.symbol == derivation.symbol)
        self.market = ServedMarket(instrument, only_trades=False)
        self._ratio = Fraction(source.tick) * Fraction(derivation.price) / Fraction(instrument.tick)
        self._lots = derivation.quantity
        #: Lots at each price of the derived bids and asks.
        self._sizes: dict[bool, dict[int, int]] = {True: {}, False: {}}

    def on_change(self, change: SideChange, time_ns: int) -> Iterator[Outgoing]:
        """Frames of the same change in the derived book."""
        sizes = self._sizes[change.bids]
        touched: dict[int, int] = {}
        for price, more in change.moves:
            derived = self._price(price, up=not change.bids)
            sizes[derived] = touched[derived] = sizes.get(derived, 0) + more * self._lots
            if not sizes[derived]:
                del sizes[derived]
        levels = list(touched.items())
        book = self.market.book
        for derived_change in book.change(levels, ()) if change.bids else book.change((), levels):
            yield from self.market.on_change(derived_change, time_ns)

    def on_trade(self, trade: TapeTrade) -> list[Outgoing]:
        """Frames of the same trade."""
        price = self._price(trade.price, up=trade.side is Side.BUY)
        told = replace(trade, price=price, quantity=trade.quantity * self._lots)
        return self.market.on_trade(self.market.tape.take(told))

    def _price(self, ticks: int, *, up: bool) -> int:
        numerator, denominator = self._ratio.numerator, self._ratio.denominator
        return max(1, (-(-ticks * numerator // denominator)) if up else ticks * numerator // denominator)


#: Market time between the last event of a lap and the first of the next.
_BETWEEN_LAPS_NS = SECOND_NS

_Told = BookUpdate | BestQuote | PublicTrade


class Venue:
    """Plays a feed. Market time is that of the last event played; it stands still in between.

    With `loop` the recording begins again at its end, with times and trade numbers carried forward.
    Raises FeedError for a feed that has neither books nor trades.
    """

    def __init__(self, feed: Feed, *, loop: bool = False, derive_xrp: bool = True) -> None:
        self._feed = feed
        self._loop = loop
        without = [symbol for symbol, depth in feed.depth.items() if depth is MarketDepth.CANDLES]
        if without:
            raise FeedError(f"{feed.name} has only candles for {', '.join(without)}; books or trades are needed")
        self.markets: dict[str, ServedMarket] = {
            one.symbol: ServedMarket(one, only_trades=feed.depth[one.symbol] is MarketDepth.TAPE)
            for one in feed.instruments
        }
        self._derived: list[DerivedMarket] = []
        if derive_xrp and SOURCE in self.markets:
            source = self.markets[SOURCE].instrument
            wanted = [one for one in DERIVATIONS if one.symbol not in self.markets]
            self._derived = [DerivedMarket(one, source) for one in wanted]
            self.markets |= {one.market.symbol: one.market for one in self._derived}
        #: The exchange's own state: online, maintenance, cancel_only or post_only.
        self.system = "online"
        #: Laps that have ended.
        self.laps = 0
        self.events = 0
        self.now_ns = 0
        self._upcoming = self._recorded()
        self._next: tuple[_Told, int] | None = next(self._upcoming, None)
        while self._next is not None and not all(one.book.is_ready for one in self.markets.values()):
            self.step()
        if not all(one.book.is_ready for one in self.markets.values()):
            names = ", ".join(symbol for symbol, one in self.markets.items() if not one.book.is_ready)
            raise FeedError(f"{feed.name} holds no book and no trade of {names}")

    @property
    def name(self) -> str:
        return self._feed.name

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(market.instrument for market in self.markets.values())

    @property
    def derived(self) -> tuple[str, ...]:
        """Symbols that were not recorded but made from another."""
        return tuple(one.market.symbol for one in self._derived)

    @property
    def next_ns(self) -> int | None:
        """Market time of the next event; None at the end."""
        if self._next is None:
            return None
        event, shift = self._next
        return event.exchange_time_ns + shift

    def step(self) -> list[Outgoing]:
        """Plays the next event; nothing at the end."""
        if self._next is None:
            return []
        event, shift = self._next
        self.now_ns = max(self.now_ns, event.exchange_time_ns + shift)
        self.events += 1
        frames: list[Outgoing] = []
        derived = self._derived if event.symbol == SOURCE else ()
        for change, own in self.markets[event.symbol].on_event(event, self.now_ns):
            frames += own
            for one in derived:
                if isinstance(change, TapeTrade):
                    frames += one.on_trade(change)
                else:
                    frames += one.on_change(change, self.now_ns)
        self._next = next(self._upcoming, None)
        return frames

    def skip_to(self, time_ns: int) -> None:
        """Plays what happens until then for nobody: it is history afterwards."""
        while (upcoming := self.next_ns) is not None and upcoming <= time_ns:
            self.step()

    def _recorded(self) -> Iterator[tuple[_Told, int]]:
        """Events and by how much their times are carried forward."""
        shift = 0
        while True:
            first, last = 0, 0
            for event in self._feed.events():
                if isinstance(event, BookUpdate | BestQuote | PublicTrade):
                    first = first or event.exchange_time_ns
                    last = max(last, event.exchange_time_ns)
                    yield event, shift
            if not (self._loop and last):
                return
            lap_ns = last - first + _BETWEEN_LAPS_NS
            shift += lap_ns
            self.laps += 1
            for market in self.markets.values():
                market.tape.close_lap(lap_ns)

"""A bench to put an exchange on: one instrument, prices and quantities as text, no latency unless asked."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.money import atoms, from_atoms, text
from triplegain.domain.orders import AmendRequest, Limit, Market, OrderRequest, OrderTerms, Side, StopLoss
from triplegain.domain.parts import Parts
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.exchange.venue_market import VenueMarket
from triplegain.ledger.wallet import Wallet

SYMBOL = "BTC/USDT"
INSTRUMENT = Instrument(
    SYMBOL,
    tick=Decimal("0.1"),
    lot=Decimal("1e-8"),
    quantity_min=Decimal("0.00005"),
    cost_min=Decimal("0.5"),
    cost_decimals=5,
    fees=FeeSchedule((FeeTier(0, 2500, 4000), FeeTier(10_000, 2000, 3500))),
)
NO_DELAY = ExchangeSettings(
    place_delay_ns=0, cancel_delay_ns=0, response_delay_ns=0, account_tier=AccountTier.UNLIMITED
)


class Bench:
    """Times are plain integers (nanoseconds); each event without a time comes one later than the last. After each step
    all that would be stored of it is there."""

    def __init__(
        self,
        balances: dict[str, str] | None = None,
        settings: ExchangeSettings = NO_DELAY,
        depth: MarketDepth = MarketDepth.BOOK,
        instrument: Instrument = INSTRUMENT,
        shares: Bench | None = None,
    ) -> None:
        """`shares`: another account whose market it follows. What that one is told this one follows, too."""
        self.wallet = Wallet()
        self.instrument = instrument
        self.settings = settings
        public = public_markets({instrument: depth}) if shares is None else shares.exchange.public
        self.exchange: PaperExchange = PaperExchange("bench", public, self.wallet, settings)
        self.exchange.paths.keep()
        self.parts = Parts()
        self.wallet.register(self.parts)
        self.exchange.register(self.parts)
        opening = balances or {"USDT": "1000000", "BTC": "1000"}
        self.wallet.deposit({asset: atoms(Decimal(amount)) for asset, amount in opening.items()}, 0)
        self.events: list[ExchangeEvent] = []
        self.now = 1

    @property
    def market(self) -> VenueMarket:
        return self.exchange.markets[self.instrument.symbol]

    def _tick(self, at: int | None) -> int:
        self.now = at if at is not None else self.now + 1
        return self.now

    def book(self, bids: str = "", asks: str = "", snapshot: bool = False, at: int | None = None) -> None:
        """`bids="100.0x5 99.9x1"`; quantity 0 removes."""
        time_ns = self._tick(at)
        self.exchange.on_event(
            BookUpdate(self.instrument.symbol, time_ns, time_ns, self._levels(bids), self._levels(asks), snapshot)
        )
        all_said(self.parts)

    def _levels(self, words: str) -> tuple[tuple[int, int], ...]:
        pairs = (word.split("x") for word in words.split())
        return tuple((self.instrument.ticks(Decimal(p)), self.instrument.lots(Decimal(q))) for p, q in pairs)

    def trade(self, side: str, quantity: str, price: str, at: int | None = None) -> None:
        """`side` is the taker's."""
        time_ns = self._tick(at)
        ticks, lots = self.instrument.ticks(Decimal(price)), self.instrument.lots(Decimal(quantity))
        self.exchange.on_event(PublicTrade(self.instrument.symbol, time_ns, time_ns, ticks, lots, Side.parse(side)))
        all_said(self.parts)

    def request(
        self, name: str, side: str, quantity: str, terms: OrderTerms | str | None = None, **more: Any
    ) -> OrderRequest:
        """`terms`: a limit price as text, None for market."""
        if terms is None:
            terms = Market()
        elif isinstance(terms, str):
            terms = Limit(Decimal(terms))
        request = OrderRequest(name, self.instrument.symbol, Side.parse(side), Decimal(quantity), terms)
        return msgspec.structs.replace(request, **more)

    def order(self, name: str, side: str, quantity: str, terms: OrderTerms | str | None = None, **more: Any) -> None:
        """Sends the order and lets the engine catch up to now."""
        self.exchange.place(self.request(name, side, quantity, terms, **more))
        self.exchange.run_through(self.exchange.now_ns)
        all_said(self.parts)

    def stop(self, name: str, side: str, quantity: str, trigger: str) -> None:
        self.order(name, side, quantity, StopLoss(Decimal(trigger)))

    def cancel(self, name: str) -> None:
        self.exchange.cancel(name)
        self.exchange.run_through(self.exchange.now_ns)
        all_said(self.parts)

    def amend(self, name: str, quantity: str | None = None, price: str | None = None) -> None:
        self.exchange.amend(
            AmendRequest(name, Decimal(quantity) if quantity else None, Decimal(price) if price else None)
        )
        self.exchange.run_through(self.exchange.now_ns)
        all_said(self.parts)

    def drain(self) -> list[ExchangeEvent]:
        """Everything so far; what would be stored of it is all there."""
        all_said(self.parts)
        self.events += self.exchange.drain_events()
        return self.events

    def fills(self, name: str | None = None) -> list[str]:
        """`"0.6 @ 100.2 taker"` of every fill, or of one order's."""
        return [
            f"{text(event.quantity)} @ {text(event.price)} {'maker' if event.maker else 'taker'}"
            for event in self.drain()
            if isinstance(event, OrderFilled) and name in (None, event.client_order_id)
        ]

    def ends(self, name: str) -> str:
        """`"cancelled: reason"`, `"rejected: code"`, `"filled"` or `"open"`."""
        for event in self.drain():
            if getattr(event, "client_order_id", None) != name:
                continue
            if isinstance(event, OrderRejected):
                return f"rejected: {event.code}"
            if isinstance(event, OrderCancelled):
                return f"{event.status.value}: {event.reason}"
            if isinstance(event, OrderFilled) and event.status.is_final:
                return "filled"
        return "open" if name in self.exchange.orders else "unknown"

    def refused(self, name: str) -> list[str]:
        return [e.code for e in self.drain() if isinstance(e, CommandRefused) and e.client_order_id == name]

    def total(self, asset: str) -> str:
        return text(from_atoms(self.wallet.total(asset)))

    def held(self, asset: str) -> str:
        return text(from_atoms(self.wallet.held(asset)))


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench


@pytest.fixture
def usual() -> Bench:
    """The book of the worked cases: bid 100.0 x 5.0, asks 100.1 x 1.0 and 100.2 x 10.0."""
    prepared = Bench()
    prepared.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True)
    return prepared

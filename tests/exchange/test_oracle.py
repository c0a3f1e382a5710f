"""Every fill of random order streams on the recorded markets, judged by the oracle."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.exchange.oracle import BookOracle, TapeOracle, Unfair

from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, FeedState, MarketDepth
from triplegain.domain.money import atoms
from triplegain.domain.orders import (
    AmendRequest,
    Limit,
    Market,
    OrderRequest,
    OrderStatus,
    OrderTerms,
    Side,
    StopLoss,
    TimeInForce,
)
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.feeds.captures.replay import open_replay
from triplegain.ledger.wallet import Wallet

SETTINGS = ExchangeSettings(
    seed=7, place_delay_ns=20 * MILLISECOND_NS, cancel_delay_ns=15 * MILLISECOND_NS, jitter_ns=10 * MILLISECOND_NS,
    account_tier=AccountTier.UNLIMITED, partial_fills=True,
)  # fmt: skip


@dataclass
class RandomQuoter:
    """Orders of every kind around the market, drawn from a seed; one action every `every` events."""

    exchange: PaperExchange
    instrument: Instrument
    every: int
    draws: random.Random
    sent: int = 0
    live: list[str] = field(default_factory=list)

    def act(self, now_ns: int) -> None:
        bid, ask = self.exchange.markets[self.instrument.symbol].quotes()
        if bid is None or ask is None:
            return
        roll = self.draws.random()
        if roll < 0.2 and self.live:
            self.exchange.cancel(self.live.pop(self.draws.randrange(len(self.live))))
        elif roll < 0.35 and self.live:
            price = self.instrument.price(self.draws.choice((bid, ask)) + self.draws.randint(-3, 3))
            quantity = self._quantity() if self.draws.random() < 0.5 else None
            self.exchange.amend(AmendRequest(self.draws.choice(self.live), quantity, price))
        else:
            self._place(bid, ask, now_ns)

    def _quantity(self) -> Decimal:
        draws, least = self.draws, self.instrument.quantity_min
        return max(least, (least * draws.choice((1, 20, 200, 2000)) * draws.randint(1, 9)))

    def _place(self, bid: int, ask: int, now_ns: int) -> None:
        self.sent += 1
        side, kind = (Side.BUY, Side.SELL)[self.draws.randrange(2)], self.draws.random()
        near = bid if side is Side.BUY else ask
        away = self.draws.choice((0, 0, 1, 2, 5)) * (-1 if side is Side.BUY else 1)
        more: dict[str, Any] = {}
        terms: OrderTerms
        if kind < 0.1:
            terms = Market()
        elif kind < 0.2:
            terms = StopLoss(self.instrument.price(near - 3 * (away or 1)))
        elif kind < 0.4:
            reach = (ask if side is Side.BUY else bid) - away
            terms = Limit(self.instrument.price(reach))
            more["time_in_force"] = self.draws.choice((TimeInForce.IOC, TimeInForce.GTC))
        else:
            terms = Limit(self.instrument.price(near + away), post_only=self.draws.random() < 0.3)
            if self.draws.random() < 0.3:
                more = {"time_in_force": TimeInForce.GTD, "expires_at_ns": now_ns + self.draws.randint(1, 10**10)}
        request = OrderRequest(f"q{self.sent}", self.instrument.symbol, side, self._quantity(), terms)
        self.live.append(request.client_order_id)
        del self.live[:-40]
        self.exchange.place(msgspec.structs.replace(request, **more))


def judge(path: Path, symbol: str, every: int, seed: int, limit: int = 10**9) -> Counter[str]:
    """Play a capture with random orders; the oracle raises on an unfair fill. Counts of what happened."""
    feed = open_replay(path)
    instrument = next(one for one in feed.instruments if one.symbol == symbol)
    depth = feed.depth[symbol]
    wallet = Wallet()
    wallet.deposit({instrument.base: atoms(Decimal("1e6")), instrument.quote: atoms(Decimal("1e9"))}, 0)
    exchange = PaperExchange("oracle", public_markets({instrument: depth}), wallet, SETTINGS)
    oracle = BookOracle(instrument) if depth is MarketDepth.BOOK else TapeOracle(instrument, SETTINGS.slippage_ppm)
    quoter = RandomQuoter(exchange, instrument, every, random.Random(seed))
    counts: Counter[str] = Counter()
    for number, event in enumerate(event for event in feed.events() if event.symbol == symbol):
        if number >= limit:
            break
        exchange.on_event(event)
        answers: list[ExchangeEvent] = exchange.drain_events()
        oracle.step(event, answers)
        counts.update(_kind(answer) for answer in answers)
        assert exchange.markets[symbol].state is FeedState.SYNCED
        if number % every == every - 1:
            quoter.act(exchange.now_ns)
            oracle.step(None, exchange.drain_events())
    counts["orders"] = quoter.sent
    assert sum(counts[kind] for kind in ("maker", "taker")) == oracle.fills
    return counts


def _kind(answer: ExchangeEvent) -> str:
    if isinstance(answer, OrderFilled):
        return "maker" if answer.maker else "taker"
    return type(answer).__name__


def test_every_fill_on_a_stretch_of_the_binance_capture_is_fair(captures: Path) -> None:
    counts = judge(captures / "binance_spot_l2_trades_btcusdt_2024-08", "BTC/USDT", every=12, seed=1, limit=4_000)
    assert counts["orders"] > 180
    assert counts["maker"] > 15
    assert counts["taker"] > 15


@pytest.mark.slow
def test_every_fill_on_half_of_the_binance_capture_is_fair(captures: Path) -> None:
    counts = judge(captures / "binance_spot_l2_trades_btcusdt_2024-08", "BTC/USDT", every=10, seed=1, limit=50_000)
    assert counts["orders"] > 2500
    assert counts["maker"] > 250
    assert counts["taker"] > 250


@pytest.mark.parametrize(
    ("folder", "symbol"), [("kraken_wsv2_btcusd_book", "BTC/USD"), ("kraken_wsv2_minagbp_book", "MINA/GBP")]
)
def test_every_fill_on_the_kraken_books_is_fair(captures: Path, folder: str, symbol: str) -> None:
    fills = 0
    for seed in range(10):
        counts = judge(captures / folder, symbol, every=1, seed=seed)
        fills += counts["maker"] + counts["taker"]
    assert fills > 20


def test_every_fill_on_the_kraken_tape_is_fair(captures: Path) -> None:
    counts = judge(captures / "kraken_trades_btcusdt_2023-11", "BTC/USDT", every=5, seed=1, limit=10_000)
    assert counts["maker"] > 100
    assert counts["taker"] > 100


@pytest.mark.parametrize(
    "lie",
    [
        {"price": Decimal("100.0")},  # nobody asked so little
        {"price": Decimal("100.2")},  # passed over 100.1
        {"quantity": Decimal("1.5"), "cumulative_quantity": Decimal("1.5")},  # 1.0 is displayed
        {"maker": True},
        {"fee": Decimal("0.2")},  # 50.05 x 0.4 % = 0.2002
        {"notional": Decimal(50)},
        {"cumulative_quantity": Decimal("0.4")},
        {"status": OrderStatus.PARTIALLY_FILLED},
    ],
)
def test_the_oracle_sees_a_lie(bench: Callable[..., Any], lie: dict[str, Any]) -> None:
    b = bench()
    book = BookUpdate("BTC/USDT", 1, 1, ((1000, 5 * 10**8),), ((1001, 10**8), (1002, 10**9)), snapshot=True)
    b.exchange.on_event(book)
    b.order("buy", "buy", "0.5")
    events = b.drain()
    honest = BookOracle(b.instrument)
    honest.step(book, [])
    honest.step(None, events)
    assert honest.fills == 1
    oracle = BookOracle(b.instrument)
    oracle.step(book, [])
    with pytest.raises(Unfair):
        told = [msgspec.structs.replace(event, **lie) if isinstance(event, OrderFilled) else event for event in events]
        oracle.step(None, told)

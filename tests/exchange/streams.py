"""Random markets and random orders as plain tuples, and who plays them. Small numbers, so that things collide."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    FeedState,
    FeedStatus,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.money import atoms
from triplegain.domain.orders import (
    AmendRequest,
    FeePreference,
    Limit,
    Market,
    OrderOptions,
    OrderRequest,
    OrderTerms,
    SelfTradePrevention,
    Side,
    StopLoss,
    TimeInForce,
)
from triplegain.domain.parts import Parts
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import (
    Iceberg,
    MarketByCost,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
)
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings, QueueModel
from triplegain.ledger.wallet import Wallet

INSTRUMENT = Instrument(
    "BTC/USDT",
    tick=Decimal("0.1"),
    lot=Decimal("0.01"),
    quantity_min=Decimal("0.02"),
    cost_min=Decimal("0.5"),
    cost_decimals=1,
    fees=FeeSchedule((FeeTier(0, 2500, 4000), FeeTier(300, 2000, 3500), FeeTier(900, 0, 1000))),
)
MIDDLE = 100
SIDES = (Side.BUY, Side.SELL)

Action = tuple[Any, ...]

#: Of orders that the oracle knows, and of all others.
KINDS = ("limit", "limit", "limit", "post", "market", "stop")
MORE_KINDS = (
    "limit", "market", "iceberg", "iceberg", "stop-limit", "profit", "profit-limit", "trail", "trail-limit", "cost",
    "kill", "relative",
)  # fmt: skip

_step = st.integers(0, 3)
_side = st.integers(0, 1)
_offset = st.integers(-2, 5)
_size = st.integers(0, 60)
_market_actions = st.one_of(
    st.tuples(st.just("level"), _step, _side, _offset, _size),
    st.tuples(st.just("trade"), _step, _side, st.integers(-3, 3), st.integers(1, 80), st.sampled_from(("", "<", ">"))),
    st.tuples(st.just("quote"), _step, _offset, _offset, st.integers(1, 60)),
    st.tuples(st.just("snapshot"), _step, st.integers(2, 6)),
    st.tuples(st.just("gap"), _step, st.booleans()),
)
_order_actions = st.one_of(
    st.tuples(
        st.just("place"), _side, st.sampled_from(KINDS), _offset,
        st.integers(1, 90), st.sampled_from(("gtc", "gtc", "ioc", "gtd")), st.integers(0, 2), st.integers(1, 8),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("amend"), st.integers(0, 5), st.integers(0, 90), _offset),
)  # fmt: skip
#: Hypothesis' own lists shrink well but are short on orders that meet; the drawn ones are long and busy.
streams = st.one_of(
    st.lists(st.one_of(_market_actions, _order_actions, _order_actions), min_size=10, max_size=60),
    st.integers(0, 1 << 32).map(lambda seed: drawn_stream(seed, 150)),
    st.integers(0, 1 << 32).map(lambda seed: drawn_stream(seed, 150)),
)
#: The same with orders of every type.
typed_streams = st.integers(0, 1 << 32).map(lambda seed: drawn_stream(seed, 150, MORE_KINDS))
delays = st.sampled_from(((0, 0, 0, 0), (2, 1, 1, 0), (1, 4, 2, 3), (0, 0, 0, -3)))
queue_models = st.sampled_from(tuple(QueueModel))
openings = st.sampled_from((("10", "1000"), ("1", "0"), ("0", "100"), ("0.3", "30")))


def drawn_stream(seed: int, length: int, kinds: tuple[str, ...] = KINDS) -> list[Action]:
    """A busy stream: a third of it orders, most of them near the best quotes."""
    draws = random.Random(seed)
    one = draws.randint
    makers: list[tuple[int, Callable[[], Action]]] = [
        (20, lambda: ("level", one(0, 3), one(0, 1), draws.choice((-2, -1, 0, 0, 0, 1, 2, 3)), one(0, 60))),
        (25, lambda: (
            "trade", one(0, 3), one(0, 1), draws.choice((-2, -1, 0, 0, 0, 1)), one(1, 80), draws.choice(("", "<", ">")),
        )),
        (6, lambda: ("quote", one(0, 3), one(-1, 1), one(-1, 1), one(1, 60))),
        (3, lambda: ("snapshot", one(0, 3), one(2, 6))),
        (1, lambda: ("gap", one(0, 3), draws.random() < 0.9)),
        (30, lambda: (
            "place", one(0, 1), draws.choice(kinds),
            draws.choice((-1, 0, 0, 0, 1, 1, 2)), one(2, 60), draws.choice(("gtc", "gtc", "gtc", "ioc", "gtd")),
            one(0, 2), one(1, 20),
        )),
        (6, lambda: ("cancel", one(0, 5))),
        (9, lambda: ("amend", one(0, 5), one(0, 60), one(-5, 5))),
    ]  # fmt: skip
    drawn = draws.choices([make for _, make in makers], [weight for weight, _ in makers], k=length)
    return [make() for make in drawn]


def settings_of(delay: tuple[int, int, int, int], model: QueueModel = QueueModel.BACK_OF_QUEUE) -> ExchangeSettings:
    """Delays of an order, a cancel, an answer, and up to so much more; below zero: measured ones of up to so much."""
    place, cancel, response, jitter = delay
    return ExchangeSettings(
        seed=3,
        place_delay_ns=place,
        cancel_delay_ns=cancel,
        response_delay_ns=response,
        jitter_ns=max(jitter, 0),
        recorded_delays_ns=(0, 1, -jitter) if jitter < 0 else (),
        queue_model=model,
        account_tier=AccountTier.UNLIMITED,
        partial_fills=True,
    )


def new_exchange(
    opening: tuple[str, str], settings: ExchangeSettings, depth: MarketDepth, parts: Parts
) -> PaperExchange:
    wallet = Wallet()
    exchange = PaperExchange("stream", public_markets({INSTRUMENT: depth}), wallet, settings)
    wallet.register(parts)
    exchange.register(parts)
    base, quote = opening
    wallet.deposit({"BTC": atoms(Decimal(base)), "USDT": atoms(Decimal(quote))}, 0)
    return exchange


class PublicBook:
    """The public market of a stream: turns market actions into messages that a real feed could send."""

    def __init__(self) -> None:
        self.levels: tuple[dict[int, int], dict[int, int]] = ({MIDDLE: 50}, {MIDDLE + 1: 10, MIDDLE + 2: 100})
        self.now = 10

    def opening(self) -> list[MarketEvent]:
        return [self._snapshot(0)]

    def messages(self, action: Action) -> Iterator[MarketEvent]:
        self.now += action[1]
        if action[0] == "level":
            yield self._level(action[2], self._price(action[2], action[3]), action[4])
        elif action[0] == "trade":
            yield from self._trade(*action[2:])
        elif action[0] == "quote":
            yield self._quote(*action[2:])
        elif action[0] == "snapshot":
            yield self._snapshot(action[2])
        elif action[0] == "gap":
            yield FeedStatus(INSTRUMENT.symbol, self.now, self.now, FeedState.GAP, "a gap")
            if action[2]:
                yield self._snapshot(4)

    def _price(self, side: int, offset: int) -> int:
        """`offset` ticks behind the best quote of `side`; negative improves on it, even across the spread."""
        best = max(self.levels[0], default=MIDDLE) if side == 0 else min(self.levels[1], default=MIDDLE + 1)
        return max(best - offset if side == 0 else best + offset, 40)

    def _level(self, side: int, price: int, size: int) -> BookUpdate:
        changes: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        if size:
            for other in list(self.levels[1 - side]):
                if other <= price if side == 0 else other >= price:
                    del self.levels[1 - side][other]
                    changes[1 - side].append((other, 0))
            self.levels[side][price] = size
        else:
            self.levels[side].pop(price, None)
        changes[side].append((price, size))
        return BookUpdate(INSTRUMENT.symbol, self.now, self.now, tuple(changes[0]), tuple(changes[1]))

    def _trade(self, taker: int, reach: int, lots: int, depth_seen: str) -> Iterator[MarketEvent]:
        """A trade `reach` ticks into (or before) the book; the depth shows it before, after, or not at all."""
        side = 1 - taker
        price = self._price(side, reach)
        print_ = PublicTrade(INSTRUMENT.symbol, self.now, self.now, price, lots, SIDES[taker])
        shown = self._level(side, price, max(self.levels[side].get(price, 0) - lots, 0)) if depth_seen else None
        if shown is not None and depth_seen == "<":
            yield shown
        yield print_
        if shown is not None and depth_seen == ">":
            yield shown

    def _quote(self, bid_offset: int, ask_offset: int, size: int) -> BestQuote:
        bid = self._price(0, bid_offset)
        ask = max(self._price(1, ask_offset), bid + 1)
        for side, best in ((0, bid), (1, ask)):
            for price in [p for p in self.levels[side] if (p > best if side == 0 else p < best)]:
                del self.levels[side][price]
            self.levels[side][best] = size
        return BestQuote(INSTRUMENT.symbol, self.now, self.now, (bid, size), (ask, size))

    def _snapshot(self, depth: int) -> BookUpdate:
        bids = sorted(self.levels[0].items(), reverse=True)[: depth or None]
        asks = sorted(self.levels[1].items())[: depth or None]
        self.levels = (dict(bids), dict(asks))
        return BookUpdate(INSTRUMENT.symbol, self.now, self.now, tuple(bids), tuple(asks), True, depth)


def _terms(kind: str, price: Decimal, beyond: Decimal, part: Decimal) -> OrderTerms:
    """`price` lies behind the best quote, `beyond` on the other side of it."""
    match kind:
        case "market":
            return Market()
        case "cost":
            return MarketByCost(part * price)
        case "stop":
            return StopLoss(beyond)
        case "stop-limit":
            return StopLossLimit(beyond, beyond)
        case "profit":
            return TakeProfit(price)
        case "profit-limit":
            return TakeProfitLimit(price, beyond)
        case "trail":
            return TrailingStop(Offset(Sign.PLUS, Decimal("0.25")))
        case "trail-limit":
            return TrailingStopLimit(Offset(Sign.PLUS, Decimal(2), percent=True), Offset(Sign.MINUS, Decimal("0.1")))
        case "iceberg":
            return Iceberg(price, part)
        case "relative":
            return Limit(Offset(Sign.AHEAD, Decimal("0.15")))
        case _:
            return Limit(price, post_only=kind == "post")


class Trader:
    """Turns order actions into commands. The n-th order is named `o<n>`."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.exchange = exchange
        self.sent = 0

    def act(self, action: Action) -> None:
        if action[0] == "place":
            self._place(*action[1:])
        elif action[0] == "cancel":
            self.exchange.cancel(f"o{max(self.sent - action[1], 0)}")
        elif action[0] == "amend":
            price = INSTRUMENT.price(MIDDLE + action[3])
            quantity = INSTRUMENT.quantity(action[2]) if action[2] else None
            self.exchange.amend(AmendRequest(f"o{max(self.sent - action[1], 0)}", quantity, price))

    def _place(self, side: int, kind: str, offset: int, lots: int, force: str, stp: int, lifetime: int) -> None:
        self.sent += 1
        bid, ask = self.exchange.markets[INSTRUMENT.symbol].quotes()
        near = (bid if side == 0 else ask) or MIDDLE
        price = INSTRUMENT.price(near - offset if side == 0 else near + offset)
        beyond = INSTRUMENT.price(max(near + offset if side == 0 else near - offset, 1))
        terms = _terms(kind, price, beyond, INSTRUMENT.quantity(max(lots // 4, 2)))
        quantity = INSTRUMENT.quantity(0 if kind == "cost" else lots)
        force = "fok" if kind == "kill" else force
        options = OrderOptions(fee_preference=tuple(FeePreference)[lots % 3 != 0])
        request = OrderRequest(
            f"o{self.sent}", INSTRUMENT.symbol, SIDES[side], quantity, terms, TimeInForce(force),
            self_trade=tuple(SelfTradePrevention)[stp], options=options,
        )  # fmt: skip
        if force == "gtd":
            request = msgspec.structs.replace(request, expires_at_ns=self.exchange.now_ns + lifetime)
        self.exchange.place(request)

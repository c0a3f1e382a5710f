"""Seeded random markets and orders for the differential test, small in numbers so that things collide.

A true market moves in steps; what happens in it is told by two channels, depth and tape, each with its own delay. So
prints come after the depth that shows them, and depth after the prints that explain it, by up to a few steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from triplegain.domain.fees import FeeSchedule, FeeTier
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    FeedState,
    FeedStatus,
    Heartbeat,
    Level,
    MarketDepth,
    MarketEvent,
    PublicTrade,
)
from triplegain.domain.orders import AmendRequest, OrderRequest, Side

SYMBOL = "BTC/USDT"
MIDDLE = 100


def _instrument(cost_decimals: int, *tiers: FeeTier, symbol: str = SYMBOL) -> Instrument:
    return Instrument(
        symbol, tick=Decimal("0.1"), lot=Decimal("0.01"), quantity_min=Decimal("0.02"), cost_min=Decimal("0.5"),
        cost_decimals=cost_decimals, fees=FeeSchedule(tiers),
    )  # fmt: skip


#: Coarse fees, fine fees, and tiers that a few fills reach.
INSTRUMENTS = (
    _instrument(1, FeeTier(0, 2500, 4000)),
    _instrument(5, FeeTier(0, 2500, 4000)),
    _instrument(3, FeeTier(0, 2500, 4000), FeeTier(300, 2000, 3500), FeeTier(900, 0, 1000)),
)


#: Balances in fewer places than costs; of the second no volume counts, for nobody says what it is worth in dollars.
COARSE = (
    _instrument(5, FeeTier(0, 2500, 4000), FeeTier(300, 2000, 3500), symbol="BTC/USD"),
    _instrument(5, FeeTier(0, 2500, 4000), FeeTier(300, 2000, 3500), symbol="BTC/EUR"),
)
#: What an exchange may say of a market.
_MODES = (FeedState.MAINTENANCE, FeedState.CANCEL_ONLY, FeedState.POST_ONLY, FeedState.LIMIT_ONLY) * 3 + (
    FeedState.REDUCE_ONLY, FeedState.WORK_IN_PROGRESS, FeedState.DELISTED, FeedState.STEPS_CHANGED,
)  # fmt: skip


class Cancel(NamedTuple):
    name: str


class PlaceBatch(NamedTuple):
    requests: tuple[OrderRequest, ...]


class CancelBatch(NamedTuple):
    names: tuple[str, ...]


class CancelAllAfter(NamedTuple):
    seconds: int


class Question(NamedTuple):
    """Whether an order would be taken if it arrived now."""

    request: OrderRequest


Command = OrderRequest | AmendRequest | Cancel | PlaceBatch | CancelBatch | CancelAllAfter | Question
#: A market event, or a command as it is sent.
Step = MarketEvent | Command


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a stream is made of. Delays of commands and of channels in units of time."""

    seed: int
    steps: int = 400
    unit_ns: int = 1
    place_delay: int = 0
    cancel_delay: int = 0
    response_delay: int = 0
    book_delay: int = 0
    tape_delay: int = 0
    depth: int = 0
    instrument: Instrument = INSTRUMENTS[0]
    base: Decimal = Decimal(10)
    quote: Decimal = Decimal(1000)
    tier: str = "unlimited"
    partial_fills: bool = True
    rough: bool = True
    #: Lots of a small order.
    size: int = 1
    #: Many small orders far from the market, until there is room for no more.
    crowded: bool = False
    #: Added to each delay, up to so many units.
    jitter: int = 0
    queue_model: str = "back_of_queue"
    queue_power: int = 2
    #: In units and rising order; none: those above count.
    measured_delays: tuple[int, ...] = ()
    #: Whether anything is lent; beside that orders without leverage, and orders that only reduce.
    margin: bool = False
    spot: bool = False
    reduces: bool = False

    @property
    def start_ns(self) -> int:
        return 10 * self.unit_ns


def drawn_plan(seed: int, steps: int = 400) -> Plan:
    draws = random.Random(seed)
    delays = draws.choice(((0, 0, 0), (0, 0, 0), (2, 1, 1), (1, 4, 2), (5, 5, 0)))
    lag = draws.choice((0, 0, 2, 6))
    if seed % 16 == 5:
        return Plan(
            seed, steps, 10**9, *delays, depth=draws.choice((0, 6)), instrument=draws.choice(INSTRUMENTS),
            base=Decimal(100), quote=Decimal(1000), tier="starter", rough=draws.random() < 0.5, crowded=True,
        )  # fmt: skip
    base, quote = draws.choice((("10", "1000"), ("10", "1000"), ("1", "0"), ("0", "100"), ("0.3", "30")))
    return Plan(
        seed, steps, draws.choice((1, 10**6, 10**9, 10**9)), *delays, draws.choice((0, lag)), draws.choice((0, lag)),
        draws.choice((0, 0, 4, 6)), draws.choice(INSTRUMENTS), Decimal(base), Decimal(quote),
        draws.choice(("unlimited", "unlimited", "starter", "pro")), draws.random() < 0.7, draws.random() < 0.6,
        jitter=draws.choice((0, 0, 0, 3)),
        queue_model=draws.choice(("back_of_queue", "back_of_queue", "proportional", "probabilistic")),
    )  # fmt: skip


def with_models(plan: Plan) -> Plan:
    """By draws of their own: what else a seed stands for does not change with them."""
    draws = random.Random(~plan.seed)
    plan = replace(plan, queue_power=draws.choice((2, 2, 1, 3, 10)))
    measured = draws.choice(((), (), (), (0, 1, 5), (2,), (0, 0, 1, 1, 1, 2, 30)))
    return plan if plan.jitter else replace(plan, measured_delays=measured)


def plan_of(seed: int, steps: int, depth: MarketDepth) -> Plan:
    """The plan of a seed where there is a book or a tape: each fourth on a pair of its own."""
    plan = with_models(drawn_plan(seed, steps))
    if depth is MarketDepth.CANDLES or seed % 4 != 3:
        return plan
    return replace(plan, instrument=COARSE[seed // 4 % len(COARSE)])


@dataclass
class _Channel:
    """Tells in order, each message `0..delay` units late."""

    delay: int
    told: list[tuple[int, int, Step]] = field(default_factory=list)
    _last: int = 0

    def tell(self, late: int, at_ns: int, number: int, event: Step) -> None:
        self._last = max(self._last, at_ns + late)
        self.told.append((self._last, number, event))


class TrueMarket:
    """What happens, and what is told of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.symbol = plan.instrument.symbol
        self.draws = random.Random(plan.seed)
        self.now_ns = plan.start_ns
        self.levels: tuple[dict[int, int], dict[int, int]] = (
            {MIDDLE: 50, MIDDLE - 1: 20, MIDDLE - 3: 30},
            {MIDDLE + 1: 10, MIDDLE + 2: 100, MIDDLE + 4: 30},
        )
        self._book, self._tape = _Channel(plan.book_delay), _Channel(plan.tape_delay)
        #: Best quotes come with the depth, or ahead of it.
        self._quotes = _Channel(0) if plan.rough else self._book
        self._commands = _Channel(0)
        self._count = 0
        self._unseen = 0
        self._resync()

    def steps(self) -> Iterator[Step]:
        channels = {id(each): each for each in (self._book, self._tape, self._quotes, self._commands)}
        told = (line for each in channels.values() for line in each.told)
        for _, _, step in sorted(told, key=lambda line: line[:2]):
            yield step

    def send(self, command: Step) -> None:
        self._tell(self._commands, command)

    def best(self, side: int) -> int:
        levels = self.levels[side]
        return (max(levels) if side == 0 else min(levels)) if levels else MIDDLE + side

    def move(self) -> None:
        """One thing happens."""
        self.now_ns += self.draws.choice((0, 0, 1, 1, 2, 3)) * self.plan.unit_ns
        if self._unseen:
            self._unseen -= 1
            if not self._unseen:
                self._back()
        happenings: list[tuple[int, Callable[[], None]]] = [
            (40, self._set_level), (32, self._trade), (5, self._best_quote), (3, self._resync), (1, self._beat),
        ]  # fmt: skip
        if self.plan.rough:
            happenings += [
                (1, self._gap),
                (1, self._away),
                (1, self._mode),
                (1, self._slip),
                (3, self._old_level),
                (1, self._cross),
            ]
        self.draws.choices([each for _, each in happenings], [weight for weight, _ in happenings])[0]()

    # -- what happens ------------------------------------------------------------------------------------------

    def _price(self, side: int, offset: int) -> int:
        """`offset` ticks behind the best quote of a side; negative improves on it."""
        best = self.best(side)
        return max(best - offset if side == 0 else best + offset, 60)

    def _set_level(self) -> None:
        side, offset = self.draws.randint(0, 1), self.draws.choice((-2, -1, 0, 0, 0, 1, 2, 3, 4))
        self._apply([(side, self._price(side, offset), self.draws.choice((0, 0, self.draws.randint(1, 60))))])

    def _apply(self, levels: list[tuple[int, int, int]], told: bool = True) -> None:
        """Sets levels, clearing what they cross, and tells the differences of what can be seen."""
        before = self._view()
        for side, price, lots in levels:
            if lots:
                for other in list(self.levels[1 - side]):
                    if other <= price if side == 0 else other >= price:
                        del self.levels[1 - side][other]
                self.levels[side][price] = lots
            else:
                self.levels[side].pop(price, None)
        if not told or self._unseen:
            return
        after = self._view()
        changes: list[list[Level]] = [[], []]
        for side in (0, 1):
            gone = [p for p in before[side] if p not in self.levels[side]]
            changes[side] = [(price, 0) for price in gone]
            changes[side] += [(p, q) for p, q in after[side].items() if before[side].get(p) != q]
        if not changes[0] and not changes[1]:
            side, price, lots = levels[-1]
            changes[side] = [(price, lots)]
        self._update(self.now_ns, tuple(changes[0]), tuple(changes[1]))

    def _view(self) -> tuple[dict[int, int], dict[int, int]]:
        """The levels that are within the depth of the channel."""
        bids, asks = sorted(self.levels[0].items(), reverse=True), sorted(self.levels[1].items())
        reach = self.plan.depth or None
        return dict(bids[:reach]), dict(asks[:reach])

    def _trade(self) -> None:
        """Somebody takes; the tape tells each level or only the last, the depth once or not at all."""
        taker, lots = self.draws.randint(0, 1), self.draws.choice((1, 3, 10, 30, 80, self.draws.randint(1, 120)))
        side = 1 - taker
        prints: list[Level] = []
        levels: list[tuple[int, int, int]] = []
        if self.draws.random() < 0.25:
            # Hidden orders: the depth never shows them.
            prints = [(self._price(side, self.draws.choice((-1, 0, 0, 1, 2))), lots)]
        else:
            for price in sorted(self.levels[side], reverse=side == 0):
                some = min(lots, self.levels[side][price])
                prints.append((price, some))
                levels.append((side, price, self.levels[side][price] - some))
                lots -= some
                if not lots:
                    break
        if self.draws.random() < 0.4:
            prints = prints[-1:]
        depth_first = self.draws.random() < 0.3
        if levels and depth_first:
            self._apply(levels)
        for price, some in prints:
            self._tell(self._tape, PublicTrade(self.symbol, *self._times, price, some, (Side.BUY, Side.SELL)[taker]))
        if levels and not depth_first:
            if self.draws.random() < 0.4:
                self.now_ns += self.draws.randint(0, 2) * self.plan.unit_ns
            self._apply(levels)

    def _best_quote(self) -> None:
        """As the ticker tells it: a channel of its own."""
        if not self.levels[0] or not self.levels[1]:
            return
        bid, ask = self.best(0), self.best(1)
        quote = BestQuote(self.symbol, *self._times, (bid, self.levels[0][bid]), (ask, self.levels[1][ask]))
        self._tell(self._quotes, quote)

    def _resync(self) -> None:
        bids, asks = self._view()
        if self.plan.depth:
            self.levels = (dict(bids), dict(asks))
        self._unseen = 0
        self._tell(
            self._book,
            BookUpdate(self.symbol, *self._times, tuple(bids.items()), tuple(asks.items()), True, self.plan.depth),
        )

    def _beat(self) -> None:
        self._tell(self._quotes, Heartbeat(*self._times))

    def _gap(self) -> None:
        state = self.draws.choice((FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.STALE))
        self._unseen = self.draws.randint(1, 6)
        self._tell(self._book, FeedStatus(self.symbol, *self._times, state))

    def _away(self) -> None:
        """Nobody listened for a while: its trades are told afterwards, or cannot be had."""
        self._unseen = self.draws.randint(3, 12)
        state = self.draws.choice((FeedState.CATCH_UP, FeedState.CATCH_UP, FeedState.MISSED))
        self._tell(self._book, FeedStatus(self.symbol, *self._times, state))

    def _back(self) -> None:
        """The book comes anew; now and then its feed says first that it is waiting for it."""
        if self.draws.random() < 0.3:
            self._tell(self._book, FeedStatus(self.symbol, *self._times, FeedState.GAP))
        self._resync()

    def _mode(self) -> None:
        """A while in which the exchange takes less; what comes after it is told at once."""
        if self._unseen:
            return
        state = self.draws.choice(_MODES)
        self._tell(self._book, FeedStatus(self.symbol, *self._times, state))
        later = self.now_ns + self.draws.randint(1, 8) * self.plan.unit_ns
        self._tell(self._book, FeedStatus(self.symbol, later, later, FeedState.SYNCED))

    def _slip(self) -> None:
        """A print that nobody can have made."""
        price, lots = self.draws.choice(((1, 5), (MIDDLE * 3, 5), (self.best(0), 10**9), (self.best(1), 10**12)))
        self._tell(self._tape, PublicTrade(self.symbol, *self._times, price, lots, Side.SELL))

    def _old_level(self) -> None:
        """A level told again, out of order."""
        side = self.draws.randint(0, 1)
        price = self._price(side, self.draws.randint(0, 2))
        moment = max(self.now_ns - self.draws.randint(1, 6) * self.plan.unit_ns, 0)
        level = ((price, self.levels[side].get(price, self.draws.randint(0, 20))),)
        if not self._unseen:
            self._update(moment, level if side == 0 else (), level if side == 1 else ())

    def _cross(self) -> None:
        """The depth contradicts itself, and comes anew."""
        level = ((self.best(1), 7),)
        if not self._unseen:
            self._update(self.now_ns, level, ())
            self._unseen = self.draws.randint(1, 4)

    def _update(self, moment_ns: int, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        self._tell(self._book, BookUpdate(self.symbol, moment_ns, self.now_ns, bids, asks, False, self.plan.depth))

    @property
    def _times(self) -> tuple[int, int]:
        return self.now_ns, self.now_ns

    def _tell(self, channel: _Channel, event: Step) -> None:
        self._count += 1
        late = self.draws.randint(0, channel.delay) * self.plan.unit_ns
        channel.tell(late, max(self.now_ns, getattr(event, "received_at_ns", 0)), self._count, event)

"""How other paper modes fill an order, each by what its public source does: small functions without memory.

A function is given an order and what there is to be seen at one moment, and says what is filled: all of it or nothing,
for none of them knows parts. Where a source is read differently from version to version the one that is named counts.
Each stands with a worked case in `tests/optimism/test_rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from triplegain.domain.clock import MINUTE_NS, SECOND_NS
from triplegain.domain.fees import FeeTier
from triplegain.domain.market import Level
from triplegain.optimism.asked import Asked, Shape

#: Of what has just been traded the lowest and the highest price, and the first one.
Traded = tuple[int, int, int]


class Seen(Struct, frozen=True):
    """One look at a market. Prices are ticks; levels are the best first, as many as the rule looks at.

    `traded` is what has just been traded; None where the look is at quotes.
    `is_first`: the order has just been sent. `crossed`: as it was sent its price was reached already.
    """

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last: int | None
    traded: Traded | None = None
    is_first: bool = False
    crossed: bool = False

    def opposite(self, order: Asked) -> tuple[Level, ...]:
        """What the order would take."""
        return self.asks if order.side == 0 else self.bids


class Filled(Struct, frozen=True):
    """All of an order, for `cost`: ticks times lots."""

    lots: int
    cost: int
    is_maker: bool = False


Fill = Callable[[Asked, Seen], Filled | None]


class Rule(Struct, frozen=True):
    """One paper mode. `takes` are the orders it has.

    It looks at quotes each time they change (`quotes_every_ns` 0), so often after an order was sent, or never (None);
    at each trade if it `hears_trades`; before anything is sent, amended or taken back if it `looks_at_commands`; and at
    an order that was just sent, a market order `market_after_ns` later (None: that waits like the others). It looks
    `depth` levels deep. Fees in millionths of the notional, or those of the pair's lowest tier (None).

    Nothing but a market order is filled before the best quote, or a trade, has come to its price: until then nobody
    asks.
    """

    name: str
    version: str
    source: str
    fill: Fill
    takes: frozenset[Shape]
    quotes_every_ns: int | None = None
    hears_trades: bool = False
    market_after_ns: int | None = 0
    depth: int = 1
    maker_ppm: int | None = None
    taker_ppm: int | None = None
    looks_at_commands: bool = False

    def fee_ppm(self, is_maker: bool, entry: FeeTier) -> int:
        """`entry`: the pair's lowest tier."""
        own = self.maker_ppm if is_maker else self.taker_ppm
        if own is not None:
            return own
        return entry.maker_ppm if is_maker else entry.taker_ppm


def crosses(order: Asked, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> bool:
    """Whether the best quote has reached the order's price: the other side's for a limit, the same side's worst case
    for a trigger (a sale's when the ask has fallen to it)."""
    rises = order.rises
    quotes = bids if rises else asks
    if order.shape is Shape.MARKET or not quotes:
        return False
    return quotes[0][0] >= order.price if rises else quotes[0][0] <= order.price


def last_price(order: Asked, seen: Seen) -> Filled | None:
    """At market for the last trade's price. All else whole at its own price, once something is traded there or
    beyond: a stop never slips, and a limit has no queue."""
    if order.shape is Shape.MARKET:
        return _whole(order, seen.last)
    if seen.is_first or seen.traded is None:
        return None
    lowest, highest, _ = seen.traded
    is_reached = highest >= order.price if order.rises else lowest <= order.price
    is_maker = order.shape is Shape.POST_ONLY or (order.shape is Shape.LIMIT and not seen.crossed)
    return _whole(order, order.price, is_maker) if is_reached else None


def last_price_ahead(order: Asked, seen: Seen) -> Filled | None:
    """The same; a limit that is reached as it is sent is refused."""
    if order.shape in (Shape.LIMIT, Shape.POST_ONLY) and seen.crossed:
        return None
    return last_price(order, seen)


def next_bar(order: Asked, seen: Seen) -> Filled | None:
    """At market for what is traded next, any size. A limit whole once something is traded there or beyond, at its
    price or the first one of that bar, whichever is better; a stop likewise at the worse. Nothing fills at the moment
    it is sent."""
    if seen.is_first or seen.traded is None:
        return None
    lowest, highest, opened = seen.traded
    if order.shape is Shape.MARKET:
        return _whole(order, opened)
    is_reached = highest >= order.price if order.rises else lowest <= order.price
    # Who waits for a rise sells for no less than that by a limit, and buys for no less by a stop.
    price = max(opened, order.price) if order.rises else min(opened, order.price)
    return _whole(order, price) if is_reached else None


def ticker_touch(order: Asked, seen: Seen) -> Filled | None:
    """At market for the best quote, any size. A limit always waits, and fills whole at its own price when it
    looks again while the best quote is there or beyond."""
    best = _best(seen.opposite(order))
    if order.shape is Shape.MARKET:
        return _whole(order, best)
    if seen.is_first or best is None or not crosses(order, seen.bids, seen.asks):
        return None
    return _whole(order, order.price)


def strictly_through(order: Asked, seen: Seen) -> Filled | None:
    """At market for the best quote, any size. A limit fills whole when the best quote has gone beyond it, for that
    quote; a stop likewise, so that a gap is paid. Nothing but market orders fills at the moment it is sent."""
    best = _best(seen.opposite(order))
    if order.shape is Shape.MARKET:
        return _whole(order, best)
    if seen.is_first or best is None or best == order.price or (best > order.price) is not order.rises:
        return None
    is_maker = order.shape is Shape.POST_ONLY or (order.shape is Shape.LIMIT and not seen.crossed)
    return _whole(order, best, is_maker)


def capped_walk(order: Asked, seen: Seen) -> Filled | None:
    """At market along 20 levels; what they do not hold is filled at the last of them, and no more than 5 % from the
    best is paid. A limit that is crossed by 1 % and more when it is sent goes the same way, 5 % from its limit;
    else it fills whole at its limit when the best quote is there. A stop is never filled worse than its trigger (its
    limit), and pays as a maker; one that is reached as it is sent is refused."""
    levels = seen.opposite(order)
    best = _best(levels)
    if best is None:
        return None
    match order.shape:
        case Shape.MARKET:
            return _bounded(order, levels, _beyond(order, best)) if seen.is_first else None
        case Shape.LIMIT | Shape.POST_ONLY:
            if not crosses(order, seen.bids, seen.asks):
                return None
            far = order.price * 99 >= best * 100 if order.side == 0 else order.price * 101 <= best * 100
            if seen.is_first and far:
                return _bounded(order, levels, _beyond(order, order.price))
            return _whole(order, order.price, not seen.is_first)
        case Shape.STOP | Shape.STOP_LIMIT | Shape.TAKE_PROFIT:
            if seen.is_first or seen.crossed or not crosses(order, seen.bids, seen.asks):
                return None
            filled = _bounded(order, levels, (order.limit or order.price) * order.lots)
            return Filled(filled.lots, filled.cost, is_maker=True)


def delayed_walk(order: Asked, seen: Seen) -> Filled | None:
    """At market along the whole book, five seconds late; what the book does not hold comes with it for nothing. A limit
    fills whole at its own price, as a maker, when a trade has gone beyond it or the best quote is there."""
    if order.shape is Shape.MARKET:
        levels = seen.opposite(order)
        return Filled(order.lots, _walked(levels, order.lots)[0]) if levels else None
    if seen.is_first:
        return None
    if seen.traded is None:
        is_reached = crosses(order, seen.bids, seen.asks)
    else:
        is_reached = seen.traded[1] > order.price if order.rises else seen.traded[0] < order.price
    return _whole(order, order.price, is_maker=True) if is_reached else None


def _best(levels: tuple[Level, ...]) -> int | None:
    return levels[0][0] if levels else None


def _whole(order: Asked, price: int | None, is_maker: bool = False) -> Filled | None:
    return None if price is None else Filled(order.lots, price * order.lots, is_maker)


def _beyond(order: Asked, price: int) -> int:
    """The cost of all of it 5 % worse than a price."""
    return price * order.lots * (105 if order.side == 0 else 95) // 100


def _bounded(order: Asked, levels: tuple[Level, ...], worst: int) -> Filled:
    """Along the levels and the rest at the last of them, for no worse a cost than that."""
    cost, left = _walked(levels, order.lots)
    cost += left * levels[-1][0]
    return Filled(order.lots, min(cost, worst) if order.side == 0 else max(cost, worst))


def _walked(levels: tuple[Level, ...], lots: int) -> tuple[int, int]:
    """What the levels ask for so many lots, and the lots that they do not hold."""
    cost = 0
    for price, size in levels:
        taken = min(size, lots)
        cost += taken * price
        lots -= taken
    return cost, lots


_ALL = frozenset(Shape)
_MARKET_AND_LIMIT = frozenset({Shape.MARKET, Shape.LIMIT, Shape.POST_ONLY})
_STOPS_TOO = _MARKET_AND_LIMIT | {Shape.STOP}

#: By how much they leave out, roughly: price alone, the best quote, the book.
RULES: tuple[Rule, ...] = (
    Rule(
        "OctoBot", "3.0.0-beta2", "Drakkar-Software/OctoBot: octobot_trading/personal_data/orders/types, "
        "exchange_data/prices/price_events_manager.py; fees of the profiles it comes with",
        last_price, _ALL - {Shape.STOP_LIMIT}, hears_trades=True, maker_ppm=1000, taker_ppm=1000,
    ),
    Rule(
        "Jesse", "3.5.3", "jesse-ai/jesse: jesse/services/order_service.py, broker.py, candle_service.py, info.py; the "
        "open simulator, for that of its live plug-in is not public",
        last_price_ahead, _STOPS_TOO, hears_trades=True, maker_ppm=2600, taker_ppm=2600,
    ),
    Rule(
        "backtesting.py", "0.6.6", "kernc/backtesting.py: backtesting/backtesting.py, _process_orders; a trade is a "
        "bar where trades are told; no fees, as it comes",
        next_bar, _STOPS_TOO, hears_trades=True, market_after_ns=None, maker_ppm=0, taker_ppm=0,
    ),
    Rule(
        "kraken-cli", "0.3.2", "krakenfx/kraken-cli: src/paper.rs, commands/paper.rs; it looks when it is given a "
        "command, and somebody asks it once a minute",
        ticker_touch, _MARKET_AND_LIMIT, quotes_every_ns=MINUTE_NS, maker_ppm=2600, taker_ppm=2600,
        looks_at_commands=True,
    ),
    Rule(
        "LEAN", "000522e1", "QuantConnect/Lean: Common/Orders/Fills/FillModel.cs, Common/Orders/Fees/KrakenFeeModel.cs",
        strictly_through, _STOPS_TOO, quotes_every_ns=0, maker_ppm=1600, taker_ppm=2600,
    ),
    Rule(
        "freqtrade", "2026.9", "freqtrade/freqtrade: freqtrade/exchange/exchange.py; looks every 5 s, as it comes",
        capped_walk, _STOPS_TOO | {Shape.STOP_LIMIT}, quotes_every_ns=5 * SECOND_NS, depth=20,
    ),
    Rule(
        "hummingbot", "2.16.0", "hummingbot/hummingbot: connector/exchange/paper_trade/paper_trade_exchange.pyx, "
        "kraken_utils.py",
        delayed_walk, _MARKET_AND_LIMIT - {Shape.POST_ONLY}, quotes_every_ns=SECOND_NS, hears_trades=True,
        market_after_ns=5 * SECOND_NS, depth=1000, maker_ppm=2500, taker_ppm=4000,
    ),
)  # fmt: skip

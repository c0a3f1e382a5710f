"""Fills told to a trader: what stood there, what was taken of it, why at this price, and what it cost.

From what is stored of each fill alone; fills that one order had in one moment of the market are one step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from itertools import groupby
from typing import Any

import msgspec

from triplegain.domain.clock import iso
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.money import EXACT, divide, exact_sum, plain, text
from triplegain.domain.orders import Side

_EIGHT_DIGITS = Context(prec=8)
#: What the fills of one step have in common.
StepKey = tuple[int, bool, str]


class LadderLevel(msgspec.Struct, frozen=True):
    """`displayed` by the feed, `available` to us: less where the tape or we ourselves had taken of it."""

    price: Decimal
    displayed: Decimal
    available: Decimal


class BookLadder(msgspec.Struct, frozen=True):
    """Ten levels a side at most, the best first."""

    bids: tuple[LadderLevel, ...]
    asks: tuple[LadderLevel, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> BookLadder:
        """As an explanation holds it."""
        sides = ([_level(*each) for each in stored[name]] for name in ("bids", "asks"))
        return cls(*(tuple(side) for side in sides))

    def side(self, side: Side) -> tuple[LadderLevel, ...]:
        return self.bids if side is Side.BUY else self.asks

    def less(self, side: Side, taken: Mapping[Decimal, Decimal]) -> BookLadder:
        """What is left to us where so much of a side is taken at these prices."""
        left = tuple(
            msgspec.structs.replace(
                level, available=EXACT.subtract(level.available, taken.get(level.price, Decimal(0)))
            )
            for level in self.side(side)
        )
        return BookLadder(left, self.asks) if side is Side.BUY else BookLadder(self.bids, left)


class CostParts(msgspec.Struct, frozen=True):
    """What was paid or received worse than the middle at the decision (of a stop: than its trigger), in the quote
    currency; below zero is a gain. They add up."""

    delay: Decimal
    spread: Decimal
    impact: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal:
        return exact_sum((self.delay, self.spread, self.impact, self.fee))


class FillTotals(msgspec.Struct, frozen=True):
    """Of all fills of an order, however many of them are told. `average` is their price, None where there are none;
    `cost` None: there are none, or one has nothing to be compared with."""

    fills: int
    average: Decimal | None
    cost: CostParts | None


class ToldFill(msgspec.Struct, frozen=True):
    """One execution. `cost` None: there was no quote to compare with."""

    fill_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    cost: CostParts | None


class FillStep(msgspec.Struct, frozen=True):
    """What an order filled in one moment. `before` and `after`: the book, where there was one; `after` only where we
    took of it. One that `is_whole` not is a part of a step whose other fills are on another page: it has neither."""

    time_ns: int
    maker: bool
    model: str
    quantity: Decimal
    price: Decimal
    words: str
    fills: tuple[ToldFill, ...]
    before: BookLadder | None
    after: BookLadder | None
    is_whole: bool = True


def told_steps(fills: Iterable[OrderFilled], cut: Collection[StepKey] = ()) -> tuple[FillStep, ...]:
    """Of one order, in the order in which they came; of the steps `cut` there are more fills than these."""
    return tuple(_step(list(found), key not in cut) for key, found in groupby(fills, step_of))


def totals_of(fills: Sequence[OrderFilled]) -> FillTotals:
    """Where these are all there are."""
    known = [cost for fill in fills if (cost := cost_of(fill)) is not None]
    names = CostParts.__struct_fields__ if known and len(known) == len(fills) else ()
    parts = [exact_sum(getattr(each, name) for each in known) for name in names]
    return FillTotals(len(fills), average_of(fills) if fills else None, CostParts(*parts) if parts else None)


def average_of(fills: Sequence[OrderFilled]) -> Decimal:
    """The price of some fills together."""
    worth = exact_sum(EXACT.multiply(fill.price, fill.quantity) for fill in fills)
    return divide(worth, exact_sum(fill.quantity for fill in fills))


def cost_of(fill: OrderFilled) -> CostParts | None:
    """None where there was no quote to compare with."""
    parts = fill.explanation.get("shortfall")
    return None if parts is None else CostParts(*(Decimal(parts[name]) for name in CostParts.__struct_fields__))


def taken_of(fills: Iterable[OrderFilled | ToldFill]) -> Mapping[Decimal, Decimal]:
    """How much at each price: an own order that stood inside a level cuts what is taken of it in two."""
    taken: dict[Decimal, Decimal] = {}
    for fill in fills:
        taken[fill.price] = EXACT.add(taken.get(fill.price, Decimal(0)), fill.quantity)
    return taken


def step_of(fill: OrderFilled) -> StepKey:
    """Fills of an order that have this in common, and stand beside each other, are one step."""
    return fill.time_ns, fill.maker, fill.explanation["model"]


def _level(price: str, displayed: str, available: str | None = None) -> LadderLevel:
    return LadderLevel(Decimal(price), Decimal(displayed), Decimal(displayed if available is None else available))


def _step(fills: Sequence[OrderFilled], is_whole: bool) -> FillStep:
    first, book = fills[0], fills[0].explanation.get("book") if is_whole else None
    before = None if book is None else BookLadder.of(book)
    after = None
    if before is not None and not first.maker:
        opposite = Side.SELL if first.side is Side.BUY else Side.BUY
        after = before.less(opposite, taken_of(fills))
    return FillStep(
        time_ns=first.time_ns,
        maker=first.maker,
        model=first.explanation["model"],
        quantity=exact_sum(fill.quantity for fill in fills),
        price=average_of(fills),
        words=" ".join(_words(fills) if is_whole else ("A part of a step.", *_words(fills))),
        fills=tuple(_told(fill) for fill in fills),
        before=before,
        after=after,
        is_whole=is_whole,
    )


def _told(fill: OrderFilled) -> ToldFill:
    return ToldFill(fill.fill_id, fill.price, fill.quantity, fill.fee, fill.fee_asset, cost_of(fill))


# -- words -----------------------------------------------------------------------------------------------------------


def _words(fills: Sequence[OrderFilled]) -> Iterable[str]:
    first, cause = fills[0], fills[0].explanation.get("cause", {})
    base = first.symbol.partition("/")[0]
    if cause.get("event") == "stop":
        yield f"A trade at {_at(cause['price'])} reached the trigger at {_at(cause['trigger'])}."
    yield _what(fills, base)
    if cause and first.maker and len(fills) > 1:
        yield f"The first of {len(fills)} fills of that moment: {_small(_why(first, cause, base))}"
    elif cause:
        yield _why(first, cause, base)
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = EXACT.add(fees.get(fill.fee_asset, Decimal(0)), fill.fee)
    if "fee_rate_ppm" in first.explanation:
        rate = divide(Decimal(first.explanation["fee_rate_ppm"]), Decimal(10_000))
        told = " and ".join(f"{text(fee)} {asset}" for asset, fee in fees.items())
        yield f"The fee is {told}: {rate:.4g} % as {'maker' if first.maker else 'taker'}."
    lent = exact_sum(Decimal(fill.explanation.get("margin", {}).get("opening_fee", 0)) for fill in fills)
    if lent:
        yield f"Opening the position on margin is {text(lent)} {first.symbol.partition('/')[2]} beside it."


def _what(fills: Sequence[OrderFilled], base: str) -> str:
    """`Bought 0.5 BTC at 58,923.4.`, or all the levels of a walk."""
    first = fills[0]
    done = "Bought" if first.side is Side.BUY else "Sold"
    quantity = exact_sum(fill.quantity for fill in fills)
    taken = taken_of(fills)
    if len(taken) == 1:
        return f"{done} {text(quantity)} {base} at {_at(first.price)}."
    parts = ", ".join(f"{text(lots)} at {_at(price)}" for price, lots in taken.items())
    at = f"{brief_words(average_of(fills))} on average, walking {len(taken)} prices"
    return f"{done} {text(quantity)} {base} at {at}: {parts}."


def _why(fill: OrderFilled, cause: Mapping[str, Any], base: str) -> str:
    """Why at this price and no other."""
    told, buys, model = fill.explanation, fill.side is Side.BUY, fill.explanation["model"]
    there = "offered" if buys else "bid for"
    traded = f"A trade of {cause.get('quantity')} {base} at {_at(cause.get('price'))}"
    match model:
        case "book":
            level = cause.get("level", {})
            shown, could = level.get("displayed"), level.get("available")
            less = f", of which {could} could still be had: the rest this account had taken, or trades that the book"
            less = "" if shown == could else f"{less} did not show yet"
            return f"{shown} {base} were {there} at {_at(fill.price)}{less}."
        case "queue":
            came, left = told["queue_ahead_at_arrival"], cause["queue_ahead"]
            stood = f"{came} {base} stood in front when it took its place"
            if came == "unknown":
                stood = "how many stood in front when it took its place could not be seen"
            return (
                f"{traded} came to its price: {stood}, {left} were left, and what the trade had beyond these was its."
            )
        case "trade_through":
            return f"{traded} went through its price, so nobody stood in front any more: it fills at its own."
        case "quote_through":
            shown = f"{cause['quantity']} {base} {there} at {_at(cause['price'])}"
            if Decimal(cause["price"]) == fill.price:
                return f"The book came to show {shown}, its price, so it fills."
            return f"The book came to show {shown}, through its price: it fills at its own."
        case "tape_stop":
            return "No book is known here: it pays the worse of its trigger and that trade, and slippage beside it."
        case "tape":
            return f"No book is known here: {_small(traded)} was the next on the tape, and slippage is paid beside it."
        case "tape_through":
            return f"No book is known here: {_small(traded)} went through its price, and it fills at its own."
        case "candle" | "candle_stop" | "candle_liquidation" | "candle_through":
            return _of_candle(model, cause)
        case "settlement":
            return "It settled a position: paid with what the account had, at no market price."
        case _:
            # A session of a later version may know more ways.
            return f"It filled by the rule `{model}`."


def _of_candle(model: str, cause: Mapping[str, Any]) -> str:
    """A candle is all there is."""
    prices = [f"{name} {_at(cause[name])}" for name in ("high", "low", "close") if name in cause]
    candle = f"The candle of {iso(cause['open_time_ns'])} opened at {_at(cause['price'])}"
    candle += f" ({', '.join(prices)}): " if prices else ": "
    match model:
        case "candle_through":
            return candle + "it went through its price, and it fills at its own."
        case "candle_stop":
            return candle + "it reached the trigger; the worse of that and the open counts, and slippage beside it."
        case "candle_liquidation":
            return candle + "the exchange sold where the margin level fell too low, and slippage beside it."
        case _:
            return candle + "it fills at the open, and slippage beside it."


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]


def brief_words(value: Decimal) -> str:
    """Eight digits that matter, where all of them stand beside it."""
    return f"{plain(_EIGHT_DIGITS.plus(value)):,f}"


def price_words(price: Decimal | str) -> str:
    """`58,923.4`: never cut."""
    return f"{plain(Decimal(price)):,f}"


def _at(price: Any) -> str:
    return "an unknown price" if price is None else price_words(price)

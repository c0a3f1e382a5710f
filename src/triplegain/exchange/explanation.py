"""Why this price: everything about one fill, as stored with it and shown by every view. Amounts are exact text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, from_atoms, text
from triplegain.exchange.ladder import Ladder
from triplegain.exchange.margin.account import MarginFill
from triplegain.exchange.order import Quotes, WorkingOrder
from triplegain.exchange.queue import is_unknown
from triplegain.exchange.venue_market import VenueMarket

_HALF = Decimal("0.5")


class FillExplanation(Mapping[str, Any]):
    """A mapping that is worked out when it is first read: most of a replay's time would go into words otherwise."""

    __slots__ = ("_explain", "_read")

    def __init__(self, explain: Callable[[], dict[str, Any]]) -> None:
        self._explain = explain
        self._read: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._words()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words())

    def __len__(self) -> int:
        return len(self._words())

    def _words(self) -> dict[str, Any]:
        if self._read is None:
            self._read = self._explain()
        return self._read


def explained(
    order: WorkingOrder,
    price: int,
    lots: int,
    maker: bool,
    model: str,
    cause: dict[str, Any],
    quotes: Quotes,
    cost_atoms: int,
    fee_atoms: int,
    rate_ppm: int,
    lent: MarginFill | None = None,
) -> FillExplanation:
    """Model, cause, level or queue, the book before it, latency, fee tier, quotes at decision, arrival and fill, and
    the shortfall.

    `cost_atoms` as the fill was told, in the quote currency; `fee_atoms` are of the currency in which the order pays
    its fees; `lent`: what the fill did to positions on margin.
    """
    instrument, ahead, volume_usd = order.instrument, order.ahead_at_arrival, order.tier_volume_usd

    def words() -> dict[str, Any]:
        at_arrival = {"queue_ahead_at_arrival": _queue(ahead, instrument)}
        book: Ladder | None = cause.get("book")
        return {
            "model": model,
            "liquidity": "maker" if maker else "taker",
            "cause": _readable(cause, instrument),
            "latency_ns": order.arrived_ns - order.sent_ns,
            "fee_rate_ppm": rate_ppm,
            "fee_asset": order.fee_asset,
            "volume_30d_usd": volume_usd,
            "quote_at_decision": _quote(order.quote_at_decision, instrument),
            "quote_at_arrival": _quote(order.quote_at_arrival, instrument),
            "quote_at_fill": _quote(quotes, instrument),
            "shortfall": _shortfall(order, price, lots, cost_atoms, _fees(order, price, fee_atoms, lent)),
            **({} if book is None else {"book": book.told(instrument)}),
            **({} if lent is None else {"margin": _margin(order, lent)}),
            **(at_arrival if model in ("queue", "trade_through", "quote_through") else {}),
        }

    return FillExplanation(words)


def seen_at_end(market: VenueMarket, order: WorkingOrder | None) -> FillExplanation:
    """How the market stands as an order is refused, or ends; of one that waited the trade that came nearest and what is
    in front, of others the book."""
    instrument, quotes, last = market.instrument, market.seen_quotes(), market.last
    waited = order is not None and order.waits_since > 0
    nearest = market.nearest(order) if order is not None else None
    queue = (order.ahead, order.queue_traded) if order is not None and order.queue_points else None
    book = None if waited or not market.shows_book else market.book.ladder()

    def words() -> dict[str, Any]:
        seen: dict[str, Any] = {"quote": _quote(quotes, instrument), "last": _price(last, instrument)}
        if waited:
            # None: there was no trade; of what did not wait it is not asked.
            at = None if nearest is None else {"price": _price(nearest[0], instrument), "time_ns": nearest[1]}
            seen["nearest"] = at
        if queue is not None:
            seen["queue_ahead"] = _queue(queue[0], instrument)
            seen["queue_traded"] = text(instrument.quantity(queue[1]))
        if book is not None:
            seen["book"] = book.told(instrument)
        return seen

    return FillExplanation(words)


def settled(order: WorkingOrder, position: int, quotes: Quotes) -> Mapping[str, Any]:
    """Of a settlement: which position, by the number of its order; it has no market price."""
    return {
        "model": "settlement",
        "cause": {"event": "arrival", "time_ns": order.arrived_ns},
        "position": position,
        "latency_ns": order.arrived_ns - order.sent_ns,
        "quote_at_fill": _quote(quotes, order.instrument),
    }


def _margin(order: WorkingOrder, lent: MarginFill) -> dict[str, Any]:
    """What was closed and opened, the gain or loss of what was closed, the fee for lending, what is owed of these."""
    quantity = order.instrument.quantity
    return {
        "leverage": order.request.leverage,
        "closed": text(quantity(lent.closed)),
        "opened": text(quantity(lent.opened)),
        "gain": text(from_atoms(lent.gain)),
        "opening_fee": text(from_atoms(lent.opening_fee)),
        "owed": text(from_atoms(lent.owed)),
    }


def _readable(cause: dict[str, Any], instrument: Instrument) -> dict[str, Any]:
    """Ticks and lots of a cause as prices and quantities."""
    readable: dict[str, Any] = {}
    for name, value in cause.items():
        if name in ("price", "trigger", "high", "low", "close"):
            readable[name] = text(instrument.price(value))
        elif name in ("quantity", "displayed", "available"):
            readable[name] = text(instrument.quantity(value))
        elif name == "queue_ahead":
            readable[name] = _queue(value, instrument)
        elif isinstance(value, dict):
            readable[name] = _readable(value, instrument)
        elif name != "book":
            readable[name] = value
    return readable


def _queue(ahead: int, instrument: Instrument) -> str:
    return "unknown" if is_unknown(ahead) else text(instrument.quantity(ahead))


def _price(ticks: int | None, instrument: Instrument) -> str | None:
    return None if ticks is None else text(instrument.price(ticks))


def _quote(quotes: Quotes, instrument: Instrument) -> list[str | None]:
    return [_price(ticks, instrument) for ticks in quotes]


def _fees(order: WorkingOrder, price: int, fee_atoms: int, lent: MarginFill | None) -> Decimal:
    """In the quote currency, one in coins at the price of the fill, with that for opening a position on margin."""
    fee = from_atoms(fee_atoms)
    if order.pays_fee_in_base:
        fee = EXACT.multiply(fee, order.instrument.price(price))
    return fee if lent is None else EXACT.add(fee, from_atoms(lent.opening_fee))


def _shortfall(order: WorkingOrder, price: int, lots: int, cost_atoms: int, fee: Decimal) -> dict[str, str] | None:
    """Implementation shortfall in quote currency against the middle at the decision; None where there was no quote.

    delay: the middle moved while the order was under way; spread: from the middle to the best opposite quote;
    impact: from there to what was paid (negative for a maker, who earns the spread); fee: all of them. They add up, to
    the last digit, to what was paid or received more or less than the middle would have been: what a cost is rounded
    by counts as impact.

    An order that waited for a trigger is compared with that, which was the decision: delay is what lay between it and
    the middle when it was reached. Where the market had gone before that is no cost of trading.
    """
    buys, unit = order.side == 0, lots * order.instrument.atoms_per_tick_lot
    decided: Quotes
    arrived: Quotes
    if order.request.terms.waits:
        trigger = order.fired or order.price
        decided = (trigger, trigger)
        arrived = (order.bid_when_fired or trigger, order.ask_when_fired or trigger)
    else:
        decided, arrived = order.quote_at_decision, order.quote_at_arrival
    (bid0, ask0), (bid1, ask1) = decided, arrived
    if bid0 is None or ask0 is None or bid1 is None or ask1 is None:
        return None
    sign, opposite = (1, ask1) if buys else (-1, bid1)
    rounded = sign * (cost_atoms - price * unit)
    # The middle lies between two ticks as often as not: twice each, halved where nothing is lost.
    doubled = {
        "delay": sign * (bid1 + ask1 - bid0 - ask0) * unit,
        "spread": sign * (2 * opposite - bid1 - ask1) * unit,
        "impact": sign * 2 * (price - opposite) * unit + 2 * rounded,
    }
    parts = {name: text(EXACT.multiply(from_atoms(atoms), _HALF)) for name, atoms in doubled.items()}
    return {**parts, "fee": text(fee)}

"""Why an order, or what is left of one, did not fill: in sentences, from what is stored of it alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, assert_never

from msgspec import UNSET

from triplegain.domain.clock import iso
from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderCancelled,
    OrderRejected,
    OrderScheduled,
    OrderTriggered,
)
from triplegain.domain.money import EXACT, exact_sum, text
from triplegain.domain.orders import OrderStatus, Side
from triplegain.domain.queue_path import QueueChange, QueuePoint
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code
from triplegain.domain.told_fills import BookLadder, price_words
from triplegain.domain.views import OrderStanding

#: Of sessions of before it was kept, and of orders that nobody runs any more.
_SO_FAR = "so far"
_SELF_TRADE = "self-trade prevention"
_UNKNOWN = "How near the market came is not known: it is told of a session that runs, and of orders whose end says it."
#: What to do about a refusal.
_ADVICE: Mapping[str, str] = {
    Code.INSUFFICIENT_FUNDS: "Ask for less, or cancel what holds the funds (`orders`).",
    Code.ORDER_MINIMUM: "Ask for more: the pair has a least quantity.",
    Code.COST_MINIMUM: "Ask for more: the pair has a least cost.",
    Code.TICK_SIZE: "Name a price that is a multiple of the pair's tick.",
    Code.POST_ONLY: "Name a price that takes nothing, or leave post-only out.",
    Code.RATE_LIMIT: "Send fewer commands: the counter decays by itself.",
    Code.ORDERS_LIMIT: "Cancel some of the open orders first.",
    Code.REDUCE_ONLY: "Open a position first, or leave reduce-only out.",
    Code.DEADLINE_ELAPSED: "Give it a later deadline.",
    Code.UNAVAILABLE: "Send it again when the market is seen again.",
    Code.CANCEL_ONLY_MODE: "Send it again when the exchange takes orders.",
    Code.POST_ONLY_MODE: "Send it post-only, or when the exchange takes others again.",
    Code.LIMIT_ONLY_MODE: "Send a limit, or wait until the exchange takes others again.",
}


def why_not(
    record: OrderRecord,
    events: Sequence[ExchangeEvent],
    points: Sequence[QueuePoint],
    standing: OrderStanding | None = None,
    stands: str = "is open",
) -> tuple[str, ...]:
    """Empty for an order that is filled whole. `standing`: how it stands at the exchange now, if it is open and that is
    known; `stands`: what is said of one that is open."""
    return tuple(_sentences(record, events, points, standing, stands))


def seen_at_end(events: Iterable[ExchangeEvent]) -> Mapping[str, Any]:
    """How the market stood then; empty where that was not kept."""
    for event in events:
        if isinstance(event, OrderCancelled | OrderRejected) and event.seen is not UNSET:
            return event.seen
    return {}


def _sentences(
    record: OrderRecord,
    events: Sequence[ExchangeEvent],
    points: Sequence[QueuePoint],
    standing: OrderStanding | None,
    stands: str,
) -> Iterator[str]:
    seen, status = seen_at_end(events), record.status
    if record.request.options.reduce_only and record.quantity < record.request.quantity:
        asked = f"{text(record.request.quantity)} {record.request.symbol.partition('/')[0]}"
        yield f"{asked} were asked for: cut to {text(record.quantity)}, for it only reduces a position, or was amended."
    match status:
        case OrderStatus.FILLED:
            return
        case OrderStatus.REJECTED:
            yield f"It was refused: {record.code or 'no code'}, {record.reason or 'no reason is stored'}."
            if record.code is not None and record.code in _ADVICE:
                yield _ADVICE[record.code]
            yield from _there(record, seen)
        case OrderStatus.ERROR:
            yield f"It could not be carried out: {record.reason or 'no reason is stored'}."
        case OrderStatus.PENDING:
            starts = next((each.starts_at_ns for each in events if isinstance(each, OrderScheduled)), None)
            yield "It is on its way to the exchange." if starts is None else f"It waits for its time: {iso(starts)}."
        case OrderStatus.OPEN | OrderStatus.PARTIALLY_FILLED:
            yield f"It {stands}, with {_left(record)}."
            yield from _waits(record, events, points, _of_standing(standing), _SO_FAR)
        case OrderStatus.CANCELLED | OrderStatus.EXPIRED:
            done = "expired" if status is OrderStatus.EXPIRED else "was cancelled"
            yield f"It {done} with {_left(record)}: {record.reason or 'no reason is stored'}."
            if not seen or "nearest" in seen:
                # Else it ended without having waited.
                yield from _waits(record, events, points, seen, "while it waited")
            if record.reason == _SELF_TRADE:
                yield "It met an own order on the other side (`orders --all`): there are other rules for that."
            else:
                yield from _there(record, seen)
        case _:
            assert_never(status)


def _left(record: OrderRecord) -> str:
    base, _, quote = record.request.symbol.partition("/")
    if (cost := record.request.terms.cost) is not None:
        return f"{text(EXACT.subtract(cost, record.filled_notional))} of {text(cost)} {quote} left to spend"
    left = EXACT.subtract(record.quantity, record.filled_quantity)
    return f"{text(left)} of {text(record.quantity)} {base} left to fill"


def _of_standing(standing: OrderStanding | None) -> Mapping[str, Any]:
    """As what is kept at an end."""
    if standing is None:
        return {}
    at = None if standing.nearest is None else {"price": text(standing.nearest), "time_ns": standing.nearest_at_ns}
    seen: dict[str, Any] = {"nearest": at}
    if standing.ahead is not None:
        seen["queue_ahead"] = text(standing.ahead)
    if standing.traded is not None:
        seen["queue_traded"] = text(standing.traded)
    return seen


def _waits(
    record: OrderRecord,
    events: Sequence[ExchangeEvent],
    points: Sequence[QueuePoint],
    seen: Mapping[str, Any],
    when: str,
) -> Iterator[str]:
    """How near the market came, and of a queue what became of it."""
    terms, side, nearest = record.request_now.terms, record.request.side, seen.get("nearest")
    fired = [each for each in events if isinstance(each, OrderTriggered)]
    price = record.price_now
    if terms.waits and not fired:
        trigger = None if price is None else f" at {price_words(price)}"
        if "nearest" not in seen:
            yield f"Its trigger{trigger or ''} was not reached. {_UNKNOWN}"
        elif nearest is None:
            yield f"Its trigger{trigger or ''} was never reached: there was no trade {when}."
        elif terms.trail is not None:
            yield f"Its trigger{trigger or ''} trailed behind the market and was never reached."
        else:
            yield f"Its trigger{trigger or ''} was never reached: {_came(nearest, price, when)}."
        return
    for each in fired:
        at, trade = price_words(each.trigger), price_words(each.last)
        yield f"Its trigger at {at} was reached by a trade at {trade}, {iso(each.time_ns)}."
    if price is None or not terms.limited:
        return
    if record.filled_quantity and (nearest is None or not _is_reached(side, nearest, price)):
        yield f"No trade came to its price {price_words(price)} {when}: what it has is from the book."
        return
    if nearest is None:
        none = f"The market never came to its price {price_words(price)}: there was no trade {when}."
        yield none if "nearest" in seen else _UNKNOWN
        return
    if not _is_reached(side, nearest, price):
        yield f"The market never came to its price {price_words(price)}: {_came(nearest, price, when)}."
        return
    yield f"Trades came to its price {price_words(price)}: {_came(nearest, price, when, 'beyond')}."
    yield from _queue(record, points, seen, when)


def _is_reached(side: Side, nearest: Mapping[str, Any], limit: Decimal) -> bool:
    traded = Decimal(nearest["price"])
    return traded <= limit if side is Side.BUY else traded >= limit


def _came(nearest: Mapping[str, Any], price: Decimal | None, when: str, where: str = "away") -> str:
    traded = Decimal(nearest["price"])
    away = "" if price is None else f", {text(abs(EXACT.subtract(traded, price)))} {where}"
    at = "" if nearest.get("time_ns") is None else f" at {iso(nearest['time_ns'])}"
    return f"the nearest trade {when} was {price_words(traded)}{away if traded != price else ''}{at}"


def _queue(record: OrderRecord, points: Sequence[QueuePoint], seen: Mapping[str, Any], when: str) -> Iterator[str]:
    """What stood in front, and where it went."""
    base = record.request.symbol.partition("/")[0]
    places = [each for each in points if each.why in (QueueChange.ARRIVAL, QueueChange.AMENDED, QueueChange.REFILL)]
    if not points or not places:
        yield "Without a book only a trade through its price fills it, and of a candle at most a share of its volume."
        return
    arrived, left = places[-1].ahead, seen.get("queue_ahead")
    if arrived is None or left is None or left == "unknown":
        yield "Nobody knows how many stood in front of it: their place in the queue could not be seen."
        return
    end = Decimal(left)
    traded = EXACT.subtract(max(points[-1].traded, Decimal(seen.get("queue_traded", "0"))), places[-1].traded)
    gone = EXACT.subtract(EXACT.subtract(arrived, traded), end)
    told = f"{text(arrived)} {base} stood in front when it took its place, {text(traded)} of these were traded"
    if gone < 0:
        told += f", {text(abs(gone))} more were told of late"
    elif any(each.why is QueueChange.PASSED and each.point > places[-1].point for each in points):
        told += f", {text(gone)} left or were traded as a trade went through the price"
    else:
        told += f", {text(gone)} left"
    yield f"{told}, and {text(end)} {'stand in front now' if when == _SO_FAR else 'still stood in front at the end'}."


def _there(record: OrderRecord, seen: Mapping[str, Any]) -> Iterator[str]:
    """What the market showed at that moment."""
    quote, base = seen.get("quote") or [None, None], record.request.symbol.partition("/")[0]
    if None not in quote and quote[0] == quote[1]:
        yield f"The last trade was then at {price_words(quote[0])}."
    elif None not in quote:
        when = "At the end the best quotes were" if "nearest" in seen else "The best quotes were then"
        yield f"{when} {price_words(quote[0])} / {price_words(quote[1])}."
    if "book" not in seen:
        return
    buys, limit = record.request.side is Side.BUY, record.price_now
    side = BookLadder.of(seen["book"]).side(Side.SELL if buys else Side.BUY)
    within = [
        level
        for level in side
        if limit is None or not record.request.terms.limited or (level.price <= limit if buys else level.price >= limit)
    ]
    could = exact_sum(level.available for level in within)
    reach = "" if limit is None or not record.request.terms.limited else f" within {price_words(limit)}"
    more = " on the ten best prices" if len(within) == len(side) == 10 else ""
    yield f"{text(could)} {base} could be {'bought' if buys else 'sold'}{reach}{more} of the book as it was then."

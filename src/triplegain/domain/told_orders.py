"""Everything about one order, told: what became of it, each fill and why at this price, the queue, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from triplegain.domain.clock import iso
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled, OrderTriggered
from triplegain.domain.money import EXACT, divide, exact_sum, text
from triplegain.domain.orders import OrderStatus, Side
from triplegain.domain.queue_path import QueuePoint
from triplegain.domain.records import OrderRecord
from triplegain.domain.told_ends import seen_at_end, why_not
from triplegain.domain.told_fills import (
    BookLadder,
    CostParts,
    FillStep,
    FillTotals,
    StepKey,
    brief_words,
    cost_of,
    price_words,
    told_steps,
)
from triplegain.domain.views import OrderStanding


class ToldOrder(msgspec.Struct, frozen=True):
    """`headline` in one sentence; `steps` its fills, or a page of the `fills` it has, and the next page begins after
    `next`; `why_not` what kept the rest from filling, empty where nothing did; `queue` how the queue in front of it
    went; `cost` of all fills, None where one has nothing to be compared with; `seen` the book as it was refused or
    ended at once."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    status: str
    price: Decimal | None
    headline: str
    steps: tuple[FillStep, ...]
    why_not: tuple[str, ...]
    queue: tuple[QueuePoint, ...]
    cost: CostParts | None
    cost_words: str
    seen: BookLadder | None
    fills: int
    next: int | None


class FillPage(msgspec.Struct, frozen=True):
    """Some fills of an order, one after the other, of `totals` in all; `next`: the number of the last one, where more
    follow. Of the steps `cut` there are more fills than these."""

    fills: Sequence[OrderFilled]
    totals: FillTotals
    next: int | None = None
    cut: frozenset[StepKey] = frozenset()


def told_order(
    record: OrderRecord,
    page: FillPage,
    events: Sequence[ExchangeEvent],
    points: Sequence[QueuePoint],
    standing: OrderStanding | None = None,
    stands: str = "is open",
) -> ToldOrder:
    """From what is stored of it; `standing`: how it stands at the exchange now, if it is open and that is known;
    `stands`: what is said of one that is open."""
    book, cost = seen_at_end(events).get("book"), page.totals.cost
    return ToldOrder(
        order_id=record.order_id,
        client_order_id=record.request.client_order_id,
        symbol=record.request.symbol,
        side=record.request.side.value,
        status=record.status.value,
        price=record.price_now,
        headline=_headline(record, page.totals),
        steps=told_steps(page.fills, page.cut),
        why_not=why_not(record, events, points, standing, stands),
        queue=tuple(points),
        cost=cost,
        cost_words="" if cost is None else _cost_words(record, cost, _reference(record, page.fills, events)),
        seen=None if book is None else BookLadder.of(book),
        fills=page.totals.fills,
        next=page.next,
    )


def _headline(record: OrderRecord, totals: FillTotals) -> str:
    request, average = record.request_now, totals.average
    base, _, quote = request.symbol.partition("/")
    cost = request.terms.cost
    if cost is None:
        wanted = f"{request.side.value} {text(record.quantity)} {base} {request.terms.words}{_stands(record)}"
    else:
        wanted = f"{request.side.value} {base} for {text(cost)} {quote} at market"
    told = f"{wanted}, sent {iso(record.submitted_at_ns)}: {record.status.value.replace('_', ' ')}"
    if average is None:
        return told + "."
    filled = text(record.filled_quantity)
    if record.status is not OrderStatus.FILLED:
        filled = f"; filled {filled} {f'of {text(record.quantity)} ' if cost is None else ''}{base}"
    elif cost is None and record.filled_quantity == record.quantity:
        filled = ""
    else:
        filled = f" {filled} {base}"
    return f"{told}{filled} at {brief_words(average)} {quote}{' on average' if totals.fills > 1 else ''}."


def _stands(record: OrderRecord) -> str:
    """Where it came to stand, or was amended to, if what was asked for does not say it."""
    terms, now = record.request_now.terms, record.price_now
    if now is None or now == terms.price or terms.trail is not None or (terms.waits and record.triggered):
        return ""
    if terms.price is None:
        return f", {'its trigger at' if terms.waits else 'at'} {price_words(now)}"
    return "" if terms.waits else f", now at {price_words(now)}"


def _cost_words(record: OrderRecord, cost: CostParts, beside: str) -> str:
    """`It cost 6.3 USDT (2.1 bp) ...`, part by part."""
    quote, notional = record.request.symbol.partition("/")[2], record.filled_notional
    points = "" if not notional else f" ({divide(cost.total * 10_000, notional):,.2f} bp of what it traded)"
    parts = ", ".join(f"{name} {brief_words(getattr(cost, name))}" for name in CostParts.__struct_fields__)
    verb = "cost" if cost.total >= 0 else "gained"
    return f"Against {beside} it {verb} {brief_words(abs(cost.total))} {quote}{points}: {parts}."


def _reference(record: OrderRecord, fills: Sequence[OrderFilled], events: Sequence[ExchangeEvent]) -> str:
    """What its parts are parts of. Those of what waited were of the middle, before they were of its trigger."""
    middle = "the middle when it was decided"
    if not record.request.terms.waits:
        return middle
    fired = [each.trigger for each in events if isinstance(each, OrderTriggered)]
    caused = [Decimal(cause["trigger"]) for fill in fills if "trigger" in (cause := fill.explanation.get("cause", {}))]
    trigger = next(iter([*fired, *caused]), None)
    if (trigger is None or not _are_of(fills, trigger)) and _are_of(fills, None):
        return middle
    at = "" if trigger is None else f" at {price_words(trigger)}"
    return f"its trigger{at} (delay: from there to the middle when it was reached)"


def _are_of(fills: Sequence[OrderFilled], reference: Decimal | None) -> bool:
    """Whether the parts, without fees, are what was paid or received worse than that price, or than the middle that
    each fill tells of."""
    for fill in fills:
        cost, quotes = cost_of(fill), fill.explanation.get("quote_at_decision") or [None, None]
        if cost is None or (reference is None and None in quotes):
            return False
        # Twice each: the middle lies between two ticks as often as not.
        doubled = exact_sum(map(Decimal, quotes)) if reference is None else EXACT.add(reference, reference)
        paid = EXACT.subtract(EXACT.add(fill.notional, fill.notional), EXACT.multiply(doubled, fill.quantity))
        parts = exact_sum((cost.delay, cost.spread, cost.impact))
        if EXACT.add(parts, parts) != (paid if fill.side is Side.BUY else EXACT.minus(paid)):
            return False
    return bool(fills)

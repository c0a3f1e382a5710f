"""Everything about one order, told: what became of it, each fill and why at this price, the queue, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal

import msgspec

from triplegain.domain.clock import iso
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.money import EXACT, divide, exact_sum, plain, text
from triplegain.domain.queue_path import QueuePoint
from triplegain.domain.records import OrderRecord
from triplegain.domain.told_ends import seen_at_end, why_not
from triplegain.domain.told_fills import BookLadder, CostParts, FillStep, added, price_words, told_steps
from triplegain.domain.views import OrderStanding

_EIGHT_DIGITS = Context(prec=8)


class ToldOrder(msgspec.Struct, frozen=True):
    """`headline` in one sentence; `steps` its fills; `why_not` what kept the rest from filling, empty where nothing
    did; `queue` how the queue in front of it went; `cost` of all fills, None where one has nothing to be compared with;
    `seen` the book as it was refused or ended at once."""

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


def told_order(
    record: OrderRecord,
    fills: Sequence[OrderFilled],
    events: Sequence[ExchangeEvent],
    points: Sequence[QueuePoint],
    standing: OrderStanding | None = None,
) -> ToldOrder:
    """From what is stored of it; `standing`: how it stands at the exchange now, if it is open and that is known."""
    steps, book = told_steps(fills), seen_at_end(events).get("book")
    cost = added(fill.cost for step in steps for fill in step.fills)
    return ToldOrder(
        order_id=record.order_id,
        client_order_id=record.request.client_order_id,
        symbol=record.request.symbol,
        side=record.request.side.value,
        status=record.status.value,
        price=record.price_now,
        headline=_headline(record, fills),
        steps=steps,
        why_not=why_not(record, events, points, standing),
        queue=tuple(points),
        cost=cost,
        cost_words="" if cost is None else _cost_words(record, fills, cost),
        seen=None if book is None else BookLadder.of(book),
    )


def _headline(record: OrderRecord, fills: Sequence[OrderFilled]) -> str:
    request = record.request_now
    base, _, quote = request.symbol.partition("/")
    wanted = f"{request.side.value} {text(record.quantity)} {base} {request.terms.words}"
    asked, now = request.terms.price, record.price_now
    if now is not None and asked is not None and now != asked and not request.terms.waits:
        wanted += f", now at {price_words(now)}"
    told = f"{wanted}, sent {iso(record.submitted_at_ns)}: {record.status.value.replace('_', ' ')}"
    if not fills:
        return told + "."
    filled = "" if record.filled_quantity == record.quantity else f" {text(record.filled_quantity)} {base}"
    quantity = exact_sum(fill.quantity for fill in fills)
    average = divide(exact_sum(EXACT.multiply(fill.price, fill.quantity) for fill in fills), quantity)
    return f"{told}{filled} at {_brief(average)} {quote}{' on average' if len(fills) > 1 else ''}."


def _cost_words(record: OrderRecord, fills: Sequence[OrderFilled], cost: CostParts) -> str:
    """`It cost 6.3 USDT (2.1 bp) ...`, part by part."""
    quote, notional = record.request.symbol.partition("/")[2], record.filled_notional
    points = "" if not notional else f" ({divide(cost.total * 10_000, notional):,.2f} bp of what it traded)"
    if record.request.terms.waits:
        beside = f"its trigger{_fired(fills)} (delay: from there to the middle when it was reached)"
    else:
        beside = "the middle when it was decided"
    parts = ", ".join(f"{name} {_brief(getattr(cost, name))}" for name in CostParts.__struct_fields__)
    verb = "cost" if cost.total >= 0 else "gained"
    return f"Against {beside} it {verb} {_brief(abs(cost.total))} {quote}{points}: {parts}."


def _brief(value: Decimal) -> str:
    """Eight digits that matter; all of them stand in the parts themselves."""
    return f"{plain(_EIGHT_DIGITS.plus(value)):,f}"


def _fired(fills: Sequence[OrderFilled]) -> str:
    trigger = next((fill.explanation["cause"].get("trigger") for fill in fills), None)
    return "" if trigger is None else f" at {price_words(trigger)}"

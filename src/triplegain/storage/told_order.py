"""An order told, from what is stored of it: by its own id, the client's, or that of one of its fills."""

from __future__ import annotations

import re

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.records import OrderRecord
from triplegain.domain.told_fills import StepKey, step_of, totals_of
from triplegain.domain.told_orders import FillPage, ToldOrder, told_order
from triplegain.domain.values import NAME
from triplegain.domain.views import OrderStanding
from triplegain.storage.session_reader import SessionReader

#: Of one page.
FILLS_MAX = 1000
_ANSWERS_MAX = 1000
#: Answers that say something about how an order went, beside its fills.
_KINDS = ("scheduled", "rejected", "cancelled", "triggered")


async def order_named(reader: SessionReader, session_id: str, name: str) -> OrderRecord | None:
    """By the client's id, else by the exchange's; None where none has it."""
    found = await reader.order(session_id, client_order_id=name)
    return found or await reader.order(session_id, order_id=name)


async def order_or_fill_named(
    reader: SessionReader, session_id: str, name: str
) -> tuple[OrderRecord | None, OrderFilled | None]:
    """By client order id, order id or fill id, in this order, and the fill if it is that; None where none has it."""
    if not re.fullmatch(NAME, name):
        return None, None
    if (found := await order_named(reader, session_id, name)) is not None:
        return found, None
    for fill in await reader.fills(session_id, fill_id=name, limit=1):
        return await reader.order(session_id, client_order_id=fill.client_order_id), fill
    return None, None


async def read_told_order(
    reader: SessionReader,
    session_id: str,
    record: OrderRecord,
    standing: OrderStanding | None = None,
    *,
    after: int | None = None,
    limit: int = FILLS_MAX,
    stands: str = "is open",
) -> ToldOrder:
    """With at most `limit` of its fills, those after the fill of that number; a step is told whole, unless it alone is
    more. `standing`: how it stands at the exchange now, where that is known; `stands`: what is said of one that is
    open."""
    number = record.order_number
    found = await reader.fills(session_id, order_number=number, after=after, limit=limit + 1)
    fills, following, cut = found[:limit], None, set[StepKey]()
    if after is not None and fills:
        earlier = await reader.fills(
            session_id, order_number=number, after=fills[0].fill_number, limit=1, newest_first=True
        )
        cut |= {step_of(each) for each in earlier} & {step_of(fills[0])}
    if len(found) > limit:
        whole = limit
        while whole and step_of(fills[whole - 1]) == step_of(found[limit]):
            whole -= 1
        cut |= set() if whole else {step_of(found[limit])}
        fills = fills[:whole] or fills
        following = fills[-1].fill_number
    is_all = after is None and following is None
    totals = totals_of(fills) if is_all else await reader.fill_totals(session_id, number)
    return told_order(
        record,
        FillPage(fills, totals, following, frozenset(cut)),
        await reader.answers(session_id, order_number=number, kinds=list(_KINDS), limit=_ANSWERS_MAX),
        await reader.queue_points(session_id, order_number=number),
        standing,
        stands,
    )


async def before_step(reader: SessionReader, session_id: str, fill: OrderFilled) -> int:
    """The number after which the fills of its order begin with its step, or with so much of it that a page has the
    fill."""
    earlier = await reader.fills(
        session_id, order_number=fill.order_number, after=fill.fill_number, limit=FILLS_MAX, newest_first=True
    )
    for each in earlier:
        if step_of(each) != step_of(fill):
            return each.fill_number
    return earlier[FILLS_MAX // 2].fill_number if len(earlier) == FILLS_MAX else 0

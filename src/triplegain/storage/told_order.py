"""An order told, from what is stored of it: by its own id, the client's, or that of one of its fills."""

from __future__ import annotations

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.records import OrderRecord
from triplegain.domain.told_fills import step_of, totals_of
from triplegain.domain.told_orders import FillPage, ToldOrder, told_order
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
) -> ToldOrder:
    """With at most `limit` of its fills, those after the fill of that number; a step is told whole, unless it alone is
    more. `standing`: how it stands at the exchange now, where that is known."""
    number = record.order_number
    found = await reader.fills(session_id, order_number=number, after=after, limit=limit + 1)
    fills, following = found[:limit], None
    if len(found) > limit:
        whole = limit
        while whole and step_of(fills[whole - 1]) == step_of(found[limit]):
            whole -= 1
        fills = fills[:whole] or fills
        following = fills[-1].fill_number
    is_all = after is None and following is None
    totals = totals_of(fills) if is_all else await reader.fill_totals(session_id, number)
    return told_order(
        record,
        FillPage(fills, totals, following),
        await reader.answers(session_id, order_number=number, kinds=list(_KINDS), limit=_ANSWERS_MAX),
        await reader.queue_points(session_id, order_number=number),
        standing,
    )


async def before_step(reader: SessionReader, session_id: str, fill: OrderFilled) -> int:
    """The number after which the fills of its order begin with its step."""
    earlier = await reader.fills(
        session_id, order_number=fill.order_number, after=fill.fill_number, limit=FILLS_MAX, newest_first=True
    )
    for each in earlier:
        if step_of(each) != step_of(fill):
            return each.fill_number
    return earlier[-1].fill_number - 1 if len(earlier) == FILLS_MAX else 0

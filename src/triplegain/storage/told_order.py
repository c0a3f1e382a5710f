"""An order told, from what is stored of it: by its own id, the client's, or that of one of its fills."""

from __future__ import annotations

from triplegain.domain.records import OrderRecord
from triplegain.domain.told_orders import ToldOrder, told_order
from triplegain.domain.views import OrderStanding
from triplegain.storage.session_reader import SessionReader

_FILLS_MAX = 10_000
#: Answers that say something about how an order went, beside its fills.
_KINDS = ("scheduled", "rejected", "cancelled", "triggered")


async def order_named(reader: SessionReader, session_id: str, name: str) -> OrderRecord | None:
    """By the client's id, else by the exchange's; None where none has it."""
    found = await reader.order(session_id, client_order_id=name)
    return found or await reader.order(session_id, order_id=name)


async def find_order(reader: SessionReader, session_id: str, name: str) -> OrderRecord | None:
    """By client order id, order id or fill id, in this order; None where none has it."""
    if (found := await order_named(reader, session_id, name)) is not None:
        return found
    for fill in await reader.fills(session_id, fill_id=name, limit=1):
        return await reader.order(session_id, client_order_id=fill.client_order_id)
    return None


async def read_told_order(
    reader: SessionReader, session_id: str, record: OrderRecord, standing: OrderStanding | None = None
) -> ToldOrder:
    """`standing`: how it stands at the exchange now, where that is known."""
    number = record.order_number
    return told_order(
        record,
        await reader.fills(session_id, order_number=number, limit=_FILLS_MAX),
        await reader.answers(session_id, order_number=number, kinds=list(_KINDS), limit=_FILLS_MAX),
        await reader.queue_points(session_id, order_number=number),
        standing,
    )

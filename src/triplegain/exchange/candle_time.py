"""Time where candles are all there is.

A market of candles tells its prices at each close, and what is decided then meets the open that follows. So does all
that comes of it before the market says more (a cancel is answered, then the sale is sent): a delay shorter than a
candle is none. What is sent inside a candle meets the next open. A candle that has begun is told only when it is over,
so an order that it may fill is not taken back or changed before.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.market import Candle
from triplegain.exchange.order import WorkingOrder

#: So much after a close comes what must come after all that is told at it, of this market and of others.
AFTER_NS = 1


class ToldCandle(Struct, frozen=True):
    """The candle that was told last: prices in ticks, quantities in lots. `left` is what of it can still be had.

    `bought` and `sold` name the orders that it filled and their positions: the stops that follow meet it, too.
    """

    open_time_ns: int
    length_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: Decimal
    left: Decimal
    bought: tuple[str, ...] = ()
    sold: tuple[str, ...] = ()

    @classmethod
    def of(cls, candle: Candle, left: int) -> ToldCandle:
        """`left`: how many lots of it orders may take."""
        prices = candle.open, candle.high, candle.low, candle.close
        return cls(candle.open_time_ns, candle.length_ns, *prices, Decimal(candle.volume), Decimal(left))

    def dealt(self, order: WorkingOrder, lots: int) -> ToldCandle:
        """The same when it has filled so many lots of the order."""
        request, left = order.request, self.left - lots
        names = tuple(name for name in (request.client_order_id, request.position_id) if name is not None)
        if order.side == 0:
            return replace(self, left=left, bought=self.bought + names)
        # Nothing guards a sale of coins.
        opens = request.leverage > 1 or request.options.close is not None
        return replace(self, left=left, sold=self.sold + names if opens else self.sold)

    @property
    def close_time_ns(self) -> int:
        return self.open_time_ns + self.length_ns

    @property
    def cause(self) -> dict[str, Any]:
        """For the explanation of what it fills."""
        times = {"time_ns": self.close_time_ns, "open_time_ns": self.open_time_ns}
        prices = {"price": self.open, "high": self.high, "low": self.low, "close": self.close}
        return {"event": "candle", **times, **prices, "quantity": int(self.volume)}

    def next_open_ns(self, time_ns: int) -> int:
        """The first time at or after `time_ns` at which a candle may open once this one is over."""
        later = max(time_ns - self.close_time_ns, 0)
        return self.close_time_ns + -(-later // self.length_ns) * self.length_ns

    def delay_ns(self, delay_ns: int) -> int:
        """What counts of a delay."""
        return delay_ns if delay_ns >= self.length_ns else 0

    def answers(self, sent_ns: int) -> bool:
        """Whether what is sent then is sent in answer to this candle, and to nothing later."""
        return sent_ns <= self.close_time_ns + AFTER_NS

    def done_by_ns(self, sent_ns: int) -> int:
        """When what is sent then has been done and told: it meets the next open, told at the close of that candle."""
        opens_ns = self.close_time_ns if self.answers(sent_ns) else self.next_open_ns(sent_ns)
        return opens_ns + self.length_ns

    def can_fill(self, order: WorkingOrder) -> bool:
        """Whether the order was there for this candle's open."""
        return self.volume > 0 and sent_ns(order, self.length_ns) <= self.open_time_ns + AFTER_NS

    def changes_ns(self, order: WorkingOrder, time_ns: int) -> int:
        """When a cancel or an amendment that arrives at `time_ns` is carried out: not while a candle is under way that
        may fill the order. A stop meets every candle of which it sees a part."""
        over_ns = self.next_open_ns(time_ns - AFTER_NS)
        begun_ns = over_ns - self.length_ns
        is_met = order.request.terms.guards or sent_ns(order, self.length_ns) <= begun_ns + AFTER_NS
        return over_ns + AFTER_NS if is_met and not self.answers(time_ns) else time_ns


def sent_ns(order: WorkingOrder, length_ns: int) -> int:
    """Since when an order counts in a market of candles so long."""
    starts_ns = order.request.options.starts_at_ns or 0
    return max(order.sent_ns if order.arrived_ns - order.sent_ns < length_ns else order.arrived_ns, starts_ns)

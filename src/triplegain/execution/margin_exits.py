"""The way out of what is held on margin: everything is closed, for whoever orders that."""

from __future__ import annotations

from collections.abc import Callable

from triplegain.domain.ids import Family, own_id
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, SelfTradePrevention
from triplegain.exchange.commands import Cancel
from triplegain.exchange.paper_exchange import PaperExchange

#: What the record says these orders are for.
PURPOSE = "margin_exit"


class MarginExits:
    """Of an account on the paper exchange. Asked again, it sends only what is not under way. `of_desk` says of a pair
    whether what is on margin there is the desk's, which takes that off itself."""

    def __init__(self, exchange: PaperExchange, of_desk: Callable[[str], str | None]) -> None:
        self._exchange = exchange
        self._of_desk = of_desk

    def send(self) -> None:
        """Take back orders that could open something, and close every position by an order on the market."""
        exchange = self._exchange
        leaving = {each for each in exchange.agenda.under_way() if isinstance(each, Cancel)}
        for order in list(exchange.orders.values()):
            request = order.request
            opens = request.leverage > 1 and not request.only_reduces and request.position_id is None
            if opens and Cancel(request.client_order_id) not in leaving:
                exchange.cancel(request.client_order_id)
        closing = {each.request.symbol for each in exchange.orders.values() if each.request.purpose == PURPOSE}
        for position in list(exchange.margin.positions.values()):
            if position.symbol in closing or self._of_desk(position.symbol) is not None:
                continue
            closing.add(position.symbol)
            held = exchange.margin.position(position.symbol)
            assert held is not None
            instrument = exchange.markets[position.symbol].instrument
            exchange.place(
                OrderRequest(
                    own_id(Family.COVER, exchange.order_count + 1),
                    position.symbol,
                    held.side.opposite,
                    instrument.quantity(held.lots),
                    Market(),
                    leverage=position.leverage,
                    # What we have resting is never in the way out.
                    self_trade=SelfTradePrevention.CANCEL_OLDEST,
                    purpose=PURPOSE,
                    options=OrderOptions(reduce_only=True),
                )
            )

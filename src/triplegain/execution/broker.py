"""What we may ask of a venue, paper or live alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from triplegain.domain.orders import AmendRequest, OrderRequest


class Broker(Protocol):
    """Takes commands and never answers at once: answers are `ExchangeEvent`s, delivered when they are visible to us.

    None of the calls may deliver an event before it returns. A command for an unknown or finished order is answered
    by `CommandRefused`; a client order id sent twice is one order.
    """

    def place(self, request: OrderRequest) -> None:
        """Send an order."""
        ...

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        """Send orders of one pair together: one that is not valid ends all of them."""
        ...

    def cancel(self, client_order_id: str) -> None:
        """Ask for the rest of an order to be cancelled. A fill may still come first."""
        ...

    def amend(self, request: AmendRequest) -> None:
        """Ask for a resting order to be changed in place."""
        ...

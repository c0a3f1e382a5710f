"""How large an order must be, how much of it may be hidden, and how long it may wait, by its terms."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from triplegain.domain.instrument import Instrument
from triplegain.domain.money import from_atoms, text
from triplegain.domain.orders import TimeInForce
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.venue_market import VenueMarket

#: An iceberg shows at least one of so many parts of itself.
_PARTS_MAX = 15


def check_size(order: WorkingOrder, market: VenueMarket, takes_all: bool) -> Refusal | None:
    """Minimum quantity and minimum cost, of what is asked for; the part that an iceberg shows. `takes_all`: it only
    takes a position on margin off, and leaves nothing of it. What is owed can be given back however little it is.
    """
    instrument = order.instrument
    if order.request.terms.settles:
        return None if order.lots else _too_small(order, order.lots)
    price: int | None = order.price or market.quotes()[1 - order.side]
    least = 1 if takes_all else instrument.lots_min or 1
    if order.lots < least and not order.cost:
        return _too_small(order, order.lots)
    if price is None:
        return Refusal(Code.UNAVAILABLE, f"nobody is quoting the other side of {instrument.symbol}")
    unit = price * instrument.atoms_per_tick_lot
    lots = order.lots or order.cost // unit
    if lots < least:
        return _too_small(order, lots)
    cost = order.cost or lots * unit
    if cost < instrument.cost_min_atoms and not takes_all:
        below = f"{text(from_atoms(cost))} {instrument.quote} is below the minimum cost {text(instrument.cost_min)}"
        return Refusal(Code.COST_MINIMUM, below)
    display = order.request.terms.display
    return None if display is None else check_display(instrument, display, order.lots)


def _too_small(order: WorkingOrder, lots: int) -> Refusal:
    instrument = order.instrument
    asked = order.request.quantity or instrument.quantity(lots)
    minimum = text(instrument.quantity_min)
    return Refusal(
        Code.ORDER_MINIMUM, f"{text(asked)} {instrument.base} is below {instrument.symbol}'s minimum {minimum}"
    )


def check_display(
    instrument: Instrument, display: Decimal | None, lots: int, may_be_all: bool = False
) -> Refusal | None:
    """What an iceberg of so many lots shows. `may_be_all`: one that was amended to less than it showed shows all of
    itself, and may be amended again."""
    if display is None:
        return None
    shown = whole_lots(instrument, display)
    if shown < max(instrument.lots_min, 1) or shown * _PARTS_MAX < lots or (shown > lots and not may_be_all):
        words = f"an iceberg shows a {_PARTS_MAX}th of itself and {instrument.symbol}'s minimum at least"
        return Refusal(Code.INVALID_DISPLAY, words)
    return None


def whole_lots(instrument: Instrument, quantity: Decimal) -> int:
    """Cut to the lot; 0 where it is no quantity at all."""
    return instrument.tradable_lots(quantity) or 0


def check_force(order: WorkingOrder) -> Refusal | None:
    """Only what has a limit is filled whole or not at all; what is hidden or may only make has to wait."""
    terms, force = order.request.terms, order.request.time_in_force
    match force:
        case TimeInForce.GTC | TimeInForce.GTD:
            return None
        case TimeInForce.IOC | TimeInForce.FOK:
            if order.post_only:
                return Refusal(Code.INVALID_TIME_IN_FORCE, f"post-only contradicts {_WORDS[force]}")
            if terms.display is not None:
                return Refusal(Code.INVALID_TIME_IN_FORCE, f"an iceberg waits: {_WORDS[force]} contradicts it")
            if force is TimeInForce.FOK and not terms.limited:
                return Refusal(Code.INVALID_TIME_IN_FORCE, "only an order with a limit can be fill or kill")
            return None
        case _:
            assert_never(force)


_WORDS = {TimeInForce.IOC: "immediate or cancel", TimeInForce.FOK: "fill or kill"}

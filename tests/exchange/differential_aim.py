"""Commands that are about an order, led to one that is there: a stream that is drawn without a look at what comes of it
names orders that are mostly over."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import msgspec
from tests.exchange.differential import reference_of, take
from tests.exchange.differential_streams import Cancel, CancelBatch, Plan, Question, Step

from triplegain.domain.market import MarketDepth
from triplegain.domain.orders import AmendRequest, OrderRequest

#: How many of them are led; the others stay as they were drawn.
_LED = 0.7


def aimed(steps: Iterable[Step], plan: Plan, depth: MarketDepth) -> Iterator[Step]:
    """The reference says which orders there are when each is sent."""
    draws, reference = random.Random(plan.seed + 2), reference_of(plan, depth)
    for step in steps:
        led = _led(step, draws, [*reference.open, *reference.waiting])
        take(reference, led)
        reference.drain()
        yield led


def _led(step: Step, draws: random.Random, names: list[str]) -> Step:
    if not names or draws.random() > _LED:
        return step
    match step:
        case Cancel():
            return Cancel(draws.choice(names))
        case CancelBatch():
            return CancelBatch(tuple(draws.choice(names) for _ in step.names))
        case AmendRequest():
            return msgspec.structs.replace(step, client_order_id=draws.choice(names))
        case OrderRequest():
            return _in_place_of(step, draws.choice(names))
        case Question():
            return Question(_in_place_of(step.request, draws.choice(names)))
        case _:
            return step


def _in_place_of(request: OrderRequest, name: str) -> OrderRequest:
    """An edit is of that one."""
    if request.options.replaces is None:
        return request
    return msgspec.structs.replace(request, options=msgspec.structs.replace(request.options, replaces=name))

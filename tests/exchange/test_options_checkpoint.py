"""Whatever an order asks for, and whatever is under way: written down at any step and put back it goes on the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import Bench
from tests.exchange.test_checkpoint import as_text, shuffled
from tests.session.stored_parts import Rows, all_said

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import Limit, OrderOptions, StopLoss, TimeInForce
from triplegain.exchange.settings import ExchangeSettings

S = SECOND_NS
#: Whether it is the market's doing, and what is done.
Step = tuple[bool, Callable[[Bench], Any]]


def market(second: float, **levels: Any) -> Step:
    return True, lambda b: b.book(at=int(second * S), **levels)


def tape(second: float, side: str, quantity: str, price: str) -> Step:
    return True, lambda b: b.trade(side, quantity, price, at=int(second * S))


def status(second: float, state: FeedState) -> Step:
    return True, lambda b: b.exchange.on_event(FeedStatus("BTC/USDT", int(second * S), 0, state))


def send(name: str, side: str, quantity: str, terms: Any, **options: Any) -> Step:
    more = {key: options.pop(key) for key in ("time_in_force", "expires_at_ns") if key in options}
    return False, lambda b: b.order(name, side, quantity, terms, options=OrderOptions(**options), **more)


def do(act: Callable[[Bench], Any]) -> Step:
    return False, act


def batch(b: Bench) -> None:
    requests = [b.request("b1", "buy", "0.5", "99.0"), b.request("b2", "buy", "0.5", "98.0")]
    b.exchange.place_batch(requests)


STEPS: list[Step] = [
    (True, lambda b: b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=10 * S)),
    send("linked", "buy", "2", "100.0", close=StopLoss(Decimal("99.0"))),
    send("later", "buy", "1", "99.9", starts_at_ns=30 * S, time_in_force=TimeInForce.GTD, expires_at_ns=60 * S),
    send("sale", "sell", "1", None, close=Limit(Decimal("98.0")), starts_at_ns=25 * S),
    send("soon", "buy", "1", "99.0", deadline_ns=int(11.5 * S)),
    do(batch),
    do(lambda b: b.exchange.cancel_all_after(20)),
    market(12, bids="100.0x4"),
    tape(13, "sell", "4.5", "100.0"),
    tape(14, "sell", "0.7", "100.0"),
    do(lambda b: b.exchange.cancel_all_after(60)),
    market(20, bids="100.0x3"),
    send("edited", "buy", "1.5", "99.5", replaces="soon"),
    do(lambda b: b.exchange.cancel_batch(["b1", "b2"])),
    market(26, bids="100.0x2"),
    market(31, bids="100.0x1"),
    tape(33, "sell", "1", "98.9"),
    status(40, FeedState.MAINTENANCE),
    send("shut", "buy", "1", "99.0", starts_at_ns=70 * S),
    market(75, bids="100.0x1"),
    status(80, FeedState.SYNCED),
    market(85, bids="98.0x5", snapshot=True, asks="98.5x9"),
    send("last", "buy", "1", "98.5", close=Limit(Decimal("99.5"))),
    market(120, bids="98.0x4"),
]


def bench() -> Bench:
    delay = ExchangeSettings(place_delay_ns=S, cancel_delay_ns=S, response_delay_ns=S, jitter_ns=S // 2, seed=5)
    return Bench(settings=delay)


def play(b: Bench, steps: list[Step], states: list[Rows] | None = None) -> list[str]:
    told: list[str] = []
    for _, act in steps:
        if states is not None:
            states.append(all_said(b.parts))
        act(b)
        told += [as_text(event) for event in b.exchange.drain_events()]
    return told


@pytest.fixture(scope="module")
def whole() -> tuple[list[str], list[Rows]]:
    states: list[Rows] = []
    return play(bench(), STEPS, states), states


@pytest.mark.parametrize("position", range(1, len(STEPS)))
def test_a_restored_exchange_goes_on_identically(whole: tuple[list[str], list[Rows]], position: int) -> None:
    told, states = whole
    again = bench()
    for is_market, act in STEPS[:position]:
        if is_market:
            act(again)
    again.exchange.drain_events()
    again.parts.restore(shuffled(states[position]))
    assert all_said(again.parts) == states[position]
    rest = play(again, STEPS[position:])
    assert rest == told[len(told) - len(rest) :]


def test_the_script_has_everything(whole: tuple[list[str], list[Rows]]) -> None:
    told = "".join(whole[0])
    for word in (
        "starts_at_ns",
        "tg-close-1-1",
        "tg-close-1-2",
        "cancel all orders after",
        "another order takes its place",
    ):
        assert word in told
    assert any("exchange.cancel_after" in part for rows in whole[1] for part, _ in rows)

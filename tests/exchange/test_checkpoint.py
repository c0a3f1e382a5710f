"""A machine written down at any point and put back goes on exactly as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.exchange.streams import (
    Action,
    PublicBook,
    Trader,
    delays,
    new_exchange,
    queue_models,
    settings_of,
    streams,
    typed_streams,
)
from tests.session.stored_parts import Rows, all_said

from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.market import MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.parts import Parts
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.settings import ExchangeSettings, QueueModel

OPENING = ("10", "1000")
#: What is stored, and how many orders the trader has sent.
State = tuple[Rows, int]


class Kept(Trader):
    """A trader whose exchange and wallet are kept."""

    def __init__(self, exchange: PaperExchange, parts: Parts) -> None:
        super().__init__(exchange)
        exchange.paths.keep()
        self.parts = parts

    def state(self) -> State:
        return all_said(self.parts), self.sent


class Run:
    """A stream as a list of steps: a market message, or an order action."""

    def __init__(self, stream: list[Action], settings_: ExchangeSettings, depth: MarketDepth) -> None:
        self.settings, self.depth = settings_, depth
        public = PublicBook()
        self.steps: list[MarketEvent | Action] = list(public.opening())
        for action in stream:
            self.steps += [action] if action[0] in ("place", "cancel", "amend") else list(public.messages(action))
        if depth is MarketDepth.TAPE:
            self.steps = [step for step in self.steps if isinstance(step, (PublicTrade, tuple))]

    def trader(self) -> Kept:
        parts = Parts()
        return Kept(new_exchange(OPENING, self.settings, self.depth, parts), parts)

    def play(self, trader: Kept, start: int, states: list[State] | None = None) -> list[str]:
        """Answers as text from step `start` on; `states` collects the state before each step."""
        told: list[str] = []
        for step in self.steps[start:]:
            if states is not None:
                states.append(trader.state())
            if isinstance(step, tuple):
                trader.act(step)
                trader.exchange.run_through(trader.exchange.now_ns)
            else:
                trader.exchange.on_event(step)
            told += [as_text(event) for event in trader.exchange.drain_events()]
            told += [repr(point) for point in trader.exchange.paths.drain()]
        return told

    def resumed(self, position: int, state: State) -> Kept:
        """A fresh exchange that has seen the market up to `position` and then takes over `state`."""
        trader = self.trader()
        for step in self.steps[:position]:
            if not isinstance(step, tuple):
                trader.exchange.on_event(step)
        rows, trader.sent = state
        trader.parts.restore(shuffled(rows))
        return trader


def as_text(event: ExchangeEvent) -> str:
    return json.dumps(msgspec.to_builtins(event, enc_hook=dict))


def shuffled(rows: Rows) -> Rows:
    """As a database gives them back: rows and the keys of their values in any order."""
    return {name: json.dumps(json.loads(state), sort_keys=True).encode() for name, state in reversed(rows.items())}


def check(stream: list[Action], settings_: ExchangeSettings, depth: MarketDepth, every: int) -> None:
    run = Run(stream, settings_, depth)
    states: list[State] = []
    whole = run.trader()
    told = run.play(whole, 0, states)
    for position in range(0, len(run.steps), every):
        resumed = run.resumed(position, states[position])
        assert resumed.state() == states[position]
        rest = run.play(resumed, position)
        assert rest == told[len(told) - len(rest) :]
        assert resumed.state() == whole.state()


_quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.slow
@_quick
@given(streams, delays, queue_models)
def test_a_restored_exchange_goes_on_identically(
    stream: list[Action], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    check(stream, settings_of(delay, model), MarketDepth.BOOK, every=4)


@pytest.mark.slow
@settings(_quick, max_examples=15)
@given(streams, delays)
def test_a_restored_exchange_on_the_tape_goes_on_identically(
    stream: list[Action], delay: tuple[int, int, int, int]
) -> None:
    check(stream, settings_of(delay), MarketDepth.TAPE, every=4)


@settings(_quick, max_examples=40)
@given(typed_streams, delays, queue_models)
def test_a_restored_exchange_with_orders_of_every_type_goes_on_identically(
    stream: list[Action], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    check(stream, settings_of(delay, model), MarketDepth.BOOK, every=18)


@settings(_quick, max_examples=30)
@given(typed_streams, delays)
def test_a_restored_exchange_on_the_tape_with_orders_of_every_type_goes_on_identically(
    stream: list[Action], delay: tuple[int, int, int, int]
) -> None:
    check(stream, settings_of(delay), MarketDepth.TAPE, every=18)


def test_a_print_that_comes_after_the_restart_is_still_counted_once(usual: Any, bench: Callable[..., Any]) -> None:
    usual.order("bid", "buy", "1", "100.0")  # 5.0 in front
    usual.book(bids="100.0x2", at=50)
    again = bench()
    again.book(bids="100.0x2", asks="100.1x1 100.2x10", snapshot=True, at=50)
    again.parts.restore(shuffled(all_said(usual.parts)))
    for b in (usual, again):
        b.book(bids="100.0x2", at=50)
        b.trade("sell", "3.0", "100.0", at=50)  # what the first change has shown: 2.0 stay in front
        assert b.fills() == []
        b.trade("sell", "2.4", "100.0", at=60)
        assert b.fills() == ["0.4 @ 100 maker"]


def test_of_orders_that_are_over_the_last_256_are_remembered(usual: Any) -> None:
    for number in range(260):
        usual.order(f"bid-{number}", "buy", "1", "99.0")
        usual.cancel(f"bid-{number}")
        usual.drain()
    kept = [key for part, key in usual.parts.rows if part == "exchange.recent"]
    assert sorted(kept) == sorted(f"bid-{number}" for number in range(4, 260))


@pytest.mark.slow
@settings(_quick, max_examples=60, derandomize=False)
@given(streams, delays, queue_models)
def test_a_restored_exchange_goes_on_identically_from_every_event(
    stream: list[Action], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    check(stream, settings_of(delay, model), MarketDepth.BOOK, every=1)

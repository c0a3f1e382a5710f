"""Random markets, and orders that ask for all they can: books stay balanced, and what is put back goes on the same."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.examples import seeds
from tests.exchange.streams import INSTRUMENT, SIDES, PublicBook, Trader, drawn_stream, new_exchange, settings_of
from tests.exchange.test_checkpoint import as_text, shuffled
from tests.exchange.test_invariants import Auditor
from tests.session.stored_parts import Rows, all_said

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.orders import Limit, Market, OrderOptions, OrderRequest, OrderTerms, StopLoss
from triplegain.domain.parts import Parts

MIDDLE = 100
Step = MarketEvent | tuple[Any, ...]


class Asker(Trader):
    """A trader who also edits, schedules, links, places and cancels in batches, and sets the switch."""

    def __init__(self, opening: tuple[str, str], depth: MarketDepth) -> None:
        self.parts = Parts()
        super().__init__(new_exchange(opening, settings_of((2, 1, 1, 1)), depth, self.parts))

    def act(self, action: tuple[Any, ...]) -> None:
        exchange = self.exchange
        match action:
            case ("ask", names, side, offset, lots, options):
                # One in seven begins with an order of nothing.
                requests = [
                    self._request(name, side, offset, lots * number, options)
                    for number, name in enumerate(names, 1 if lots % 7 else 0)
                ]
                if len(requests) == 1:
                    exchange.place(requests[0])
                else:
                    exchange.place_batch(requests)
            case ("take back", names):
                exchange.cancel_batch(names)
            case ("switch", seconds):
                exchange.cancel_all_after(seconds)
            case _:
                super().act(action)

    def _request(self, name: str, side: int, offset: int, lots: int, options: OrderOptions) -> OrderRequest:
        terms: OrderTerms = (
            Market() if offset > 5 else Limit(INSTRUMENT.price(MIDDLE - offset if side == 0 else MIDDLE + offset))
        )
        request = OrderRequest(name, INSTRUMENT.symbol, SIDES[side], INSTRUMENT.quantity(lots), terms)
        starts_ns = options.starts_at_ns
        if starts_ns is not None:
            options = msgspec.structs.replace(options, starts_at_ns=self.exchange.now_ns + starts_ns)
        return msgspec.structs.replace(request, options=options)


def steps_of(seed: int) -> list[Step]:
    draws = random.Random(seed)
    public = PublicBook()
    steps: list[Step] = list(public.opening())
    sent = 0
    for action in drawn_stream(seed, 110):
        steps += [action] if action[0] in ("place", "cancel", "amend") else list(public.messages(action))
        for _ in range(draws.choice((0, 0, 1))):
            kind = draws.randrange(10)
            names = [f"a{sent + number}" for number in range(1, 1 + draws.choice((1, 1, 1, 2, 4)))]
            if kind < 7:
                sent += len(names)
                steps.append(
                    (
                        "ask",
                        names,
                        draws.randrange(2),
                        draws.randint(-2, 7),
                        draws.randint(0, 60),
                        _options(draws, sent),
                    )
                )
            elif kind == 7:
                steps.append(("take back", [f"a{draws.randint(1, max(sent, 1))}" for _ in range(3)]))
            elif kind == 8:
                steps.append(("switch", draws.choice((0, 1, 1))))
            else:
                state = draws.choice((FeedState.MAINTENANCE, FeedState.LIMIT_ONLY, FeedState.SYNCED, FeedState.SYNCED))
                steps.append(FeedStatus(INSTRUMENT.symbol, public.now, public.now, state))
    end_ns = public.now + 3 * SECOND_NS
    steps.append(FeedStatus(INSTRUMENT.symbol, end_ns, end_ns, FeedState.SYNCED))
    return steps


def _options(draws: random.Random, sent: int) -> OrderOptions:
    price = INSTRUMENT.price(MIDDLE + draws.randint(-4, 4))
    close: OrderTerms = draws.choice((Limit(price), StopLoss(price)))
    return draws.choice(
        (
            OrderOptions(close=close),
            OrderOptions(close=close, starts_at_ns=draws.randint(1, 20)),
            OrderOptions(starts_at_ns=draws.randint(1, 20)),
            OrderOptions(replaces=f"a{draws.randint(1, sent)}"),
            OrderOptions(),
        )
    )


def play(
    asker: Asker, steps: list[Step], states: list[Rows] | None = None, auditor: Auditor | None = None
) -> list[str]:
    told: list[str] = []
    for step in steps:
        if states is not None:
            states.append(all_said(asker.parts))
        if isinstance(step, tuple):
            asker.act(step)
            asker.exchange.run_through(asker.exchange.now_ns)
        else:
            asker.exchange.on_event(step)
        answers = asker.exchange.drain_events() if auditor is None else auditor.audit(None)
        told += [as_text(event) for event in answers]
        at_exchange = Counter(order.is_at_exchange for order in asker.exchange.orders.values())
        assert asker.exchange._working.open_count(INSTRUMENT.symbol) == at_exchange[True]
    return told


@pytest.mark.parametrize("depth", [MarketDepth.BOOK, MarketDepth.TAPE])
@pytest.mark.parametrize("seed", seeds(12, always=4))
def test_books_balance_and_a_restored_exchange_goes_on_identically(seed: int, depth: MarketDepth) -> None:
    opening, steps = ("10", "1000") if seed % 2 else ("0.3", "30"), steps_of(seed)
    if depth is MarketDepth.TAPE:
        steps = [step for step in steps if isinstance(step, tuple | PublicTrade | FeedStatus)]
    states: list[Rows] = []
    whole = Asker(opening, depth)
    told = play(whole, steps, states, Auditor(whole.exchange, whole.parts))
    for position in range(1, len(steps), 9):
        again = Asker(opening, depth)
        for step in steps[:position]:
            if not isinstance(step, tuple):
                again.exchange.on_event(step)
        again.exchange.drain_events()
        again.parts.restore(shuffled(states[position]))
        again.sent = sum(isinstance(step, tuple) and step[0] == "place" for step in steps[:position])
        rest = play(again, steps[position:])
        assert rest == told[len(told) - len(rest) :]
    everything_is_over(whole)


def everything_is_over(asker: Asker) -> None:
    """Whatever waits can be taken back, and then nothing is held."""
    names = list(asker.exchange.orders)
    asker.exchange.cancel_batch(names)
    asker.exchange.run_through(asker.exchange.now_ns + SECOND_NS)
    assert not asker.exchange.orders
    wallet = asker.exchange.wallet
    assert all(wallet.held(asset) == 0 for asset in wallet.assets())


def test_the_streams_have_everything() -> None:
    told = ""
    for seed in range(12):
        asker = Asker(("10", "1000"), MarketDepth.BOOK)
        told += "".join(play(asker, steps_of(seed)))
    for word in ("tg-close-", "scheduled", "cancel all orders after", "another order takes its place", "whole batch"):
        assert word in told
    assert Decimal(told.count("tg-close-")) > 50

"""Random orders with and without leverage on random markets: no account ends with an unexplained number, and what is
stored at any event goes on as if nothing had happened."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from tests.exchange.conftest import NO_DELAY
from tests.exchange.margin_bench import USUAL, USUAL_FEES, MarginBench, btc
from tests.session.stored_parts import Rows, all_said

from triplegain.domain.clock import MINUTE_NS
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.market import Candle, CandleClosed, MarketDepth
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.orders import Limit, Market, OrderOptions, OrderTerms, StopLoss
from triplegain.domain.terms import TakeProfit

Step = Callable[[MarginBench], None]
STEPS = 120


def steps_of(seed: int, depth: MarketDepth) -> list[Step]:
    """Markets and orders; each market step is 20 minutes later, so that positions roll over."""
    dice, price, now = random.Random(seed), 1000, 0
    steps: list[Step] = []
    for number in range(STEPS):
        if dice.random() < 0.55:
            now += 20 * MINUTE_NS
            before, price = price, max(int(price * dice.uniform(0.9, 1.105)), 300)
            steps.append(_market(depth, before, price, dice.choice(("3", "40", "1000")), now))
        else:
            steps.append(_order(number, dice, price))
    return steps


def _market(depth: MarketDepth, before: int, price: int, size: str, now: int) -> Step:
    def book(b: MarginBench) -> None:
        b.market_at(f"{price / 10:.1f}", f"{(price + 2) / 10:.1f}", size, at=now)

    def tape(b: MarginBench) -> None:
        b.trade("sell", size, f"{price / 10:.1f}", at=now)

    def candle(b: MarginBench) -> None:
        o, c = before, price
        told = Candle(
            b.instrument.symbol, now - 20 * MINUTE_NS, 20 * MINUTE_NS, o, max(o, c) + 9, min(o, c) - 9, c,
            b.instrument.lots(Decimal(size)) * 10,
        )  # fmt: skip
        b.exchange.on_event(CandleClosed(b.instrument.symbol, now, now, told))

    return {MarketDepth.BOOK: book, MarketDepth.TAPE: tape, MarketDepth.CANDLES: candle}[depth]


def _order(number: int, dice: random.Random, price: int) -> Step:
    side, leverage = dice.choice(("buy", "sell")), dice.choice((1, 2, 3, 5, 10))
    quantity = f"{dice.uniform(0.1, 40):.4f}"
    near = Decimal(int(price * dice.uniform(0.9, 1.1))) / 10
    terms: OrderTerms = dice.choice((Market(), Market(), Limit(near), StopLoss(near), TakeProfit(near)))
    reduce_only = leverage > 1 and dice.random() < 0.3
    close = Limit(near * 2) if side == "buy" and dice.random() < 0.1 else None
    options = OrderOptions(reduce_only=reduce_only, close=close)
    cancelled = f"o{number - dice.randint(1, 9)}" if dice.random() < 0.2 else ""

    def act(b: MarginBench) -> None:
        b.order(f"o{number}", side, quantity, terms, leverage=leverage, options=options)
        if cancelled:
            b.cancel(cancelled)

    return act


def bench(depth: MarketDepth) -> MarginBench:
    found = MarginBench({"USDT": "1000", "BTC": "2"}, USUAL, depth, btc(USUAL_FEES))
    found.settings = replace(NO_DELAY, margin=USUAL)
    return found


def check_books(b: MarginBench, sums: Counter[tuple[LedgerAccount, str]]) -> None:
    """Balances are their entries; the equity is what came in, what was gained and what that cost, and nothing else."""
    entries = b.wallet.drain_entries()
    kinds = Counter[EntryKind]()
    for entry in entries:
        sums[entry.account, entry.asset] += entry.amount_atoms
        kinds[entry.kind] += 1
    for account in (LedgerAccount.WALLET, LedgerAccount.DEBT):
        for asset in b.wallet.assets(account):
            assert b.wallet.total(asset, account) == sums[account, asset]
    for asset in b.wallet.assets():
        assert 0 <= b.wallet.held(asset) <= b.wallet.total(asset)
        assert sum(amount for (_, name), amount in sums.items() if name == asset) == 0
    assert b.wallet.owed("USDT") >= 0
    # No debt is left standing while it could be paid.
    state, positions = b.exchange.margin.state, b.exchange.margin.positions.values()
    for position in positions:
        assert 0 < position.quantity <= position.opened
        assert position.cost > 0
    assert len({position.side for position in positions}) <= 1
    gains = state.gains.get("USDT", Decimal(0)) - state.fees.get("USDT", Decimal(0))
    assert state.result_usd is not None
    assert abs(state.result_usd - gains) < Decimal("1e-12")
    for order in b.exchange.orders.values():
        if order.request.options.reduce_only and not order.scheduled:
            assert order.left <= b.exchange.margin.closing_lots(order)


def said(events: list[ExchangeEvent]) -> list[str]:
    return [json.dumps(msgspec.to_builtins(event, enc_hook=dict)) for event in events]


@pytest.mark.parametrize("depth", list(MarketDepth))
@pytest.mark.parametrize("seed", range(4))
def test_every_number_is_explained(seed: int, depth: MarketDepth) -> None:
    b, sums = bench(depth), Counter[tuple[LedgerAccount, str]]()
    for step in steps_of(seed, depth):
        step(b)
        check_books(b, sums)
    words = {type(event).__name__ for event in b.drain()}
    assert "PositionRolledOver" in words or "OrderFilled" in words


@pytest.mark.parametrize("depth", list(MarketDepth))
def test_what_is_stored_at_any_event_goes_on_identically(depth: MarketDepth) -> None:
    steps = steps_of(7, depth)
    whole, states, told = bench(depth), list[Rows](), list[list[str]]()
    for step in steps:
        states.append(all_said(whole.parts))
        step(whole)
        told.append(said(whole.exchange.drain_events()))
    end = all_said(whole.parts)
    assert any("margin" in line for lines in told for line in lines)
    for position in range(0, len(steps), 7):
        again = bench(depth)
        # The feed is played without orders first; then the stored state takes over.
        for step in steps[:position]:
            if step.__name__ in ("book", "tape", "candle"):
                step(again)
        again.exchange.drain_events()
        again.wallet.drain_entries()
        again.parts.restore(dict(reversed(states[position].items())))
        rest = []
        for step in steps[position:]:
            step(again)
            rest.append(said(again.exchange.drain_events()))
        assert rest == told[position:]
        assert all_said(again.parts) == end


def test_an_atom_is_not_lost_over_many_parts() -> None:
    """7 coins for 701.1 in 13 parts: what they bring is told in steps of 1e-5, rounded down each time, and what was
    lost is rounded up in steps of 1e-8."""
    b = MarginBench({"USDT": "1000"}, replace(USUAL, rates={}, other_rate=Decimal(0)))
    b.book(bids="100.0x9", asks="100.1x3 100.2x4", snapshot=True)
    b.trade("sell", "1", "100.0")
    b.open("in", "buy", "7", 2)
    cost = Decimal("3") * Decimal("100.1") + 4 * Decimal("100.2")
    for part in range(13):
        b.open(f"out{part}", "sell", "0.53846153" if part < 12 else "0.53846164", 2)
    assert b.positions == []
    lost = Decimal(1000) - Decimal(b.total("USDT"))
    assert 0 <= lost - (cost - 700) <= 13 * Decimal("1.001e-5")
    assert from_atoms(atoms(lost)) == lost

"""What must hold after every event, over random markets and random orders."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.exchange.oracle import BookOracle
from tests.exchange.streams import (
    INSTRUMENT,
    Action,
    PublicBook,
    Trader,
    delays,
    new_exchange,
    openings,
    queue_models,
    settings_of,
    streams,
    typed_streams,
)
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.ledger_entry import LedgerAccount, LedgerEntry
from triplegain.domain.market import MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.money import atoms
from triplegain.domain.parts import Parts
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.settings import ExchangeSettings, QueueModel


def _up(atoms_: int) -> int:
    step = 10**17  # a tenth, as the pair tells its costs
    return -(-atoms_ // step) * step


def _fee(order: WorkingOrder) -> int:
    worth = order.price * order.left * INSTRUMENT.atoms_per_tick_lot
    return min(_up(-(-worth * order.fee_ceiling_ppm // RATE_UNIT)), _up(worth))


class Auditor:
    """Adds up everything the exchange ever said and compares it with what the exchange believes."""

    def __init__(self, exchange: PaperExchange, parts: Parts) -> None:
        self.exchange, self.parts = exchange, parts
        self.entries: list[LedgerEntry] = []
        self.events: list[ExchangeEvent] = []

    def audit(self, event: MarketEvent | None) -> list[ExchangeEvent]:
        answers = self.exchange.drain_events()
        self.events += answers
        self.entries += self.exchange.wallet.drain_entries()
        self._balances()
        self._reservations()
        self._sequence(answers)
        all_said(self.parts)
        if isinstance(event, PublicTrade):
            self._one_trade(event, answers)
        return answers

    def _balances(self) -> None:
        wallet = self.exchange.wallet
        sums: defaultdict[str, int] = defaultdict(int)
        for entry in self.entries:
            if entry.account is LedgerAccount.WALLET:
                sums[entry.asset] += entry.amount_atoms
        for asset in wallet.assets():
            assert wallet.total(asset) == sums[asset]
            assert wallet.total(asset) >= 0
            assert wallet.held(asset) >= 0
            assert wallet.available(asset) >= 0
        for _, lines in groupby(self.entries, key=lambda entry: entry.transaction):
            balance: defaultdict[str, int] = defaultdict(int)
            for line in lines:
                balance[line.asset] += line.amount_atoms
            assert not any(balance.values())

    def _reservations(self) -> None:
        wallet = self.exchange.wallet
        held: defaultdict[str, int] = defaultdict(int)
        for order in self.exchange.orders.values():
            instrument = order.instrument
            reserved = wallet.reserved(order.number)
            held[instrument.quote if order.side == 0 else instrument.base] += reserved
            assert not order.status.is_final
            if order.side == 1 and order.status.value != "pending":
                fee = -(-order.left * order.fee_ceiling_ppm // RATE_UNIT) if order.request.fee_asset == "BTC" else 0
                assert reserved == (order.left + min(fee, order.left)) * instrument.atoms_per_lot
            elif order.side == 0 and order.role is Role.LIMIT and order.status.value != "pending":
                fee = 0 if order.request.fee_asset == "BTC" else _fee(order)
                needed = _up(order.price * order.left * instrument.atoms_per_tick_lot) + fee
                # One that waited has held for its trigger, too.
                assert reserved == needed or (order.triggered and reserved > needed)
        for asset in wallet.assets():
            assert wallet.held(asset) == held[asset]

    def _sequence(self, answers: list[ExchangeEvent]) -> None:
        start = len(self.events) - len(answers)
        for number, answer in enumerate(answers, start + 1):
            assert answer.sequence == number
            assert answer.visible_at_ns >= answer.time_ns
            assert number == 1 or answer.time_ns >= self.events[number - 2].time_ns

    def _one_trade(self, trade: PublicTrade, answers: list[ExchangeEvent]) -> None:
        fills = [a for a in answers if isinstance(a, OrderFilled) and a.maker]
        by_trade = [f for f in fills if f.explanation["cause"]["event"] == "trade"]
        assert sum(atoms(fill.quantity) for fill in by_trade) <= trade.quantity * INSTRUMENT.atoms_per_lot


def play(
    stream: list[Action],
    opening: tuple[str, str],
    settings_: ExchangeSettings,
    depth: MarketDepth = MarketDepth.BOOK,
    is_judged: bool = True,
) -> Auditor:
    parts = Parts()
    exchange = new_exchange(opening, settings_, depth, parts)
    auditor, public, trader = Auditor(exchange, parts), PublicBook(), Trader(exchange)
    judged = is_judged and depth is MarketDepth.BOOK and settings_.queue_model is QueueModel.BACK_OF_QUEUE
    oracle = BookOracle(INSTRUMENT) if judged else None
    opening_messages = public.opening() if depth is MarketDepth.BOOK else []
    for action in [("open", 0), *stream]:
        if action[0] in ("place", "cancel", "amend"):
            trader.act(action)
            exchange.run_through(exchange.now_ns)
            answers = auditor.audit(None)
            if oracle is not None:
                oracle.step(None, answers)
            continue
        for message in opening_messages if action[0] == "open" else public.messages(action):
            if depth is not MarketDepth.BOOK and not isinstance(message, PublicTrade):
                continue
            exchange.on_event(message)
            answers = auditor.audit(message)
            if oracle is not None:
                oracle.step(message, answers)
    return auditor


_quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
_long = settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))


@_quick
@given(streams, openings, delays)
def test_money_and_fills_are_right_after_every_event(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int]
) -> None:
    play(stream, opening, settings_of(delay))


@settings(_quick, max_examples=60)
@given(streams, openings, delays, queue_models)
def test_money_is_right_with_every_queue_model(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    play(stream, opening, settings_of(delay, model))


@settings(_quick, max_examples=60)
@given(typed_streams, openings, delays, st.sampled_from((MarketDepth.BOOK, MarketDepth.TAPE)))
def test_money_is_right_with_orders_of_every_type(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int], depth: MarketDepth
) -> None:
    play(stream, opening, settings_of(delay), depth, is_judged=False)


@settings(_quick, max_examples=60)
@given(streams, openings, delays)
def test_money_is_right_on_the_tape(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int]
) -> None:
    play(stream, opening, settings_of(delay), MarketDepth.TAPE)


@settings(_quick, max_examples=25)
@given(streams, delays, queue_models)
def test_the_same_stream_gives_the_same_answers(
    stream: list[Action], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    first, second = (play(stream, ("10", "1000"), settings_of(delay, model)) for _ in range(2))
    told, again = (msgspec.to_builtins(each.events, enc_hook=dict) for each in (first, second))
    assert told == again
    assert first.entries == second.entries


@pytest.mark.slow
@_long
@given(streams, openings, delays)
def test_money_and_fills_are_right_over_many_more_streams(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int]
) -> None:
    play(stream, opening, settings_of(delay))


@pytest.mark.slow
@settings(_long, max_examples=1000)
@given(streams, openings, delays, queue_models)
def test_money_is_right_with_every_queue_model_over_many_more_streams(
    stream: list[Action], opening: tuple[str, str], delay: tuple[int, int, int, int], model: QueueModel
) -> None:
    play(stream, opening, settings_of(delay, model))

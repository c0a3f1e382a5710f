"""The exchange and its reference on one stream, compared answer by answer: neither may be better, neither worse.

Everything that goes out is compared: fills by price, quantity, maker, fee and status; acceptances with what they hold;
refusals by code; ends by the class of their reason; and after every step what the account has and holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from tests.exchange.differential_streams import (
    SYMBOL,
    Cancel,
    CancelAllAfter,
    CancelBatch,
    PlaceBatch,
    Plan,
    Question,
    Step,
)
from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_account import ReferenceSettings, Told
from tests.exchange.reference_candles import ReferenceOnCandles
from tests.exchange.reference_margin_level import MarginOnCandles, MarginOnTape, MarginWithBook, ReferenceMargin
from tests.exchange.reference_matching import ReferenceWithBook
from tests.exchange.reference_tape import ReferenceOnTape

from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    MarginCalled,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderScheduled,
    OrderSubmitted,
    OrderTriggered,
    PositionRolledOver,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import ATOMS_PER_UNIT, atoms
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import AccountTier, ExchangeSettings, QueueModel
from triplegain.ledger.wallet import Wallet

#: A word of each reason, and the class it stands for.
_REASONS = (
    ("self-trade", "self-trade"),
    ("liquidity", "liquidity"),
    ("immediate or cancel", "immediate"),
    ("fill or kill", "kill"),
    ("funds", "funds"),
    ("date", "date"),
    ("amended", "amended"),
    ("less than a lot", "rest"),
    ("liquidation", "liquidation"),
    ("reduce only", "reduced"),
    ("what it was to close is closed", "others"),
    ("edited", "edited"),
    ("cancel all", "switch"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step at which the two disagree."""

    step: int
    exchange: tuple[object, ...]
    reference: tuple[object, ...]

    @property
    def kinds(self) -> tuple[object, object]:
        """What it is about, for telling it from another difference."""
        return _kinds(self.exchange), _kinds(self.reference)

    def __str__(self) -> str:
        return f"step {self.step}\n  exchange:  {_lines(self.exchange)}\n  reference: {_lines(self.reference)}"


def _kinds(answers: tuple[object, ...]) -> list[object]:
    return [each.kind if isinstance(each, Told) else None for each in answers]


def _lines(answers: Iterable[object]) -> str:
    return "\n             ".join(map(str, answers)) or "nothing"


def told_by(event: ExchangeEvent, instrument: Instrument) -> Told:
    """An answer of the exchange in the reference's words."""
    said: tuple[object, ...] = ()
    match event:
        case OrderSubmitted():
            name, said = event.request.client_order_id, (event.arrives_at_ns,)
            return Told("submitted", name, event.time_ns, event.visible_at_ns, said)
        case OrderAccepted():
            said = (event.held_asset, Fraction(event.held))
        case OrderRejected():
            said = (event.code,)
        case OrderFilled():
            settles = event.explanation.get("model") == "settlement"
            said = (
                Fraction(event.price) if settles else instrument.ticks(event.price),
                instrument.lots(event.quantity), event.maker, Fraction(event.fee),
                event.fee_asset, instrument.lots(event.cumulative_quantity), event.status.value,
            )  # fmt: skip
        case OrderCancelled():
            why = next((word for part, word in _REASONS if part in event.reason), "asked")
            said = (event.status.value, why, instrument.lots(event.cumulative_quantity))
        case OrderTriggered():
            said = (instrument.ticks(event.trigger), instrument.ticks(event.last))
        case OrderAmended():
            price = instrument.ticks(event.price) if event.price else None
            said = (instrument.lots(event.quantity), price, event.queue_kept)
        case CommandRefused():
            said = (event.command, event.code)
        case OrderScheduled():
            said = (event.starts_at_ns,)
        case OrderPriced():
            said = (instrument.ticks(event.price),)
        case OrderRefilled():
            said = (instrument.lots(event.displayed),)
        case MarginCalled():
            said = (event.liquidates,)
        case PositionRolledOver():
            said = (event.position, Fraction(event.fee), Fraction(event.owed))
        case _ as never:
            assert_never(never)
    return Told(event.kind, event.client_order_id, event.time_ns, event.visible_at_ns, said)


def agree(exchange: Told, reference: Told) -> bool:
    if exchange[:4] != reference[:4] or len(exchange.said) != len(reference.said):
        return False
    return all(
        one in other if isinstance(other, frozenset) else one == other
        for one, other in zip(exchange.said, reference.said, strict=True)
    )


class Pair:
    """Both sides of one account on one market."""

    def __init__(self, plan: Plan, depth: MarketDepth = MarketDepth.BOOK) -> None:
        self.instrument = plan.instrument
        settings = ExchangeSettings(
            place_delay_ns=plan.place_delay * plan.unit_ns,
            cancel_delay_ns=plan.cancel_delay * plan.unit_ns,
            response_delay_ns=plan.response_delay * plan.unit_ns,
            account_tier=AccountTier(plan.tier),
            partial_fills=plan.partial_fills,
            seed=plan.seed,
            jitter_ns=plan.jitter * plan.unit_ns,
            recorded_delays_ns=tuple(delay * plan.unit_ns for delay in plan.measured_delays),
            queue_model=QueueModel(plan.queue_model),
            queue_power=plan.queue_power,
            margin=MarginSettings() if plan.margin else None,
        )
        self.wallet = Wallet()
        self.exchange = PaperExchange("pair", public_markets({plan.instrument: depth}), self.wallet, settings)
        opening = {plan.instrument.base: plan.base, plan.instrument.quote: plan.quote}
        self.wallet.deposit({asset: atoms(amount) for asset, amount in opening.items()}, 0)
        self.reference = reference_of(plan, depth)

    def step(self, number: int, step: Step, for_exchange: Step | None = None) -> Difference | None:
        """Both take a step, and are compared. `for_exchange`: what the exchange takes instead."""
        ours = take(self.exchange, for_exchange or step)
        theirs = take(self.reference, step)
        ours += [told_by(event, self.instrument) for event in self.exchange.drain_events()]
        theirs += self.reference.drain()
        self.wallet.drain_entries()
        if len(ours) != len(theirs) or not all(map(agree, ours, theirs)):
            return Difference(number, tuple(ours), tuple(theirs))
        return self._balances(number) if ours else None

    def _balances(self, number: int) -> Difference | None:
        for asset in (self.instrument.base, self.instrument.quote):
            ours = (self.wallet.total(asset), self.wallet.held(asset))
            purse = self.reference.purse
            theirs = (purse.total[asset] * ATOMS_PER_UNIT, purse.held(asset) * ATOMS_PER_UNIT)
            if ours != theirs:
                return Difference(number, (asset, *_units(ours)), (asset, *_units(theirs)))
        return self._lent(number, self.reference) if isinstance(self.reference, ReferenceMargin) else None

    def _lent(self, number: int, reference: ReferenceMargin) -> Difference | None:
        """Positions, oldest first, and what is owed."""
        ours = [
            (each.number, each.side.index, each.leverage, self.instrument.lots(each.quantity), Fraction(each.cost))
            for each in self.exchange.margin.positions.values()
        ]
        theirs = [(each.number, each.side, each.leverage, each.lots, each.cost) for each in reference.lent]
        owed = Fraction(self.wallet.owed(self.instrument.quote), ATOMS_PER_UNIT)
        if ours == theirs and owed == reference.debt:
            return None
        return Difference(number, (*ours, float(owed)), (*theirs, float(reference.debt)))


def take(side: PaperExchange | ReferenceExchange, step: Step) -> list[Told]:
    """Where it needs no time to arrive, a command is carried out before anything else. What is answered at once."""
    now_ns, answer = side.now_ns, None
    match step:
        case OrderRequest():
            side.place(step)
        case AmendRequest():
            side.amend(step)
        case Cancel(name=name):
            side.cancel(name)
        case PlaceBatch(requests=requests):
            side.place_batch(requests)
        case CancelBatch(names=names):
            side.cancel_batch(names)
        case CancelAllAfter(seconds=seconds):
            answer = Told("switched", "", now_ns, 0, (side.cancel_all_after(seconds),))
        case Question(request=request):
            answer = Told("asked", request.client_order_id, now_ns, 0, (_said(side.validate(request)),))
        case _:
            side.on_event(step)
            return []
    side.run_through(side.now_ns)
    return [] if answer is None else [answer]


def _said(answer: Refusal | frozenset[Code] | None) -> object:
    match answer:
        case Refusal(code=code):
            return code
        case frozenset():
            return answer or frozenset({None})
        case None:
            return None
        case _ as never:
            assert_never(never)


def _units(amounts: Iterable[int | Fraction]) -> list[float]:
    return [float(amount / ATOMS_PER_UNIT) for amount in amounts]


def reference_for(depth: MarketDepth) -> type[ReferenceExchange]:
    match depth:
        case MarketDepth.BOOK:
            return ReferenceWithBook
        case MarketDepth.TAPE:
            return ReferenceOnTape
        case MarketDepth.CANDLES:
            return ReferenceOnCandles
        case _ as never:
            assert_never(never)


def reference_of(plan: Plan, depth: MarketDepth) -> ReferenceExchange:
    """The reference as a plan has it."""
    unit_ns, instrument = plan.unit_ns, plan.instrument
    settings = ReferenceSettings(
        plan.place_delay * unit_ns, plan.cancel_delay * unit_ns, plan.response_delay * unit_ns, plan.tier,
        partial_fills=plan.partial_fills, seed=plan.seed, jitter_ns=plan.jitter * unit_ns, queue_model=plan.queue_model,
        queue_power=plan.queue_power, measured_ns=tuple(delay * unit_ns for delay in plan.measured_delays),
    )  # fmt: skip
    balances = {instrument.base: Fraction(plan.base), instrument.quote: Fraction(plan.quote)}
    kind = margin_reference_for(depth) if plan.margin else reference_for(depth)
    return kind(instrument, balances, settings)


def margin_reference_for(depth: MarketDepth) -> type[ReferenceMargin]:
    match depth:
        case MarketDepth.BOOK:
            return MarginWithBook
        case MarketDepth.TAPE:
            return MarginOnTape
        case MarketDepth.CANDLES:
            return MarginOnCandles
        case _ as never:
            assert_never(never)


def compare(plan: Plan, stream: Iterable[Step], depth: MarketDepth = MarketDepth.BOOK) -> Difference | None:
    """The first difference of the two on a stream."""
    pair = Pair(plan, depth)
    for number, step in enumerate(stream):
        found = pair.step(number, step)
        if found is not None:
            return found
    return None


def shrunk(stream: Sequence[Step], differs: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """A stream of which no step can be left out without the difference going away: pieces of halving size are tried."""
    left = list(stream)
    size = max(len(left) // 2, 1)
    while True:
        start, removed = 0, False
        while start < len(left):
            shorter = left[:start] + left[start + size :]
            if differs(shorter):
                left, removed = shorter, True
            else:
                start += size
        if size == 1 and not removed:
            return left
        size = max(size // 2, 1)


def minimal(plan: Plan, stream: Sequence[Step], depth: MarketDepth = MarketDepth.BOOK) -> str:
    """A shrunk stream that still shows a difference of this kind, and the difference, for people to read."""
    first = compare(plan, stream, depth)
    assert first is not None

    def differs(steps: Sequence[Step]) -> bool:
        found = compare(plan, [stream[0], *steps], depth)
        return found is not None and found.kinds == first.kinds

    steps = [stream[0], *shrunk(stream[1 : first.step + 1], differs)]
    found = compare(plan, steps, depth)
    return "\n".join([str(plan), *(f"{number:>3} {_short(step)}" for number, step in enumerate(steps)), str(found)])


#: What nearly every step has.
_USUAL = (
    ", leverage=1", ", position_id=None, purpose='manual', origin=<Origin.HAND: 'hand'>", ", expires_at_ns=None",
    ", deadline_ns=None", ", starts_at_ns=None", ", replaces=None", ", closes=None", "reduce_only=False, ",
    "close=None", ", fee_preference=<FeePreference.QUOTE: 'quote'>", ", options=OrderOptions()",
)  # fmt: skip


def _short(step: Step) -> str:
    """Without what every step of its kind has."""
    words = str(step)
    usual = (f"symbol='{SYMBOL}', ", *_USUAL)
    for word in usual:
        words = words.replace(word, "")
    return words

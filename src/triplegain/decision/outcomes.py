"""How votes turn out: after each horizon of market time a vote is held against what the market did, net of costs.

`move` is (price then - price of the vote) / price of the vote. `net` is what following the vote would have earned
until the horizon, on the price of the vote, as against doing nothing; `cost` is that of a round trip, taker fees of
both sides and the spread:

| vote | held then | net |
|---|---|---|
| buy | anything | move - cost: bought now, sold at the horizon |
| sell, close_long | long | -move - cost: what leaving saved, less going out now and coming back at the horizon |
| close_short | short | move - cost: likewise |
| sell | nothing, where a short is offered | -move - cost: sold now, bought back at the horizon |
| sell, close_long, close_short | nothing of the kind | 0: a spot account has nothing to sell |
| hold | anything | 0 |

An abstention is no opinion: it is counted, never scored. The price is the first fresh one at or after the horizon;
if none comes within the grace period, nothing is known, and that is what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from triplegain.agents.answer import Action
from triplegain.domain.agent_records import OutcomeRecord, VoteRecord
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.configured import key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import EXACT, divide
from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts
from triplegain.domain.written import HOURS, integer, listing

_ZERO = Decimal(0)
_STEP = Decimal("0.0000000001")
#: Remembered of each voter: one an hour on 30 pairs for a day.
VOTES_OF_A_MODEL = 24 * 30
#: The word of a VoteRecord that is no opinion.
_ABSTAIN = "abstain"


def _rising(hours: tuple[int, ...]) -> tuple[int, ...]:
    if list(hours) != sorted(set(hours)):
        raise ValueError("horizons_h must rise")
    return hours


@dataclass(frozen=True, slots=True)
class OutcomeSettings:
    """`horizons_ns` rise. `votes_max` bounds the memory of each horizon; default: that of six models."""

    horizons_ns: tuple[int, ...] = key(
        "horizons_h", (1, 4, 24), listing(HOURS, least=1).where(_rising),
        "hours of market time after which a vote is held against the market",
    )  # fmt: skip
    grace_ns: int = key(
        "grace_s", 300, integer(SECOND_NS, ge=0), "a price that comes later than this does not count: unknown"
    )
    votes_max: int = 6 * VOTES_OF_A_MODEL


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One vote waiting for one horizon. `sign` is +1, -1 or 0: how much of the move following it would have earned."""

    due_ns: int
    vote_number: int
    symbol: str
    price: Decimal
    sign: int
    cost: Decimal


class VoteCounts(msgspec.Struct):
    """By model; abstentions are not among the votes."""

    votes: dict[str, int]
    abstentions: dict[str, int]


class OutcomeBook:
    """Votes go in as they are cast; `score` gives what is known of those whose horizon has come."""

    def __init__(self, settings: OutcomeSettings | None = None) -> None:
        self._settings = settings = settings or OutcomeSettings()
        #: By horizon and vote's number, in order of time.
        self._waiting: dict[int, dict[int, _Waiting]] = {horizon: {} for horizon in settings.horizons_ns}
        self._touch: Callable[[str], None] = lambda _: None
        self.state = VoteCounts({}, {})

    def add(self, vote: VoteRecord, held: Side | None, cost: Decimal, may_short: bool = False) -> None:
        """Remember a vote. `held`: BUY for a long position in its symbol at that moment, SELL for a short, else None;
        `may_short`: with nothing held a sale would have opened one.

        Votes come in order of time. `cost` is the round trip as a fraction of the price. Raises InvalidValueError for
        a price that is not above zero, a cost below zero, and an action nobody knows.
        """
        if vote.action == _ABSTAIN:
            self.state.abstentions[vote.model] = self.state.abstentions.get(vote.model, 0) + 1
            return
        if not vote.price.is_finite() or vote.price <= 0 or not cost.is_finite() or cost < 0:
            raise InvalidValueError(f"vote {vote.number}: price {vote.price} or cost {cost} cannot be")
        sign = _sign(vote.action, held, may_short)
        self.state.votes[vote.model] = self.state.votes.get(vote.model, 0) + 1
        for horizon, waiting in self._waiting.items():
            due_ns = vote.time_ns + horizon
            waiting[vote.number] = _Waiting(due_ns, vote.number, vote.symbol, vote.price, sign, cost)
            self._touch(f"{horizon}/{vote.number}")

    @property
    def next_due_ns(self) -> int:
        """When `score` may have something to say; far in the future while nothing waits."""
        first = (next(iter(waiting.values())).due_ns for waiting in self._waiting.values() if waiting)
        return min(first, default=NEVER)

    def score(self, now_ns: int, price_of: Callable[[str], Decimal | None]) -> tuple[OutcomeRecord, ...]:
        """What is known by now, by horizon and then in order of the votes. `price_of` gives a fresh price or None.

        A vote whose price is unknown stays until the grace period is over. Beyond `votes_max` the oldest are
        recorded as unknown.
        """
        records: list[OutcomeRecord] = []
        for horizon, waiting in self._waiting.items():
            for left, vote in zip(range(len(waiting), 0, -1), tuple(waiting.values()), strict=True):
                if vote.due_ns > now_ns and left <= self._settings.votes_max:
                    break
                late = now_ns > vote.due_ns + self._settings.grace_ns
                price = None if late or now_ns < vote.due_ns else price_of(vote.symbol)
                if price is not None or vote.due_ns > now_ns or late:
                    del waiting[vote.vote_number]
                    self._touch(f"{horizon}/{vote.vote_number}")
                    records.append(_outcome(vote, horizon, now_ns, price))
        return tuple(records)

    def register(self, parts: Parts) -> None:
        parts.held("decision.votes", VoteCounts, self)
        self._touch = parts.keyed("decision.outcome", _Waiting, self._read, self._restore, self._keys)

    def _keys(self) -> Iterable[str]:
        return (f"{horizon}/{number}" for horizon, waiting in self._waiting.items() for number in waiting)

    def _read(self, key: str) -> _Waiting | None:
        horizon, _, number = key.partition("/")
        return self._waiting[int(horizon)].get(int(number))

    def _restore(self, stored: dict[str, _Waiting]) -> None:
        """Votes of a horizon that is not scored any more are forgotten."""
        for waiting in self._waiting.values():
            waiting.clear()
        for name, vote in sorted(stored.items(), key=lambda each: (each[1].due_ns, each[1].vote_number)):
            waiting_for = self._waiting.get(int(name.partition("/")[0]))
            if waiting_for is not None:
                waiting_for[vote.vote_number] = vote


def _sign(action: str, held: Side | None, may_short: bool) -> int:
    try:
        word = Action(action)
    except ValueError:
        raise InvalidValueError(f"a vote cannot be {action!r}") from None
    match word:
        case Action.BUY:
            return 1
        case Action.SELL if may_short and held is None:
            return -1
        case Action.SELL | Action.CLOSE_LONG:
            return -1 if held is Side.BUY else 0
        case Action.CLOSE_SHORT:
            return 1 if held is Side.SELL else 0
        case Action.HOLD:
            return 0


def _outcome(vote: _Waiting, horizon_ns: int, now_ns: int, price: Decimal | None) -> OutcomeRecord:
    if price is None or not price.is_finite() or price <= 0:
        return OutcomeRecord(vote.vote_number, horizon_ns, now_ns, None, None, None)
    move = divide(EXACT.subtract(price, vote.price), vote.price).quantize(_STEP, ROUND_HALF_EVEN)
    net = EXACT.subtract(EXACT.multiply(move, vote.sign), vote.cost) if vote.sign else _ZERO
    return OutcomeRecord(vote.vote_number, horizon_ns, now_ns, price, move, net)

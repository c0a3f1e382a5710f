"""The decision path from votes to what is carried out, with and without a sentiment: nothing is sent, so the same
moment can be decided again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from tests.session.scripted_models import SIX
from tests.session.sessions import demo, settings_for

from triplegain.agents.sentiment import NEWS, SOCIAL, NewsAnswer, SocialAnswer
from triplegain.agents.technical import TECHNICAL as TECHNICAL_AGENT
from triplegain.agents.technical import Bias, TechnicalAnswer
from triplegain.decision.cycle import ClosePositions, CycleOutcome, DecisionExecutor, OpenTrade
from triplegain.decision.record import RecordLog
from triplegain.decision.rounds import FinishedRound
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.decision.voting import Voting
from triplegain.domain.proposal import TradeProposal
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply
from triplegain.session.trading_session import TradingSession

#: BTC is held, XRP is not.
HELD, FLAT = "BTC/USDT", "XRP/USDT"
_SETTINGS = DecisionSettings(tasks=(), assigned=ModelAssignment({"decision": SIX}, providers=dict.fromkeys(SIX, "one")))

#: What six models say, from confident agreement down to nobody.
VOTES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "all buy": (("buy", 85),) * 6,
    "four buy, barely": (("buy", 66),) * 4 + (("hold", 90),) * 2,
    "all buy, unsure": (("buy", 50),) * 6,
    "split": (("buy", 90),) * 3 + (("sell", 90),) * 3,
    "all hold": (("hold", 85),) * 6,
    "all sell": (("sell", 60),) * 6,
    "no quorum": (("buy", 90),) * 3,
    "nobody": (),
}
TECHNICAL = (None, Bias.LONG, Bias.SHORT)


@dataclass(frozen=True, slots=True)
class Carried:
    """What is carried out: `opens` a trade with these terms, `closes` these positions, or nothing."""

    opens: TradeProposal | None = None
    quantity: Decimal = Decimal(0)
    closes: tuple[str, ...] = ()


@dataclass(slots=True)
class WatchedDesk:
    """The session's own judgement; what it leads to is kept instead of sent."""

    real: DecisionExecutor
    outcome: CycleOutcome | None = None
    plan: Any = field(init=False)

    def __post_init__(self) -> None:
        self.plan = self.real.plan

    @property
    def next_number(self) -> int:
        return self.real.next_number

    def carry_out(self, outcome: CycleOutcome, *how: object) -> None:
        self.outcome = outcome

    def put_aside(self, *words: Any) -> None:
        self.outcome = None


class Decisions:
    """One moment of a demo session that holds bitcoin."""

    def __init__(self) -> None:
        market = demo(seconds=8, past=True)
        session = TradingSession(settings_for(market, baseline=None, decision=_SETTINGS))
        self._session = session
        for number, event in enumerate(market.events()):
            session.on_event(event)
            if number == 150:
                self._tally(session.decision_engine.voting, HELD, VOTES["all buy"])
        (self.position,) = session.desk.open_positions()
        self._signals = session.decision_engine.signals

    def decide(
        self,
        symbol: str,
        votes: str,
        social: SocialAnswer | None = None,
        news: NewsAnswer | None = None,
        technical: Bias | None = None,
    ) -> Carried:
        """The same votes with what analysts have found."""
        session, signals, asset = self._session, deepcopy(self._signals), symbol.partition("/")[0]
        if technical is not None:
            signals.update(TECHNICAL_AGENT, symbol, _technical(technical), session.now_ns, by_model=True)
        if social is not None:
            signals.update(SOCIAL, asset, social, session.now_ns, by_model=True)
        if news is not None:
            signals.update(NEWS, asset, news, session.now_ns, by_model=True)
        desk = WatchedDesk(session.decisions)
        account = cast(Any, _Account(session, desk))
        self._tally(Voting(_SETTINGS, signals, RecordLog(), account), symbol, VOTES[votes])
        match desk.outcome and desk.outcome.action:
            case OpenTrade(approved):
                return Carried(approved.proposal, approved.quantity)
            case ClosePositions(position_ids):
                return Carried(closes=position_ids)
            case _:
                return Carried()

    def _tally(self, voting: Voting, symbol: str, votes: tuple[tuple[str, int], ...]) -> None:
        session = self._session
        seen = cast(Any, session.snapshot(symbol))
        asked = voting.decision_round("decision-0", symbol, seen, session.now_ns)
        assert asked is not None
        replies = dict(zip(SIX, _replies(asked.echo, votes), strict=False))
        voting.tally(FinishedRound(asked, replies), session.now_ns, None)


@dataclass(frozen=True, slots=True)
class _Account:
    session: TradingSession
    decisions: WatchedDesk

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def _replies(echo: Mapping[str, str], votes: tuple[tuple[str, int], ...]) -> Iterator[ModelReply]:
    for action, confidence_pct in votes:
        levels = {"stop_bps": 150, "target_bps": 400} if action == "buy" else {"stop_bps": None, "target_bps": None}
        said = {"action": action, "confidence_pct": confidence_pct, "size_pct": 80, "reasoning": "", **levels}
        yield ModelAnswer({**echo, **said}, "model")
    for _ in range(len(votes), len(SIX)):
        yield ModelFailure(FailureKind.TIMEOUT, "no answer")


def _technical(bias: Bias) -> TechnicalAnswer:
    return TechnicalAnswer.model_validate(
        {"trend": "up" if bias is Bias.LONG else "down", "strength_pct": 60, "alignment_pct": None, "momentum_pct": 0}
        | {"support_bps": None, "resistance_bps": None, "signals": [], "bias": bias, "confidence_pct": 70}
        | {"reasoning": "made up"}
    )


def check_only_smaller(plain: Carried, influenced: Carried) -> None:
    """A sentiment has opened, turned around, moved or enlarged nothing, and has held back no exit."""
    assert influenced.closes == plain.closes
    if influenced.opens is not None:
        assert plain.opens is not None, "a sentiment has opened a trade"
        assert influenced.quantity <= plain.quantity, "a sentiment has enlarged a trade"
        for name in ("symbol", "side", "intent", "terms", "stop", "target"):
            assert getattr(influenced.opens, name) == getattr(plain.opens, name), name

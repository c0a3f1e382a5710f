"""What several models decide together. Counts are whole numbers over the models that were asked, never shares.

A model that fails abstains: it stays in the number asked, so that an outage can only cost confidence, never add to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from triplegain.agents.answer import Abstain, Action, AgentAnswer, Answer
from triplegain.agents.decision import VoteAnswer
from triplegain.domain.configured import AtOddsError, Key, each, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.written import AT_LEAST_ONE, FRACTION

#: Confidence is counted in hundredths of a percent.
_UNIT = 10_000
#: Only what opens or reduces has a size and levels.
_SIZED = (Action.BUY, Action.SELL)


def confidence_cap() -> Any:
    """The one key that caps a confidence, after the boost and after the analyses."""
    return key("/orchestration.consensus.confidence_max", "0.95", FRACTION, "no confidence is above this")


class ConsensusOutcome(StrEnum):
    AGREED = "agreed"
    NO_MAJORITY = "no_majority"
    NO_QUORUM = "no_quorum"
    NO_VOTES = "no_votes"


@dataclass(frozen=True, slots=True)
class ConsensusSettings:
    """What is added to confidence when `voters` were asked and all, all but one, all but two agree; fractions.

    The boosts are calibrated for that many models; any other number gets none. Confidence never exceeds its maximum.
    """

    voters: int = key(
        "voters", 6, AT_LEAST_ONE, "so many models decide at most; agreement adds where so many were asked"
    )
    boosts: tuple[Decimal, ...] = each(
        "",
        {
            "boost_six": Key("", "0.15", FRACTION, "all of them agree"),
            "boost_five": Key("", "0.10", FRACTION, "all but one agree"),
            "boost_four": Key("", "0.05", FRACTION, "all but two agree"),
        },
        lambda boosts: tuple(boosts.values()),
    )
    confidence_max: Decimal = confidence_cap()

    def __post_init__(self) -> None:
        if list(self.boosts) != sorted(self.boosts, reverse=True):
            raise AtOddsError("boost_four, boost_five and boost_six must not fall")

    def boost(self, agreeing: int, configured: int) -> Decimal:
        missing = configured - agreeing
        return self.boosts[missing] if configured == self.voters and missing < len(self.boosts) else Decimal(0)


@dataclass(frozen=True, slots=True)
class Consensus:
    """`answer` is what to act on; `counts` are those of the valid votes, `agreeing` the models behind the answer.

    `mean_confidence` is that of the agreeing models before `boost` and cap: whoever weighs the agreement again starts
    from there. Both are 0 unless the outcome is agreed. `why` says it to a user.
    """

    outcome: ConsensusOutcome
    answer: Answer
    configured: int
    valid: int
    counts: Mapping[Action, int]
    agreeing: tuple[str, ...]
    mean_confidence: Decimal
    boost: Decimal
    why: str


def consensus(
    votes: Mapping[str, VoteAnswer | Abstain], configured: int, settings: ConsensusSettings | None = None
) -> Consensus:
    """Count the votes by model of `configured` models asked; one without a vote has abstained.

    Quorum: valid votes >= 2/3 of those asked, rounded up, else hold. Majority: more than half of the valid votes, else
    hold. Without a single valid vote: abstain. Raises InvalidValueError if more vote than were asked.
    """
    settings = settings or ConsensusSettings()
    if configured < 1 or len(votes) > configured:
        raise InvalidValueError(f"{len(votes)} votes of {configured} models asked")
    valid = {model: vote for model, vote in votes.items() if isinstance(vote, VoteAnswer)}
    counts = Counter(vote.action for vote in valid.values())
    needed = -(-2 * configured // 3)
    said = f"{len(valid)} of {configured} models answered"

    def without(outcome: ConsensusOutcome, answer: Answer, why: str) -> Consensus:
        return Consensus(outcome, answer, configured, len(valid), counts, (), Decimal(0), Decimal(0), why)

    if not valid:
        why = f"none of {configured} models answered"
        return without(ConsensusOutcome.NO_VOTES, Abstain(why), why)
    if len(valid) < needed:
        why = f"no quorum: {said}, {needed} are needed"
        return without(ConsensusOutcome.NO_QUORUM, _hold(why), why)
    action, count = max(counts.items(), key=lambda item: item[1])
    if 2 * count <= len(valid):
        why = f"no majority: {said}, {_tally(counts)}"
        return without(ConsensusOutcome.NO_MAJORITY, _hold(why), why)
    agreeing = {model: vote for model, vote in valid.items() if vote.action is action}
    mean = Decimal(sum(vote.confidence_pct for vote in agreeing.values()) * 100 // count) / _UNIT
    boost = settings.boost(count, configured)
    why = f"{count} of {configured} models say {action.value}, {said}"
    answer = _agreed(action, tuple(agreeing.values()), min(mean + boost, settings.confidence_max), why)
    return Consensus(ConsensusOutcome.AGREED, answer, configured, len(valid), counts, tuple(agreeing), mean, boost, why)


def _agreed(action: Action, votes: Sequence[VoteAnswer], confidence: Decimal, why: str) -> AgentAnswer:
    if action not in _SIZED:
        return AgentAnswer(action, confidence, why)
    return AgentAnswer(
        action,
        confidence,
        why,
        stop_fraction=_median([vote.stop_bps for vote in votes], 10_000),
        target_fraction=_median([vote.target_bps for vote in votes], 10_000),
        size_fraction=_median([vote.size_pct for vote in votes], 100),
    )


def _median(values: Sequence[int | None], unit: int) -> Decimal | None:
    """Of those that are given, exactly, in units; None without any."""
    given = sorted(value for value in values if value is not None)
    if not given:
        return None
    middle = len(given) // 2
    return Decimal(given[middle] + given[-1 - middle]) / (2 * unit)


def _hold(why: str) -> AgentAnswer:
    return AgentAnswer(Action.HOLD, Decimal(0), why)


def _tally(counts: Mapping[Action, int]) -> str:
    return ", ".join(f"{counts[action]} {action.value}" for action in Action if counts.get(action))

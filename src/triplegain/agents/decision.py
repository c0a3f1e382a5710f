"""The vote on one trade: what a model is asked, what it may answer, and what the answer means."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from triplegain.agents.answer import Action
from triplegain.agents.decision_context import DecisionContext, brief_lines, context_json
from triplegain.agents.spec import AgentSpec, Flow, Importance, TaskSpec
from triplegain.agents.typed_answer import Percent, Reasoning, TypedAnswer, answer_places, filled, whole
from triplegain.domain.clock import HOUR_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.llm.reply import Prompt
from triplegain.llm.schema import form_text
from triplegain.market.snapshot.compact import compact, tokens_at_most
from triplegain.market.snapshot.snapshot import Snapshot

TOKEN_BUDGET = 8000
_ECHO_DIGITS = 12
#: With less left for the market its primary figures say more than a compact snapshot cut to its head.
_COMPACT_LEAST = 1500
#: What the actions that sell are, where shorts do not exist and where they do.
_SPOT = "- sell, close_long: end the long. close_short: end a short. There are no new shorts on spot."
_SHORTS = (
    "- sell: end the long; with nothing held, and where may_short is true, open a short of borrowed coins, which cost a"
    " fee every 4 hours. Of such a sale stop_bps, which it needs, is above the price and target_bps below it, whatever"
    " the form says; the same measures hold.\n"
    "- buy while short: end so much of the short. close_long, close_short: end that and open nothing."
)
_SPOT_BRIEF = "sell ends a long."
_SHORTS_BRIEF = "sell ends a long, or opens a short if flat: it needs stop_bps, above the price. buy ends a short."


class VoteAnswer(TypedAnswer):
    """One model's vote. Distances are in basis points of the snapshot's price: no model names a price."""

    snapshot: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$", description="as given")]
    symbol: Annotated[str, Field(min_length=1, max_length=20, description="as given")]
    action: Action = Field(description="hold if nothing is clear")
    confidence_pct: Percent = Field(description="chance that the action proves right")
    stop_bps: Annotated[int, whole(1, 2000)] | None = Field(description="stop below the price; needed for buy")
    target_bps: Annotated[int, whole(1, 5000)] | None = Field(description="target above the price")
    size_pct: Annotated[int, whole(1, 100)] = Field(description="of the largest size allowed")
    reasoning: Reasoning

    @model_validator(mode="after")
    def _buy_has_a_stop(self) -> VoteAnswer:
        if self.action is Action.BUY and self.stop_bps is None:
            raise ValueError("a buy needs stop_bps")
        return self


def echo_of(snapshot: Snapshot) -> dict[str, str]:
    """What a vote on this snapshot must repeat; anything else answers another question."""
    return {"snapshot": snapshot.hash[:_ECHO_DIGITS], "symbol": snapshot.symbol}


def decision_prompt(snapshot: Snapshot, context: DecisionContext, token_budget: int = TOKEN_BUDGET) -> Prompt:
    """The question, system and user part together within `token_budget` (as `tokens_at_most` counts).

    With room for it the market is the compact snapshot; below that the prompt is short altogether, with as many of the
    primary figures as fit. Raises InvalidValueError for a budget that holds not even the question.
    """
    echo = echo_of(snapshot)
    system = filled("decision", sells=_SHORTS if context.has_shorts else _SPOT, **answer_places(VoteAnswer))
    head = (
        f'Vote on {snapshot.symbol}. Answer with "snapshot":"{echo["snapshot"]}" and "symbol":"{echo["symbol"]}".'
        f"\n\nAccount\n{context_json(context)}\n\nMarket\n"
    )
    left = token_budget - tokens_at_most(system) - tokens_at_most(head)
    if left < _COMPACT_LEAST:
        return _brief_prompt(snapshot, context, token_budget)
    return Prompt(system, head + compact(snapshot, left))


def _brief_prompt(snapshot: Snapshot, context: DecisionContext, token_budget: int) -> Prompt:
    sells = _SHORTS_BRIEF if context.has_shorts else _SPOT_BRIEF
    system = filled("decision_brief", sells=sells, form=form_text(VoteAnswer, echo_of(snapshot)))
    least, *more = brief_lines(snapshot, context)
    left = token_budget - tokens_at_most(system) - tokens_at_most(least)
    if left < 0:
        raise InvalidValueError(
            f"{token_budget} tokens do not hold the question about {snapshot.symbol}, which has {token_budget - left}"
        )
    lines = [least]
    for line in more:
        left -= tokens_at_most(line) + 1
        if left < 0:
            break
        lines.append(line)
    return Prompt(system, "\n".join(lines))


DECISION = AgentSpec(
    name="decision",
    about="they vote, all of them, at most `consensus.voters` of agents.yaml",
    answer=VoteAnswer,
    work=Flow.VOTE,
    task=TaskSpec("decision", HOUR_NS, timeout_ns=60 * SECOND_NS, concurrency=3),
    informs=("rebalance",),
    importance=Importance.HIGH,
)

"""How a rebalance that is already planned is carried out: a model may choose the way, never the trades."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec, Flow, Importance, TaskSpec
from triplegain.agents.typed_answer import Percent, Reasoning, TypedAnswer, answer_places, filled
from triplegain.domain.clock import HOUR_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Regime
from triplegain.llm.reply import Prompt


class RebalanceMode(StrEnum):
    """How a plan is carried out. It changes when and how orders are sent, never what is traded or how much.

    IMMEDIATE: market orders now, in batches only from the size on that is always split. DCA_24H: market orders in
    batches, whatever the size. LIMIT_ORDERS: as IMMEDIATE, but with limit orders at the best price of our own side.
    DEFER: nothing now; the next check asks again.
    """

    IMMEDIATE = "immediate"
    DCA_24H = "dca_24h"
    LIMIT_ORDERS = "limit_orders"
    DEFER = "defer"


class RebalanceAnswer(TypedAnswer):
    """The way a model chose. There is no field for a trade, an amount or a price."""

    mode: RebalanceMode
    confidence_pct: Percent = Field(description="how sure of the mode")
    reasoning: Reasoning


@dataclass(frozen=True, slots=True)
class PlannedTrade:
    """One trade of the plan as the model sees it. Shares are in percent of the whole; None is not known.

    `spread_bps` is what crossing the book costs now, `change_24h_bps` how far the market moved in a day.
    """

    symbol: str
    side: Side
    usd: Decimal
    share_pct: Decimal
    target_pct: Decimal
    regime: Regime = Regime.UNKNOWN
    spread_bps: Decimal | None = None
    change_24h_bps: int | None = None


def rebalance_prompt(trades: tuple[PlannedTrade, ...], moved_usd: Decimal, taker_bps: int, maker_bps: int) -> Prompt:
    """The question to a model: numbers and closed words only. Raises InvalidValueError for what is not finite."""
    known = [(trade.usd, trade.share_pct, trade.target_pct, trade.spread_bps) for trade in trades]
    numbers = [moved_usd, *(number for row in known for number in row if number is not None)]
    if not trades or not all(number.is_finite() for number in numbers):
        raise InvalidValueError("a rebalance to ask about has trades, and its figures are finite")
    planned = {
        "moved_usd": _cents(moved_usd),
        "taker_fee_bps": taker_bps,
        "maker_fee_bps": maker_bps,
        "trades": [_trade(trade) for trade in trades],
    }
    return Prompt(filled("rebalance", **answer_places(RebalanceAnswer)), json.dumps(planned, separators=(",", ":")))


def chosen_mode(answer: RebalanceAnswer | Abstain, usual: RebalanceMode) -> RebalanceMode:
    """What the model chose; `usual` where it did not."""
    return usual if isinstance(answer, Abstain) else answer.mode


def _trade(trade: PlannedTrade) -> dict[str, str | int | None]:
    return {
        "symbol": trade.symbol,
        "side": trade.side.value,
        "usd": _cents(trade.usd),
        "share_pct": _cents(trade.share_pct),
        "target_pct": _cents(trade.target_pct),
        "regime": trade.regime.value,
        "spread_bps": None if trade.spread_bps is None else _cents(trade.spread_bps),
        "change_24h_bps": trade.change_24h_bps,
    }


def _cents(number: Decimal) -> str:
    return text(number.quantize(Decimal("0.01")))


REBALANCE = AgentSpec(
    name="rebalance",
    about="may choose how a rebalance is done; nobody: rules",
    answer=RebalanceAnswer,
    work=Flow.REBALANCE,
    task=TaskSpec("rebalance", HOUR_NS, timeout_ns=30 * SECOND_NS, concurrency=1),
    importance=Importance.LOW,
)

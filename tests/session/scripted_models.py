"""Models that answer what a script says, with a latency of their own, straight into a session: no event loop."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from triplegain.decision.rounds import Round
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketEvent
from triplegain.llm.reply import ModelAnswer, ModelReply, Usage
from triplegain.session.trading_session import TradingSession

SIX = ("qwen", "gpt", "grok", "deepseek", "sonnet", "opus")
#: Seconds each of them thinks.
LATENCY_S = {model: seconds + 1 for seconds, model in enumerate(SIX)}


def chance(*words: object) -> int:
    """A number from 0 to 99 that is a function of the words."""
    return hashlib.sha256("/".join(map(str, words)).encode()).digest()[0] % 100


def scripted_answer(asked: Round, model: str) -> dict[str, Any]:
    """Valid answers of every kind; votes lean on the hour, so that there are majorities and trades both ways."""
    sure = 60 + chance(asked.round_id, model, "sure") % 35
    match asked.kind:
        case "decision":
            hour = chance(asked.subject, asked.asked_at_ns // (3600 * SECOND_NS))
            leaning = "buy" if hour < 45 else "sell" if hour < 75 else "hold"
            action = leaning if chance(asked.round_id, model) < 85 else "hold"
            return {
                **asked.echo,
                "action": action,
                "confidence_pct": 70 + sure % 25,
                "stop_bps": 150,
                "target_bps": 400,
                "size_pct": 80,
                "reasoning": f"{model} leans to {leaning}",
            }
        case "technical":
            bias = "long" if sure % 2 else "short"
            return {
                "trend": "up" if sure % 2 else "down",
                "strength_pct": 50,
                "alignment_pct": None,
                "momentum_pct": 10,
                "support_bps": None,
                "resistance_bps": None,
                "signals": [],
                "bias": bias,
                "confidence_pct": sure,
                "reasoning": "scripted",
            }
        case "regime":
            return {"regime": "trending_bull", "confidence_pct": 80, "reasoning": "scripted"}
        case "social":
            return {"score_pct": 20, "confidence_pct": 50, "narratives": [], "reasoning": "scripted"}
        case "news":
            return {"score_pct": -10, "confidence_pct": 50, "events": [], "reasoning": "scripted"}
        case "conflict":
            return {"resolution": "proceed", "size_pct": 100, "confidence_pct": 60, "reasoning": "scripted"}
        case "rebalance":
            return {"mode": "immediate", "confidence_pct": 60, "reasoning": "scripted"}
    raise AssertionError(asked.kind)


class ScriptedModels:
    """Answers every question of a session at once; `silent` models never do."""

    def __init__(self, silent: Iterable[str] = (), replies: Mapping[str, ModelReply] | None = None) -> None:
        self.asked: list[Round] = []
        self._silent = frozenset(silent)
        self._replies = dict(replies or {})

    def answer(self, session: TradingSession) -> None:
        for asked in session.rounds.take_undispatched():
            self.asked.append(asked)
            for model in asked.prompts:
                if model in self._silent:
                    continue
                latency = Usage(LATENCY_S.get(model, 2) * SECOND_NS, 1000, 80, Decimal("0.002"), 1)
                reply = ModelAnswer(scripted_answer(asked, model), f"{model}-1", latency, "hash")
                session.deliver(asked.round_id, model, self._replies.get(model, reply))

    def take(self, session: TradingSession, event: MarketEvent) -> None:
        """One event, after everything that is thought before it."""
        while session.thinks_at_ns < event.exchange_time_ns:
            session.advance_to(session.thinks_at_ns)
            self.answer(session)
        session.on_event(event)
        self.answer(session)

"""An agent's answer as JSON and back, for trades that are decided and not yet made."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.domain.money import text

_NUMBERS = ("stop_fraction", "target_fraction", "size_fraction")


def answer_to_json(answer: AgentAnswer) -> dict[str, Any]:
    numbers = {name: getattr(answer, name) for name in _NUMBERS}
    return {
        "action": answer.action.value,
        "confidence": text(answer.confidence),
        "reasoning": answer.reasoning,
        **{name: None if number is None else text(number) for name, number in numbers.items()},
    }


def answer_from_json(stored: Mapping[str, Any]) -> AgentAnswer:
    numbers = {name: None if stored[name] is None else Decimal(stored[name]) for name in _NUMBERS}
    return AgentAnswer(Action(stored["action"]), Decimal(stored["confidence"]), stored["reasoning"], **numbers)

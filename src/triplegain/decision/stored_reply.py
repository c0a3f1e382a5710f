"""A model's reply as JSON and back, for replies that have arrived and are not taken yet."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.money import text
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply, Usage


def reply_to_json(reply: ModelReply) -> dict[str, Any]:
    usage = reply.usage
    common = {
        "model_id": reply.model_id,
        "prompt_hash": reply.prompt_hash,
        "usage": [str(usage.latency_ns), usage.tokens_in, usage.tokens_out, text(usage.cost_usd), usage.attempts],
    }
    if isinstance(reply, ModelAnswer):
        return {**common, "value": reply.value}
    return {**common, "kind": reply.kind.value, "reason": reply.reason}


def reply_from_json(stored: Mapping[str, Any]) -> ModelReply:
    latency_ns, tokens_in, tokens_out, cost_usd, attempts = stored["usage"]
    usage = Usage(int(latency_ns), tokens_in, tokens_out, Decimal(cost_usd), attempts)
    model_id, prompt_hash = stored["model_id"], stored["prompt_hash"]
    if "value" in stored:
        return ModelAnswer(dict(stored["value"]), model_id, usage, prompt_hash)
    return ModelFailure(FailureKind(stored["kind"]), stored["reason"], usage, prompt_hash, model_id)

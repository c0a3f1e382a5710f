"""The next model when one fails, for questions that any capable model may answer. Never for contestants."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, replace
from operator import add

from msgspec import structs

from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelPort, ModelReply, ModelRequest, Usage
from triplegain.llm.spec import ModelSpec


class FailOver:
    """Requests to `name` go to `models` in their order, one of each provider, within the request's one deadline; all
    others to the model they name. Implements `ModelPort`.

    The reply's `model_id` says who answered. Each has an equal share of the time that is left, so that one that hangs
    leaves time for the next.
    """

    def __init__(self, port: ModelPort, name: str, models: Sequence[ModelSpec]) -> None:
        self._port = port
        self._name = name
        first_of = {spec.provider: spec for spec in reversed(models)}
        self._models = [spec for spec in models if first_of[spec.provider] is spec]

    async def complete(self, request: ModelRequest) -> ModelReply:
        if request.model != self._name:
            return await self._port.complete(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.timeout_s
        usage, failures = Usage(), list[str]()
        last = ModelFailure(FailureKind.UNAVAILABLE, "no model takes part that could be asked")
        for number, spec in enumerate(self._models):
            share_s = (deadline - loop.time()) / (len(self._models) - number)
            if share_s <= 0:
                break
            reply = await self._port.complete(replace(request, model=spec.name, timeout_s=share_s))
            usage = Usage(*map(add, astuple(usage), astuple(reply.usage)))
            if isinstance(reply, ModelAnswer):
                return structs.replace(reply, usage=usage)
            last = reply
            failures.append(f"{spec.name}: {reply.reason}")
        return structs.replace(last, usage=usage, reason="; ".join(failures) or last.reason)

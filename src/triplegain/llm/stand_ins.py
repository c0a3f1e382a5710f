"""A name for several models that stand in for each other; every other name is one model."""

from __future__ import annotations

from triplegain.llm.fail_over import FailOver
from triplegain.llm.reply import ModelPort, ModelReply
from triplegain.llm.request import ModelRequest


class StandIns:
    """Asks `together` for requests to `name`, and `port` for all others; implements `ModelPort`."""

    def __init__(self, port: ModelPort, name: str, together: FailOver) -> None:
        self._port = port
        self._name = name
        self._together = together

    async def complete(self, request: ModelRequest) -> ModelReply:
        return await (self._together if request.model == self._name else self._port).complete(request)

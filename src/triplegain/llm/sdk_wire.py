"""The way to OpenAI, Anthropic, DeepSeek, xAI and a local server, over the providers' own clients.

pydantic-ai is used as a client and nothing else: one message list in, one response out; no agent, no loop, no retry.
Importing it takes seconds, so it is imported by `load`, in a thread beside the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.wire import Question, WireAnswer

if TYPE_CHECKING:
    from triplegain.llm.sdk_models import SdkModels


class SdkWire:
    """One HTTP client for all providers. `keys` are what they know us by; no response is longer than `bytes_max`."""

    def __init__(self, keys: Mapping[Provider, str], bytes_max: int) -> None:
        self._keys = keys
        self._bytes_max = bytes_max
        self._models: SdkModels | None = None
        self._loading = threading.Lock()

    def load(self, specs: Iterable[ModelSpec]) -> SdkModels:
        """The clients of these models, imported if this is the first time. Any thread may call it."""
        from triplegain.llm.sdk_models import SdkModels

        with self._loading:
            models = self._models or SdkModels(self._keys, self._bytes_max)
            models.prepare(specs)
            self._models = models
        return models

    async def ask(self, question: Question, time_left_s: float) -> WireAnswer:
        models = self._models
        if models is None:
            models = await asyncio.to_thread(self.load, [question.spec])
        return await models.ask(question, time_left_s)

    async def aclose(self) -> None:
        if self._models is not None:
            await self._models.aclose()

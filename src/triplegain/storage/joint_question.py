"""Many who ask the same kind of question at once: one goes to the database for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class JointQuestion(Generic[K, V]):
    """Who asks while a question is on its way shares the next one. `ask` gives what there is by key."""

    def __init__(self, ask: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._keys: set[K] = set()
        #: The question that `_keys` go into.
        self._next: asyncio.Task[Mapping[K, V]] | None = None
        self._turn = asyncio.Lock()

    async def answer(self, key: K) -> V | None:
        """None where there is nothing. Raises what `ask` raises, to all who share the question."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._put())
        self._keys.add(key)
        # Whoever is not there any more leaves the others' question alone.
        return (await asyncio.shield(self._next)).get(key)

    async def _put(self) -> Mapping[K, V]:
        async with self._turn:
            keys, self._keys, self._next = self._keys, set(), None
            return await self._ask(keys)

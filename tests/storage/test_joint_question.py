"""Who asks while a question is on its way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from triplegain.storage.joint_question import JointQuestion


class Asked:
    """Knows what is even; each question takes until it is let go."""

    def __init__(self) -> None:
        self.questions: list[list[int]] = []
        self.go = asyncio.Event()
        self.joint = JointQuestion(self._ask)

    async def _ask(self, keys: Collection[int]) -> Mapping[int, str]:
        self.questions.append(sorted(keys))
        await self.go.wait()
        if 13 in keys:
            raise ValueError("unlucky")
        return {key: f"it is {key}" for key in keys if key % 2 == 0}


async def test_those_who_ask_together_share_a_question_and_later_ones_the_next() -> None:
    asked = Asked()
    first = [asyncio.create_task(asked.joint.answer(key)) for key in (1, 2, 2)]
    while not asked.questions:
        await asyncio.sleep(0)
    later = [asyncio.create_task(asked.joint.answer(key)) for key in (4, 5, 2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked.questions == [[1, 2]]
    later[0].cancel()
    asked.go.set()
    assert await asyncio.gather(*first) == [None, "it is 2", "it is 2"]
    assert await asyncio.gather(*later[1:]) == [None, "it is 2"]
    # What nobody waits for any more is asked all the same.
    assert asked.questions == [[1, 2], [2, 4, 5]] and later[0].cancelled()
    assert await asked.joint.answer(6) == "it is 6"


async def test_what_goes_wrong_is_told_to_those_who_asked_it() -> None:
    asked = Asked()
    asked.go.set()
    together = await asyncio.gather(*[asked.joint.answer(key) for key in (12, 13)], return_exceptions=True)
    assert [str(each) for each in together] == ["unlucky", "unlucky"]
    with pytest.raises(ValueError, match="unlucky"):
        await asked.joint.answer(13)
    assert await asked.joint.answer(12) == "it is 12"

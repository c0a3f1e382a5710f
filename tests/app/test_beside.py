"""What runs beside a session: it goes wrong without harm, is told of, and is begun again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from triplegain.app import beside as module
from triplegain.app.beside import beside


async def test_what_goes_wrong_is_told_and_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)
    begun, again, let_go = [0], asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun[0] += 1
        if begun[0] == 1:
            raise KeyError("a bug")
        again.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()

    with caplog.at_level(logging.ERROR):
        async with beside(work, "the work"):
            await asyncio.wait_for(again.wait(), 10)
    assert begun == [2] and let_go.is_set()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["the work went wrong"]

"""The runner between session and models: the market is held while they think, whatever its pace and whoever stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from tests.session.crash_day import crash_settings, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import LATENCY_S, scripted_answer
from tests.session.stored_parts import stored_by

from triplegain.decision.rounds import Round
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.market import MarketEvent
from triplegain.domain.records import CommitBatch
from triplegain.llm.reply import ModelAnswer, ModelReply, ModelRequest, Usage
from triplegain.session.runner import Ending, SessionRunner
from triplegain.session.trading_session import TradingSession

RECORDS = ("decisions", "votes", "analyses", "events", "entries", "risk")


class Store:
    def __init__(self) -> None:
        self.batches: list[CommitBatch] = []

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        self.batches.append(batch)

    def all(self, name: str) -> list[Any]:
        return [record for batch in self.batches for record in getattr(batch, name)]


class Port:
    """Answers as the script says; stops the runner instead at the `stops_at`th question."""

    def __init__(self, stops_at: int = 0) -> None:
        self.asked: list[str] = []
        self.runner: SessionRunner | None = None
        self._stops_at = stops_at

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request.request_id)
        if len(self.asked) == self._stops_at:
            assert self.runner is not None
            self.runner.stop()
        round_id = request.request_id.partition("/")[0]
        subject = request.echo.get("symbol", "")
        asked = Round(round_id, request.agent, subject, {}, request.asked_at_ns, 0, request.echo)
        latency = Usage(LATENCY_S[request.model] * SECOND_NS // 10, 1000, 80, Decimal("0.002"), 1)
        return ModelAnswer(scripted_answer(asked, request.model), f"{request.model}-1", latency, "hash")


@pytest.fixture(scope="module")
def market() -> Any:
    before, day = crash_events()
    return before, day[: 3 * 130]


async def run(
    session: TradingSession, events: list[MarketEvent], store: Store, port: Port, speed: float | None = None
) -> tuple[Ending, SessionRunner]:
    clock = ManualClock()
    runner = SessionRunner(
        session,
        iter(events),
        store,
        clock,
        speed=speed,
        models=port,
        # Every breath takes 20 µs: 20 s of market time at the speed of the test.
        on_progress=lambda: clock.advance_to(clock.now_ns() + 20_000),
    )
    port.runner = runner
    return await runner.run(), runner


def opened(market: Any, observed: Sequence[MarketEvent] = ()) -> TradingSession:
    session = warm(TradingSession(crash_settings()), market[0])
    for event in observed:
        session.observe(event)
    return session


@pytest.fixture(scope="module")
def whole(market: Any) -> Store:
    """What a hurried run leaves that nobody stops."""
    store = Store()
    asyncio.run(run(opened(market), market[1], store, Port()))
    return store


async def test_a_paced_market_leaves_the_same_record_as_a_hurried_one(market: Any, whole: Store) -> None:
    hurried, paced = whole, Store()
    await run(opened(market), market[1], paced, Port(), speed=1e6)
    assert hurried.all("votes")
    for name in RECORDS:
        assert paced.all(name) == hurried.all(name), name


@pytest.mark.parametrize("stops_at", [1, *(pytest.param(each, marks=pytest.mark.slow) for each in (12, 20))])
async def test_a_run_that_is_stopped_while_models_think_goes_on_as_if_it_had_not_been(
    market: Any, whole: Store, stops_at: int
) -> None:
    first, second = Store(), Store()
    ending, runner = await run(opened(market), market[1], first, Port(stops_at))
    assert ending is Ending.STOPPED
    parts = stored_by(first.batches)
    assert any(name == "decision.round" for name, _ in parts)
    again = opened(market, market[1][: runner.position])
    again.restore(parts)
    await run(again, market[1][runner.position :], second, Port())
    for name in RECORDS:
        assert first.all(name) + second.all(name) == whole.all(name), name

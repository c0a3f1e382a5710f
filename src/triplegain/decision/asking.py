"""The asynchronous side of the rounds: asks the models, hands each reply to the session when it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from triplegain.agents.spec import AgentSpec, Registry
from triplegain.decision.rounds import Round
from triplegain.llm.reply import FailureKind, ModelFailure, ModelPort, ModelReply
from triplegain.llm.request import ModelRequest

#: `deliver(round_id, model, reply)`.
Deliver = Callable[[str, str, ModelReply], None]


class Asking:
    """Calls under way. Every model of a round is asked at once, and none of them holds up another."""

    def __init__(self, port: ModelPort, agents: Registry, session_id: str, deliver: Deliver) -> None:
        self._port = port
        self._agents = agents
        self._session_id = session_id
        self._deliver = deliver
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        return bool(self._calls)

    def ask(self, rounds: Iterable[Round]) -> None:
        for opened in rounds:
            agent = self._agents.get(opened.kind)
            if agent is None:
                continue
            for model in opened.prompts:
                call = asyncio.get_running_loop().create_task(self._call(opened, agent, model))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    async def _call(self, opened: Round, agent: AgentSpec, model: str) -> None:
        request = ModelRequest(
            request_id=opened.request_id(model),
            session_id=self._session_id,
            agent=opened.kind,
            model=model,
            prompt=opened.prompts[model],
            answer=agent.answer,
            timeout_s=(opened.deadline_ns - opened.asked_at_ns) / 1e9,
            echo=opened.echo,
            tools=opened.tools,
            asked_at_ns=opened.asked_at_ns,
        )
        try:
            reply = await self._port.complete(request)
        except Exception as error:
            # The boundary of a task: whatever is wrong with a model is an abstention, and is told.
            reply = ModelFailure(FailureKind.UNAVAILABLE, f"the call failed within: {type(error).__name__}: {error}")
        self._deliver(opened.round_id, model, reply)

    async def wait(self, timeout_s: float) -> None:
        """Until one more call is over, at most so long."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    async def aclose(self) -> None:
        """Give up what is under way: open rounds are asked again when the session goes on."""
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

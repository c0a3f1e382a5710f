"""One session of a run, be it the main one of its market or another: its steps, its questions, and its end."""

from __future__ import annotations

import logging
from collections.abc import Callable

from triplegain.decision.rounds import RequestDispatcher
from triplegain.llm.reply import ModelPort, ModelReply
from triplegain.session.steps import Steps
from triplegain.session.trading_session import TradingSession

_log = logging.getLogger(__name__)


class Member:
    """`lost` is told, once, why it can go on no more. `models` None: nobody is asked."""

    def __init__(self, steps: Steps, models: ModelPort | None, lost: Callable[[BaseException], None]) -> None:
        self.steps = steps
        self.is_lost = False
        self._has_left = False
        self._lost = lost
        asked = self.session.settings.decision.agents, self.session.settings.session_id
        self.asking = None if models is None else RequestDispatcher(models, *asked, self._deliver)

    @property
    def session(self) -> TradingSession:
        """As it is now: it may be built again on the way."""
        return self.steps.session

    def ask(self) -> bool:
        """Ask what the session wants to know; whether it waits for an answer."""
        if self.asking is None or self.is_lost:
            return False
        if self.session.rounds.has_undispatched:
            self.asking.ask(self.session.rounds.take_undispatched())
        return self.asking.is_busy

    def _deliver(self, round_id: str, model: str, reply: ModelReply) -> None:
        if self.steps.failure is None:
            try:
                self.session.floor.heed(self.session)
                self.session.deliver(round_id, model, reply)
            except Exception as error:
                # In a task of its own, where nobody would hear of it.
                self.steps.fail(error)

    def fail(self, error: BaseException) -> None:
        """It can go on no more, and the others do: it leaves at once, and nothing of its last step is stored."""
        if self.is_lost:
            return
        self.is_lost = True
        self._leave()
        _log.error("%s is not run any more: %s", self.session.settings.session_id, error)
        self.steps.fail(error)
        self.steps.abandon()
        self._lost(error)

    async def part(self) -> None:
        """It is run no more. Nothing more is stored."""
        self._leave()
        self.steps.abandon()
        await self.aclose()

    def _leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            self.session.floor.leave(self.session)

    async def aclose(self) -> None:
        """Give up what models were asked."""
        if self.asking is not None:
            await self.asking.aclose()

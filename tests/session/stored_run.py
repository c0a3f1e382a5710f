"""Runs of a session on a store that says no, or nothing: the commands come together, a minute of market goes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from tests.session.stored_parts import stored_by

from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import AnyAnswer, Command
from triplegain.domain.errors import StepRefusedError
from triplegain.domain.ids import Origin
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.domain.records import CommitBatch, OrderRecord, SecurityEvent
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import Built, Ending, SessionRunner
from triplegain.session.trading_session import TradingSession

#: The order at fault in a batch, 0 where the store names none, None where nothing is wrong with it.
Refuses = Callable[[CommitBatch], int | None]


class CommitRefusedError(StepRefusedError):
    """As the store raises it."""


@dataclass
class Store:
    refuses: Refuses
    #: Without it nothing else happens while a step is being stored.
    takes_time: bool = True
    batches: list[CommitBatch] = field(default_factory=list)
    refused: int = 0
    #: Sequence of the last event that is stored.
    _last: int = 0

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if self.takes_time:
            await asyncio.sleep(0)
        if (number := self.refuses(batch)) is not None:
            self.refused += 1
            error = CommitRefusedError("a row is out of range")
            error.order_number = number or None
            raise error
        assert not self.batches or batch.feed_position >= self.batches[-1].feed_position
        end = self._last + len(batch.events)
        assert [event.sequence for event in batch.events] == list(range(self._last + 1, end + 1))
        self._last = end
        self.batches.append(batch)

    def order(self, name: str) -> OrderRecord | None:
        """The row."""
        rows = (o for batch in reversed(self.batches) for o in batch.orders if o.request.client_order_id == name)
        return next(rows, None)

    def money(self) -> list[Any]:
        kinds = "events", "fills", "entries"
        return [row for kind in kinds for batch in self.batches for row in getattr(batch, kind)]


def order(name: str, price: str | None = None, quantity: str = "0.01") -> OrderRequest:
    terms = Market() if price is None else Limit(Decimal(price))
    return OrderRequest(name, "BTC/USDT", Side.BUY, Decimal(quantity), terms)


async def as_it_comes(events: Iterator[MarketEvent]) -> AsyncIterator[Sequence[MarketEvent]]:
    """A market that is silent for a moment before each message."""
    for event in events:
        for _ in range(8):
            await asyncio.sleep(0)
        yield (event,)


@dataclass
class _LetsIn:
    """A store that lets the next command in while a step with commands is being stored."""

    store: Store
    let_in: Callable[[int], None]

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if batch.security_events:
            self.let_in(1)
            # It begins with the next turn of the loop.
            await asyncio.sleep(0)
        await self.store.commit(session_id, batch)


async def play(
    open_session: Any,
    market: Any,
    store: Store,
    *commands: Command[Any],
    rebuilds: bool = True,
    before_rebuild: Callable[[], None] = lambda: None,
    live: bool = False,
    then: Callable[[TradingSession], object] = lambda session: None,
    on_runner: Callable[[SessionRunner], object] = lambda runner: None,
    apart: bool = False,
    **changes: Any,
) -> tuple[list[AnyAnswer], SessionRunner, Ending | Exception]:
    """The commands come together at message 100 of a minute of market. Their answers, and how the run ended.

    `apart`: each but the first comes while the step of the one before is being stored.
    `then` is done to the session of a live market a hundred messages later; `on_runner` gets the runner before it runs.
    """
    feed = market(seconds=60)
    tasks: list[asyncio.Task[AnyAnswer]] = []
    coming: list[Coroutine[Any, Any, AnyAnswer]] = []
    changes = {"baseline": None, **changes}

    def let_in(count: int) -> None:
        tasks.extend(asyncio.get_running_loop().create_task(coming.pop(0)) for _ in range(min(count, len(coming))))

    def events() -> Iterator[MarketEvent]:
        for number, event in enumerate(feed.events()):
            if number == 100:
                door = SessionCommands(runner)
                for index, command in enumerate(commands):
                    audit = SecurityEvent(type(command).__name__, "admin", "127.0.0.1", str(index), 0)
                    coming.append(door.submit(command, Origin.HAND, audit))
                let_in(1 if apart else len(coming))
            if number == 200:
                then(runner.session)
            yield event

    async def rebuild(stand: Callable[[TradingSession], bool]) -> Built:
        before_rebuild()
        session, again = open_session(feed, **changes), feed.events()
        position = store.batches[-1].feed_position if store.batches else 0
        if live:
            assert stand(session) == bool(store.batches)
        else:
            for event in islice(again, position):
                session.observe(event)
        if store.batches:
            session.restore(stored_by(store.batches))
        return Built(session, told if live else again, position)

    session = open_session(feed, **changes)
    told: Any = as_it_comes(events()) if live else events()
    into = _LetsIn(store, let_in) if apart else store
    runner = SessionRunner(session, told, into, ManualClock(), rebuild=rebuild if rebuilds else None)
    on_runner(runner)
    try:
        ended: Ending | Exception = await runner.run()
    except Exception as error:
        ended = error

    return list(await asyncio.gather(*tasks)), runner, ended

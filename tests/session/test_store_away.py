"""A store that goes away under a session: nothing is begun, nothing is lost or done twice, and the session goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.session.stored_run import Store, as_it_comes, order, play

from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.commands import AnyAnswer, Done, NotDone, Pause, PlaceOrder, Resume, Unknown
from triplegain.domain.errors import StoreAwayError, TripleGainError
from triplegain.domain.ids import Origin
from triplegain.domain.market import MarketEvent
from triplegain.domain.records import CommitBatch, SecurityEvent
from triplegain.domain.refusals import Code
from triplegain.session import store_watch
from triplegain.session.by_hand import ByHand
from triplegain.session.commands import SessionCommands
from triplegain.session.pace import SessionClock
from triplegain.session.runner import Built, Ending, SessionRunner
from triplegain.session.store_watch import StoreWatch
from triplegain.session.trading_session import TradingSession

AUDIT = SecurityEvent("trading_paused", "admin", "127.0.0.1", "later", 0)
ORDERS = [PlaceOrder(order("first")), PlaceOrder(order("last", "1000"))]


class UnknownError(StoreAwayError):
    """As the store raises it where a step was sent and not answered."""

    code = "outcome_unknown"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two attempts."""
    monkeypatch.setattr(store_watch, "_PAUSE_S", 0.0)


@dataclass
class Going(Store):
    """Goes away at the step for which `goes` says how many attempts fail; `loses`: it has stored the step by then."""

    goes: Callable[[CommitBatch], int] = lambda batch: 0
    loses: bool = False
    #: What is done at each attempt that fails.
    meanwhile: Callable[[], Awaitable[None]] | None = None
    _lost: CommitBatch | None = None
    _fails: int = 0
    times: int = 0
    #: By identity, since a step is the same only when it is sent again.
    seen: dict[int, CommitBatch] = field(default_factory=dict)

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if self._fails == 0 and id(batch) not in self.seen:
            self._fails = self.goes(batch)
            self.times += bool(self._fails)
            self.seen[id(batch)] = batch
        # Whoever comes now shares the next step.
        await asyncio.sleep(0)
        if self._fails:
            self._fails -= 1
            if self.meanwhile is not None:
                await self.meanwhile()
            if self.loses:
                if self._lost is not batch:
                    await super().commit(session_id, batch)
                self._lost = batch
                raise UnknownError("it was sent, and nobody knows", "the server is gone")
            raise StoreAwayError("it was never sent", "the server is gone")
        if self._lost is not batch:
            await super().commit(session_id, batch)


def at_orders(count: int = 3) -> Callable[[CommitBatch], int]:
    """Away at the step in which a person's first command is."""
    return lambda batch: count if any(each.request_id == "0" for each in batch.security_events) else 0


def alerts(store: Store) -> list[str]:
    return [a.message for batch in store.batches for a in batch.alerts if a.kind is AlertKind.DATABASE_AWAY]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("loses", [False, True])
async def test_orders_in_flight_are_done_once_and_the_record_is_as_if_nothing_had_been(
    open_session: Any, market: Any, loses: bool, live: bool
) -> None:
    without = Store(lambda batch: None)
    store = Going(lambda batch: None, goes=at_orders(), loses=loses)
    await play(open_session, market, without, *ORDERS, live=live)
    answers, runner, ended = await play(open_session, market, store, *ORDERS, live=live)
    assert ended is Ending.FEED_OVER and runner.session.halted == ""
    assert store.times == 1 and all(isinstance(answer, Done) for answer in answers), answers
    assert store.money() == without.money()
    assert len(alerts(store)) == 1 and "nobody looked at the market" in alerts(store)[0]


@pytest.mark.parametrize("live", [False, True])
async def test_a_store_that_goes_at_every_step_changes_nothing_but_the_alerts(
    open_session: Any, market: Any, live: bool
) -> None:
    baseline = BaselineSettings()
    without = Store(lambda batch: None)
    store = Going(lambda batch: None, goes=lambda batch: 1 + len(store.batches) % 2, loses=True)
    await play(open_session, market, without, baseline=baseline, live=live)
    _, _, ended = await play(open_session, market, store, baseline=baseline, live=live)
    assert ended is Ending.FEED_OVER
    assert store.times == len(store.batches) > 5 and any(batch.fills for batch in store.batches)
    assert store.money() == without.money()
    # Those of the last step alone have no step to stand in.
    assert sum(told.count("from") for told in alerts(store)) == store.times - 1


async def test_while_it_is_away_no_message_is_taken_and_nothing_is_begun(open_session: Any, market: Any) -> None:
    runners: list[SessionRunner] = []
    positions: list[int] = []
    refused: list[AnyAnswer] = []

    async def look() -> None:
        runner = runners[0]
        for _ in range(20):
            await asyncio.sleep(0)
        positions.append(runner.position)
        if runner.steps.watch.away:
            refused.append(await SessionCommands(runner).submit(Pause(), Origin.HAND, AUDIT))

    store = Going(lambda batch: None, goes=at_orders(5), meanwhile=look)
    # Nothing of the market follows from a resumption, so that nothing else holds it up.
    answers, runner, ended = await play(open_session, market, store, Resume(), live=True, on_runner=runners.append)
    assert ended is Ending.FEED_OVER and all(isinstance(answer, Done) for answer in answers)
    # What is under way when it goes may still move; from then on nothing does.
    assert len(set(positions[1:])) == 1, positions
    assert len(refused) == 4 and not runner.session.paused
    for answer in refused:
        assert isinstance(answer, NotDone) and answer.refusal.code is Code.DATABASE_AWAY, answer


@pytest.mark.parametrize("loses", [False, True])
async def test_a_stop_while_it_is_away_ends_the_run_and_says_what_is_known(
    open_session: Any, market: Any, loses: bool
) -> None:
    runners: list[SessionRunner] = []

    async def stop() -> None:
        if store.times and runners[0].steps.watch.away:
            runners[0].stop()

    store = Going(lambda batch: None, goes=at_orders(1_000_000), loses=loses, meanwhile=stop)
    answers, runner, ended = await play(open_session, market, store, *ORDERS, on_runner=runners.append, apart=True)
    assert isinstance(ended, StoreAwayError) and ended.exit_code == 5
    assert runner.steps.failure is ended
    sent, waited = answers
    assert isinstance(sent, Unknown if loses else NotDone), sent
    # It was done in memory alone.
    assert isinstance(waited, NotDone) and waited.refusal.code is Code.STOPPED, waited


async def test_one_that_does_not_answer_counts_as_away_until_it_does(
    open_session: Any, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "_SILENT_S", 0.0)
    runners: list[SessionRunner] = []
    store = Silent(lambda batch: None, silent_at=at_orders(), until=lambda: bool(runners[0].steps.watch.away))
    answers, _, ended = await play(open_session, market, store, *ORDERS, on_runner=runners.append)
    assert ended is Ending.FEED_OVER and all(isinstance(answer, Done) for answer in answers)
    assert any("database was away" in told for told in alerts(store))


@dataclass
class Silent(Store):
    """Does not answer, at the step of `silent_at`, before `until` is true."""

    silent_at: Callable[[CommitBatch], int] = lambda batch: 0
    until: Callable[[], bool] = lambda: True

    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        if self.silent_at(batch):
            while not self.until():
                await asyncio.sleep(0)
        await super().commit(session_id, batch)


async def test_a_stop_does_not_wait_for_one_that_never_answers(
    open_session: Any, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "_GRACE_S", 0.0)
    runners: list[SessionRunner] = []

    def never() -> bool:
        runners[0].stop()
        return False

    store = Silent(lambda batch: None, silent_at=at_orders(), until=never)
    answers, _, ended = await play(open_session, market, store, *ORDERS, on_runner=runners.append, apart=True)
    assert isinstance(ended, StoreAwayError) and ended.code == "outcome_unknown" and ended.exit_code == 5
    assert isinstance(answers[0], Unknown) and isinstance(answers[1], NotDone), answers


async def test_a_session_that_somebody_else_has_written_does_not_go_on(open_session: Any, market: Any) -> None:
    class TakenError(TripleGainError):
        exit_code = 7

    async def taken() -> None:
        if store.seen and runners[0].steps.watch.away:
            raise TakenError("another process has written it")

    runners: list[SessionRunner] = []
    store = Going(lambda batch: None, goes=at_orders(9), meanwhile=taken)
    answers, runner, ended = await play(open_session, market, store, *ORDERS, live=True, on_runner=runners.append)
    assert isinstance(ended, TakenError) and "another process" in runner.session.halted
    assert not any(isinstance(answer, Done) for answer in answers)


@pytest.mark.parametrize("live", [False, True])
async def test_it_may_go_while_a_session_is_built_again(open_session: Any, market: Any, live: bool) -> None:
    attempts: list[int] = []

    def away() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise StoreAwayError("it cannot be read", "the server is gone")

    def refuses(batch: CommitBatch) -> int | None:
        return next((o.order_number for o in batch.orders if o.request.client_order_id == "wrong"), None)

    store = Going(refuses, goes=lambda batch: 1, loses=True)
    commands = [ORDERS[0], PlaceOrder(order("wrong")), ORDERS[1]]
    answers, _, ended = await play(open_session, market, store, *commands, live=live, before_rebuild=away)
    assert ended is Ending.FEED_OVER and len(attempts) >= 3
    assert isinstance(answers[0], Done) and isinstance(answers[2], Done)
    assert isinstance(answers[1], NotDone) and answers[1].refusal.code is Code.COMMIT_REFUSED


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("takes_time", [False, True])
async def test_a_command_that_goes_wrong_within_ends_alone(
    open_session: Any, market: Any, takes_time: bool, live: bool
) -> None:
    """It has changed the session by then, which is thrown away."""
    without, store = Store(lambda batch: None), Store(lambda batch: None, takes_time)
    await play(open_session, market, without, *ORDERS, live=live)

    def break_place(runner: SessionRunner) -> None:
        place = ByHand.place

        def broken(by_hand: ByHand, request: Any, *rest: Any) -> Any:
            sent = place(by_hand, request, *rest)
            if request.client_order_id == "wrong":
                raise ZeroDivisionError("a bug")
            return sent

        monkey.setattr(ByHand, "place", broken)

    with pytest.MonkeyPatch.context() as monkey:
        commands = [ORDERS[0], PlaceOrder(order("wrong")), ORDERS[1]]
        answers, runner, ended = await play(open_session, market, store, *commands, live=live, on_runner=break_place)
    assert ended is Ending.FEED_OVER and runner.session.halted == ""
    assert isinstance(answers[0], Done) and isinstance(answers[2], Done), answers
    assert isinstance(answers[1], NotDone) and answers[1].refusal.code is Code.INTERNAL_ERROR
    assert "a bug" in answers[1].refusal.reason
    assert store.order("wrong") is None
    assert [row for row in store.money() if "wrong" in repr(row)] == []
    if not takes_time:
        assert store.money() == without.money()


async def test_a_market_that_is_read_from_the_store_is_read_again(open_session: Any, market: Any) -> None:
    feed = market(seconds=60)
    without, store = Store(lambda batch: None), Store(lambda batch: None)
    await play(open_session, market, without, baseline=BaselineSettings())
    breaks = iter([150, 400, 400])

    def events(first: int = 0) -> Iterator[MarketEvent]:
        until = next(breaks, None)
        for number, event in enumerate(feed.events()):
            if number == until:
                raise StoreAwayError("it cannot be read", "the server is gone")
            if number >= first:
                yield event

    async def rebuild(stand: Callable[[TradingSession], bool]) -> Built:
        from tests.session.stored_parts import stored_by

        session = open_session(feed, baseline=BaselineSettings())
        position = store.batches[-1].feed_position if store.batches else 0
        for number, event in enumerate(feed.events()):
            if number >= position:
                break
            session.observe(event)
        if store.batches:
            session.restore(stored_by(store.batches))
        return Built(session, events(position), position)

    session = open_session(feed, baseline=BaselineSettings())
    runner = SessionRunner(session, events(), store, ManualClock(), rebuild=rebuild)
    assert await runner.run() is Ending.FEED_OVER
    assert next(breaks, None) is None
    assert store.money() == without.money() and any(batch.fills for batch in store.batches)


async def test_a_connection_that_is_known_to_be_lost_is_mended_at_the_next_message(
    open_session: Any, market: Any
) -> None:
    feed = market(seconds=60)
    store = Store(lambda batch: None)

    def is_lost() -> bool:
        return runner.events_seen >= 500 and store.batches[-1].feed_position < 500

    runner = SessionRunner(
        open_session(feed, baseline=None),
        as_it_comes(feed.events()),
        store,
        ManualClock(),
        watch=StoreWatch(ManualClock(), is_lost=is_lost),
    )
    assert await runner.run() is Ending.FEED_OVER
    assert 500 in [batch.feed_position for batch in store.batches]


async def test_what_whoever_watches_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "_LOOK_S", 0.0)
    monkeypatch.setattr(store_watch, "_LINE_S", 0.0)
    monkeypatch.setattr(store_watch, "_LINE_MAX_S", 0.0)
    clock, told, looks, attempts = ManualClock(1_700_000_000 * SECOND_NS), list[str](), list[str](), list[int]()
    watch = StoreWatch(clock, told.append, lambda: looks.append(watch.away))

    async def ask() -> str:
        attempts.append(1)
        clock.advance_to(clock.now_ns() + SECOND_NS)
        if len(attempts) <= 7:
            for _ in range(3):
                await asyncio.sleep(0)
            raise StoreAwayError("long words", "the server is gone")
        return "there"

    assert await watch.ask(ask) == "there"
    assert told[0] == (
        "The database is away: the server is gone. The session waits for it, and orders are refused meanwhile."
    )
    assert any("has been away for" in words for words in told[1:-1])
    assert told[-1] == "The database is back after 8.0 s, and the session goes on."
    assert set(looks) == {"the server is gone"}
    assert watch.spans == ["from 2023-11-14T22:13:20.000000Z to 2023-11-14T22:13:28.000000Z, 8.0 s"]
    assert watch.away == "" and watch.away_ns == 8 * SECOND_NS


def test_a_market_that_can_be_held_stands_still_meanwhile() -> None:
    clock = ManualClock(0)
    pace = SessionClock(clock, 2.0)
    pace.start(1_000 * SECOND_NS)
    clock.advance_to(3 * SECOND_NS)
    pace.rest(2 * SECOND_NS)
    # One second of three counts, at double speed.
    assert pace.market_now_ns() == 1_002 * SECOND_NS

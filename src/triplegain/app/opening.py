"""Opening a session: a new one, or one that is taken up where its last commit left it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from triplegain.app.feeds import open_feed, parse_duration_ns, parse_speed
from triplegain.app.settings import candle_length_ns, session_settings
from triplegain.config import Config, config_as_dict
from triplegain.config.agents import Agents
from triplegain.config.execution import Execution
from triplegain.config.infrastructure import Orchestration
from triplegain.config.risk import Risk
from triplegain.coordinator.trading_session import TradingSession
from triplegain.domain import ids
from triplegain.domain.clock import Clock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import MarketEvent
from triplegain.domain.records import SecurityEvent, SessionRecord, SessionStatus
from triplegain.market.candle_length import parse_candle_length
from triplegain.market.feed import Feed, FeedError
from triplegain.storage.errors import SessionEndedError, SessionNotFoundError
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_session import StoredSession

#: A session's name is also the name of a file and a part of URLs.
_SESSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """What was asked for on the command line; None leaves it to the session or the configuration."""

    feed: str | None = None
    speed: str | None = None
    duration: str | None = None
    candle: str | None = None
    session: str | None = None
    reset: bool = False
    seed: int | None = None


def check_words(options: PaperOptions) -> None:
    """What can be wrong with the words themselves, before anything is started. Raises InvalidValueError."""
    parse_speed(options.speed)
    parse_duration_ns(options.duration)
    if options.candle not in (None, "auto"):
        parse_candle_length(options.candle)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session ready to run: `events` goes on after the first `position` messages of the feed."""

    record: SessionRecord
    session: TradingSession
    feed: Feed
    events: Iterator[MarketEvent]
    position: int


class SessionOpening:
    """Decides between new and stored, and builds the session either way. Holds its lock in the store."""

    def __init__(self, options: PaperOptions, config: Config, store: SessionStore, clock: Clock) -> None:
        self._options = options
        self._config = config
        self._store = store
        self._clock = clock

    @property
    def seed(self) -> int:
        chosen = self._options.seed
        return self._config.orchestration.demo_seed if chosen is None else chosen

    async def open(self) -> OpenedSession:
        """Raises SessionLockedError when another process runs the session, FeedError when its feed is not there."""
        stored = await self._stored()
        if stored is None:
            return await self._new(self._options.session)
        if self._options.reset:
            return await self._reset(stored.session)
        return self._resumed(stored)

    async def _stored(self) -> StoredSession | None:
        """The session to go on with: the one that was named, else the demo's latest."""
        options = self._options
        if options.session is not None:
            try:
                return await self._store.resume(options.session)
            except SessionNotFoundError:
                return None
            except SessionEndedError:
                if options.reset:
                    return None
                raise
        spec = options.feed or "demo"
        if spec != "demo" or not (self._config.execution.paper_trading.persist_state or options.reset):
            return None
        stored = await self._store.resume(feed=spec)
        if stored is None or options.reset:
            return stored
        wanted_candle = options.candle is None or self._candle(open_feed(spec, self.seed)) == _candle_ns(stored)
        if (options.seed is None or stored.session.seed == options.seed) and wanted_candle:
            return stored
        await self._store.set_status(stored.session.session_id, SessionStatus.PAUSED)
        await self._store.release(stored.session.session_id)
        return None

    def _candle(self, feed: Feed) -> int:
        return candle_length_ns(self._config, feed, self._options.candle)

    async def _new(self, session_id: str | None) -> OpenedSession:
        if session_id is not None and not _SESSION_NAME.fullmatch(session_id):
            raise InvalidValueError(
                f"{session_id!r} cannot name a session: use up to 64 letters, digits, dots, dashes and underscores"
            )
        spec = self._options.feed or "demo"
        feed = open_feed(spec, self.seed)
        record = await self._store.create(self._record(feed, session_id))
        return self._fresh(record, feed)

    def _record(self, feed: Feed, session_id: str | None) -> SessionRecord:
        now_ns = self._clock.now_ns()
        balances = dict(self._config.execution.paper_trading.initial_balance)
        settings: dict[str, Any] = {"config": config_as_dict(self._config), "candle_ns": self._candle(feed)}
        return SessionRecord(
            session_id=session_id or ids.session_id(now_ns),
            status=SessionStatus.ACTIVE,
            feed=feed.name,
            seed=self.seed,
            created_at_ns=now_ns,
            updated_at_ns=now_ns,
            initial_balances=balances,
            settings=settings,
        )

    def _fresh(self, record: SessionRecord, feed: Feed) -> OpenedSession:
        return OpenedSession(record, self._build(record, feed), feed, feed.events(), 0)

    def _build(self, record: SessionRecord, feed: Feed) -> TradingSession:
        """A session keeps the configuration it was opened with."""
        config, candle_ns = _kept_config(self._config, record), int(record.settings["candle_ns"])
        settings = session_settings(config, feed, record.session_id, record.created_at_ns, record.seed, candle_ns)
        return TradingSession(replace(settings, initial_balances=dict(record.initial_balances)))

    def _resumed(self, stored: StoredSession) -> OpenedSession:
        record, options = stored.session, self._options
        if options.feed is not None and open_feed(options.feed, record.seed).name != record.feed:
            raise InvalidValueError(
                f"the session {record.session_id} runs on {record.feed} for its whole life: leave --feed out, "
                "or name another --session"
            )
        feed = open_feed(record.feed, record.seed)
        session = self._build(record, feed)
        events = feed.events()
        observed = 0
        for event in islice(events, stored.feed_position):
            session.observe(event)
            observed += 1
        if observed < stored.feed_position:
            raise FeedError(
                f"{record.feed} has {observed} messages, and the session {record.session_id} has seen "
                f"{stored.feed_position}: put the original recording back"
            )
        if stored.state:
            session.restore(stored.state)
        return OpenedSession(record, session, feed, events, stored.feed_position)

    async def _reset(self, record: SessionRecord) -> OpenedSession:
        """`--reset`: the successor gets what the command line and the configuration say now."""
        feed = open_feed(self._options.feed or record.feed, self.seed)
        wanted = self._record(feed, self._options.session)
        return self._fresh(await self._store.reset(record.session_id, wanted), feed)

    async def succeed(self, record: SessionRecord, audit: SecurityEvent | None) -> OpenedSession:
        """A reset of the running session: archived, and the same again from the beginning of its feed."""
        now_ns = self._clock.now_ns()
        feed = open_feed(record.feed, record.seed)
        wanted = replace(
            record,
            session_id=ids.session_id(now_ns),
            status=SessionStatus.ACTIVE,
            created_at_ns=now_ns,
            updated_at_ns=now_ns,
            market_time_ns=0,
            ended_at_ns=None,
        )
        return self._fresh(await self._store.reset(record.session_id, wanted, audit=audit), feed)


def _candle_ns(stored: StoredSession) -> int:
    return int(stored.session.settings["candle_ns"])


def _kept_config(current: Config, record: SessionRecord) -> Config:
    stored = record.settings["config"]
    return current.model_copy(
        update={
            "execution": Execution.model_validate(stored["execution"]),
            "risk": Risk.model_validate(stored["risk"]),
            "agents": Agents.model_validate(stored["agents"]),
            "orchestration": Orchestration.model_validate(stored["orchestration"]),
        }
    )

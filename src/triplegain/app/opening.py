"""Opening a session: a new one, or one that is taken up where its last commit left it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from triplegain.app.feeds import parse_duration_ns, parse_speed
from triplegain.app.opened_feed import DEMO, HISTORY, LIVE, OpenedFeed, OpenedRecord, open_session_feed
from triplegain.app.play_on import PlayedOn, begun
from triplegain.app.session_models import SessionModels, TapeChoice
from triplegain.app.settings import candle_length_ns, session_settings, warm_up_lengths_ns
from triplegain.app.together import Together
from triplegain.config import Config, ConfigurationError, config_as_dict
from triplegain.config.infrastructure import PriceSourceName
from triplegain.config.kept import changes, kept_config, with_changes
from triplegain.domain import ids
from triplegain.domain.agent_records import AlertKind
from triplegain.domain.clock import Clock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.records import SecurityEvent, SessionRecord, SessionStatus
from triplegain.domain.values import SESSION
from triplegain.ledger.reconcile import ReconcileError
from triplegain.ledger.wallet import LedgerError
from triplegain.llm.roster import NOBODY, only_these
from triplegain.market.candles.timeframe import parse_candle_length
from triplegain.market.feed import FeedError, MarketSource
from triplegain.session.baseline_trader import TRADER_PARTS
from triplegain.session.market_floor import MarketFloor
from triplegain.session.runner import Built, MarketEvents
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError, SessionEndedError, SessionNotFoundError
from triplegain.storage.session_store import SessionStore, StoredSession

#: A session's name is also the name of a file and a part of URLs.
_SESSION_NAME = re.compile(SESSION)

#: Feeds whose sessions go on at the next start.
_GOES_ON = (DEMO, LIVE)


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
    record: bool = False
    llm: str | None = None
    llm_tape: str | None = None
    apply_config: bool = False
    #: Other sessions on the same market, each new or gone on with.
    others: tuple[str, ...] = ()

    @property
    def is_hurried(self) -> bool:
        """The market is to run faster than real markets do."""
        speed = parse_speed(self.speed)
        return self.speed is not None and (speed is None or speed > 1)


def check_words(options: PaperOptions) -> None:
    """What can be wrong with the words themselves, before anything is started. Raises InvalidValueError."""
    parse_speed(options.speed)
    parse_duration_ns(options.duration)
    if options.candle not in (None, "auto"):
        parse_candle_length(options.candle)
    TapeChoice.parse(options.llm_tape)
    only_these(options.llm or NOBODY)
    if options.record and options.feed not in (None, LIVE):
        raise InvalidValueError("--record records a live market; this one is recorded already or made up")
    if options.feed == LIVE and options.speed is not None:
        raise InvalidValueError("a live market runs at its own speed: leave --speed out")
    if options.others and options.reset:
        raise InvalidValueError("--reset starts one session anew: name that one alone")
    if len({options.session, *options.others}) <= len(options.others):
        raise InvalidValueError("each --session is another one: a name stands there twice")


@dataclass(frozen=True, slots=True)
class OpenedSession(Built):
    """A session ready to run, and where its messages come from."""

    record: SessionRecord
    opened_feed: OpenedFeed

    @property
    def feed(self) -> MarketSource:
        return self.opened_feed.source


@dataclass(eq=False, repr=False)
class SessionOpening:
    """Decides between new and stored, and builds the session either way. Holds its lock in the store.

    `_tell` is given what the user should know about the choice, a sentence each.
    """

    _options: PaperOptions
    _config: Config
    _home: Path
    _database: Database
    _store: SessionStore
    _clock: Clock
    _tell: Callable[[str], None]
    _models: SessionModels
    _feed: OpenedFeed | None = field(default=None, init=False)
    #: What sessions kept and cannot be any more, by session.
    _beyond: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._spec = self._options.feed

    @property
    def seed(self) -> int:
        chosen = self._options.seed
        return self._config.paper.demo_seed if chosen is None else chosen

    async def open(self) -> OpenedSession:
        """Raises SessionLockedError when another process runs the session, FeedError when its feed is not there."""
        async with self.closing_on_failure():
            stored = await self.stored()
            if stored is None:
                return await self._new(self._options.session)
            if self._options.reset:
                return await self._reset(stored.session)
            return await self._resumed(stored)

    @asynccontextmanager
    async def closing_on_failure(self) -> AsyncIterator[None]:
        """A feed whose session cannot be opened is not left open."""
        try:
            yield
        except BaseException:
            if self._feed is not None:
                await self._feed.aclose()
            raise

    async def feed_spec(self) -> str:
        """As named, else the live market where it answers, else the demo market, which can be hurried."""
        if self._config.paper.price_source is PriceSourceName.HISTORICAL and (
            self._spec is None or not self._spec.startswith(HISTORY)
        ):
            raise ConfigurationError(
                "price_source is historical: name the stored history to trade on with --feed history:PAIRS:FROM..TO "
                "(`tg data list` shows what is stored), or use price_source: live_feed"
            )
        if self._spec is None:
            hurried = self._options.speed is not None or self._options.seed is not None
            away = ""
            if not hurried:
                # Loaded where somebody wants the live market: it brings an HTTP client.
                from triplegain.app.live_market import why_away

                away = await why_away(self._config)
            if away:
                self._tell(f"{away}; trading on the built-in demo market instead (--feed live insists on Kraken)")
            self._spec = DEMO if hurried or away else LIVE
        return self._spec

    async def open_feed(self, spec: str, seed: int, stored: SessionRecord | None = None) -> OpenedFeed:
        """For a stored session with what it keeps."""
        config = self._config if stored is None else self.kept(stored)
        watched = (symbols(stored) if stored else ()) or config.market.symbols
        self._feed = await open_session_feed(config, self._home, self._database, spec, seed, watched)
        await self._models.open(config, self._feed.source.source, watched)
        return self._feed

    def kept(self, record: SessionRecord) -> Config:
        """The session's own configuration, on this host."""
        return kept_config(self._config, record.settings.get("config"))[0]

    async def configured(self, stored: StoredSession) -> StoredSession:
        """Names what the files say otherwise than the session, and takes it with `--apply-config`.

        What was kept and is beyond the bounds of today is taken in any case, with an alert of the session.
        """
        record = stored.session
        kept, beyond = kept_config(self._config, record.settings.get("config"))
        found, applied = changes(kept, self._config), self._options.apply_config
        taken = [*beyond, *(found if applied else ())]
        if taken:
            settings = with_changes(record.settings, taken, kept, stored.market_time_ns, stored.feed_position)
            gone = TRADER_PARTS if any(change.of_the_trader for change in taken) else ()
            record = await self._store.reconfigure(record.session_id, settings, gone)
            stored = replace(stored, session=record, parts={k: v for k, v in stored.parts.items() if k[0] not in gone})
            number = record.settings["configurations"][-1]["number"]
            self._tell(f"The session {record.session_id} goes on with configuration {number}:")
            for change in taken:
                self._tell(f"  {change}")
        if found and not applied:
            self._tell(f"The session {record.session_id} keeps its configuration; --apply-config would change:")
            for change in found:
                self._tell(f"  {change}")
        self._beyond[record.session_id] = tuple(f"beyond the bounds of today: {change}" for change in beyond)
        return stored

    def tell_beyond(self, session: TradingSession) -> None:
        """In the record of a session that was taken up: what was taken in any case."""
        for words in self._beyond.pop(session.settings.session_id, ()):
            session.alert(AlertKind.CONFIGURATION_CHANGED, words)

    async def stored(self) -> StoredSession | None:
        """The session to go on with: the one that was named, else the latest of the demo or the live market."""
        options = self._options
        if options.session is not None:
            return await self.stored_as(options.session)
        spec = await self.feed_spec()
        if spec not in _GOES_ON or not (self._config.paper.persist_state or options.reset):
            return None
        latest = await self._store.latest(spec)
        if latest is None:
            return None
        candle_ns = latest.settings.get("candle_ns")
        wanted_candle = options.candle in (None, "auto") or parse_candle_length(options.candle) == candle_ns
        if options.reset or ((options.seed is None or latest.seed == options.seed) and wanted_candle):
            return await self._store.resume(latest.session_id, to_end=options.reset)
        await self._store.set_status(latest.session_id, SessionStatus.PAUSED)
        return None

    async def stored_as(self, name: str) -> StoredSession | None:
        try:
            return await self._store.resume(name, to_end=self._options.reset)
        except SessionNotFoundError:
            return None
        except SessionEndedError:
            if self._options.reset:
                return None
            raise

    def check_name(self, name: str | None) -> None:
        if name is not None and not _SESSION_NAME.fullmatch(name):
            raise InvalidValueError(
                f"{name!r} cannot name a session: use up to 64 letters, digits, dots, dashes and underscores"
            )

    async def _new(self, session_id: str | None) -> OpenedSession:
        self.check_name(session_id)
        opened = await self.open_feed(await self.feed_spec(), self.seed)
        return await self._fresh(await self._store.create(self.record(opened.source, session_id)), opened)

    def record(self, feed: MarketSource, session_id: str | None, seed: int | None = None) -> SessionRecord:
        now_ns = self._clock.now_ns()
        balances = dict(self._config.paper.initial_balance)
        candle_ns = candle_length_ns(self._config, feed, self._options.candle)
        settings: dict[str, Any] = {"config": config_as_dict(self._config), "candle_ns": candle_ns}
        settings["instruments"] = [[one.symbol, f"{one.tick:f}", f"{one.lot:f}"] for one in feed.instruments]
        return SessionRecord(
            session_id=session_id or ids.session_id(now_ns),
            status=SessionStatus.ACTIVE,
            feed=feed.name,
            seed=self.seed if seed is None else seed,
            created_at_ns=now_ns,
            updated_at_ns=now_ns,
            initial_balances=balances,
            settings=settings,
        )

    async def _fresh(self, record: SessionRecord, opened: OpenedFeed) -> OpenedSession:
        session = self.build(record, opened.source)
        if isinstance(opened, OpenedRecord):
            events, marks = await begun(session, opened.source)
            return OpenedSession(session, events, 0, record, opened, marks=marks)
        return OpenedSession(session, self._events(record, opened), 0, record, opened)

    def _events(
        self,
        record: SessionRecord,
        opened: OpenedFeed,
        since_ns: dict[str, int] | None = None,
        others: Sequence[SessionRecord] = (),
    ) -> MarketEvents:
        """The feed's messages; a live session that should be recorded is recorded from its first line."""
        wanted = self._options.record or self._config.record_sessions
        opened.record(self._config, self._home, record.session_id, self._clock, wanted)
        lengths = dict.fromkeys(
            length
            for each in (record, *others)
            for length in (int(each.settings["candle_ns"]), *warm_up_lengths_ns(self.kept(each)))
        )
        return opened.events(since_ns=since_ns, candle_lengths_ns=tuple(lengths))

    def build(self, record: SessionRecord, feed: MarketSource, floor: MarketFloor | None = None) -> TradingSession:
        """A session keeps the configuration it was opened with, or has taken since."""
        config, candle_ns = self.kept(record), int(record.settings["candle_ns"])
        settings = session_settings(
            config, feed, record.session_id, record.created_at_ns, record.seed, candle_ns, self._models.assigned
        )
        return TradingSession(replace(settings, initial_balances=dict(record.initial_balances)), floor)

    async def _resumed(self, stored: StoredSession) -> OpenedSession:
        stored = await self.configured(stored)
        record, spec = stored.session, self._options.feed
        if spec is not None and spec != record.feed:
            named = spec if spec in _GOES_ON else (await self.open_feed(spec, record.seed, record)).source.name
            if named != record.feed:
                raise InvalidValueError(
                    f"the session {record.session_id} runs on {record.feed} for its whole life: leave --feed out, "
                    "or name another --session"
                )
        try:
            opened = await self.taken_up(stored, await self.open_feed(record.feed, record.seed, record))
        except (ReconcileError, LedgerError) as error:
            raise BooksDifferError.of(record.session_id, str(error)) from error
        self.tell_beyond(opened.session)
        return opened

    async def again(self, opened: OpenedSession, stand: Callable[[TradingSession], bool]) -> OpenedSession:
        """A running session, built again from what is stored; what is in memory is given up.

        A live feed goes on, and `stand` puts the markets where they stood at the last step that is stored.
        """
        record, feed = opened.record, opened.opened_feed
        stored = await self._store.stored(record.session_id)
        if record.feed == LIVE:
            session = self.build(record, feed.source)
            is_there = stand(session)
            if stored.parts:
                session.restore(stored.parts, stored.rows)
                if not is_there:
                    session.begin_away()
            return replace(opened, session=session, position=stored.feed_position)
        await feed.aclose()
        async with self.closing_on_failure():
            feed = await self.open_feed(record.feed, record.seed, record)
            return await self.taken_up(stored, feed)

    async def taken_up(
        self, stored: StoredSession, opened: OpenedFeed, together: Together | None = None
    ) -> OpenedSession:
        """`together`: with others, on the same market and at the same place of it."""
        record, together = stored.session, together or Together()
        if not isinstance(opened, OpenedRecord):
            session = together.built(self.build(record, opened.source))
            return self._taken_up_live(stored, session, opened, together)
        feed = opened.source
        playing = PlayedOn(lambda: together.built(self.build(record, feed)), feed, self._clock, self._tell)
        session, events, marks = await playing.up_to(stored)
        if stored.parts:
            session.restore(stored.parts, stored.rows)
        together.restore()
        return OpenedSession(session, events, stored.feed_position, record, opened, marks=marks)

    def _taken_up_live(
        self, stored: StoredSession, session: TradingSession, opened: OpenedFeed, together: Together
    ) -> OpenedSession:
        """The market went on without us: its trades since our last look come first, then a new book."""
        record, floor = stored.session, session.floor
        others = [each.session for each in together.stored]
        for each in (record, *others):
            _check_steps(each, opened.source)
        if stored.parts:
            session.restore(stored.parts, stored.rows)
        together.restore()
        since_ns: dict[str, int] | None = None
        if stored.parts or floor.now_ns:
            session.begin_away()
            since_ns = {symbol: floor.since_ns(symbol) for symbol in floor.markets}
        events = self._events(record, opened, since_ns, others)
        return OpenedSession(session, events, stored.feed_position, record, opened)

    async def _reset(self, record: SessionRecord) -> OpenedSession:
        """`--reset`: the successor gets what the command line and the configuration say now."""
        opened = await self.open_feed(self._options.feed or record.feed, self.seed)
        wanted = self.record(opened.source, self._options.session)
        return await self._fresh(await self._store.reset(record.session_id, wanted), opened)

    def successor(self, record: SessionRecord) -> SessionRecord:
        """What a reset of the running session opens: the same again from the beginning of its feed."""
        now_ns = self._clock.now_ns()
        return structs.replace(
            record,
            session_id=ids.session_id(now_ns),
            settings={name: value for name, value in record.settings.items() if name != "configurations"},
            status=SessionStatus.ACTIVE,
            created_at_ns=now_ns,
            updated_at_ns=now_ns,
            market_time_ns=0,
            ended_at_ns=None,
        )

    async def leave_failed(self, record: SessionRecord, feed: MarketSource, words: str) -> None:
        """An alert in the record of a session that failed and whose lock we have, beside what is stored of it. It is
        paused from then on: at the next start it decides nothing before somebody has looked. Raises StorageError."""
        stored = await self._store.stored(record.session_id)
        session = self.build(stored.session, feed)
        if stored.parts:
            session.restore(stored.parts, stored.rows)
        session.paused = True
        session.alert(AlertKind.SESSION_FAILED, words)
        batch = session.take_batch(stored.feed_position, self._clock.now_ns())
        await self._store.commit(record.session_id, batch)

    async def succeed(self, record: SessionRecord, wanted: SessionRecord, audit: SecurityEvent | None) -> OpenedSession:
        """A reset of the running session: archived, and `wanted` in its place. May be asked again."""
        async with self.closing_on_failure():
            opened = await self.open_feed(record.feed, record.seed, record)
            return await self._fresh(await self._store.reset(record.session_id, wanted, audit=audit), opened)


def _check_steps(record: SessionRecord, feed: MarketSource) -> None:
    """Stored prices and quantities count ticks and lots. Raises FeedError when the exchange has changed them."""
    known = {symbol: steps for symbol, *steps in record.settings["instruments"]}
    for instrument in feed.instruments:
        steps = [f"{instrument.tick:f}", f"{instrument.lot:f}"]
        if known[instrument.symbol] != steps:
            raise FeedError(
                f"Kraken has changed the steps of {instrument.symbol} from {known[instrument.symbol]} to {steps}, and "
                f"the session {record.session_id} counts in the old ones: start a new one with --reset"
            )


def symbols(record: SessionRecord) -> tuple[str, ...]:
    """The instruments the session was opened with, in the feed's order; none where it did not say."""
    return tuple(symbol for symbol, *_ in record.settings.get("instruments", ()))

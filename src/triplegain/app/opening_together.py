"""Opening several sessions on one market, and one more on a market that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

from msgspec import structs

from triplegain.app.opened_feed import DEMO, LIVE, OpenedFeed, open_session_feed
from triplegain.app.opening import OpenedSession, PaperOptions, SessionOpening, symbols
from triplegain.app.session_models import SessionModels
from triplegain.app.together import Together
from triplegain.config import Config
from triplegain.domain.clock import Clock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.records import SessionRecord
from triplegain.domain.written import BALANCES
from triplegain.ledger.reconcile import ReconcileError
from triplegain.ledger.wallet import LedgerError
from triplegain.session.runner import SessionRunner
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError
from triplegain.storage.session_store import SessionStore, StoredSession


@dataclass(eq=False, repr=False)
class OpeningTogether:
    """`_alone` opens one session; what is shared with that is done there."""

    _options: PaperOptions
    _config: Config
    _home: Path
    _database: Database
    _store: SessionStore
    _clock: Clock
    _models: SessionModels
    _alone: SessionOpening

    async def open(self) -> tuple[OpenedSession, tuple[OpenedSession, ...]]:
        """The main session and the others that were named, on one market. Raises as `SessionOpening.open` does, and
        InvalidValueError where they belong to different markets."""
        opening, options = self._alone, self._options
        async with opening.closing_on_failure():
            found = [await opening.stored(), *[await opening.stored_as(name) for name in options.others]]
            names = [options.session, *options.others]
            for name, each in zip(names, found, strict=True):
                if each is None:
                    opening.check_name(name)
            there = [each for each in found if each is not None]
            _check_one_market([each.session for each in there], options)
            at = max((each.feed_position for each in there), default=0)
            first = there[0].session if there else None
            spec = options.feed or (await opening.feed_spec() if first is None else first.feed)
            seed = opening.seed if first is None else first.seed
            opened = await opening.open_feed(spec, seed, first)
            sessions = [await self._ready(*each, opened, at, seed) for each in zip(found, names, strict=True)]
            return await self._on_one_floor(sessions, opened)

    async def join(
        self, main: OpenedSession, position: Callable[[], int], name: str, balances: Mapping[str, Decimal] | None
    ) -> OpenedSession:
        """A new session beside one that runs, on its market as it is now. `position`: how far that is.

        Raises InvalidValueError for a name or balances that cannot be.
        """
        self._alone.check_name(name)
        wanted = self._alone.record(main.feed, name, main.record.seed)
        if balances is not None:
            wanted = structs.replace(wanted, initial_balances=_balances(balances))
        created = await self._store.create(wanted)
        try:
            return self.beside(main, position(), created)
        except Exception:
            await self._store.release(created.session_id)
            raise

    def beside(self, main: OpenedSession, position: int, record: SessionRecord) -> OpenedSession:
        """A session that has just been stored begins there."""
        session = self._alone.build(record, main.feed, main.session.floor)
        return replace(main, session=session, position=position, record=record, marks=None)

    async def _ready(
        self, stored: StoredSession | None, name: str | None, opened: OpenedFeed, at: int, seed: int
    ) -> StoredSession:
        """A session as it is stored at that place of the market, a new one where there was none."""
        if stored is None:
            record = await self._store.create(self._alone.record(opened.source, name, seed))
            stored = await self._store.stored(record.session_id)
            return replace(stored, feed_position=at)
        stored = await self._alone.configured(stored)
        if stored.session.feed == LIVE or stored.feed_position == at:
            return stored
        return await self._played_alone(stored, at)

    async def _played_alone(self, stored: StoredSession, at: int) -> StoredSession:
        """What others have seen already it sees by itself, as it would have been alone."""
        record = stored.session
        place = self._config, self._home, self._database, record.feed, record.seed
        feed = await open_session_feed(*place, symbols(record))
        try:
            opened = await self._alone.taken_up(stored, feed)
            assert isinstance(opened.events, Iterator)
            # A recording that is shorter than that is told of where the market is played for all of them.
            seen = islice(opened.events, at - opened.position)
            await SessionRunner(
                opened.session,
                seen,
                self._store,
                self._clock,
                position=opened.position,
                models=self._models.port,
                marks=opened.marks,
            ).run()
        finally:
            await feed.aclose()
        return await self._store.stored(record.session_id)

    async def _on_one_floor(
        self, stored: Sequence[StoredSession], opened: OpenedFeed
    ) -> tuple[OpenedSession, tuple[OpenedSession, ...]]:
        first, *others = stored
        together = Together(others, lambda each, floor: self._alone.build(each.session, opened.source, floor))
        try:
            main = await self._alone.taken_up(first, opened, together)
        except (ReconcileError, LedgerError) as error:
            names = ", ".join(each.session.session_id for each in stored)
            raise BooksDifferError.of(names, str(error)) from error
        for session in (main.session, *together.sessions):
            self._alone.tell_beyond(session)
        joined = zip(together.sessions, others, strict=True)
        return main, tuple(
            OpenedSession(session, iter(()), each.feed_position, each.session, opened) for session, each in joined
        )


def _balances(wanted: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """As the configuration would take them. Raises InvalidValueError."""
    return dict(BALANCES.read({asset: f"{amount}" for asset, amount in wanted.items()}))


def _check_one_market(records: Sequence[SessionRecord], options: PaperOptions) -> None:
    """Raises InvalidValueError for sessions that belong to different markets, or to another than is wanted."""
    if not records:
        return
    feeds = {options.feed or records[0].feed, *(each.feed for each in records)}
    pairs = {symbols(each) for each in records}
    seeds = {each.seed for each in records} | ({options.seed} if options.seed is not None else set())
    if len(feeds) > 1 or len(pairs) > 1 or (records[0].feed == DEMO and len(seeds) > 1):
        told = "; ".join(f"{each.session_id}: {each.feed}, seed {each.seed}" for each in records)
        raise InvalidValueError(f"these sessions run on another market each, or trade other pairs of it ({told})")

"""Stored sessions of earlier forms, as rows, and the way into a database that is as old as they are."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from tests.database_fixtures import MIGRATIONS

from triplegain.app.opening import OpenedSession, PaperOptions, SessionOpening
from triplegain.app.session_models import ModelChoice, SessionModels
from triplegain.config import Config, load_config
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.quote import QuoteSource
from triplegain.session.runner import Ending, SessionRunner
from triplegain.storage.database import Database
from triplegain.storage.migrations import migrate
from triplegain.storage.session_store import SessionStore

FOLDER = Path(__file__).resolve().parent
#: Folder of sessions -> their form, and the last migration of their time.
CORPORA = {
    "form2": (2, "010"), "form3": (3, "013"), "form3_orders": (3, "023"), "form3_options": (3, "024"),
    "form3_margin": (3, "027"),
}  # fmt: skip
#: Some time after all of them were stored.
_WALL_NS = 1_800_000_000 * SECOND_NS


def stored(corpus: str) -> list[Path]:
    """The sessions kept in a folder."""
    return sorted((FOLDER / corpus).glob("*.json.gz"))


#: What a request has in it that came later, where nobody asked for it, and what nobody keeps of an order any more.
LATER: Mapping[str, Any] = {"options": {}}
GONE = frozenset({"fee_exact", "fee_charged"})


def decoded(parts: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], Any]:
    """Without what came later and says nothing, and what is gone.

    A database may put the keys of an object in another order.
    """
    return {name: _as_then(msgspec.json.decode(state)) for name, state in parts.items()}


def _as_then(value: Any) -> Any:
    match value:
        case dict():
            is_later = LATER.items() if "client_order_id" in value else ()
            kept = {name: each for name, each in value.items() if name not in GONE and (name, each) not in is_later}
            return {name: _as_then(each) for name, each in kept.items()}
        case list():
            return [_as_then(each) for each in value]
        case _:
            return value


def name_of(file: Path) -> str:
    """The session's name, which says how it was left."""
    return file.name.removesuffix(".json.gz")


def document(session: str) -> Any:
    """What form 2 kept of a session beside its rows."""
    text = gzip.decompress((FOLDER / "form2" / f"{session}.json.gz").read_bytes())
    [row] = msgspec.json.decode(text)["paper_session_state"]
    return row["state"]


async def load(
    url: str, corpus: str, captures: Path, scratch: Path, *, only: str = "", changed: Callable[[str], str] = str
) -> None:
    """Make an empty database what it was when the sessions of a folder were left, and bring it up to date.

    That is the schema of that time and their rows. `captures` takes the place of `@` in the name of a replayed feed.
    `scratch` is an empty folder. `only` this session, what was stored of it `changed`.
    """
    for migration in MIGRATIONS.glob("*.sql"):
        if migration.name[:3] <= CORPORA[corpus][1]:
            shutil.copy(migration, scratch)
    await migrate(url, scratch)
    connection = await asyncpg.connect(url)
    try:
        # Every row is there in the end, so nothing is asked of their order.
        await connection.execute("SET session_replication_role = replica")
        for file in stored(corpus):
            if only not in ("", name_of(file)):
                continue
            text = changed(gzip.decompress(file.read_bytes()).decode())
            # Each table stays text: Python would read numbers as floats.
            tables = msgspec.json.decode(text.replace("replay:@", f"replay:{captures}/"), type=dict[str, msgspec.Raw])
            for table, rows in tables.items():
                await connection.execute(
                    f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::text::json)",
                    bytes(rows).decode(),
                )
    finally:
        await connection.close()
    await migrate(url, MIGRATIONS)


class SilentModels(SessionModels):
    """Two models play their parts, and nobody carries the questions to them."""

    async def open(self, config: Config, source: QuoteSource, symbols: tuple[str, ...]) -> None:
        parts = {"decision": ("gpt", "grok"), "social": ("grok",), "news": ("gpt",)}
        self.assigned = ModelAssignment(parts, providers={"gpt": "openai", "grok": "xai"})


class Home:
    """Opens and runs the sessions of a database as `tg paper` does, in this process."""

    def __init__(self, database: Database, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._database = database
        self._folder = folder
        self._environ = {"TRIPLEGAIN_HOME": str(folder), **(environ or {})}
        self._clock = ManualClock(_WALL_NS)
        self.store = SessionStore(database, self._clock)

    @property
    def now_ns(self) -> int:
        return self._clock.now_ns()

    @asynccontextmanager
    async def opened(
        self, session: str, *, feed: str | None = None, seed: int | None = None
    ) -> AsyncIterator[OpenedSession]:
        """Taken up, or begun where there is none on `feed`. Given up again in the end, nothing more of it stored."""
        config = load_config(self._environ, self._folder)
        choice = ModelChoice("none", None, True)
        place = (self._folder, self._database)
        kind = SilentModels if session == "model-round" else SessionModels
        models = kind(choice, config, self._environ, *place, self._clock, lambda _: None)
        options = PaperOptions(session=session, feed=feed, seed=seed, speed=None if feed is None else "max")
        opening = SessionOpening(options, config, *place, self.store, self._clock, lambda _: None, models)
        found = await opening.open()
        try:
            yield found
        finally:
            await found.opened_feed.aclose()
            await models.aclose()
            await self.store.close()

    async def run(self, found: OpenedSession, seconds: int) -> Ending:
        """So many seconds of its market."""
        runner = SessionRunner(
            found.session,
            found.events,
            self.store,
            self._clock,
            position=found.position,
            duration_ns=seconds * SECOND_NS,
        )
        return await runner.run()

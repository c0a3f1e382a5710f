"""kill -9 while models think and trades are made: after it there is one order, one position, one stop.

Where a kill falls is decided in the database: the commit that is aimed at waits for us, and the process is killed while
it waits. What becomes of the commit is the other half of the question: it is lost, or it is stored though nobody lived
to hear of it.

TRIPLEGAIN_KILLS says how often sessions with a tape are killed at random points (default 12).
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of
from tests.app.thinking_models import KEYS, Asked, ThinkingServer, leans, served, write_config
from tests.database_fixtures import run_apart

from triplegain.storage.database import Database
from triplegain.storage.session_hashes import SessionHashes
from triplegain.storage.session_reader import SessionReader

pytestmark = pytest.mark.crash

_KILLS = int(os.environ.get("TRIPLEGAIN_KILLS", "12"))
_SEED = 11
#: A session is killed so often, and then left alone.
_KILLS_OF_ONE = 3
_BTC = "BTC/USDT"
#: The advisory lock on which a commit waits; any number that nobody else uses.
_KEY = 4_203_998

_HOLD = """
CREATE OR REPLACE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({key});
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON {table} FOR EACH ROW
WHEN (NEW.session_id = '{session}' AND {condition}) EXECUTE FUNCTION wait_for_the_test();
SELECT pg_advisory_lock({key});
"""
_WAITING = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {_KEY} AND NOT granted"


@dataclass(slots=True)
class HeldCommit:
    """While it is open, a commit of `session` that stores a row of `table` with `condition` waits."""

    url: str
    session: str
    table: str
    condition: str
    _loop: asyncio.Runner = field(default_factory=asyncio.Runner)
    _connection: Any = None

    def __enter__(self) -> Self:
        self._connection = self._loop.run(asyncpg.connect(self.url))
        words = {"key": _KEY, "session": self.session, "table": self.table, "condition": self.condition}
        self._run(_HOLD.format(**words))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("SELECT pg_advisory_unlock_all()")
        self._run(f"DROP TRIGGER hold ON {self.table}")
        self._loop.run(self._connection.close())
        self._loop.close()

    def backend(self) -> int | None:
        """The server's process that waits with the commit; None: the session has not come there yet."""
        pid: int | None = self._loop.run(self._connection.fetchval(_WAITING))
        return pid

    def let_go(self, backend: int, lost: bool) -> None:
        """The commit ends, one way or the other; whoever sent it is dead already."""
        if lost:
            self._run(f"SELECT pg_terminate_backend({backend}, 10000)")
        self._run("SELECT pg_advisory_unlock_all()")
        gone = f"SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = {backend})"
        eventually(lambda: self._loop.run(self._connection.fetchval(gone)), "the end of the dead process's connection")

    def _run(self, statements: str) -> None:
        self._loop.run(self._connection.execute(statements))


#: Place of the kill: the commit that waits stores the first row like this.
PLACES = {
    "between answer and order": ("paper_orders", "NEW.purpose = 'entry'"),
    "between order and fill": ("paper_trades", "true"),
    "between fill and stop": ("paper_orders", "NEW.purpose = 'stop_loss'"),
}


def buys_once(asked: Asked) -> str | None:
    """Everybody buys bitcoin at the first question, and holds ever after."""
    return asked.vote("buy") if (asked.symbol, asked.number) == (_BTC, 1) else None


def slowly(asked: Asked) -> float:
    """From 0.3 to 0.8 s, each model at its own pace, until they have bought."""
    return 0.1 * len(asked.model) if asked.number == 1 else 0.0


@pytest.fixture(scope="module")
def database(home: PaperHome) -> Iterator[str]:
    """The home's server with its tables, up for the whole module."""
    home.paper("--session", "first", "--feed", "demo", "--duration", "2s")
    with database_of(home) as url:
        yield url


def thinking(folder: Path, server: ThinkingServer, **files: Any) -> dict[str, str]:
    """The environment of a paper process that asks `server`."""
    return {**KEYS, "TRIPLEGAIN_CONFIG_DIR": str(write_config(folder / "config", server.url, **files))}


def words_of(session: str, duration: str) -> tuple[str, ...]:
    market = ("--feed", "demo", "--speed", "max", "--duration", duration)
    return ("paper", *market, "--llm", "auto", "--session", session, "--json")


def check_one_of_each(url: str, session: str) -> None:
    check_record(url, session)
    orders = ask(url, "SELECT * FROM paper_orders WHERE session_id = $1 ORDER BY order_number", session)
    assert [order["purpose"] for order in orders] == ["entry", "stop_loss"]
    entry, stop = orders
    assert (entry["status"], stop["status"]) == ("filled", "open")
    assert stop["quantity"] == entry["quantity"] == entry["filled_quantity"] > 0
    (position,) = ask(url, "SELECT * FROM paper_positions WHERE session_id = $1", session)
    assert (position["symbol"], position["closed_at_ns"], position["quantity"]) == (_BTC, None, entry["quantity"])
    decisions = ask(url, "SELECT * FROM paper_decisions WHERE session_id = $1", session)
    (sent,) = (decision for decision in decisions if decision["outcome"] == "sent")
    votes = ask(url, "SELECT decision_number, model FROM paper_votes WHERE session_id = $1", session)
    counted = Counter((vote["decision_number"], vote["model"]) for vote in votes)
    assert set(counted.values()) == {1}, "a model has voted twice"
    assert sum(number == sent["number"] for number, _ in counted) == 6


@pytest.mark.parametrize("lost", [True, False], ids=["the commit is lost", "the commit is stored"])
@pytest.mark.parametrize("place", PLACES)
def test_killed_on_the_way_from_answer_to_stop_there_is_one_order_one_position_and_one_stop(
    home: PaperHome, database: str, tmp_path: Path, place: str, lost: bool
) -> None:
    session = f"{place.replace(' ', '-')}-{lost}"
    with served(ThinkingServer(says=buys_once, wait_s=slowly)) as server:
        environ = thinking(tmp_path, server)
        with HeldCommit(database, session, *PLACES[place]) as held:
            with home.running(*words_of(session, "10s"), environ=environ) as running:
                backend = eventually(held.backend, f"a kill {place}; {running.said}")
                assert not running.is_over
                running.kill()
            held.let_go(backend, lost)
        check_record(database, session)
        # What was not stored happens again: perhaps everything from the first message on.
        finished = home.run(*words_of(session, "30s"), environ=environ)
    assert finished.answer["halted"] is False
    check_one_of_each(database, session)


def test_killed_while_models_think_they_are_asked_again_and_vote_once(
    home: PaperHome, database: str, tmp_path: Path
) -> None:
    """The round is stored with the equity of its minute, or it is not: then the market comes to it once more."""
    with served(ThinkingServer(says=buys_once, wait_s=lambda asked: 1.0 if asked.number == 1 else 0.0)) as server:
        environ = thinking(tmp_path, server)
        with home.running(*words_of("thinking", "10s"), environ=environ) as running:
            eventually(lambda: len(server.asked) >= 18, "eighteen questions")
            running.kill()
        assert ask(database, "SELECT 1 FROM paper_votes WHERE session_id = 'thinking'") == []
        before = Counter((asked.model, asked.symbol, asked.snapshot) for asked in server.asked)
        home.run(*words_of("thinking", "30s"), environ=environ)
        again = Counter((asked.model, asked.symbol, asked.snapshot) for asked in server.asked)
    assert {again[question] for question in before} == {2}
    check_one_of_each(database, "thinking")


def test_killed_at_random_sessions_with_a_tape_end_as_if_nothing_had_happened(
    home: PaperHome, database: str, feed: str, tmp_path: Path
) -> None:
    """Recorded once with models that answer; killed sessions play the tape, with nobody to ask and no key."""
    eager = {"cooldown_minutes": dict.fromkeys(("trade", "loss", "losing_streak", "long_losing_streak"), 0)}
    market = ("paper", "--feed", feed, "--speed", "max", "--json")
    with served(ThinkingServer(says=leans)) as server:
        environ = thinking(tmp_path, server, risk=eager)
        tape = f"record:{tmp_path / 'tape'}"
        recorded = home.run(*market, "--session", "taped", "--llm-tape", tape, environ=environ).answer
    assert recorded["fills"] >= 8 and recorded["decisions"] >= 20
    without_keys = {"TRIPLEGAIN_CONFIG_DIR": environ["TRIPLEGAIN_CONFIG_DIR"]}
    replay = (*market, "--llm-tape", f"replay:{tmp_path / 'tape'}", "--session")
    chance = random.Random(_SEED)
    expected, in_mid_run = outcome(database, "taped"), 0
    for number in range(-(-_KILLS // _KILLS_OF_ONE)):
        session = f"tape-{number}"
        for target in sorted(chance.uniform(0.0, 0.9) * recorded["events"] for _ in range(_KILLS_OF_ONE)):
            with home.running(*replay, session, environ=without_keys) as running:
                come_to(database, session, target, running)
                with suppress(subprocess.TimeoutExpired):
                    running.process.wait(chance.uniform(0.0, 0.5))
                in_mid_run += not running.is_over
        finished = home.run(*replay, session, environ=without_keys)
        # A kill may have come after the end was stored.
        assert finished.code == 0 or finished.error["error_code"] == "session_ended", finished
        assert outcome(database, session) == expected
    assert in_mid_run >= _KILLS // 2


def come_to(url: str, session: str, message: float, running: Running) -> None:
    """Until the stored session has seen so many messages of its feed, or is over."""

    def is_there() -> bool:
        rows = ask(url, "SELECT feed_position FROM paper_session_state WHERE session_id = $1", session)
        return running.is_over or (bool(rows) and rows[0]["feed_position"] >= message)

    eventually(is_there, f"message {message:.0f} of {session}")


def outcome(url: str, session: str) -> dict[str, Any]:
    """Sound, and everything that must be the same after any number of kills."""
    check_record(url, session)

    async def hashes() -> SessionHashes:
        database = await Database.connect(url)
        try:
            return await SessionReader(database).hashes(session)
        finally:
            await database.close()

    told = {"session_id", "recorded_at"}
    found: dict[str, Any] = {"hashes": run_apart(hashes())}
    for table in ("paper_decisions", "paper_votes", "paper_analyses"):
        rows = ask(url, f"SELECT * FROM {table} WHERE session_id = $1 ORDER BY number", session)
        found[table] = [{name: value for name, value in row.items() if name not in told} for row in rows]
    return found

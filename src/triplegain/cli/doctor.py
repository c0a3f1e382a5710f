"""`doctor`: is everything there that trading on paper needs, and what to do where it is not.

Each check looks at one thing, changes nothing that lasts, and never raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import typer
from rich.text import Text

from triplegain.api.keys import FILE as KEY_FILE
from triplegain.app import interrupts
from triplegain.app.live_market import why_away
from triplegain.app.models import read_roster
from triplegain.cli.captures import CAPTURES_VARIABLE, captures_folder
from triplegain.cli.client import JsonOption
from triplegain.cli.database import database_url
from triplegain.cli.tables import GAIN, LOSS, QUIET, WARNING, moment, print_json, table_of
from triplegain.cli.terminal import Terminal
from triplegain.config import Config, check_config, home_dir, load_config, read_environment
from triplegain.domain.clock import SystemClock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SessionStatus
from triplegain.execution.trading_mode import KEY_VARIABLES, MODE_VARIABLE, TradingMode, get_trading_mode
from triplegain.feeds.captures.decoded_folder import FOLDER as DECODED
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.llm.roster import AUTO
from triplegain.private_files import why_not_private
from triplegain.storage.database import Database
from triplegain.storage.home_database import cluster_folder, database_server
from triplegain.storage.migrations import read_server_status
from triplegain.storage.retention import Retention
from triplegain.storage.session_lock import session_holder
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.stored_books import LookedAt, look

#: The books are looked at for so long, of ten seconds that all may take.
_BOOKS_S = 6.0
_FREE_BYTES_MIN = 500_000_000
_FREE_BYTES_GOOD = 2_000_000_000
_COLUMNS_GOOD = 80
_SIZES_SHOWN = 3
#: All together: less than 10 s.
_DATABASE_S = 6.0
_KRAKEN_S = 5.0
_KRAKEN_ACTION = "`tg paper` runs the demo market until Kraken answers: check the network, or market.yaml"
_PYTHON_MIN = (3, 11)
#: 2025-01-01 and 2100-01-01: outside, the machine's clock is not set.
_CLOCK_NS = (1_735_689_600 * 10**9, 4_102_444_800 * 10**9)


class CheckResult(StrEnum):
    """FIX: something must be done."""

    OK = "ok"
    NOTE = "note"
    FIX = "fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """`action` says what to do; empty where nothing is."""

    check: str
    verdict: CheckResult
    found: str
    action: str = ""


_OK, _NOTE, _FIX = CheckResult.OK, CheckResult.NOTE, CheckResult.FIX


def doctor(as_json: JsonOption = False) -> None:
    """Look at everything and say what to do. Exit code 1 if something must be done."""
    findings = interrupts.run(examine())
    must_act = any(each.verdict is CheckResult.FIX for each in findings)
    if as_json:
        print_json({"ok": not must_act, "checks": findings})
        raise typer.Exit(int(must_act))
    styles = {CheckResult.OK: GAIN, CheckResult.NOTE: WARNING, CheckResult.FIX: LOSS}
    table = table_of(
        findings,
        ("", lambda each: Text(each.verdict.value, style=styles[each.verdict])),
        ("Check", "check"),
        (
            "Found",
            lambda each: Text.assemble(each.found, (f"\n{each.action}" * bool(each.action), styles[each.verdict])),
        ),
    )
    console = Terminal()
    console.print(table)
    console.print(
        Text("Something must be done: see the lines marked fix.", style=LOSS)
        if must_act
        else Text("All is well: `tg paper` trades.", style=QUIET)
    )
    raise typer.Exit(int(must_act))


@dataclass(frozen=True, slots=True)
class _Check:
    """`action` says what to do where it fails, or has not come to an end within `limit_s`."""

    name: str
    look: Callable[[], Awaitable[list[Finding]]]
    action: str
    limit_s: float = 2.0

    async def findings(self) -> list[Finding]:
        try:
            async with asyncio.timeout(self.limit_s):
                return await self.look()
        except TimeoutError:
            return [Finding(self.name, _FIX, f"no answer within {self.limit_s:g} s", self.action)]
        except (TripleGainError, OSError) as error:
            return [Finding(self.name, _FIX, str(error), self.action)]


async def _apart(look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """In a thread that nobody waits for at the end: a folder on a server that is away answers to nothing."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Finding]] = loop.create_future()

    def give(act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if answer.done() else act())

    def run() -> None:
        try:
            found = list(look())
        # At the boundary of a thread: whoever waits for it gets what happened.
        except Exception as error:
            failure = error
            give(lambda: answer.set_exception(failure))
        else:
            give(lambda: answer.set_result(found))

    threading.Thread(target=run, daemon=True).start()
    return await answer


async def examine() -> list[Finding]:
    """Every check, in the order in which one would mend things. All look at once, and none for long."""
    problems = check_config()
    checks = [
        _Check(
            "home folder",
            partial(_apart, _home),
            "look whether the disk it lies on answers, or set TRIPLEGAIN_HOME to another",
        )
    ]
    if not problems:
        config = load_config()
        checks += [
            _Check("trading mode", partial(_apart, partial(_mode, config)), "set TRIPLEGAIN_TRADING_MODE=paper"),
            _Check("database", partial(_database, config), _database_action(config), _DATABASE_S),
            _Check(
                "API port",
                partial(_apart, partial(_port, config)),
                "set host and port in api.yaml to an address of this machine",
            ),
            _Check("Kraken", partial(_kraken, config), _KRAKEN_ACTION, _KRAKEN_S),
            _Check("language models", partial(_models, config), "look at llm.yaml: `tg models list` says more"),
            _Check(
                "recorded markets", partial(_apart, partial(_captures, config)), f"mend or unset {CAPTURES_VARIABLE}"
            ),
        ]
    found = await asyncio.gather(*(each.findings() for each in checks))
    words = "\n".join(map(str, problems))
    configuration = (
        Finding("configuration", _FIX, words, "mend it; `tg config check` looks again")
        if problems
        else Finding("configuration", _OK, "valid")
    )
    home, *others = found
    return [_python(), _clock(), _terminal(), *home, configuration, *(each for one in others for each in one)]


def _judged(check: str, found: str, *faults: tuple[bool, CheckResult, str]) -> Finding:
    """By the first of the `faults` (is it there, how bad, what to do) that is there; without one all is well."""
    verdict, action = next(((bad, action) for is_there, bad, action in faults if is_there), (_OK, ""))
    return Finding(check, verdict, found, action)


def _python() -> Finding:
    version = tuple(map(int, platform.python_version_tuple()[:2]))
    return _judged("Python", platform.python_version(), (version < _PYTHON_MIN, _FIX, "install Python 3.11 or newer"))


def _clock() -> Finding:
    now = SystemClock().now_ns()
    is_set = _CLOCK_NS[0] < now < _CLOCK_NS[1]
    return _judged("clock", f"{moment(now)} UTC", (not is_set, _FIX, "set this machine's clock, best by NTP"))


def _terminal() -> Finding:
    if not sys.stdout.isatty():
        return Finding("terminal", _OK, "none: `paper` prints plain lines")
    size = shutil.get_terminal_size()
    action = f"the live view wants {_COLUMNS_GOOD} columns; a wider one shows all"
    return _judged("terminal", f"{size.columns} x {size.lines}", (size.columns < _COLUMNS_GOOD, _NOTE, action))


def _home() -> Iterator[Finding]:
    home = home_dir()
    if os.access(home, os.W_OK | os.X_OK):
        yield Finding("home folder", _OK, str(home))
        if reason := why_not_private(home / KEY_FILE):
            yield Finding("admin key", _FIX, "others can read it", reason)
    else:
        action = "make it yours, or set TRIPLEGAIN_HOME to another"
        yield Finding("home folder", _FIX, f"{home} cannot be written", action)
    free = shutil.disk_usage(home).free
    yield _judged(
        "disk",
        f"{free / 1e9:,.1f} GB free",
        (free < _FREE_BYTES_MIN, _FIX, "free some space: a full disk stops a session (nothing stored is lost)"),
        (free < _FREE_BYTES_GOOD, _NOTE, "enough to start, little for a long session"),
    )


def _mode(config: Config) -> Iterator[Finding]:
    environ = read_environment()
    asked = environ.get(MODE_VARIABLE, "").strip() or "not set"
    written = config.paper.trading_mode
    mode = get_trading_mode(environ, written)
    yield _judged(
        "trading mode",
        f"{mode.value}: {MODE_VARIABLE} is {asked}, trading_mode in execution.yaml is {written}",
        (mode is TradingMode.LIVE, _FIX, f"live trading is not built yet: unset {MODE_VARIABLE}"),
        (TradingMode.LIVE in (asked.casefold(), written), _NOTE, "half a request for live is no request: paper"),
    )
    present = [name for name in KEY_VARIABLES if environ.get(name)]
    found = f"{', '.join(present)} set" if present else "none, as paper trading needs"
    action = "paper trading needs none and drops them at start; better not to set them at all"
    yield _judged("exchange keys", found, (bool(present), _NOTE, action))
    if not config.paper.enabled:
        action = "set paper_trading.enabled: true in execution.yaml"
        yield Finding("paper trading", _FIX, "switched off", action)


def _database_action(config: Config) -> str:
    if database_url(config):
        return "see whether that server runs and lets us in; the URL is TRIPLEGAIN_DATABASE_URL"
    log = cluster_folder(home_dir(create=False)) / "log"
    return f"start `tg paper`: it waits for repairs, says so, and ends what hangs; the log is {log}"


async def _database(config: Config) -> list[Finding]:
    """Starts the server; the cluster is made here if this is the first time."""
    url = database_url(config)
    async with database_server(home_dir(), url, durable=config.database.fsync) as server:
        who = "the server that TRIPLEGAIN_DATABASE_URL names" if server.cluster is None else server.cluster.described
        status = await read_server_status(server.url)
        found = f"PostgreSQL {status.version} answers, {status.size_bytes / 1e6:,.1f} MB"
        findings = [Finding("PostgreSQL", _OK, who)]
        if status.pending:
            missing = len(status.pending)
            return [
                *findings,
                Finding("database", _OK, f"{found}; {missing} migrations to apply, the next start does so"),
            ]
        findings.append(Finding("database", _OK, f"{found}; schema up to date"))
        database = await Database.connect(server)
        try:
            findings += await _sessions(database)
            findings.append(await _kept(database, config))
            findings.append(_books(await look(database, _BOOKS_S)))
        finally:
            await database.close()
    return findings


def _books(found: LookedAt) -> Finding:
    if found.differences:
        action = (
            "somebody has changed what is stored, or a disk has: `tg db verify` tells more; put it right or restore"
        )
        return Finding("books", _FIX, "\n".join(found.differences), f"{action} a backup, or start anew with --reset")
    words = f"sums and last steps of {found.looked_at} of {found.sessions} sessions agree"
    if found.verified_at_ns is not None:
        words += f"; all was last verified {moment(found.verified_at_ns)} UTC"
    elif found.sessions:
        words += "; not all was ever verified as a whole (`tg db verify`)"
    return Finding("books", _OK, words)


async def _sessions(database: Database) -> list[Finding]:
    sessions = await SessionReader(database).list_sessions(include_ended=False)
    active = [each.session_id for each in sessions if each.status is SessionStatus.ACTIVE]
    async with database.transaction("looking at the locks") as connection:
        running = [each for each in active if await session_holder(connection, each) is not None]
    left = [each for each in active if each not in running]
    if left:
        action = "their process is gone; the next `tg paper` of the same feed goes on, or `tg session end ID`"
        return [Finding("sessions", _NOTE, f"left behind: {', '.join(left)}", action)]
    return [Finding("sessions", _OK, f"running: {', '.join(running)}" if running else "none is running")]


async def _kept(database: Database, config: Config) -> Finding:
    retention = Retention(database)
    sizes = list((await retention.sizes()).items())[:_SIZES_SHOWN]
    largest = ", ".join(f"{name} {size / 1e6:,.1f} MB" for name, size in sizes)
    every_ns, last = config.database.housekeeping_every_ns, await retention.last_round()
    if not every_ns:
        when = "only by `tg db cleanup`"
    elif last is None:
        when = "none yet; the first soon after a start of `tg paper`"
    else:
        due = f"the next from {moment(last.ran_at_ns + every_ns)} UTC on, while a session runs"
        when = f"last {moment(last.ran_at_ns)} UTC, {due}"
    return Finding("housekeeping", _OK, f"{when}; largest: {largest}")


def _port(config: Config) -> Iterator[Finding]:
    host, port = config.api.host, config.api.port
    if config.api.allow_remote:
        action = "keys travel in the clear: set allow_remote: false in api.yaml unless you mean it"
        yield Finding("API", _NOTE, "other machines may reach it", action)
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            action = "a running session holds it, or another program: set port in api.yaml"
            yield Finding("API port", _NOTE, f"{host}:{port} is taken ({error.strerror})", action)
            return
    yield Finding("API port", _OK, f"{host}:{port} is free")


async def _kraken(config: Config) -> list[Finding]:
    away = await why_away(config)
    return [_judged("Kraken", away or f"answers at {config.market.rest_url}", (bool(away), _NOTE, _KRAKEN_ACTION))]


async def _models(config: Config) -> list[Finding]:
    roster = await read_roster(config, read_environment(), AUTO)
    named = ", ".join(f"{spec.name} ({spec.whereabouts})" for spec in roster.present)
    invited = "; ".join(line.strip() for line in roster.invitations)
    return [_judged("language models", named or "none takes part: rules decide", (bool(invited), _NOTE, invited))]


def _captures(config: Config) -> Iterator[Finding]:
    count, size = DecodedFolder(home_dir() / DECODED, config.decoded_bytes_max).used()
    room = f"{count} kept decoded, {size / 1e6:,.1f} MB of at most {config.decoded_bytes_max / 1e6:,.0f} MB"
    yield Finding("decoded markets", _OK, room)
    folder = captures_folder()
    if folder is None:
        action = f"only replays need them: set {CAPTURES_VARIABLE}, or give the path: --feed replay:PATH"
        yield Finding("recorded markets", _OK, f"none known; {action}")
    elif folder.is_dir():
        yield Finding("recorded markets", _OK, str(folder))
    else:
        yield Finding("recorded markets", _NOTE, f"{folder} is not a folder", f"mend or unset {CAPTURES_VARIABLE}")

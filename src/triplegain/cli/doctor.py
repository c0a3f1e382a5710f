"""`doctor`: is everything there that trading on paper needs, and what to do where it is not.

Each check looks at one thing, changes nothing that lasts, and never raises.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

import typer
from rich.console import Console
from rich.text import Text

from triplegain.app.live_market import why_away
from triplegain.cli.captures import CAPTURES_VARIABLE, captures_folder
from triplegain.cli.client import JsonOption
from triplegain.cli.database import database_url, with_database, with_server
from triplegain.cli.tables import GAIN, LOSS, QUIET, WARNING, moment, print_json, table_of
from triplegain.config import Config, check_config, home_dir, load_config, read_environment
from triplegain.domain.clock import SystemClock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SessionStatus
from triplegain.execution.trading_mode import KEY_VARIABLES, MODE_VARIABLE, TradingMode, get_trading_mode
from triplegain.storage.database import Database
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.migrations import read_server_status
from triplegain.storage.server_identity import choose_identity, wheel_installation
from triplegain.storage.session_lock import session_holder
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.stored_books import differences

_FREE_BYTES_MIN = 500_000_000
_FREE_BYTES_GOOD = 2_000_000_000
_COLUMNS_GOOD = 80
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
    findings = examine()
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
    console = Console()
    console.print(table)
    console.print(
        Text("Something must be done: see the lines marked fix.", style=LOSS)
        if must_act
        else Text("All is well: `tg paper` trades.", style=QUIET)
    )
    raise typer.Exit(int(must_act))


def examine() -> list[Finding]:
    """Every check, in the order in which one would mend things."""
    findings = [_python(), _clock(), _terminal()]
    findings += _guarded("home folder", _home)
    problems = check_config()
    if problems:
        words = "\n".join(map(str, problems))
        findings.append(Finding("configuration", _FIX, words, "mend it; `tg config check` looks again"))
        return findings
    config = load_config()
    findings.append(Finding("configuration", _OK, "valid"))
    findings += _guarded("trading mode", lambda: _mode(config))
    findings += _guarded("PostgreSQL", lambda: _server(config))
    findings += _guarded("database", _database)
    findings += _guarded("API port", lambda: _port(config))
    findings += _guarded("Kraken", lambda: _kraken(config))
    findings += _guarded("recorded markets", _captures)
    return findings


def _guarded(check: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What `look` found; its failure is a finding, too."""
    try:
        return list(look())
    except (TripleGainError, OSError) as error:
        return [Finding(check, _FIX, str(error), "the message above says what to do")]


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
    mode = stat.S_IMODE(home.stat().st_mode)
    if os.access(home, os.W_OK | os.X_OK):
        action = f"others may look into it: chmod 700 {home}"
        yield _judged("home folder", f"{home}, mode {mode:03o}", (bool(mode & 0o077), _NOTE, action))
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


def _server(config: Config) -> Iterator[Finding]:
    if database_url(config):
        yield Finding("PostgreSQL", _OK, "the server that TRIPLEGAIN_DATABASE_URL names")
        return
    identity = choose_identity(wheel_installation(), cluster_folder(home_dir()))
    user = "this user"
    if os.geteuid() == 0:
        user = "root, in a user namespace" if identity.user is None else f"user {identity.user}, as root may not"
    yield Finding("PostgreSQL", _OK, f"embedded, run by {user}")


def _database() -> Iterator[Finding]:
    """Starts the server; the cluster is made here if this is the first time."""
    status = with_server(read_server_status)
    found = f"PostgreSQL {status.version} answers, {status.size_bytes / 1e6:,.1f} MB"
    if status.pending:
        missing = len(status.pending)
        yield Finding("database", _OK, f"{found}; {missing} migrations to apply, the next start does so")
        return
    yield Finding("database", _OK, f"{found}; schema up to date")
    yield from with_database(_sessions)
    if found := "\n".join(with_database(differences)):
        action = "somebody has changed what is stored, or a disk has: `tg db verify` looks again; start anew"
        yield Finding("books", _FIX, found, action)
    else:
        yield Finding("books", _OK, "those of all sessions agree")


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


def _kraken(config: Config) -> Iterator[Finding]:
    away = asyncio.run(why_away(config))
    action = "`tg paper` runs the demo market until Kraken answers: check the network, or market.yaml"
    yield _judged("Kraken", away or f"answers at {config.market.rest_url}", (bool(away), _NOTE, action))


def _captures() -> Iterator[Finding]:
    folder = captures_folder()
    if folder is None:
        action = f"only replays need them: set {CAPTURES_VARIABLE}, or give the path: --feed replay:PATH"
        yield Finding("recorded markets", _OK, f"none known; {action}")
    elif folder.is_dir():
        yield Finding("recorded markets", _OK, str(folder))
    else:
        yield Finding("recorded markets", _NOTE, f"{folder} is not a folder", f"mend or unset {CAPTURES_VARIABLE}")

"""The command line: every command there is. The file of a command is loaded when the command is given."""

from __future__ import annotations

import ast
import contextlib
import errno
import gc
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triplegain import __version__, installation
from triplegain.app.interrupts import Interrupted
from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import tame_lines

if TYPE_CHECKING:
    import typer

_INTERRUPTED = 130
_STORAGE = 5
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HELP = {"-h", "--help"}
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"

#: The words before a command, with what they are about.
_GROUPS = {
    "order": "Orders of the running session.",
    "position": "Positions of the running session.",
    "risk": "The risk engine of the running session.",
    "agents": "The agents of the running session.",
    "session": "Paper sessions: list, show, end, reset, key, keys, revoke-key.",
    "models": "The language models: list, ping, cost.",
    "db": "The database: status, migrate, verify, backup, restore, cleanup.",
    "data": "Stored history: download, import, list, verify, prune.",
    "captures": "Recorded markets: list, verify, replay.",
    "config": "The configuration: show, check.",
    "notify": "The operator's mail, chat or hook: test.",
}
#: Every command and the file of its function, which has the command's last word for a name (`list_` for `list`).
COMMANDS = {
    "paper": "paper", "flat": "steering", "emergency": "steering", "pause": "steering", "resume": "steering",
    "report": "report", "explain": "explain", "orders": "order_lists", "fills": "fills", "optimism": "optimism",
    "decisions": "decisions", "leaderboard": "leaderboard", "record": "record",
    "snapshot": "snapshot", "local-kraken": "local_kraken", "doctor": "doctor",
    "order place": "orders", "order amend": "orders", "order cancel": "orders", "order list": "order_lists",
    "order edit": "order_commands", "order batch": "order_commands", "order cancel-after": "order_commands",
    "position list": "positions", "position close": "positions", "position margin": "positions",
    "risk show": "risk", "risk check": "risk", "risk reset": "risk",
    "agents show": "agents", "agents run": "agents",
    "session list": "session", "session show": "session", "session end": "session", "session reset": "session",
    "session key": "session_keys", "session keys": "session_keys", "session revoke-key": "session_keys",
    "models list": "models", "models ping": "models", "models cost": "models",
    "db status": "db", "db migrate": "db", "db verify": "db", "db backup": "db", "db restore": "db",
    "db cleanup": "db",
    "data download": "data", "data import": "data", "data list": "data", "data verify": "data", "data prune": "data",
    "captures list": "captures", "captures verify": "captures", "captures replay": "captures",
    "config show": "config", "config check": "config",
    "notify test": "notify",
}  # fmt: skip


def _app(words: Sequence[str]) -> typer.Typer:
    """With the command that the words mean; where they mean none the others are there in their own words, for help."""
    import typer

    def options(version: bool = typer.Option(False, "--version", help="Show the version and end.")) -> None:
        pass

    app = typer.Typer(
        name="tg",
        help="TripleGain trades crypto on paper, on an exchange that fills orders as Kraken would.",
        no_args_is_help=True,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    meant = next((name for name in (" ".join(words[:2]), *words[:1]) if name in COMMANDS), "")
    groups = {name: typer.Typer(name=name, help=about, no_args_is_help=True) for name, about in _GROUPS.items()}
    for name, file in COMMANDS.items():
        group, _, word = name.rpartition(" ")
        function = word.replace("-", "_") + "_" * (word in ("list", "import"))
        found = _loaded(file, function) if name == meant else _other("" if meant else _said_by(file)[function])
        groups.get(group, app).command(word)(found)
    for each in groups.values():
        app.add_typer(each)
    return app


def _loaded(file: str, function: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(f"{__name__}.{file}"), function)
    return found


def _other(words: str | None) -> Callable[..., Any]:
    """A command that says what it does, and is not called."""

    def other() -> None: ...

    other.__doc__ = words
    return other


@cache
def _said_by(file: str) -> dict[str, str | None]:
    """What the functions of a file say of themselves, read without loading what it needs."""
    source = Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")
    return {each.name: ast.get_docstring(each) for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    An expected failure is one line on stderr; with --json it is an object on stdout, where the answer would be.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--version"]:
        # The only answer that needs none of what the others load.
        print(f"TripleGain {__version__}")
        return 0
    installation.held()
    try:
        # What is loaded stays: looking through it for garbage meanwhile takes a tenth of the time.
        gc.disable()
        try:
            _leave_root(words)
            app = _app(words)
        finally:
            gc.enable()
        answer = app(args=words, prog_name="tg", standalone_mode=False)
    except Interrupted as interrupted:
        return interrupted.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    # The end of the program: everything becomes an exit code and a line.
    except Exception as error:
        return _failed(error, "--json" in words)
    return answer if type(answer) is int else 0


def _leave_root(words: Sequence[str]) -> None:
    """A command that root gives for the folder of another user is carried out as that user."""
    if os.geteuid() != 0 or not words or not _HELP.isdisjoint(words):
        return
    from triplegain.cli.home_owner import become_owner
    from triplegain.config import home_place

    if name := become_owner(home_place()):
        print(f"The folder of TripleGain belongs to {name}: going on as {name}, not as root", file=sys.stderr)


def _failed(error: Exception, as_json: bool) -> int:
    if isinstance(error, TripleGainError):
        _tell(error.code, str(error), as_json)
        return error.exit_code
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("triplegain"):
        _tell("damaged_installation", installation.damaged(error), as_json)
        return 1
    if isinstance(error, OSError) and error.errno in _FULL:
        place = f" ({error.filename})" if error.filename else ""
        words = f"the disk is full{place}: free some space and start again; nothing that was stored is lost"
        _tell("storage", words, as_json)
        return _STORAGE
    from typer import Abort

    if isinstance(error, Abort):
        return _INTERRUPTED
    show, exit_code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(exit_code, int):
        if as_json:
            _tell("usage", str(error), as_json)
        else:
            show()
        return exit_code
    if os.environ.get("TRIPLEGAIN_DEBUG") == "1":
        traceback.print_exception(error)
    _tell("internal_error", f"{type(error).__name__}: {error} (TRIPLEGAIN_DEBUG=1 shows where)", as_json)
    return 1


def _tell(code: str, message: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error_code": code, "error_message": tame_lines(message)}, ensure_ascii=False))
        return
    line = " ".join(tame_lines(message).split())
    colour = False
    with contextlib.suppress(ValueError):
        colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    print(f"{_RED}{line}{_PLAIN}" if colour else line, file=sys.stderr)

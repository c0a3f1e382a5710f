"""From a folder of YAML files and the environment to the frozen tree: texts and their lines, variables, the home."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from triplegain import resources
from triplegain.config.tree import FILES, KEYS, Config, config_of
from triplegain.domain.errors import TripleGainError
from triplegain.domain.outside import NAME_MAX, tame
from triplegain.domain.written import Fault
from triplegain.private_files import why_not_private


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: the file (path or name), the line (0: unknown), the dotted key ("": the file), the fault."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigurationError(TripleGainError):
    """The configuration cannot be used. `problems` lists every fault found, not only the first."""

    exit_code = 3

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigurationError:
        """One error that tells all of them, a line each."""
        return cls("the configuration cannot be used:\n" + "\n".join(f"  {problem}" for problem in problems), problems)


HOME_VARIABLE = "TRIPLEGAIN_HOME"


def home_place(environ: Mapping[str, str] | None = None, *, platform: str = sys.platform) -> Path:
    """TRIPLEGAIN_HOME, else the platform's data folder for this user; absolute. Whatever is there is not looked at.

    Raises ConfigurationError for a user without a folder.
    """
    try:
        return _named(os.environ if environ is None else environ, platform).absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"this user has no home folder ({error}): set {HOME_VARIABLE} to a folder") from None


def home_dir(environ: Mapping[str, str] | None = None, *, platform: str = sys.platform, create: bool = True) -> Path:
    """The home, made with mode 0700 if absent.

    Raises ConfigurationError if it is not a folder, cannot be made, or is not for this user alone.
    """
    folder = home_place(environ, platform=platform)
    if create:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot use {folder} as TripleGain's folder ({error.strerror}): set {HOME_VARIABLE} to another"
            ) from error
    _check_private(folder)
    return folder


def _check_private(path: Path) -> None:
    if reason := why_not_private(path):
        raise ConfigurationError(reason)


def _named(environ: Mapping[str, str], platform: str) -> Path:
    chosen = environ.get(HOME_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    user = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or user / "AppData" / "Local") / "triplegain"
    if platform == "darwin":
        return user / "Library" / "Application Support" / "triplegain"
    shared = Path(environ.get("XDG_DATA_HOME") or "")
    return (shared if shared.is_absolute() else user / ".local" / "share") / "triplegain"


_NULLS = ("", "~", "null", "Null", "NULL")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def dotenv_files(environ: Mapping[str, str]) -> list[Path]:
    """The `.env` files that exist: the checkout's, then the one in TRIPLEGAIN_HOME. The first to name a value wins."""
    folders = [folder for folder in (resources.checkout_dir(), home_dir(environ, create=False)) if folder]
    return [file for file in (folder / ".env" for folder in folders) if file.is_file()]


def read_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of the process (default: os.environ), completed by the `.env` files. Nothing is exported or logged.

    Raises ConfigurationError for a file that is not for this user alone.
    """
    own = os.environ if environ is None else environ
    merged: dict[str, str] = {}
    for file in reversed(dotenv_files(own)):
        _check_private(file)
        merged.update({name: value for name, value in dotenv_values(file, interpolate=False).items() if value})
    return {**merged, **own}


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Fill `${VAR}` and `${VAR:-default}`; the default also stands in for an empty variable.

    Raises KeyError with the name of a variable that is unset and has no default.
    """

    def fill(reference: re.Match[str]) -> str:
        name, default = reference.groups()
        value = environ.get(name, "")
        if value or default is not None:
            return value or default or ""
        if name in environ:
            return ""
        raise KeyError(name)

    return _REFERENCE.sub(fill, text)


CONFIG_VARIABLE = "TRIPLEGAIN_CONFIG_DIR"


def load_config(environ: Mapping[str, str] | None = None, config_dir: Path | None = None) -> Config:
    """Read and check the configuration. Raises ConfigurationError telling every fault at once.

    The folder is `config_dir`, else TRIPLEGAIN_CONFIG_DIR, else `config/` of the checkout or the package. A missing
    file or key has its default. `environ` (default: process and `.env` files) fills `${VAR:-default}`.
    """
    config, problems = _load(environ, config_dir)
    if config is None or problems:
        raise ConfigurationError.of(problems)
    return config


def check_config(environ: Mapping[str, str] | None = None, config_dir: Path | None = None) -> list[Problem]:
    """Everything that would keep `load_config` from succeeding; empty if nothing would."""
    try:
        return _load(environ, config_dir)[1]
    except ConfigurationError as error:
        return list(error.problems) or [Problem(CONFIG_VARIABLE, 0, "", str(error))]


def user_config_dir(environ: Mapping[str, str]) -> Path:
    """The folder in force. Raises ConfigurationError if TRIPLEGAIN_CONFIG_DIR names none."""
    named = environ.get(CONFIG_VARIABLE, "").strip()
    if not named:
        return resources.config_dir()
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        raise ConfigurationError(f"{CONFIG_VARIABLE} names {folder}, which is not a folder: create it or unset it")
    return folder


def _load(environ: Mapping[str, str] | None, config_dir: Path | None) -> tuple[Config | None, list[Problem]]:
    variables = read_environment() if environ is None else environ
    folder = config_dir or user_config_dir(variables)
    problems = _stray_files(folder)
    written = {name: _File(folder / f"{name}.yaml", variables) for name in FILES}
    config, faults = config_of({name: file.tree(name) for name, file in written.items()})
    problems += [problem for file in written.values() for problem in file.problems]
    problems += [written[path[0]].explained(path[1:], fault) for path, fault in faults]
    if config is not None and config.database.has_password:
        problems += written["database"].exposed(("url",))
    return (None if problems else config), problems


class _File:
    """One file: its tree with variables filled in, the lines on which paths stand, and what is wrong with its writing.

    The tree holds mappings, lists, text, and None for an empty value. Anchors are followed, tags mean nothing.
    """

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self._file = str(file)
        self._environ = environ
        self._root: dict[str, Any] = {}
        self._lines: dict[tuple[str, ...], int] = {}
        self._substituted: set[tuple[str, ...]] = set()
        self.problems: list[Problem] = []
        try:
            node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
            if isinstance(node, yaml.MappingNode):
                self._root = self._value(node, ())
            elif node is not None:
                self._wrong(1, (), "a configuration file is a list of `key: value` lines")
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            self._wrong(0, (), f"cannot be read: {error}")
        except yaml.YAMLError as error:
            mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None)
            self._wrong(mark.line + 1 if mark else 0, (), f"not valid YAML: {reason or 'unreadable character'}")
        except RecursionError:
            self._wrong(1, (), "an anchor contains itself")

    def _wrong(self, line: int, path: tuple[str, ...], message: str) -> None:
        self.problems.append(Problem(self._file, line, ".".join(path), message))

    def tree(self, name: str) -> dict[str, Any]:
        """With the templates of keys that are not set; empty where the file itself is wrong: that is told already."""
        for path, (key, _) in KEYS.items():
            if path[0] == name and key.template:
                self._set(path[1:], key.template)
        return {} if self.problems else self._root

    def _set(self, path: tuple[str, ...], template: str) -> None:
        place: Any = self._root
        for step in path[:-1]:
            if place.get(step) is None:
                place[step] = {}
            place = place[step]
            if not isinstance(place, dict):
                return
        if path[-1] not in place:
            place[path[-1]] = self._text(template, path)

    def _value(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        if isinstance(node, yaml.MappingNode):
            tree: dict[str, Any] = {}
            for key_node, value_node in node.value:
                key, line = str(key_node.value), key_node.start_mark.line + 1
                here = (*path, key)
                if key in tree:
                    self._wrong(line, here, f"stands here and on line {self._lines[here]}")
                    continue
                self._lines[here] = line
                tree[key] = self._value(value_node, here)
            return tree
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, str(index))) for index, item in enumerate(node.value)]
        text = str(node.value)
        written_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if written_plain and text in _NULLS else self._text(text, path)

    def _text(self, text: str, path: tuple[str, ...]) -> str:
        try:
            filled = substitute(text, self._environ)
        except KeyError as missing:
            name = missing.args[0]
            message = f"needs the environment variable {name}, which is not set (or write ${{{name}:-default}})"
            self._wrong(self._lines.get(path, 0), path, message)
            return ""
        if filled != text:
            self._substituted.add(path)
        return filled

    def exposed(self, path: tuple[str, ...]) -> list[Problem]:
        """That others can read a secret which stands here by itself, not as the name of a variable."""
        reason = why_not_private(Path(self._file)) if path in self._lines and path not in self._substituted else ""
        return [Problem(self._file, self._lines[path], ".".join(path), reason)] if reason else []

    def explained(self, path: tuple[str, ...], fault: Fault) -> Problem:
        """In the words of the file. Values that came from a variable are not repeated."""
        shows = fault.shown is not None and path not in self._substituted
        message = f"{fault.message}; this is {tame(repr(fault.shown), NAME_MAX)}" if shows else fault.message
        lines = (self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines)
        return Problem(self._file, next(lines, 0), ".".join(path), message)


def _stray_files(folder: Path) -> list[Problem]:
    """YAML files nobody reads: most often a misspelt name."""
    problems = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        if file.suffix == ".yaml" and file.stem in FILES:
            continue
        close = difflib.get_close_matches(file.stem, FILES, n=1)
        hint = f"did you mean {close[0]}.yaml?" if close else "valid are " + ", ".join(FILES)
        problems.append(Problem(str(file), 0, "", f"nothing reads this file; {hint}"))
    return problems

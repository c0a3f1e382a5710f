"""From a folder of YAML files to the frozen tree."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triplegain import resources
from triplegain.config.environment import read_environment, substitute
from triplegain.config.tree import FILES, KEYS, Config, config_of
from triplegain.config.yaml_text import ConfigurationError, Node, Problem, YamlText, read_yaml
from triplegain.domain.written import Fault

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
    files: dict[str, dict[str, Any]] = {}
    fillers: dict[str, _Filler] = {}
    for name in FILES:
        filler = fillers[name] = _Filler(folder / f"{name}.yaml", variables)
        files[name] = filler.tree(name)
        problems += filler.problems
    config, faults = config_of(files)
    problems += [fillers[path[0]].explained(path[1:], fault) for path, fault in faults]
    return (None if problems else config), problems


class _Filler:
    """One file: its tree with variables filled in, and the templates of keys that are not set."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self._file = str(file)
        self._environ = environ
        self._document = YamlText()
        self._substituted: set[tuple[str, ...]] = set()
        self.problems: list[Problem] = []
        try:
            self._document = read_yaml(file.read_text(encoding="utf-8"), self._file)
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem(self._file, 0, "", f"cannot be read: {error}"))
        self.problems += self._document.problems

    def tree(self, name: str) -> dict[str, Any]:
        """Empty where the file itself is wrong: that is told already."""
        if self.problems:
            return {}
        tree: dict[str, Any] = self._node(self._document.root, ())
        for path, (key, _) in KEYS.items():
            if path[0] == name and key.template:
                self._set(tree, path[1:], key.template)
        return {} if self.problems else tree

    def _set(self, tree: dict[str, Any], path: tuple[str, ...], template: str) -> None:
        place: Any = tree
        for step in path[:-1]:
            if place.get(step) is None:
                place[step] = {}
            place = place[step]
            if not isinstance(place, dict):
                return
        if path[-1] not in place:
            place[path[-1]] = self._text(template, path)

    def _node(self, node: Node, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict):
            return {key: self._node(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            return [self._node(item, (*path, str(index))) for index, item in enumerate(node)]
        return None if node is None else self._text(node, path)

    def _text(self, text: str, path: tuple[str, ...]) -> str:
        try:
            filled = substitute(text, self._environ)
        except KeyError as missing:
            name = missing.args[0]
            message = f"needs the environment variable {name}, which is not set (or write ${{{name}:-default}})"
            self.problems.append(Problem(self._file, self._document.lines.get(path, 0), ".".join(path), message))
            return ""
        if filled != text:
            self._substituted.add(path)
        return filled

    def explained(self, path: tuple[str, ...], fault: Fault) -> Problem:
        """In the words of the file. Values that came from a variable are not repeated."""
        shows = fault.shown is not None and path not in self._substituted
        message = f"{fault.message}; this is {fault.shown!r}" if shows else fault.message
        lines = self._document.lines
        line = next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), 0)
        return Problem(self._file, line, ".".join(path), message)


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

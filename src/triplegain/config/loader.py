"""From a folder of YAML files to the frozen tree."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from triplegain import resources
from triplegain.config.environment import read_environment, substitute
from triplegain.config.errors import ConfigurationError, Problem
from triplegain.config.sections import nearest, subsection
from triplegain.config.tree import Config
from triplegain.config.yaml_text import Node, YamlText, read_yaml

CONFIG_VARIABLE = "TRIPLEGAIN_CONFIG_DIR"

#: pydantic's own wordings that do not show the value.
_SAYS_ENOUGH = ("value_error", "missing", "extra_forbidden")


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
    parts: dict[str, Any] = {}
    for name, field in Config.model_fields.items():
        model = subsection(field)
        assert model is not None
        part, faults = _load_part(model, folder / f"{name}.yaml", variables)
        parts[name] = part
        problems += faults
    if problems:
        return None, problems
    try:
        return Config(**parts), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        return None, [Problem(str(folder), 0, "", fault["msg"].removeprefix("Value error, ")) for fault in found]


def _load_part(
    model: type[BaseModel], file: Path, environ: Mapping[str, str]
) -> tuple[BaseModel | None, list[Problem]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(str(file), 0, "", f"cannot be read: {error}")]
    document = read_yaml(text, str(file))
    if document.problems:
        return None, document.problems
    filler = _Filler(document, str(file), environ)
    raw = filler.section(document.root, model, ())
    if filler.problems:
        return None, filler.problems
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, _explain(error, model, document, str(file), filler.substituted)


class _Filler:
    """Fills variables into a tree of text, and the templates of keys that are not set."""

    def __init__(self, document: YamlText, file: str, environ: Mapping[str, str]) -> None:
        self._document = document
        self._file = file
        self._environ = environ
        self.problems: list[Problem] = []
        self.substituted: set[tuple[str, ...]] = set()

    def section(self, node: Mapping[str, Node], model: type[BaseModel] | None, path: tuple[str, ...]) -> dict[str, Any]:
        fields = model.model_fields if model else {}
        filled: dict[str, Any] = {}
        for key, value in node.items():
            below = subsection(fields[key]) if key in fields else None
            filled[key] = {} if below and value is None else self._node(value, below, (*path, key))
        for key, field in fields.items():
            extra = field.json_schema_extra
            if key not in node and isinstance(extra, dict) and "template" in extra:
                filled[key] = self._text(str(extra["template"]), (*path, key))
            elif key not in node and (below := subsection(field)):
                filled[key] = self.section({}, below, (*path, key))
        return filled

    def _node(self, node: Node, model: type[BaseModel] | None, path: tuple[str, ...]) -> Any:
        if isinstance(node, dict):
            return self.section(node, model, path)
        if isinstance(node, list):
            return [self._node(item, None, (*path, str(index))) for index, item in enumerate(node)]
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
            self.substituted.add(path)
        return filled


def _explain(
    error: ValidationError, model: type[BaseModel], document: YamlText, file: str, secret: set[tuple[str, ...]]
) -> list[Problem]:
    """pydantic's findings in the words of the file. Values that came from a variable are not repeated."""
    problems = []
    for fault in error.errors(include_url=False, include_context=False):
        if fault["type"] == "default_factory_not_called":
            continue
        path = tuple(str(part) for part in fault["loc"] if part != "[key]")
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            meant = nearest(path, model)
            message = f"unknown key; did you mean {meant}?" if meant else "unknown key, and none is like it"
        elif fault["input"] is None:
            message = "has no value; remove the key to have its default"
        elif fault["type"] not in _SAYS_ENOUGH and path not in secret and isinstance(fault["input"], (str, int)):
            message += f"; this is {fault['input']!r}"
        line = next((document.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in document.lines), 0)
        problems.append(Problem(file, line, ".".join(path), message))
    return problems


def _stray_files(folder: Path) -> list[Problem]:
    """YAML files nobody reads: most often a misspelt name."""
    problems = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        if file.suffix == ".yaml" and file.stem in Config.model_fields:
            continue
        close = difflib.get_close_matches(file.stem, Config.model_fields, n=1)
        hint = f"did you mean {close[0]}.yaml?" if close else "valid are " + ", ".join(Config.model_fields)
        problems.append(Problem(str(file), 0, "", f"nothing reads this file; {hint}"))
    return problems

"""YAML read as text: every scalar stays the characters that stand in the file, so that no number passes a float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

from triplegain.domain.errors import TripleGainError


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


#: A document: mappings, lists, text, and None for an empty value.
Node = dict[str, "Node"] | list["Node"] | str | None
Path = tuple[str, ...]

_NULLS = ("", "~", "null", "Null", "NULL")


@dataclass(slots=True)
class YamlText:
    """One file: its tree, the line on which each dotted path stands, and what is wrong with its writing."""

    root: dict[str, Node] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_yaml(text: str, file: str) -> YamlText:
    """Parse `text`. Broken syntax and repeated keys become problems; anchors are followed, tags mean nothing."""
    document = YamlText()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "unreadable character"
        document.problems.append(Problem(file, mark.line + 1 if mark else 0, "", f"not valid YAML: {reason}"))
        return document
    if node is None:
        return document
    if not isinstance(node, yaml.MappingNode):
        document.problems.append(Problem(file, 1, "", "a configuration file is a list of `key: value` lines"))
        return document
    try:
        root = _value(node, (), document, file)
    except RecursionError:
        document.problems.append(Problem(file, 1, "", "an anchor contains itself"))
        return document
    document.root = root if isinstance(root, dict) else {}
    return document


def _value(node: yaml.Node, path: Path, document: YamlText, file: str) -> Node:
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            here = (*path, key)
            if key in tree:
                first = document.lines[here]
                document.problems.append(Problem(file, line, ".".join(here), f"stands here and on line {first}"))
                continue
            document.lines[here] = line
            tree[key] = _value(value_node, here, document, file)
        return tree
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, str(index)), document, file) for index, item in enumerate(node.value)]
    text = str(node.value)
    written_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if written_plain and text in _NULLS else text

"""Settings of the rooms as the configuration writes them: which key a field is read from, and how.

A room's settings are a frozen dataclass whose fields are made by `key` (a value of its own), `part` (the settings of
another) or `each` (a table of either, by the members of an enum); other fields are not configured. The name of a key
is dotted and relative to the part it stands in (`stop_loss.min_pct`), or absolute from the file on, behind a slash
(`/execution.positions.max_open`). Defaults are written as a user writes them, once, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.values import FrozenMapping
from triplegain.domain.written import Fault, Kind, Wrong, collected

#: The steps from the file to a key.
Path = tuple[str, ...]

_SPEC = "configured"
_NOTHING: Any = object()


class AtOddsError(InvalidValueError):
    """Settings that do not fit together. `at` names their section, as a key is named; empty: the part itself."""

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Key:
    """`template` is the default with `${VAR}` in it; without a value of its own a key has that of `like` beside it."""

    name: str
    default: Any
    kind: Kind
    says: str
    template: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """`written` are defaults that differ from those of `settings`, `fixed` are fields that are not configured.

    While `switch` is false, the part is None. `check` raises AtOddsError for what does not fit together here.
    """

    settings: type[Any]
    name: str = ""
    switch: Key | None = None
    written: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Any], None] | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """`members` are words or members of an enum of words; each value is called so, where it has no name of its own.

    `into` makes of the table what the room wants of it.
    """

    name: str
    members: Mapping[Any, Key | Part]
    into: Callable[[Mapping[Any, Any]], Any] = FrozenMapping


def key(name: str, default: Any, kind: Kind, says: str, *, template: str = "", like: str = "") -> Any:
    """A field with a key of its own."""
    return _field(Key(name, default, kind, says, template, like))


def part(
    settings: type[Any],
    name: str = "",
    *,
    switch: Key | None = None,
    check: Callable[[Any], None] | None = None,
    **written: Any,
) -> Any:
    """A field that is the settings of another; `written` are its defaults where they differ."""
    return _field(Part(settings, name, switch, written, check=check))


def each(name: str, members: Mapping[Any, Key | Part], into: Callable[[Mapping[Any, Any]], Any] = FrozenMapping) -> Any:
    """A field that is a read-only table, with a key for each of these members."""
    return _field(Each(name, members, into))


def _field(spec: Key | Part | Each) -> Any:
    return field(default=_value(spec, (), {}, {}, []), metadata={_SPEC: spec})


def below(at: Path, name: str) -> Path:
    """The path of a name in the part that stands at `at`."""
    if name.startswith("/"):
        return tuple(name[1:].split("."))
    return (*at, *name.split(".")) if name else at


def keys(settings: type[Any] | Part, at: Path = ()) -> Iterator[tuple[Path, Key, Any]]:
    """Every key with its path and the default that is written for it. A key that two fields read comes twice."""
    here = settings if isinstance(settings, Part) else Part(settings)
    if here.switch is not None:
        yield below(at, here.switch.name), here.switch, here.switch.default
    for each_field in fields(here.settings):
        spec = each_field.metadata.get(_SPEC)
        if spec is not None:
            yield from _keys(spec, at, here.written)


def _keys(spec: Key | Part | Each, at: Path, written: Mapping[str, Any]) -> Iterator[tuple[Path, Key, Any]]:
    match spec:
        case Key():
            yield below(at, spec.name), spec, written.get(spec.name, spec.default)
        case Part():
            yield from keys(spec, below(at, spec.name))
        case Each():
            for member, inner in spec.members.items():
                yield from _keys(inner, _member_path(spec, member, inner, at), {})


def _member_path(spec: Each, member: Any, inner: Key | Part, at: Path) -> Path:
    return below(at, spec.name) if inner.name else (*below(at, spec.name), str(member))


def built(here: Part, at: Path, values: Mapping[Path, Any], faults: list[tuple[Path, Fault]]) -> Any:
    """The settings with `values` (checked, by path) where there are any. What does not fit together goes to `faults`.

    Where something has no value to be built of (None in `values` of a key that was read wrong), nothing is built.
    """
    arguments = dict(here.fixed)
    for each_field in fields(here.settings):
        spec = each_field.metadata.get(_SPEC)
        if spec is not None:
            arguments[each_field.name] = _value(spec, at, here.written, values, faults)
    if any(value is _NOTHING for value in arguments.values()):
        return _NOTHING
    try:
        made = here.settings(**arguments)
        if here.check is not None:
            here.check(made)
    except AtOddsError as error:
        faults.append((below(at, error.at), Fault(str(error))))
        return _NOTHING
    except InvalidValueError as error:
        faults.append((at, Fault(str(error))))
        return _NOTHING
    if here.switch is not None and not _value(here.switch, at, {}, values, faults):
        return None
    return made


def _value(
    spec: Key | Part | Each,
    at: Path,
    written: Mapping[str, Any],
    values: Mapping[Path, Any],
    faults: list[tuple[Path, Fault]],
) -> Any:
    match spec:
        case Key():
            path = below(at, spec.name)
            if path not in values and spec.like:
                path = (*path[:-1], spec.like)
            if path in values:
                return _NOTHING if values[path] is WRONG else spec.kind.convert(values[path])
            return spec.kind.convert(spec.kind.read(written.get(spec.name, spec.default)))
        case Part():
            return built(spec, below(at, spec.name), values, faults)
        case Each():
            made = {
                member: _value(inner, _member_path(spec, member, inner, at), {}, values, faults)
                for member, inner in spec.members.items()
            }
            return _NOTHING if any(value is _NOTHING for value in made.values()) else spec.into(made)


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Write `value` under its key, in sections that are made where there are none."""
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    tree[path[-1]] = value


#: Stands for the value of a key that could not be read.
WRONG: Any = object()


def section(settings: type[Any]) -> Kind:
    """The settings of a flat section that stands inside a table, once for each name."""
    known = {path: spec for path, spec, _ in keys(settings)}

    def value(name: str, written: Any) -> Any:
        if (name,) not in known:
            raise Wrong(Fault(f"unknown key; valid are {', '.join(path[-1] for path in known)}"))
        return known[(name,)].kind.read(written)

    def read(written: Any) -> FrozenMapping[str, Any]:
        if not isinstance(written, Mapping):
            raise Wrong(Fault("Input should be a valid dictionary"))
        values = collected({name: partial(value, name, each) for name, each in written.items()})
        faults: list[tuple[Path, Fault]] = []
        built(Part(settings), (), {(name,): each for name, each in values.items()}, faults)
        if faults:
            raise Wrong(*(fault for _, fault in faults))
        return FrozenMapping(values)

    def nearest(written: Any) -> Any:
        if not isinstance(written, Mapping):
            return written
        return {name: known[(name,)].kind.nearest(v) if (name,) in known else v for name, v in written.items()}

    def convert(values: Mapping[str, Any]) -> Any:
        return built(Part(settings), (), {(name,): value for name, value in values.items()}, [])

    return Kind(read, convert, nearest)

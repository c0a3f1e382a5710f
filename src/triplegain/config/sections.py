"""Walking the models of the tree: which keys there are, and which one a misspelt key was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Path = tuple[str, ...]


def subsection(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is itself a section."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def keys(model: type[BaseModel], above: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Every key with a value of its own, in order; sections are entered, not named."""
    for name, field in model.model_fields.items():
        section = subsection(field)
        if section:
            yield from keys(section, (*above, name))
        else:
            yield (*above, name), field


def nearest(unknown: Path, model: type[BaseModel]) -> str | None:
    """The valid key closest to `unknown`: first in its own section, then anywhere in the file; None if none is."""
    siblings = _section_at(model, unknown[:-1])
    close = difflib.get_close_matches(unknown[-1], siblings, n=1)
    if close:
        return ".".join((*unknown[:-1], close[0]))
    by_name = {path[-1]: ".".join(path) for path, _ in keys(model)}
    close = difflib.get_close_matches(unknown[-1], by_name, n=1)
    return by_name[close[0]] if close else None


def _section_at(model: type[BaseModel], path: Path) -> list[str]:
    for name in path:
        field = model.model_fields.get(name)
        section = subsection(field) if field else None
        if section is None:
            return []
        model = section
    return list(model.model_fields)

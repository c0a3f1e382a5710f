"""What of a session stands in no row, kept in parts: a commit stores the parts that changed, a restart reads all.

A part has a name and a type; it is one value, or one value per key (an order number, a symbol, a position). Whoever
owns it says when a key has changed; what is small and changes anywhere is looked at in every commit instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.storable import encode

T = TypeVar("T")

#: Which form the parts of a session have: raised with every change of them, or of what a feed tells by itself, together
#: with a converter from the form before.
FORM = 3
#: The part in which a session keeps whether it is paused or halted; a report reads it.
STANDING = "session.standing"
#: The key of a part that is one value.
WHOLE = ""

#: Takes the key of a value that may have changed.
Touch = Callable[[str], None]


_KEPT_BY_NOBODY: dict[str, None] = {}
#: The `Touch` of what no session keeps; built in, as the one that takes its place is.
nobody: Touch = _KEPT_BY_NOBODY.get


@dataclass(frozen=True, slots=True)
class PartChange:
    """One row: `state` is JSON, or None for what is no longer there."""

    part: str
    key: str
    state: bytes | None


@dataclass(slots=True)
class _Part:
    decoder: msgspec.json.Decoder[Any]
    read: Callable[[str], Any]
    restore: Callable[[dict[str, Any]], None]
    all_keys: Callable[[], Iterable[str]]
    changed: dict[str, None]
    watched: bool


class Parts:
    """The parts of one session. Restored in the order in which they were added."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self._retired: dict[str, list[str]] = {}
        self._stored: dict[tuple[str, str], bytes] = {}

    def keyed(
        self,
        name: str,
        kind: Any,
        read: Callable[[str], T | None],
        restore: Callable[[dict[str, T]], None],
        keys: Callable[[], Iterable[str]],
        *,
        watched: bool = False,
    ) -> Touch:
        """A part with a value per key, of a type or union that msgspec can decode.

        `read` gives the value of a key now, None once it is gone; `restore` takes all; `keys` says which there are.

        Returns what must be called with a key whenever its value may have changed; `watched` ones are looked at anyway.
        """
        if name in self._parts:
            raise ValueError(f"there are two parts called {name}")
        changed: dict[str, None] = {}
        self._parts[name] = _Part(msgspec.json.Decoder(kind), read, restore, keys, changed, watched)
        return changed.setdefault

    def table(
        self,
        name: str,
        kind: Any,
        table: dict[Any, T],
        key: Callable[[str], Any] = str,
        restore: Callable[[dict[str, T]], None] | None = None,
    ) -> Touch:
        """Such a part that is a table of its owner, by texts or what `key` makes of one. `restore`: more than to fill
        the table is to be done."""

        def fill(stored: dict[str, T]) -> None:
            table.update({key(name): value for name, value in stored.items()})

        return self.keyed(name, kind, lambda text: table.get(key(text)), restore or fill, lambda: map(str, table))

    def single(self, name: str, kind: Any, read: Callable[[], T], restore: Callable[[T], None]) -> None:
        """A part of one small value that is looked at in every commit, and stored where it is another than before."""
        self.keyed(name, kind, lambda _: read(), lambda values: restore(values[WHOLE]), lambda: (WHOLE,), watched=True)

    def held(self, name: str, kind: Any, owner: Any, attribute: str = "state") -> None:
        """Such a part that is an attribute of its owner."""
        self.single(name, kind, lambda: getattr(owner, attribute), lambda stored: setattr(owner, attribute, stored))

    def retire(self, *names: str) -> None:
        """Parts that this session does not have although another may have left them: the next commit deletes them."""
        self._retired.update((name, []) for name in names)

    @property
    def rows(self) -> Mapping[tuple[str, str], bytes]:
        """Everything as it was last handed out or restored: what is stored, once that is committed."""
        return self._stored

    def whole(self) -> dict[tuple[str, str], bytes]:
        """Everything as it is now, whoever said that it has changed: what a commit now would leave."""
        rows = {}
        for name, part in self._parts.items():
            for key in part.all_keys():
                if (value := part.read(key)) is not None:
                    rows[name, key] = encode(value)
        return rows

    def changes(self) -> Iterator[PartChange]:
        """What has changed since the last call, as rows."""
        for name, part in self._parts.items():
            keys = tuple(part.all_keys() if part.watched else part.changed)
            part.changed.clear()
            for key in keys:
                value = part.read(key)
                state = None if value is None else encode(value)
                if state == self._stored.get((name, key)):
                    continue
                if state is None:
                    del self._stored[name, key]
                else:
                    self._stored[name, key] = state
                yield PartChange(name, key, state)
        for name, left in self._retired.items():
            yield from (PartChange(name, key, None) for key in left)
            left.clear()

    def restore(self, rows: Mapping[tuple[str, str], bytes]) -> None:
        """Put everything back. A part without rows is left as it is.

        Raises InvalidValueError for rows of no part, and for those that do not say what their part says.
        """
        self._stored.clear()
        values: dict[str, dict[str, Any]] = {name: {} for name in self._parts}
        for (name, key), state in rows.items():
            if name in self._retired:
                self._retired[name].append(key)
                continue
            if name not in values:
                raise InvalidValueError(f"the stored session has a part {name!r} that nobody here knows")
            try:
                value = values[name][key] = self._parts[name].decoder.decode(state)
            except ValueError as error:
                words = (
                    f"the stored part {name} {key} of the session is damaged ({error}): start a new one with --reset"
                )
                raise InvalidValueError(words) from error
            # As this program writes it: a database may have put its keys in another order.
            self._stored[name, key] = encode(value)
        for name, part in self._parts.items():
            if values[name]:
                part.restore(values[name])
            part.changed.clear()

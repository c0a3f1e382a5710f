"""How a value of the configuration is written, and what a room makes of it.

A `Kind` reads what stands in a file (text) or in a stored record (text, numbers, truth values, lists, tables) as a
checked value in the unit of its writer, and converts that into the unit of the room: percent into a fraction, seconds
into nanoseconds. The checked value is what is shown and stored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from triplegain.domain.clock import HOUR_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import atoms, parse, plain
from triplegain.domain.values import INTEGER_MAX, FrozenMapping, is_usable, nearest_usable

_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_TRUE, _FALSE = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n")
_HUNDRED = Decimal(100)
#: A number that must be beyond a bound is so by this much.
_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value. `path` leads to it inside its key; `shown` is what stands there, None: said."""

    message: str
    path: tuple[str, ...] = ()
    shown: str | int | None = None


class Wrong(InvalidValueError):
    """A value that cannot stand where it stands."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """`read` raises Wrong for what cannot be meant; `convert` takes only what `read` has given.

    `nearest` makes of numbers beyond the bounds the ones that are just within; everything else it leaves as it is.
    """

    read: Callable[[Any], Any]
    convert: Callable[[Any], Any] = _same
    nearest: Callable[[Any], Any] = _same

    def into(self, convert: Callable[[Any], Any]) -> Kind:
        """The same values, in another unit for the room."""
        return replace(self, convert=convert)

    def where(self, check: Callable[[Any], Any]) -> Kind:
        """`check` is given what was read; it returns it, perhaps tidied, or raises ValueError."""

        def read(written: Any) -> Any:
            value = self.read(written)
            try:
                return check(value)
            except ValueError as error:
                raise Wrong(Fault(str(error))) from None

        return replace(self, read=read)


def _refuse(message: str, written: Any) -> Wrong:
    if written is None:
        return Wrong(Fault("has no value; remove the key to have its default"))
    return Wrong(Fault(message, shown=written if isinstance(written, (str, int)) else None))


_BOUNDS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "ge": (operator.ge, "greater than or equal to"),
    "gt": (operator.gt, "greater than"),
    "le": (operator.le, "less than or equal to"),
    "lt": (operator.lt, "less than"),
}


def _bounded(value: Any, written: Any, bounds: Mapping[str, Any]) -> Any:
    for name, bound in bounds.items():
        holds, words = _BOUNDS[name]
        if not holds(value, bound):
            raise _refuse(f"Input should be {words} {bound}", written)
    return value


def _clamped(value: Any, bounds: Mapping[str, Any]) -> Any:
    for name, bound in bounds.items():
        within = {"ge": bound, "le": bound, "gt": bound + _STEP, "lt": bound - _STEP}[name]
        value = max(value, within) if name in ("ge", "gt") else min(value, within)
    return value


def integer(unit: int = 1, **bounds: int) -> Kind:
    """A whole number, within `ge` and `le`; for the room `unit` times as much."""

    bounds = {"le": INTEGER_MAX // unit, **bounds}

    def read(written: Any) -> int:
        if isinstance(written, int) and not isinstance(written, bool):
            return int(_bounded(written, written, bounds))
        text = written.strip() if isinstance(written, str) else ""
        if not _WHOLE.fullmatch(text) or len(text) > 4300:
            raise _refuse("Input should be a valid integer, unable to parse string as an integer", written)
        return int(_bounded(int(text.partition(".")[0]), written, bounds))

    def nearest(written: Any) -> Any:
        return int(_clamped(written, bounds)) if type(written) is int else written

    return Kind(read, _same if unit == 1 else lambda value: value * unit, nearest)


def exact(**bounds: int) -> Kind:
    """An exact number, within `ge`, `gt`, `le` and `lt`."""

    def read(written: Any) -> Decimal:
        if written is None:
            raise _refuse("", written)
        try:
            value = plain(parse(written.strip() if isinstance(written, str) else written))
        except InvalidValueError as error:
            raise Wrong(Fault(str(error))) from None
        except (ArithmeticError, TypeError, ValueError):
            raise _refuse("Input should be an exact number", written) from None
        if not is_usable(value):
            raise _refuse("a number of this size or precision cannot be computed with", written)
        return Decimal(_bounded(value, written, bounds))

    def nearest(written: Any) -> Any:
        try:
            value = parse(written)
        except (ArithmeticError, TypeError, ValueError):
            return written
        within = _clamped(nearest_usable(value), bounds)
        return written if within == value else within

    return Kind(read, nearest=nearest)


def fraction_of_percent(percent: Decimal) -> Decimal:
    return plain(percent / _HUNDRED)


def percent(**bounds: int) -> Kind:
    """Written in percent, 0 to 100 unless `bounds` say otherwise; a fraction for the room."""
    return exact(**({"ge": 0, "le": 100} | bounds)).into(fraction_of_percent)


def as_percent(fraction: Decimal) -> str:
    """A fraction as it was written."""
    return f"{plain(fraction * _HUNDRED):f}"


def exact_hours(**bounds: int) -> Kind:
    """Written in hours and parts of them; nanoseconds for the room."""
    return exact(**{"le": INTEGER_MAX // HOUR_NS, **bounds}).into(lambda hours: int(hours * HOUR_NS))


def _boolean(written: Any) -> bool:
    if isinstance(written, bool):
        return written
    word = written.strip().casefold() if isinstance(written, str) else written
    if word not in _TRUE + _FALSE:
        raise _refuse("Input should be a valid boolean, unable to interpret input", written)
    return word in _TRUE


def choice(kind: type[Enum]) -> Kind:
    """One of the values of an enum; blanks around a word and capitals do not matter."""
    by_word = {str(member.value): member for member in kind}
    names = [repr(member.value) for member in kind]

    def read(written: Any) -> Enum:
        word = written.value if isinstance(written, kind) else written
        word = word.strip().casefold() if isinstance(word, str) else str(word)
        if word not in by_word or written is None:
            raise _refuse(f"Input should be {', '.join(names[:-1])} or {names[-1]}", written)
        return by_word[word]

    return Kind(read)


def text() -> Kind:
    def read(written: Any) -> str:
        if not isinstance(written, str):
            raise _refuse("Input should be a valid string", written)
        if "\0" in written:
            raise Wrong(Fault("a text cannot contain NUL"))
        return written

    return Kind(read)


def optional(kind: Kind) -> Kind:
    """The same, or nothing."""
    return Kind(
        lambda written: None if written is None else kind.read(written),
        lambda value: None if value is None else kind.convert(value),
        lambda written: None if written is None else kind.nearest(written),
    )


def collected(parts: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """Each part read; raises Wrong with the faults of all of them, their paths led by the part's name."""
    values, faults = {}, []
    for name, read in parts.items():
        try:
            values[name] = read()
        except Wrong as wrong:
            faults += [replace(fault, path=(str(name), *fault.path)) for fault in wrong.faults]
    if faults:
        raise Wrong(*faults)
    return values


def listing(kind: Kind, least: int = 0) -> Kind:
    """A tuple of at least `least` values of one kind."""

    def read(written: Any) -> tuple[Any, ...]:
        if not isinstance(written, (list, tuple)):
            raise _refuse("Input should be a valid tuple", written)
        if len(written) < least:
            raise _refuse(f"Tuple should have at least {least} item{'s' * (least > 1)}, not {len(written)}", written)
        parts = {index: (lambda item=item: kind.read(item)) for index, item in enumerate(written)}
        return tuple(collected(parts).values())

    def nearest(written: Any) -> Any:
        return [kind.nearest(item) for item in written] if isinstance(written, (list, tuple)) else written

    return Kind(read, lambda values: tuple(kind.convert(value) for value in values), nearest)


def row(*kinds: Kind) -> Kind:
    """A tuple of one value of each kind."""

    def read(written: Any) -> tuple[Any, ...]:
        if not isinstance(written, (list, tuple)):
            raise _refuse("Input should be a valid tuple", written)
        if len(written) != len(kinds):
            raise _refuse(f"a row has {len(kinds)} values, this one has {len(written)}", written)
        parts = {
            index: (lambda kind=kind, item=item: kind.read(item))
            for index, (kind, item) in enumerate(zip(kinds, written, strict=True))
        }
        return tuple(collected(parts).values())

    return Kind(read, lambda values: tuple(k.convert(value) for k, value in zip(kinds, values, strict=True)))


def table(name: Kind, kind: Kind, least: int = 0) -> Kind:
    """Values of one kind by name, in the order they are written; read-only."""

    def read(written: Any) -> FrozenMapping[Any, Any]:
        if not isinstance(written, Mapping):
            raise _refuse("Input should be a valid dictionary", written)
        if len(written) < least:
            raise _refuse(f"Dictionary should have at least {least} item, not {len(written)}", written)
        parts = {key: (lambda key=key, item=item: (name.read(key), kind.read(item))) for key, item in written.items()}
        return FrozenMapping(dict(collected(parts).values()))

    def nearest(written: Any) -> Any:
        return {k: kind.nearest(item) for k, item in written.items()} if isinstance(written, Mapping) else written

    return Kind(
        read, lambda values: FrozenMapping({name.convert(k): kind.convert(v) for k, v in values.items()}), nearest
    )


def _symbol(raw: str) -> str:
    symbol = raw.strip().upper()
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"a symbol reads BASE/QUOTE, this is {raw!r}")
    return symbol


def _asset(raw: str) -> str:
    asset = raw.strip().upper()
    if not asset or "/" in asset:
        raise ValueError(f"an asset is a word like BTC, this is {raw!r}")
    return asset


def _of_atoms(amount: Decimal) -> Decimal:
    atoms(amount)
    return amount


SYMBOL = text().where(_symbol)
ASSET = text().where(_asset)
AMOUNT = exact(ge=0)
POSITIVE = exact(gt=0)
FRACTION = exact(ge=0, le=1)
#: Written as a fraction; whole percent for the room, rounded down.
WHOLE_PERCENT = FRACTION.into(lambda share: int(share * _HUNDRED))
PERCENT = percent()
LOSS_PERCENT = percent(gt=0)
AT_LEAST_ONE = integer(ge=1)
COUNT = integer(ge=0)
DELAY_MS = integer(MILLISECOND_NS, ge=0, le=600_000)
SECONDS = integer(SECOND_NS, ge=1)
MINUTES = integer(MINUTE_NS, ge=1)
HOURS = integer(HOUR_NS, ge=1)
ANY_HOURS = integer(HOUR_NS, ge=0)
BOOLEAN = Kind(_boolean)
BALANCES = table(ASSET, AMOUNT.where(_of_atoms))

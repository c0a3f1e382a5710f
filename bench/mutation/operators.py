"""What a mutant does to one node of a program: every replacement of a piece of its text, as bytes.

Left out is what could fail no test, whatever it were: words, types, what is only assured (asserts, `strict` of `zip`),
and to how many digits an inexact context reckons, which are many more than any amount has.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

COMPARISONS = {
    ast.Lt: (b"<", b"<="), ast.LtE: (b"<=", b"<"), ast.Gt: (b">", b">="), ast.GtE: (b">=", b">"),
    ast.Eq: (b"==", b"!="), ast.NotEq: (b"!=", b"=="), ast.Is: (b"is", b"is not"), ast.IsNot: (b"is not", b"is"),
    ast.In: (b"in", b"not in"), ast.NotIn: (b"not in", b"in"),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: (b"+", b"-"), ast.Sub: (b"-", b"+"), ast.Mult: (b"*", b"//"), ast.FloorDiv: (b"//", b"*"),
    ast.Div: (b"/", b"*"), ast.Mod: (b"%", b"//"), ast.Pow: (b"**", b"*"), ast.BitAnd: (b"&", b"|"),
    ast.BitOr: (b"|", b"&"), ast.LShift: (b"<<", b">>"), ast.RShift: (b">>", b"<<"), ast.BitXor: (b"^", b"&"),
}  # fmt: skip
BOOLEAN = {ast.And: (b"and", b"or"), ast.Or: (b"or", b"and")}
OPPOSITE_CALLS = {"min": b"max", "max": b"min", "any": b"all", "all": b"any", "ceil": b"floor", "floor": b"ceil"}
#: Calls without which nothing changes but what a type checker or a reader of logs sees.
_IDLE_CALLS = {"assert_never"}
#: Arguments by name that only say what holds anyhow.
ASSURANCES = {"strict", "prec"}


class Replacement(NamedTuple):
    start: int
    end: int
    new: bytes


class Text:
    """The bytes of a program, and where its nodes stand in them."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._lines[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.stmt) -> bytes:
        return self.source[self.start(node) : self.end(node)]

    def instead(self, node: ast.expr | ast.stmt, new: bytes) -> Replacement:
        return Replacement(self.start(node), self.end(node), new)

    def between(self, left: ast.expr, right: ast.expr, symbols: tuple[bytes, bytes]) -> Replacement:
        """The operator that stands between two operands."""
        start = self.source.index(symbols[0], self.end(left), self.start(right))
        return Replacement(start, start + len(symbols[0]), symbols[1])


def of_expression(node: ast.expr, text: Text) -> Iterator[Replacement]:
    match node:
        case ast.Compare():
            for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
                yield text.between(left, right, COMPARISONS[type(operator)])
        case ast.BoolOp():
            for left, right in pairwise(node.values):
                yield text.between(left, right, BOOLEAN[type(node.op)])
        case ast.BinOp() if not (_is_words(node.left) or _is_words(node.right) or _is_types(node)):
            yield text.between(node.left, node.right, ARITHMETIC[type(node.op)])
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            # With the brackets that may stand around what is negated.
            yield text.instead(node, text.of(node).removeprefix(b"not").removeprefix(b"-").lstrip())
        case ast.Constant(value=bool()):
            yield text.instead(node, b"False" if node.value else b"True")
        case ast.Constant(value=int() | float() as value):
            yield text.instead(node, str(value + 1).encode())
            yield text.instead(node, str(value - 1).encode())
        case ast.Call(func=ast.Name(id=name)) if name in OPPOSITE_CALLS:
            yield text.instead(node.func, OPPOSITE_CALLS[name])
        case _:
            return


def of_condition(test: ast.expr, text: Text) -> Iterator[Replacement]:
    """Of what an `if` asks, where no operator in it can be turned round."""
    if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        yield text.instead(test, b"not " + text.of(test))


def of_statement(node: ast.stmt, text: Text, within: str) -> Iterator[Replacement]:
    """Its removal, or an answer that is none. `within` is the name of the function."""
    match node:
        case ast.Return(value=None):
            yield text.instead(node, b"pass")
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield text.instead(value, b"None" + b"\n" * text.of(value).count(b"\n"))
        case ast.AugAssign():
            old, new = ARITHMETIC[type(node.op)]
            yield text.between(node.target, node.value, (old + b"=", new + b"="))
            yield _removed(node, text)
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield _removed(node, text)
        case ast.Expr(value=ast.Call(func=called)) if _name(called) not in _IDLE_CALLS:
            yield _removed(node, text)
        case ast.Assign() if within not in ("", "__init__", "__post_init__"):
            # Without a name bound for the first time, or an attribute, a program ends at once: that tells nothing.
            if all(_is_kept(target) for target in node.targets):
                yield _removed(node, text)
        case _:
            return


def _removed(node: ast.stmt, text: Text) -> Replacement:
    """As many lines as before, so that functions below stay where they are."""
    return text.instead(node, b"pass" + b"\n" * text.of(node).count(b"\n"))


def _is_kept(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return all(_is_kept(each) for each in target.elts)
    return isinstance(target, ast.Attribute | ast.Subscript)


def _is_words(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_types(node: ast.BinOp) -> bool:
    """`A | B` as a type."""
    return isinstance(node.op, ast.BitOr) and (_name(node.right)[:1].isupper() or _is_none(node.right))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""

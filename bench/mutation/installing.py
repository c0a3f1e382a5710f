"""How a changed program gets into a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType, ModuleType
from typing import Any

from bench.mutation.finding import Mutant


def put_in_place(mutant: Mutant) -> None:
    """The functions of the imported module do from now on what the changed ones would. Only for what is in a function.

    Raises LookupError where the module has no such function any more.
    """
    module = sys.modules[mutant.module]
    changed = named_codes(compile(mutant.source, str(module.__file__), "exec", dont_inherit=True))
    found = [each for each in functions_of(module) if each.__code__.co_firstlineno == mutant.first_line]
    if not found:
        raise LookupError(f"no function of {mutant} is left to change")
    for function in found:
        function.__code__ = changed[function.__code__.co_qualname, mutant.first_line]


def import_changed(mutant: Mutant) -> None:
    """Whoever imports the module from now on gets the changed one."""
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} has been imported already")
    usual = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        if fullname == mutant.module:
            return compile(mutant.source, loader.get_filename(fullname), "exec", dont_inherit=True)
        return usual(loader, fullname)

    loaders: Any = SourceFileLoader
    loaders.get_code = get_code


def named_codes(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """What a program has compiled to, by qualified name and first line."""
    return {(each.co_qualname, each.co_firstlineno): each for each in _codes(code)}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """Those written in the module: its own, and of its classes, properties and what else is wrapped among them."""
    holders: list[Any] = [module, *(each for each in vars(module).values() if isinstance(each, type))]
    for holder in holders:
        for value in vars(holder).values():
            yield from (each for each in _unwrapped(value) if each.__code__.co_filename == module.__file__)


def _unwrapped(value: Any) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType) and not hasattr(value, "__wrapped__"):
        yield value
    for name in ("__wrapped__", "__func__", "fget", "fset", "func"):
        inner = getattr(value, name, None)
        if isinstance(inner, FunctionType):
            yield inner

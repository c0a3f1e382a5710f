"""How many examples a property is tried with: a quarter of what it asks for, and all of them with `--all-examples`.

The fast suite is run again and again, and draws other examples each time; .ci/run tries all of them.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import is_hypothesis_test, settings

#: No fewer than these, where it asks for as many.
_LEAST = 10

#: A machine that is busy makes no example wrong.
settings.register_profile("triplegain", deadline=None)
settings.load_profile("triplegain")


def seeds(count: int, always: int) -> list[Any]:
    """Of so many drawn cases some are tried always, and the others where there is time."""
    return [*range(always), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(always, count))]


def fewer(asked: int) -> int:
    return max(min(asked, _LEAST), asked // 4)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-examples", action="store_true", help="try properties with all of their examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all-examples"):
        return
    properties = {item.obj for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)}
    for each in properties:
        # A method stands for its function.
        tried = cast(Any, getattr(each, "__func__", each))
        asked: settings = tried._hypothesis_internal_use_settings
        tried._hypothesis_internal_use_settings = settings(asked, max_examples=fewer(asked.max_examples))

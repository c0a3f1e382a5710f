"""The fast suite tries a quarter of a property's examples, `--all-examples` all of them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import fewer


@pytest.mark.parametrize(("asked", "tried"), [(2000, 500), (100, 25), (40, 10), (25, 10), (10, 10), (3, 3)])
def test_a_quarter_is_tried_but_no_fewer_than_ten_where_ten_are_asked_for(asked: int, tried: int) -> None:
    assert fewer(asked) == tried


@settings(max_examples=100)
@given(number=st.integers())
def test_a_property_is_tried_with_what_the_run_asks_for(pytestconfig: pytest.Config, number: int) -> None:
    used: settings = cast(Any, test_a_property_is_tried_with_what_the_run_asks_for)._hypothesis_internal_use_settings
    assert used.max_examples == (100 if pytestconfig.getoption("--all-examples") else 25)
    assert used.deadline is None

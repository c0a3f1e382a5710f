"""What is known to be wrong and mended later."""

from __future__ import annotations

import pytest


def later(missing: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"missing: {missing}")

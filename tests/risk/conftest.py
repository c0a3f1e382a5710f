"""An engine in the base case's session."""

from __future__ import annotations

import pytest
from tests.risk.base_case import NOON, D

from triplegain.risk.engine import RiskEngine
from triplegain.risk.limits import RiskLimits
from triplegain.risk.state import RiskMemory


@pytest.fixture
def engine() -> RiskEngine:
    return RiskEngine(RiskLimits(), RiskMemory.opening(D(10_000), NOON))

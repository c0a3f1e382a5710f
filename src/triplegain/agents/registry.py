"""The agents: one line each."""

from __future__ import annotations

from triplegain.agents.conflict import CONFLICT
from triplegain.agents.decision import DECISION
from triplegain.agents.rebalance import REBALANCE
from triplegain.agents.regime import REGIME
from triplegain.agents.sentiment import NEWS, SOCIAL
from triplegain.agents.spec import Registry
from triplegain.agents.technical import TECHNICAL

AGENTS = Registry((TECHNICAL, REGIME, SOCIAL, NEWS, DECISION, CONFLICT, REBALANCE))

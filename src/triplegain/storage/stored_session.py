"""A session as a restart finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triplegain.domain.agent_records import RiskRecord
from triplegain.domain.records import BalanceRecord, OrderRecord, PositionRecord, SessionRecord


@dataclass(frozen=True, slots=True)
class StoredSession:
    """All of one moment: the last commit. A session without a commit has an empty `state` and position 0.

    `risk` is the latest change of the risk state; None: none was ever stored.
    """

    session: SessionRecord
    state: Mapping[str, Any]
    feed_position: int
    market_time_ns: int
    balances: tuple[BalanceRecord, ...]
    open_orders: tuple[OrderRecord, ...]
    open_positions: tuple[PositionRecord, ...]
    risk: RiskRecord | None = None

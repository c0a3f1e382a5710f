"""What the hodl bag leaves behind: records to store, and alerts that say a thing once and not each time it is met."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from triplegain.domain.agent_records import AlertKind, AlertRecord, HodlRecord, HodlStep


class HodlJournal:
    """Records carry number 0: whoever stores them numbers them."""

    def __init__(self) -> None:
        self.records: list[HodlRecord] = []
        self.alerts: list[AlertRecord] = []
        #: What has been said to wait, and why.
        self.said: dict[str, str] = {}

    def record(
        self,
        now_ns: int,
        kind: HodlStep,
        asset: str,
        quantity: Decimal,
        usd: Decimal | None,
        position_id: str = "",
        client_order_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self.records.append(
            HodlRecord(0, now_ns, kind, asset, quantity, usd, position_id, client_order_id, details or {})
        )

    def alert(self, now_ns: int, kind: AlertKind, symbol: str, message: str) -> None:
        self.alerts.append(AlertRecord(0, now_ns, kind, symbol, "", message))

    def waiting(self, now_ns: int, what: str, symbol: str, reason: str) -> None:
        """`what` waits, and why. Said again only for another reason, or after it did not wait for a while."""
        if self.said.get(what) != reason:
            self.said[what] = reason
            self.alert(now_ns, AlertKind.HODL_WAITING, symbol, f"{what} waits: {reason}")

    def goes_on(self, what: str) -> None:
        self.said.pop(what, None)

    def drain(self) -> tuple[list[HodlRecord], list[AlertRecord]]:
        """Both since the last call."""
        drained = self.records, self.alerts
        self.records, self.alerts = [], []
        return drained

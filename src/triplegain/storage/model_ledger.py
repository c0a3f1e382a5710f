"""What models cost: set aside before a call leaves, settled when it is over, never above the limits.

Every process of one database spends from the same budget: reservations take turns on one advisory lock, so parallel
callers cannot each see room that is there only once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec import structs

from triplegain.domain.agent_records import ModelCall, OverBudget
from triplegain.domain.clock import to_datetime
from triplegain.domain.money import EXACT, exact_sum
from triplegain.domain.spending_limits import SpendingLimits
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.links import link

_log = logging.getLogger(__name__)
#: Any constant: one reservation at a time in a database.
_TURN = "SELECT pg_advisory_xact_lock(4203998226161514851)"
_SPENT = "SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) FROM model_spending WHERE "
_RESERVE = """
INSERT INTO model_spending (call_id, day, session_id, round, model, reserved_usd) VALUES ($1, $2, $3, $4, $5, $6)
"""
_SETTLE = """
INSERT INTO model_spending AS s VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (call_id) DO UPDATE SET cost_usd = excluded.cost_usd WHERE s.cost_usd IS NULL RETURNING true
"""
_CALL = f"""
INSERT INTO model_calls VALUES ({", ".join(f"${n}" for n in range(1, 21))}) ON CONFLICT DO NOTHING RETURNING call_id
"""


class ModelLedger:
    """Raises StorageError when the database fails: whoever asks then must not call.

    `warning` is a sentence for the user once the day's spending has reached the mark, else empty.
    """

    def __init__(self, database: Database, limits: SpendingLimits) -> None:
        self._database = database
        self._limits = limits
        self._day: date | None = None
        self._told: date | None = None
        self._spent = Decimal(0)

    @property
    def warning(self) -> str:
        """As of the last reservation or settlement of this process."""
        limits = self._limits
        if self._day is None or self._spent < limits.warn_usd:
            return ""
        return f"models have cost {self._spent:.2f} of {limits.per_day_usd:.2f} USD on {self._day} (UTC)"

    async def reserve(self, call: ModelCall) -> OverBudget | None:
        """Set `call.reserved_usd` aside. None: it is on disk, go ahead; asking twice for one call sets aside once.

        A call that costs nothing is never over a budget.
        """
        wanted = call.reserved_usd
        if not (wanted.is_finite() and wanted >= 0):
            return OverBudget(f"what this call may cost is not known: {wanted}")
        day = to_datetime(call.started_at_ns).date()
        async with self._database.transaction("setting money aside for a model") as connection:
            await connection.execute(_TURN)
            if known := await connection.fetchrow("SELECT * FROM model_spending WHERE call_id = $1", call.call_id):
                return None if known["cost_usd"] is None else OverBudget("this call has been made and paid already")
            spent_today = await connection.fetchval(_SPENT + "day = $1", day)
            spent_on_round = await connection.fetchval(
                _SPENT + "session_id = $1 AND round = $2", call.session_id, round_of(call.request_id)
            )
            refusal = self._refusal(wanted, spent_today, spent_on_round)
            if refusal is None:
                await connection.execute(_RESERVE, *_reservation(call, day))
                spent_today = EXACT.add(spent_today, wanted)
        self._note(day, spent_today)
        return refusal

    async def settle(self, call: ModelCall) -> None:
        """Put the cost in the place of the reservation and store the call. The second time it changes nothing.

        A call without a reservation is booked all the same: what was spent counts.
        """
        day = to_datetime(call.started_at_ns).date()
        async with self._database.transaction("settling what a model cost") as connection:
            await connection.execute(_TURN)
            if await connection.fetchval(_SETTLE, *_reservation(call, day), call.cost_usd):
                await _store_call(connection, call)
            spent_today = await connection.fetchval(_SPENT + "day = $1", day)
        self._note(day, spent_today)

    def _refusal(self, wanted: Decimal, today: Decimal, on_round: Decimal) -> OverBudget | None:
        limits = self._limits
        if not wanted:
            return None
        day = today, limits.per_day_usd, "a day has no room until 00:00 UTC"
        for spent, limit, words in (day, (on_round, limits.per_decision_usd, "a decision has no room")):
            if EXACT.add(spent, wanted) > limit:
                needs = f"{spent:.4f} spent or set aside, {wanted:.4f} needed"
                return OverBudget(f"the models' budget of {limit:.2f} USD {words}: {needs}")
        return None

    def _note(self, day: date, spent: Decimal) -> None:
        """Keep the day's spending, and tell once a day that it has reached the mark."""
        if self._day is not None and day < self._day:
            return
        self._day, self._spent = day, spent
        if self.warning and self._told != day:
            self._told = day
            _log.warning(self.warning)


def round_of(request_id: str) -> str:
    """The questions of one decision: what stands before the last slash, or all of it."""
    return request_id.rpartition("/")[0] or request_id


def _reservation(call: ModelCall, day: date) -> tuple[Any, ...]:
    return call.call_id, day, call.session_id, round_of(call.request_id), call.model, call.reserved_usd


async def _store_call(connection: AnyConnection, call: ModelCall) -> None:
    *values, started_at_ns = structs.astuple(call)
    if stored := await connection.fetchval(_CALL, *values, to_datetime(started_at_ns)):
        await link(connection, "model_calls", stored)


_COSTS = """
SELECT day, model, count(*) AS calls, count(*) FILTER (WHERE cost_usd IS NULL) AS unsettled,
       coalesce(sum(cost_usd), 0) AS spent_usd,
       coalesce(sum(reserved_usd) FILTER (WHERE cost_usd IS NULL), 0) AS reserved_usd
FROM model_spending WHERE day > $1 AND day <= $2 GROUP BY day, model ORDER BY day DESC, model
"""


@dataclass(frozen=True, slots=True)
class ModelCost:
    """One model on one UTC day, USD. `reserved_usd` is set aside for calls that are not settled; it counts as spent."""

    day: date
    model: str
    calls: int
    unsettled: int
    spent_usd: Decimal
    reserved_usd: Decimal


@dataclass(frozen=True, slots=True)
class ModelCosts:
    """Days up to and with `today`, the latest first."""

    today: date
    costs: tuple[ModelCost, ...]

    @property
    def used_today(self) -> Decimal:
        """Spent and set aside."""
        return exact_sum(
            part for each in self.costs if each.day == self.today for part in (each.spent_usd, each.reserved_usd)
        )

    def left_today(self, per_day: Decimal) -> Decimal:
        """Of a budget; never below zero."""
        return max(Decimal(0), per_day - self.used_today)


async def read_model_costs(database: Database, today: date, days: int) -> ModelCosts:
    """The last `days` days, `today` among them."""
    found = await database.rows("reading what models cost", _COSTS, today - timedelta(days=days), today)
    return ModelCosts(today, tuple(ModelCost(**row) for row in found))


async def session_cost(database: Database, session_id: str) -> Decimal:
    """What the models of one session have cost, and what is set aside for calls that are not settled; USD."""
    query = "SELECT coalesce(sum(coalesce(cost_usd, reserved_usd)), 0) AS usd FROM model_spending WHERE session_id = $1"
    found = await database.row("reading what a session's models cost", query, session_id)
    return Decimal(0) if found is None else found["usd"]

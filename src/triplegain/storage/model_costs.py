"""What models have cost, read: by UTC day and model, and the calls themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from triplegain.domain.agent_records import ModelCall
from triplegain.storage.database import Database
from triplegain.storage.report_figures import exact_sum
from triplegain.storage.rows import read

_COSTS = """
SELECT day, model, count(*) AS calls, count(*) FILTER (WHERE cost_usd IS NULL) AS unsettled,
       coalesce(sum(cost_usd), 0) AS spent_usd,
       coalesce(sum(reserved_usd) FILTER (WHERE cost_usd IS NULL), 0) AS reserved_usd
FROM model_spending WHERE day > $1 AND day <= $2 GROUP BY day, model ORDER BY day DESC, model
"""
_CALLS = """
SELECT * FROM model_calls WHERE ($1::text IS NULL OR session_id = $1) AND ($2::text IS NULL OR request_id = $2)
ORDER BY started_at DESC, call_id LIMIT $3
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


async def read_model_calls(
    database: Database, *, session_id: str | None = None, request_id: str | None = None, limit: int = 100
) -> list[ModelCall]:
    """Calls that are over, the latest first."""
    found = await database.rows("reading the calls of models", _CALLS, session_id, request_id, limit)
    return [read(ModelCall, row) for row in found]

"""`models cost`: what models have cost by day and name, and what is left of today's budget."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triplegain.cli.client import JsonOption, tell

if TYPE_CHECKING:
    from rich.console import RenderableType

    from triplegain.storage.database import Database
    from triplegain.storage.model_ledger import ModelCosts


def cost(
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days back, today among them (UTC).")] = 7,
    as_json: JsonOption = False,
) -> None:
    """What models have cost, and what is left today. Money set aside for a call that never ended counts as spent."""
    from triplegain.cli.database import with_database
    from triplegain.config import load_config
    from triplegain.domain.clock import SystemClock, to_datetime
    from triplegain.storage.model_ledger import read_model_costs

    async def read(database: Database) -> ModelCosts:
        return await read_model_costs(database, to_datetime(SystemClock().now_ns()).date(), days)

    per_day = load_config().budget.per_day_usd
    found = with_database(read)
    tell(as_json, found, lambda found: costs_view(found, per_day), lambda found: costs_as_json(found, per_day))


def costs_as_json(found: ModelCosts, per_day: Decimal) -> dict[str, Any]:
    """Money as text; `costs` has a row for each day and model."""
    return {
        "today": found.today,
        "per_day_usd": per_day,
        "used_today_usd": found.used_today,
        "left_today_usd": found.left_today(per_day),
        "costs": found.costs,
    }


def costs_view(found: ModelCosts, per_day: Decimal) -> RenderableType:
    """For eyes: a line for each day and model, and what is left."""
    from rich.console import Group
    from rich.text import Text

    from triplegain.cli.tables import RIGHT, WARNING, WHOLE, table_of

    left = found.left_today(per_day)
    summary = Text(f"Today (UTC) {found.used_today:.4f} of {per_day:.2f} USD spent or set aside, ")
    summary.append(f"{left:.4f} left", style="" if left else WARNING)
    if not found.costs:
        return Group(Text("No model has been asked in these days."), summary)
    table = table_of(
        found.costs,
        ("day", "day", WHOLE),
        ("model", "model", WHOLE),
        ("calls", "calls", RIGHT),
        ("spent USD", lambda each: f"{each.spent_usd:.4f}", RIGHT),
        ("set aside USD", lambda each: f"{each.reserved_usd:.4f} in {each.unsettled}" if each.unsettled else "", RIGHT),
    )
    return Group(table, summary)

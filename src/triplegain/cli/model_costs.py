"""`models cost`: what models have cost by day and name, and what is left of today's budget."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triplegain.cli.client import JsonOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from triplegain.storage.database import Database
    from triplegain.storage.model_ledger import ModelCosts


def register(models: typer.Typer) -> None:
    """Add `cost` to the group `models`."""
    models.command("cost")(cost)


def cost(
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days back, today among them (UTC).")] = 7,
    as_json: JsonOption = False,
) -> None:
    """What models have cost, and what is left today. Money set aside for a call that never ended counts as spent."""
    from rich.console import Console

    from triplegain.cli.database import with_database
    from triplegain.cli.tables import print_json
    from triplegain.config import load_config
    from triplegain.domain.clock import SystemClock, to_datetime
    from triplegain.storage.model_ledger import read_model_costs

    async def read(database: Database) -> ModelCosts:
        return await read_model_costs(database, to_datetime(SystemClock().now_ns()).date(), days)

    per_day = load_config().budget.per_day_usd
    found = with_database(read)
    if as_json:
        print_json(costs_as_json(found, per_day))
    else:
        Console().print(costs_view(found, per_day))


def costs_as_json(found: ModelCosts, per_day: Decimal) -> dict[str, Any]:
    """Money as text; `costs` has a row for each day and model."""
    return {
        "today": found.today.isoformat(),
        "per_day_usd": per_day,
        "used_today_usd": found.used_today,
        "left_today_usd": found.left_today(per_day),
        "costs": [
            {
                "day": each.day.isoformat(),
                "model": each.model,
                "calls": each.calls,
                "unsettled": each.unsettled,
                "spent_usd": each.spent_usd,
                "reserved_usd": each.reserved_usd,
            }
            for each in found.costs
        ],
    }


def costs_view(found: ModelCosts, per_day: Decimal) -> RenderableType:
    """For eyes: a line for each day and model, and what is left."""
    from rich.console import Group
    from rich.text import Text

    from triplegain.cli.tables import WARNING, listing

    left = found.left_today(per_day)
    summary = Text(f"Today (UTC) {found.used_today:.4f} of {per_day:.2f} USD spent or set aside, ")
    summary.append(f"{left:.4f} left", style="" if left else WARNING)
    if not found.costs:
        return Group(Text("No model has been asked in these days."), summary)
    numbers = ("calls", "spent USD", "set aside USD")
    table = listing("day", "model", *numbers, right=numbers, whole=("day", "model"))
    for each in found.costs:
        reserved = f"{each.reserved_usd:.4f} in {each.unsettled}" if each.unsettled else ""
        table.add_row(each.day.isoformat(), each.model, str(each.calls), f"{each.spent_usd:.4f}", reserved)
    return Group(table, summary)

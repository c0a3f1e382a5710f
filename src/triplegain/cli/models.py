"""`models`: which language models there are, whether they answer, what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.app import interrupts
from triplegain.app.models import Ping, build_models, calls_per_day, read_roster
from triplegain.app.models import ping as ask
from triplegain.cli.client import JsonOption, tell
from triplegain.cli.database import open_database, with_database
from triplegain.cli.tables import GAIN, LOSS, QUIET, RIGHT, WARNING, WHOLE, roughly, table_of
from triplegain.config import home_dir, load_config, read_environment
from triplegain.domain.clock import SteadyClock, SystemClock, to_datetime
from triplegain.llm.local.installation import LOCAL_TINY
from triplegain.llm.local.supervisor import LocalModel
from triplegain.llm.roster import Availability, Roster
from triplegain.llm.spec import ModelSpec
from triplegain.storage.model_ledger import ModelCosts, ModelLedger, read_model_costs

LlmOption = Annotated[
    str, typer.Option("--llm", metavar="WORDS", help="auto, none, names with commas or ollama:MODEL, as for `paper`.")
]


def list_(llm: LlmOption = "auto", as_json: JsonOption = False) -> None:
    """Every configured model: who takes part, in which parts, who does not and why, and what a day costs at most."""
    config = load_config()
    roster = interrupts.run(read_roster(config, read_environment(), llm))
    calls = calls_per_day(config)
    tell(as_json, roster, lambda found: roster_view(found, calls), lambda found: roster_as_json(found, calls))


def ping(
    name: Annotated[str | None, typer.Argument(help="A model; without: every one that takes part.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask each model one tiny question. It costs what it costs. Exit code 1 if one does not answer."""
    pings = interrupts.run(_ping(name))
    tell(
        as_json, pings, lambda found: pings_view(found) if found else "No model takes part: `tg models list` says why."
    )
    if not pings or not all(each.answered for each in pings):
        raise typer.Exit(1)


async def _ping(name: str | None) -> list[Ping]:

    config, environ = load_config(), read_environment()
    async with AsyncExitStack() as stack:
        local = None
        if name == LOCAL_TINY.name:
            local = (await stack.enter_async_context(await LocalModel.start(home_dir()))).spec
        database = await stack.enter_async_context(open_database(config, home_dir()))
        ledger = ModelLedger(database, config.budget)
        models = await build_models(config, environ, ledger, SteadyClock(), name or "auto", local=local)
        stack.push_async_callback(models.aclose)
        return await ask(models.port, [spec.name for spec in models.roster.present], config.llm.ping_timeout_s)


def cost(
    days: Annotated[int, typer.Option(min=1, max=3660, help="So many days back, today among them (UTC).")] = 7,
    as_json: JsonOption = False,
) -> None:
    """What models have cost, and what is left today. Money set aside for a call that never ended counts as spent."""
    per_day, today = load_config().budget.per_day_usd, to_datetime(SystemClock().now_ns()).date()
    found = with_database(lambda database: read_model_costs(database, today, days))
    tell(as_json, found, lambda found: costs_view(found, per_day), lambda found: costs_as_json(found, per_day))


def roster_as_json(roster: Roster, calls: Mapping[str, int]) -> dict[str, Any]:
    """`price_*_usd` per million tokens, null where nobody knows it; `unnamed` are Ollama's that nobody asks."""
    return {
        "models": [
            {
                "name": each.spec.name,
                "provider": each.spec.provider,
                "id": each.spec.model,
                "takes_part": each.takes_part,
                "why_not": each.why_not or None,
                "roles": list(each.roles),
                "price_in_usd": _prices(each.spec)[0],
                "price_out_usd": _prices(each.spec)[1],
            }
            for each in roster.availability
        ],
        "unnamed": roster.unnamed,
        "day_usd_max": min(roster.day_usd(calls), roster.per_day_usd),
        "day_usd_without_budget": roster.day_usd(calls),
    }


def roster_view(roster: Roster, calls: Mapping[str, int]) -> RenderableType:
    """For eyes: a line for each model, and what a day costs."""

    def part(each: Availability) -> Text:
        parts = ", ".join(each.roles) or "yes, without a part"
        return Text(each.why_not, style=QUIET) if each.why_not else Text(parts, style=GAIN)

    table = table_of(
        roster.availability,
        ("Name", lambda each: each.spec.name, WHOLE),
        ("Provider", lambda each: each.spec.provider.value, WHOLE),
        ("Id", lambda each: each.spec.model),
        ("USD/M in", lambda each: roughly(_prices(each.spec)[0]), RIGHT),
        ("out", lambda each: roughly(_prices(each.spec)[1]), RIGHT),
        ("Takes part", part),
    )
    lines = roster.banner(calls)
    return Group(table, Text(lines[0]), *map(Text, roster.invitations), Text(lines[-1] if roster.present else ""))


def pings_view(pings: list[Ping]) -> RenderableType:
    """For eyes: a line for each model."""

    return table_of(
        pings,
        ("Name", "model", WHOLE),
        ("Answered", lambda each: Text(each.model_id) if each.answered else Text(each.failure, style=LOSS)),
        ("Seconds", lambda each: f"{each.latency_ns / 1e9:.2f}", RIGHT),
        ("Tokens in", "tokens_in", RIGHT),
        ("out", "tokens_out", RIGHT),
        ("USD", lambda each: roughly(each.cost_usd), RIGHT),
    )


def _prices(spec: ModelSpec) -> tuple[Decimal | None, Decimal | None]:
    """USD per million tokens in and out, of a small call: very long prompts cost more at some providers."""
    a_thousand = spec.cost_usd(1000, 0), spec.cost_usd(0, 1000)
    price_in, price_out = (None if cost is None else cost * 1000 for cost in a_thousand)
    return price_in, price_out


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

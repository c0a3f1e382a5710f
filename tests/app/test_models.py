"""From configuration and keys to models that can be asked."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.llm.asked import NOON_NS
from tests.llm.spending_memory import MemorySpending

from triplegain.app.models import RESOLVERS, build_models, calls_per_day, model_specs
from triplegain.config.tree import Config
from triplegain.domain.clock import ManualClock
from triplegain.llm.local.installation import LOCAL_TINY
from triplegain.llm.reply import ModelPort
from triplegain.llm.roster import ModelsError
from triplegain.llm.spec import ModelSpec

CONFIG = Config()
KEYS = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "DEEPSEEK_API_KEY": "c", "XAI_BEARER_API_KEY": "d"}


def test_every_configured_model_has_a_price() -> None:
    assert [spec.name for spec in model_specs(CONFIG) if spec.cost_usd(1000, 1000) is None] == []


async def test_keys_make_a_cast_and_a_banner() -> None:
    between: list[str] = []

    def through(port: ModelPort, specs: Mapping[str, ModelSpec]) -> ModelPort:
        between.extend(specs)
        return port

    words = "gpt,grok,deepseek,sonnet,opus"
    models = await build_models(CONFIG, KEYS, MemorySpending(), ManualClock(NOON_NS), words, through=through)
    await models.aclose()
    assert models.assigned.voters == tuple(words.split(","))
    assert [models.assigned.models[name] for name in ("social", "news", "technical")] == [("grok",), ("gpt",), ()]
    assert (models.assigned.models["conflict"], models.assigned.providers[RESOLVERS]) == ((RESOLVERS,), "deepseek")
    assert between == words.split(",")
    assert models.banner[0] == "Models: gpt, grok, deepseek, sonnet, opus (5 vote)"
    assert models.banner[-1].startswith("A day costs at most 5.00 USD (the budget; without it up to ")


async def test_nobody_is_a_cast_too() -> None:
    models = await build_models(CONFIG, KEYS, MemorySpending(), ManualClock(NOON_NS), "none")
    await models.aclose()
    assert (models.assigned.voters, models.assigned.models["conflict"], models.roster.present) == ((), (), ())
    with pytest.raises(ModelsError, match="DEEPSEEK_API_KEY"):
        await build_models(CONFIG, {}, MemorySpending(), ManualClock(NOON_NS), "deepseek")


async def test_the_tiny_model_is_told_how_little_it_can_read() -> None:
    tiny = LOCAL_TINY.spec("http://127.0.0.1:9/v1")
    models = await build_models(CONFIG, {}, MemorySpending(), ManualClock(NOON_NS), "local-tiny", local=tiny)
    await models.aclose()
    assert models.assigned.voters == ("local-tiny",)
    assert models.assigned.token_budgets == {"local-tiny": LOCAL_TINY.prompt_tokens}
    assert models.banner[-1] == "A day costs at most 0.00 USD."


def test_a_day_has_as_many_questions_as_the_schedule() -> None:
    calls = calls_per_day(CONFIG, symbols=3, assets=2)
    assert (calls["technical"], calls["regime"], calls["news"]) == (3 * 1440, 3 * 288, 2 * 48)
    assert (calls["decision"], calls["conflict"], calls["rebalance"]) == (72, 72, 0)

"""What a call costs, and the most it can cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.llm.asked import ask

from triplegain.llm.reply import Prompt, Tool
from triplegain.llm.schema import schema_text
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.wire import Question

OWN = ModelSpec("own", Provider.OPENAI, "own-1", price_in=Decimal(2), price_out=Decimal(10), max_output_tokens=1000)
LISTED = ModelSpec("opus", Provider.ANTHROPIC, "claude-opus-5-5")


def test_a_configured_price_is_taken_and_rounded_up() -> None:
    # 1 x 2 / 1e6; three searches of 0.01 more.
    assert OWN.cost_usd(1, 0) == Decimal("0.000002")
    assert OWN.cost_usd(1000, 100, 3) == Decimal("0.033")
    assert replace(OWN, price_in=Decimal("0.0001")).cost_usd(1, 0) == Decimal("0.000000001")


def test_a_listed_price_is_known_without_a_network() -> None:
    assert LISTED.cost_usd(10_000, 1000) == Decimal("0.06")


def test_another_address_is_another_seller() -> None:
    assert replace(LISTED, base_url="https://models.example").cost_usd(1, 1) is None


def test_nobody_knows_the_price_of_a_model_that_is_not_listed() -> None:
    assert replace(LISTED, model="claude-of-next-year").cost_usd(1, 1) is None
    assert ModelSpec("qwen", Provider.OLLAMA, "qwen3:8b").cost_usd(1, 1) is None


def test_local_costs_nothing() -> None:
    assert replace(LISTED, local=True).cost_usd(10**9, 10**9) == 0


def test_the_worst_case_counts_every_byte_the_longest_answer_and_every_search() -> None:
    asked = replace(ask("own"), prompt=Prompt("é" * 100, "x" * 800))
    question = Question.of(asked, OWN)
    # 200 + 800 bytes, the schema, and 32 for each of the three texts.
    tokens = 1000 + len(schema_text(asked.answer)) + 96
    assert question.tokens_in_max == tokens
    # A thousand for what the provider puts before it.
    tokens += 1000
    assert question.cost_usd_max == Decimal(2 * tokens + 10 * 1000) / 1_000_000
    searching = Question.of(replace(asked, tools=frozenset({Tool.WEB_SEARCH})), OWN)
    assert searching.cost_usd_max == Decimal(2 * (tokens + 18_000) + 10_000) / 1_000_000 + Decimal("0.03")

"""Who takes part, in which part, who does not and why, and what a day costs at most."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.llm.reply import Tool
from triplegain.llm.roster import ModelRole, ModelsError, Plan, Roster, keys_of, only_these
from triplegain.llm.spec import ModelSpec, Provider

TWO, TEN = Decimal(2), Decimal(10)


def paid(name: str, provider: Provider) -> ModelSpec:
    return ModelSpec(name, provider, f"{name}-1", price_in=TWO, price_out=TEN, max_output_tokens=1000)


QWEN = ModelSpec("qwen", Provider.OLLAMA, "qwen3:8b", local=True)
GPT, GROK = paid("gpt", Provider.OPENAI), paid("grok", Provider.XAI)
DEEPSEEK = paid("deepseek", Provider.DEEPSEEK)
SONNET, OPUS = paid("sonnet", Provider.ANTHROPIC), paid("opus", Provider.ANTHROPIC)
TINY = ModelSpec("local-tiny", Provider.LOCAL, "tiny", base_url="http://127.0.0.1:1/v1", local=True)
SIX = (QWEN, GPT, GROK, DEEPSEEK, SONNET, OPUS)
NAMES = ("technical", "regime", "social", "news", "decision", "conflict", "rebalance")
ROLE = {name: ModelRole(name) for name in NAMES} | {
    "social": ModelRole("social", frozenset({Tool.X_SEARCH})),
    "news": ModelRole("news", frozenset({Tool.WEB_SEARCH})),
    "decision": ModelRole("decision", all_play=True),
}
ROLES = {
    ROLE["technical"]: ("qwen",),
    ROLE["regime"]: ("qwen",),
    ROLE["social"]: ("gpt", "grok"),
    ROLE["news"]: ("deepseek", "gpt"),
    ROLE["decision"]: tuple(spec.name for spec in SIX),
    ROLE["conflict"]: ("deepseek", "sonnet"),
    ROLE["rebalance"]: ("deepseek",),
}
PLAN = Plan((*SIX, TINY), ROLES, Decimal(5), 6)
EVERY_KEY = set(Provider)


def roster(
    keys: set[Provider] = EVERY_KEY,
    installed: set[str] | None = {"qwen3:8b"},  # noqa: B006
    only: tuple[str, ...] | None = None,
    plan: Plan = PLAN,
) -> Roster:
    lists = {} if installed is None else {"http://127.0.0.1:11434": installed}
    return Roster.of(plan, keys, lists, only)


def present(found: Roster) -> list[str]:
    return [spec.name for spec in found.present]


def why_not(found: Roster, name: str) -> str:
    return next(each.why_not for each in found.availability if each.spec.name == name)


def test_with_every_key_and_ollama_the_six_take_part_and_the_tiny_one_does_not() -> None:
    found = roster()
    assert present(found) == ["qwen", "gpt", "grok", "deepseek", "sonnet", "opus"]
    assert found.roles["decision"] == tuple(present(found))
    # gpt cannot search X, deepseek cannot search at all.
    assert (found.roles["social"], found.roles["news"]) == (("grok",), ("gpt",))
    assert found.roles["conflict"] == ("deepseek", "sonnet")
    assert "--llm local-tiny" in why_not(found, "local-tiny")


def test_without_anything_nobody_takes_part_and_each_is_told_why() -> None:
    found = roster(keys=set(), installed=None)
    assert present(found) == []
    assert why_not(found, "gpt") == "OPENAI_API_KEY is not set"
    assert why_not(found, "grok") == "XAI_API_KEY or XAI_BEARER_API_KEY is not set"
    assert why_not(found, "qwen") == "no Ollama answers at http://127.0.0.1:11434"
    assert all(players == () for players in found.roles.values())
    banner = found.banner({"decision": 72})
    assert banner[0] == "No language model takes part: rules decide, and nothing is spent."
    assert len(banner) == 1 + 7


@pytest.mark.parametrize("installed", [set(), {"qwen3:4b"}, {"qwen3"}])
def test_another_model_of_ollama_is_no_substitute(installed: set[str]) -> None:
    assert why_not(roster(installed=installed), "qwen") == "Ollama does not have it: ollama pull qwen3:8b"


def test_a_model_that_nobody_named_is_told_of_with_the_words_that_name_it() -> None:
    found = roster(keys=set(), installed={"qwen3:8b", "llama3.2:3b", "hf.co/x/y:Q4"})
    assert present(found) == ["qwen"]
    assert found.unnamed == {"http://127.0.0.1:11434": ("hf.co/x/y:Q4", "llama3.2:3b")}
    (line,) = roster(keys=set(), installed={"llama3.2:3b", "mistral"}).invitations
    assert line == (
        "  Ollama at http://127.0.0.1:11434 has llama3.2:3b, mistral: asked only by name: --llm ollama:llama3.2:3b"
    )
    # A slash would be taken for the end of a round's name.
    assert found.invitations[0].endswith("mine: ollama:hf.co/x/y:Q4 under models in llm.yaml")
    assert line in roster(keys=set(), installed={"llama3.2:3b", "mistral"}).banner({"decision": 1})
    assert roster(only=("gpt",), installed={"llama3.2:3b"}).invitations == []


def test_a_model_named_on_the_command_line_votes_and_plays_what_nobody_else_does() -> None:
    named = ModelSpec("ollama:llama3.2:3b", Provider.OLLAMA, "llama3.2:3b", local=True)
    plan = Plan((*PLAN.specs, named), ROLES, Decimal(5), 6)
    found = roster(plan=plan, installed={"llama3.2:3b"}, only=("gpt", named.name))
    assert found.roles["decision"] == ("gpt", named.name)
    assert found.roles["technical"] == (named.name,)
    voters = [line for line in found.banner({"decision": 1}) if line.startswith("  vote of ")]
    assert voters == [
        "  vote of gpt: openai:gpt-1 at https://api.openai.com/v1",
        "  vote of ollama:llama3.2:3b: ollama:llama3.2:3b at http://127.0.0.1:11434, whoever listens there",
    ]


def test_a_model_whose_price_nobody_knows_does_not_take_part() -> None:
    nameless = ModelSpec("new", Provider.OPENAI, "gpt-of-next-year")
    found = roster(plan=Plan((nameless,), {ModelRole("decision", all_play=True): ("new",)}, Decimal(5), 6))
    assert "price_in_usd" in why_not(found, "new")


def test_only_the_named_take_part() -> None:
    found = roster(only=("sonnet", "gpt"))
    assert present(found) == ["gpt", "sonnet"]
    assert found.roles["decision"] == ("gpt", "sonnet")
    assert found.roles["conflict"] == ("sonnet",)
    assert found.roles["technical"] == ()
    assert roster(only=()).present == ()


def test_a_named_model_that_cannot_take_part_is_an_error_and_not_an_absence() -> None:
    with pytest.raises(ModelsError, match="sonnet: ANTHROPIC_API_KEY"):
        roster(keys={Provider.OPENAI}, only=("gpt", "sonnet"))
    with pytest.raises(ModelsError, match="no model is called gtp; there are qwen, gpt"):
        roster(only=("gtp",))


def test_the_tiny_model_plays_every_part_that_needs_no_search() -> None:
    found = roster(keys=set(), installed=None, only=("local-tiny",))
    alone = {role for role, players in found.roles.items() if players == ("local-tiny",)}
    assert alone == set(NAMES) - {"social", "news"}


def test_the_tiny_model_votes_beside_others_and_takes_no_part_from_them() -> None:
    found = roster(only=("local-tiny", "deepseek"))
    assert found.roles["decision"] == ("deepseek", "local-tiny")
    assert found.roles["conflict"] == ("deepseek",)
    assert found.roles["regime"] == ("local-tiny",)


def test_a_day_costs_what_its_questions_cost_or_the_budget() -> None:
    found = roster(only=("gpt", "grok"))
    # One question: 8 000 x 2 / 1e6 + 1 000 x 10 / 1e6 = 0.026. Three searches: 18 000 x 2 / 1e6 + 3 x 0.01 = 0.066.
    assert found.day_usd({"decision": 10}) == Decimal("0.52")
    assert found.day_usd({"news": 10}) == Decimal("0.92")
    assert found.day_usd({"conflict": 10, "technical": 1440}) == 0
    assert found.banner({"decision": 10})[-1] == "A day costs at most 0.52 USD."
    assert found.banner({"decision": 100})[-1] == "A day costs at most 5.00 USD (the budget; without it up to 5.20)."


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("auto", None),
        (" AUTO ", None),
        ("none", ()),
        ("local-tiny", ("local-tiny",)),
        ("gpt, opus", ("gpt", "opus")),
        ("GPT,", ("gpt",)),
        ("Ollama:Qwen3:8B, GPT", ("ollama:Qwen3:8B", "gpt")),
    ],
)
def test_words_of_the_command_line(words: str, names: tuple[str, ...] | None) -> None:
    assert only_these(words) == names


@pytest.mark.parametrize("words", ["", ",", "gpt,gpt", "auto,gpt", "none,gpt"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ModelsError):
        only_these(words)


def test_keys_come_from_the_environment_and_an_empty_one_is_none() -> None:
    environ = {"OPENAI_API_KEY": " a ", "ANTHROPIC_API_KEY": " ", "XAI_BEARER_API_KEY": "b", "DEEPSEEK_API_KEY": ""}
    assert keys_of(environ) == {Provider.OPENAI: "a", Provider.XAI: "b"}
    assert keys_of({"XAI_API_KEY": "first", "XAI_BEARER_API_KEY": "second"}) == {Provider.XAI: "first"}

"""`llm.yaml`: the language models, the parts they play, and what they may cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, PlainSerializer, create_model, model_validator

from triplegain.agents.registry import AGENTS
from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import Amount, AtLeastOne, Exact, Milliseconds, Section, Word
from triplegain.llm.spec import Provider, Thinking

#: Named by users, so it must not be one of ours.
RESERVED = frozenset({"auto", "none", "local-tiny"})

Temperature = Annotated[Exact, Field(ge=0, le=2)]
Tokens = Annotated[int, Field(ge=64, le=1_000_000)]


def _provider_and_id(text: str) -> str:
    provider, colon, model = text.strip().partition(":")
    known = [each.value for each in Provider if each is not Provider.LOCAL]
    if provider not in known or not colon or not model:
        raise ValueError(f"a model reads PROVIDER:ID, the provider one of {', '.join(known)}; this is {text!r}")
    return f"{provider}:{model}"


class ModelOptions(Section):
    """What is different for one model."""

    base_url: str = Field("", description="another address; its prices must then be given, too")
    temperature: Temperature | None = Field(None, description="instead of `answers.temperature`")
    max_output_tokens: Tokens | None = Field(None, description="instead of `answers.max_output_tokens`")
    context_tokens: Tokens | None = Field(None, description="instead of `answers.context_tokens`")
    thinking: Annotated[Thinking, Word] | None = Field(None, description="instead of `answers.thinking`")
    price_in_usd: Amount | None = Field(None, description="per million tokens of the prompt")
    price_out_usd: Amount | None = Field(None, description="per million tokens of the answer")
    local: bool | None = Field(None, description="true: it costs nothing; default: those of Ollama do not")

    @model_validator(mode="after")
    def _prices_come_in_pairs(self) -> ModelOptions:
        if (self.price_in_usd is None) is not (self.price_out_usd is None):
            raise ValueError("price_in_usd and price_out_usd belong together")
        return self


Models = Annotated[
    Mapping[str, Annotated[str, AfterValidator(_provider_and_id)]],
    AfterValidator(FrozenMapping),
    PlainSerializer(dict),
]
Options = Annotated[Mapping[str, ModelOptions], AfterValidator(FrozenMapping), PlainSerializer(dict)]
Names = tuple[str, ...]


class Answers(Section):
    """How every model answers, where `options` do not say otherwise."""

    temperature: Temperature = Field(Decimal(0), description="reasoning models ignore it")
    max_output_tokens: Tokens = Field(2000, description="thinking counts; a longer answer is a failure")
    context_tokens: Tokens = Field(16_384, description="prompt and answer together, for Ollama, which must be told")
    thinking: Annotated[Thinking, Word] = Field(Thinking.LOW, description="provider, off, low, medium or high")


class Search(Section):
    """Searching the web or X, for the models that read the news."""

    searches_max: AtLeastOne = Field(3, description="searches of one question")
    search_usd: Amount = Field(Decimal("0.01"), description="price of one")
    search_tokens: AtLeastOne = Field(6000, description="findings of one, for the reservation of money")


#: Who plays which part where `llm.yaml` does not say; nobody in those of further agents.
_USUAL: Mapping[str, Names] = {
    "technical": ("qwen",),
    "regime": ("qwen",),
    "social": ("grok",),
    "news": ("gpt",),
    "decision": ("qwen", "gpt", "grok", "deepseek", "sonnet", "opus"),
    "conflict": ("deepseek", "sonnet"),
    "rebalance": ("deepseek", "sonnet"),
}


class _Roles(Section):
    """Who plays which part; names of `models`. Where not all of them are asked, it is the first that can."""

    @model_validator(mode="after")
    def _without_repeats(self) -> Self:
        for agent in AGENTS:
            named = getattr(self, agent.name)
            if len(set(named)) != len(named):
                raise ValueError(f"a model is named twice in {agent.name}")
        return self


_ROLES: dict[str, Any] = {
    agent.name: (Names, Field(_USUAL.get(agent.name, ()), description=agent.about)) for agent in AGENTS
}
#: A key for each agent.
Roles = create_model("Roles", __base__=_Roles, **_ROLES)


class Budget(Section):
    """USD, over all sessions of one database. Reserved before a call leaves, settled after it."""

    per_day_usd: Amount = Field(Decimal(5), description="of a UTC day; then paid models rest until 00:00 UTC")
    warn_usd: Amount = Field(Decimal(4), description="from here on it is told")
    per_decision_usd: Amount = Field(Decimal("0.50"), description="of all the questions of one decision")

    @model_validator(mode="after")
    def _warns_before_the_end(self) -> Budget:
        if self.warn_usd > self.per_day_usd:
            raise ValueError(f"warn_usd ({self.warn_usd}) cannot be above per_day_usd ({self.per_day_usd})")
        return self


class ModelBreaker(Section):
    """Who fails again and again is left alone for a while; one for each model and each provider."""

    failures: AtLeastOne = Field(3, description="failures in a row that open it")
    open_s: AtLeastOne = Field(300, description="nobody asks for so long, then one call tries")


class Llm(Section):
    """The language models, the parts they play, and what they may cost. Keys stand in the environment."""

    models: Models = Field(
        FrozenMapping(
            {
                "qwen": "ollama:qwen3:8b",
                "gpt": "openai:gpt-6.1-terra",
                "grok": "xai:grok-4.7",
                "deepseek": "deepseek:deepseek-v4-pro",
                "sonnet": "anthropic:claude-sonnet-5-5",
                "opus": "anthropic:claude-opus-5-5",
            }
        ),
        description="name: PROVIDER:ID, the provider one of ollama, openai, anthropic, deepseek, xai",
    )
    options: Options = Field(
        FrozenMapping({}),
        description="what is different for a model, by its name: base_url, temperature, max_output_tokens, "
        "context_tokens, thinking, price_in_usd, price_out_usd (per million tokens), local",
    )
    answers: Answers = Answers()
    search: Search = Search()
    roles: Roles = Roles()
    budget: Budget = Budget()
    breaker: ModelBreaker = ModelBreaker()
    retry_pause_ms: Milliseconds = Field(500, description="wait before a failed call is made once more, and jitter")
    ping_timeout_s: AtLeastOne = Field(30, description="patience of `models ping`")

    @model_validator(mode="after")
    def _names_are_known(self) -> Llm:
        reserved = RESERVED & set(self.models)
        if reserved or any("," in name or "/" in name for name in self.models):
            raise ValueError(
                f"models: a name has no comma and no slash and is not one of {', '.join(sorted(RESERVED))}"
            )
        named = {name for agent in AGENTS for name in getattr(self.roles, agent.name)} | set(self.options)
        unknown = sorted(named - set(self.models))
        if unknown:
            raise ValueError(f"roles and options name {', '.join(unknown)}, which models does not")
        return self

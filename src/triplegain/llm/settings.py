"""The language models, the parts they play, and how they are asked. Keys stand in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.configured import AtOddsError, key, part, section
from triplegain.domain.written import AMOUNT, AT_LEAST_ONE, BOOLEAN, choice, exact, integer, optional, table, text
from triplegain.llm.spec import Provider, Thinking

#: Named by users, so it must not be one of ours.
RESERVED = frozenset({"auto", "none", "local-tiny"})

_TEMPERATURE = exact(ge=0, le=2)
_TOKENS = integer(ge=64, le=1_000_000)
_THINKING = choice(Thinking)


def _provider_and_id(written: str) -> str:
    provider, colon, model = written.strip().partition(":")
    known = [each.value for each in Provider if each is not Provider.LOCAL]
    if provider not in known or not colon or not model:
        raise ValueError(f"a model reads PROVIDER:ID, the provider one of {', '.join(known)}; this is {written!r}")
    return f"{provider}:{model}"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What is different for one model."""

    base_url: str = key("base_url", "", text(), "another address; its prices must then be given, too")
    temperature: Decimal | None = key("temperature", None, optional(_TEMPERATURE), "instead of `answers.temperature`")
    max_output_tokens: int | None = key(
        "max_output_tokens", None, optional(_TOKENS), "instead of `answers.max_output_tokens`"
    )
    context_tokens: int | None = key("context_tokens", None, optional(_TOKENS), "instead of `answers.context_tokens`")
    thinking: Thinking | None = key("thinking", None, optional(_THINKING), "instead of `answers.thinking`")
    price_in_usd: Decimal | None = key("price_in_usd", None, optional(AMOUNT), "per million tokens of the prompt")
    price_out_usd: Decimal | None = key("price_out_usd", None, optional(AMOUNT), "per million tokens of the answer")
    local: bool | None = key(
        "local", None, optional(BOOLEAN), "true: it costs nothing; default: those of Ollama do not"
    )

    def __post_init__(self) -> None:
        if (self.price_in_usd is None) is not (self.price_out_usd is None):
            raise AtOddsError("price_in_usd and price_out_usd belong together")


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How every model answers, where `options` do not say otherwise."""

    temperature: Decimal = key("temperature", 0, _TEMPERATURE, "reasoning models ignore it")
    max_output_tokens: int = key("max_output_tokens", 2000, _TOKENS, "thinking counts; a longer answer is a failure")
    context_tokens: int = key(
        "context_tokens", 16_384, _TOKENS, "prompt and answer together, for Ollama, which must be told"
    )
    thinking: Thinking = key("thinking", "low", _THINKING, "provider, off, low, medium or high")


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Searching the web or X, for the models that read the news."""

    searches_max: int = key("searches_max", 3, AT_LEAST_ONE, "searches of one question")
    search_usd: Decimal = key("search_usd", "0.01", AMOUNT, "price of one")
    search_tokens: int = key("search_tokens", 6000, AT_LEAST_ONE, "findings of one, for the reservation of money")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Limits of one process. A breaker opens after so many failures in a row, for so long."""

    reply_bytes_max: int = 1_000_000
    answer_chars_max: int = 20_000
    breaker_failures: int = key("breaker.failures", 3, AT_LEAST_ONE, "failures in a row that open it")
    breaker_open_s: int = key("breaker.open_s", 300, AT_LEAST_ONE, "nobody asks for so long, then one call tries")
    retry_pause_s: float = key(
        "retry_pause_ms", 500, integer(ge=0, le=600_000).into(lambda pause_ms: pause_ms / 1000),
        "wait before a failed call is made once more, and jitter",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`models` are PROVIDER:ID by name; `options` what is different for one of them."""

    models: Mapping[str, str] = key(
        "models",
        {
            "gpt": "openai:gpt-6.1-terra",
            "grok": "xai:grok-4.7",
            "deepseek": "deepseek:deepseek-v4-pro",
            "sonnet": "anthropic:claude-sonnet-5-5",
            "opus": "anthropic:claude-opus-5-5",
        },
        table(text(), text().where(_provider_and_id)),
        "name: PROVIDER:ID, the provider one of ollama, openai, anthropic, deepseek, xai",
    )
    options: Mapping[str, ModelOptions] = key(
        "options",
        {},
        table(text(), section(ModelOptions)),
        "what is different for a model, by its name: base_url, temperature, max_output_tokens, "
        "context_tokens, thinking, price_in_usd, price_out_usd (per million tokens), local",
    )
    answers: AnswerSettings = part(AnswerSettings, "answers")
    search: SearchSettings = part(SearchSettings, "search")
    client: ClientSettings = part(ClientSettings)
    ping_timeout_s: int = key("ping_timeout_s", 30, AT_LEAST_ONE, "patience of `models ping`")

    def __post_init__(self) -> None:
        reserved = RESERVED & set(self.models)
        if reserved or any("," in name or "/" in name for name in self.models):
            words = ", ".join(sorted(RESERVED))
            raise AtOddsError(f"models: a name has no comma and no slash and is not one of {words}")

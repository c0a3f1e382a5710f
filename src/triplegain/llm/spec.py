"""A model as it is configured: whom to ask, how, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Provider(StrEnum):
    """Who answers. `LOCAL` is a server of ours on this machine, speaking OpenAI's protocol."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    DEEPSEEK = "deepseek"
    XAI = "xai"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the configuration.

    `name` is ours and stays; `model` is the provider's id for it. `base_url` empty: the provider's own address.
    `temperature` None: the provider decides, as reasoning models demand. Prices are USD per million tokens; None:
    looked up by provider and id, and a model whose price nobody knows is refused unless `local`, which costs nothing.
    `context_tokens` is what prompt and answer may take together, where the provider must be told.
    """

    name: str
    provider: Provider
    model: str
    base_url: str = ""
    temperature: float | None = None
    max_output_tokens: int = 1024
    price_in: Decimal | None = None
    price_out: Decimal | None = None
    local: bool = False
    context_tokens: int = 16_384

"""A model as it is configured: whom to ask, how, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.llm.reply import Tool


class Provider(StrEnum):
    """Who answers. `LOCAL` is a server of ours on this machine, speaking OpenAI's protocol."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    DEEPSEEK = "deepseek"
    XAI = "xai"
    LOCAL = "local"

    @property
    def tools(self) -> frozenset[Tool]:
        """What the provider can do on its side before it answers."""
        return _TOOLS.get(self, frozenset())


class Thinking(StrEnum):
    """How much a model may think before it answers. `PROVIDER`: as the provider has it by default."""

    PROVIDER = "provider"
    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_TOOLS = {
    Provider.OPENAI: frozenset({Tool.WEB_SEARCH}),
    Provider.ANTHROPIC: frozenset({Tool.WEB_SEARCH}),
    Provider.XAI: frozenset({Tool.WEB_SEARCH, Tool.X_SEARCH}),
}

#: Where each provider is reached, unless the model says otherwise; LOCAL has no address before its server runs.
ADDRESSES = {
    Provider.OLLAMA: "http://127.0.0.1:11434",
    Provider.OPENAI: "https://api.openai.com/v1",
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.DEEPSEEK: "https://api.deepseek.com",
    Provider.XAI: "https://api.x.ai/v1",
    Provider.LOCAL: "",
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model of the configuration.

    `name` is ours and stays; `model` is the provider's id for it. `base_url` empty: the provider's own address.
    `temperature` None: the provider decides; reasoning models ignore it. Prices are USD per million tokens; None:
    looked up by provider and id, and a model whose price nobody knows is refused unless `local`, which costs nothing.
    `context_tokens` is what prompt and answer may take together, where the provider must be told. A request with
    tools may search `searches_max` times, at `search_usd` each and at most `search_tokens` of findings.
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
    thinking: Thinking = Thinking.PROVIDER
    searches_max: int = 3
    search_usd: Decimal = Decimal("0.01")
    search_tokens: int = 6_000

    @property
    def address(self) -> str:
        """Where it is reached, without a slash at the end."""
        return (self.base_url or ADDRESSES[self.provider]).rstrip("/")

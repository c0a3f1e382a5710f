"""A model as it is configured: whom to ask, how, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.money import EXACT, ceil_to
from triplegain.llm.reply import Tool

_MILLION = Decimal(1_000_000)
_STEP = Decimal("0.000000001")


class Provider(StrEnum):
    """Who answers. `LOCAL` is a server of ours on this machine, speaking OpenAI's protocol.

    `address` is where it is reached, unless the model says otherwise; LOCAL has none before its server runs.
    `key_variables` of the environment hold its key, the first that is set counts; without any it needs none. `listed`
    is its name in the price list, `tools` what it can do on its side before it answers.
    """

    address: str
    key_variables: tuple[str, ...]
    listed: str
    tools: frozenset[Tool]

    def __new__(
        cls, word: str, address: str = "", keys: tuple[str, ...] = (), listed: str = "", tools: tuple[Tool, ...] = ()
    ) -> Provider:
        provider = str.__new__(cls, word)
        provider._value_ = word
        provider.address, provider.key_variables, provider.listed = address, keys, listed
        provider.tools = frozenset(tools)
        return provider

    OLLAMA = "ollama", "http://127.0.0.1:11434"
    OPENAI = "openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",), "openai", (Tool.WEB_SEARCH,)
    ANTHROPIC = "anthropic", "https://api.anthropic.com", ("ANTHROPIC_API_KEY",), "anthropic", (Tool.WEB_SEARCH,)
    DEEPSEEK = "deepseek", "https://api.deepseek.com", ("DEEPSEEK_API_KEY",), "deepseek"
    XAI = (
        "xai", "https://api.x.ai/v1", ("XAI_API_KEY", "XAI_BEARER_API_KEY"), "x-ai",
        (Tool.WEB_SEARCH, Tool.X_SEARCH),
    )  # fmt: skip
    LOCAL = "local"


class Thinking(StrEnum):
    """How much a model may think before it answers. `PROVIDER`: as the provider has it by default."""

    PROVIDER = "provider"
    OFF = "off"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


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
        return (self.base_url or self.provider.address).rstrip("/")

    @property
    def whereabouts(self) -> str:
        """Who answers for it, and where: for whoever wants to know whose word it is."""
        nobody = "" if self.provider.key_variables else ", whoever listens there"
        return f"{self.provider.value}:{self.model} at {self.address}{nobody}"

    def cost_usd(self, tokens_in: int, tokens_out: int, searches: int = 0) -> Decimal | None:
        """USD for so many tokens, rounded up; None: nobody knows the price. Configured prices, else those of the list
        that comes with genai-prices (no network). Discounts for cached prompts are left out."""
        if self.local:
            return Decimal(0)
        if self.price_in is None or self.price_out is None:
            found = self._listed_usd(tokens_in, tokens_out)
        else:
            found = (tokens_in * self.price_in + tokens_out * self.price_out) / _MILLION
        return None if found is None else ceil_to(EXACT.add(found, searches * self.search_usd), _STEP)

    def _listed_usd(self, tokens_in: int, tokens_out: int) -> Decimal | None:
        if not self.provider.listed or self.base_url:
            # Another address is another seller.
            return None
        # A third of a second of importing.
        from genai_prices import Usage, calc_price

        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        try:
            return calc_price(usage, model_ref=self.model, provider_id=self.provider.listed).total_price
        except LookupError:
            return None

"""The providers' clients, built once per model, and one question to one of them. Importing this takes seconds.

Every client is told its address and key here, so that no variable of the environment redirects it, and never retries:
the retry budget is ours.
"""

from __future__ import annotations

import importlib
import ssl
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
from anthropic import AsyncAnthropic
from anthropic.types.beta import BetaMessage
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic_ai.direct import model_request
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.profiles.grok import grok_model_profile
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer, OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.deepseek import DeepSeekProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from triplegain.llm.response_cap import capped
from triplegain.llm.sdk_errors import wire_error
from triplegain.llm.sdk_messages import answer_of, messages_of, parameters_of, settings_of
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.wire import Question, WireAnswer

_CONNECT_S = 5.0
#: The deadline is the caller's; this only keeps a lost connection from being kept for ever.
_LIFE_S = 600.0
_NO_KEY = "none-needed"

#: Responses as they may come, so that what reads them is made before one comes.
_EXAMPLES: tuple[tuple[type[BetaMessage | ChatCompletion], dict[str, Any]], ...] = (
    (BetaMessage, {"content": [{"type": "text", "text": ""}], "usage": {"input_tokens": 1, "output_tokens": 1}}),
    (ChatCompletion, {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}], "usage": {}}),
)

# A reasoning model ignores the temperature, as its provider says. Nobody has to be told with every call.
warnings.filterwarnings("ignore", message="Sampling parameters", category=UserWarning)


class SdkModels:
    """Models by configuration, over one HTTP client; servers of this machine have another, without proxies."""

    def __init__(self, keys: Mapping[Provider, str], bytes_max: int) -> None:
        self._keys = keys
        self._bytes_max = bytes_max
        self._clients: dict[tuple[bool, bool], httpx2.AsyncClient] = {}
        self._built: dict[tuple[ModelSpec, bool], Model] = {}

    def prepare(self, specs: Iterable[ModelSpec]) -> None:
        """Build what the first question would: price lists, certificates, parsers of responses; a second of work."""
        for spec in specs:
            self._model(spec, searching=False)
            if spec.provider.tools:
                self._model(spec, searching=True)
        for response, example in _EXAMPLES:
            response.construct(**example)
        importlib.import_module("anyio._backends._asyncio")

    async def ask(self, question: Question, time_left_s: float) -> WireAnswer:
        """Send once. Raises WireError; cancel it when the time is over."""
        try:
            response = await model_request(
                self._model(question.spec, bool(question.tools)),
                messages_of(question),
                model_settings=settings_of(question, time_left_s, _CONNECT_S),
                model_request_parameters=parameters_of(question),
            )
            return answer_of(response, question)
        # The boundary to the clients: what they raise depends on what a server sent, and is no failure of ours.
        except Exception as error:
            raise wire_error(error, question.spec.provider) from error

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _model(self, spec: ModelSpec, searching: bool) -> Model:
        key = spec, searching
        if key not in self._built:
            self._built[key] = self._build(*key)
        return self._built[key]

    def _build(self, spec: ModelSpec, searching: bool) -> Model:
        secret = self._keys.get(spec.provider, _NO_KEY)
        http = self._client(spec.provider is not Provider.LOCAL, spec.address.startswith("https:"))
        if spec.provider is Provider.ANTHROPIC:
            anthropic = AsyncAnthropic(api_key=secret, base_url=spec.address, http_client=http, max_retries=0)
            return AnthropicModel(spec.model, provider=AnthropicProvider(anthropic_client=anthropic))
        provider = _provider(spec, AsyncOpenAI(api_key=secret, base_url=spec.address, http_client=http, max_retries=0))
        # Only this one of the two APIs lets a model search.
        return (OpenAIResponsesModel if searching else OpenAIChatModel)(spec.model, provider=provider)

    def _client(self, through_proxies: bool, encrypted: bool) -> httpx2.AsyncClient:
        key = through_proxies, encrypted
        if key not in self._clients:
            self._clients[key] = httpx2.AsyncClient(
                timeout=httpx2.Timeout(_LIFE_S, connect=_CONNECT_S),
                # A compressed answer could be small on the wire and endless in memory.
                headers={"accept-encoding": "identity"},
                event_hooks={"response": [capped(self._bytes_max)]},
                trust_env=through_proxies,
                # All certificates of the world are a tenth of a second of reading, and of no use without TLS.
                verify=True if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            )
        return self._clients[key]


def _provider(spec: ModelSpec, client: AsyncOpenAI) -> Any:
    match spec.provider:
        case Provider.OPENAI:
            return OpenAIProvider(openai_client=client)
        case Provider.DEEPSEEK:
            return DeepSeekProvider(openai_client=client)
        case Provider.XAI:
            strict = OpenAIModelProfile(json_schema_transformer=OpenAIJsonSchemaTransformer)
            grok = merge_profile(strict, grok_model_profile(spec.model))
            return OpenAICompatibleProvider("xai", openai_client=client, profile=lambda _: grok)
        case _:
            # A grammar is made of the schema: it can hold bounds, so the schema goes out as it is.
            whole = ModelProfile(supports_json_schema_output=True, json_schema_transformer=None)
            plain = merge_profile(whole, OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False))
            return OpenAICompatibleProvider("local", openai_client=client, profile=lambda _: plain)

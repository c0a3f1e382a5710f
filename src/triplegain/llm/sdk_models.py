"""The providers' clients, built once per model, and one question to one of them. Importing this takes seconds.

Every client is told its address and key here, so that no variable of the environment redirects it, and never retries:
the retry budget is ours.
"""

from __future__ import annotations

import importlib
import ssl
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import httpx
import httpx2
from anthropic import AsyncAnthropic
from anthropic.types.beta import BetaMessage
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic_ai import exceptions as failures
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolReturnPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.profiles.grok import grok_model_profile
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer, OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.deepseek import DeepSeekProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from triplegain.llm.reply import FailureKind, Tool
from triplegain.llm.response import (
    IDENTITY,
    OversizedResponseError,
    PackedResponseError,
    check_headers,
    check_length,
    check_values,
)
from triplegain.llm.spec import ModelSpec, Provider, Thinking
from triplegain.llm.wire import Finish, Question, WireAnswer, WireError, refused


def capped(bytes_max: int) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A hook for the responses of an HTTP client, which reads them whole.

    Raises PackedResponseError and OversizedResponseError for what nobody has to make anything of.
    """

    async def hook(response: httpx2.Response) -> None:
        check_headers(response.headers)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _CappedStream(response.stream, bytes_max)
        check_values(await response.aread())

    return hook


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        chunks: AsyncIterable[bytes] = self._stream
        async for chunk in chunks:
            read += len(chunk)
            check_length(read, self._bytes_max)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


_MESSAGE_LENGTH_MAX = 300
_RESPONSE_LENGTH_MAX = 4000
#: In these phases of a connection the question had not been sent.
_UNSENT = ("pool", "connect")


def wire_error(error: Exception, provider: Provider) -> WireError:
    """`error` in our terms. Whatever is not known to be free counts as charged."""
    if isinstance(error, WireError):
        return error
    found = _classified(error, provider.value)
    if isinstance(error, failures.ModelAPIError):
        found.retry_after_s = error.retry_after
        found.response = "" if error.body is None else str(error.body)[:_RESPONSE_LENGTH_MAX]
    return found


def _classified(error: Exception, name: str) -> WireError:
    said = _said(error)
    for cause in _causes(error):
        if isinstance(cause, OversizedResponseError):
            return WireError(FailureKind.OVERSIZED, f"{name} {cause}", charged=True)
        if isinstance(cause, PackedResponseError):
            return WireError(FailureKind.SERVER_ERROR, f"{name} {cause}", charged=True)
    match error:
        case failures.ModelRateLimitError():
            return WireError(FailureKind.RATE_LIMITED, f"{name} says too many requests{said}")
        case failures.ModelQuotaExceededError():
            return WireError(FailureKind.REJECTED, f"the account at {name} is used up{said}")
        case failures.ModelAuthenticationError():
            return WireError(FailureKind.REJECTED, f"{name} does not accept the key{said}")
        case failures.ModelContextWindowExceededError():
            return WireError(FailureKind.REJECTED, f"the prompt is too long for the model at {name}{said}")
        case failures.ModelRequestRejectedError():
            return WireError(FailureKind.REJECTED, f"{name} rejected the request{said}")
        case failures.ModelUnavailableError() | failures.ModelServerError():
            return WireError(FailureKind.SERVER_ERROR, f"{name} has a failure of its own{said}")
        case failures.ModelTimeoutError():
            return WireError(FailureKind.TIMEOUT, f"{name} did not answer in time", charged=error.phase not in _UNSENT)
        case failures.ModelRequestTimeout():
            return WireError(FailureKind.TIMEOUT, f"{name} did not answer in time", charged=True)
        case failures.ModelConnectionError():
            phase = f" ({error.phase})" if error.phase else ""
            unsent = error.phase in _UNSENT
            return WireError(FailureKind.CONNECTION, f"the connection to {name} failed{phase}", charged=not unsent)
        case failures.ModelHTTPError():
            return refused(error.status_code, name, said)
        case failures.ContentFilterError():
            return WireError(FailureKind.REFUSAL, f"{name} filtered the answer", charged=True)
        case failures.UserError():
            return WireError(FailureKind.UNAVAILABLE, f"this model cannot be asked like this: {error}")
        case _:
            reason = f"{name} sent something that is no response ({type(error).__name__})"
            return WireError(FailureKind.SERVER_ERROR, reason, charged=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _said(error: Exception) -> str:
    """`: 429 slow down`, from the response; empty where there is none."""
    status = str(error.status_code) if isinstance(error, failures.ModelHTTPError) else ""
    body = error.body if isinstance(error, failures.ModelAPIError) else None
    inner = body.get("error", body) if isinstance(body, dict) else body
    message = inner.get("message", "") if isinstance(inner, dict) else ""
    words = " ".join(f"{status} {message}".split())[:_MESSAGE_LENGTH_MAX]
    return f": {words}" if words else ""


_THINKING = {Thinking.OFF: False, Thinking.LOW: "low", Thinking.MEDIUM: "medium", Thinking.HIGH: "high"}


def messages_of(question: Question) -> list[ModelMessage]:
    """The turns, each of ours under the same instructions."""
    messages: list[ModelMessage] = []
    for turn in question.turns:
        if turn.by_model:
            messages.append(ModelResponse(parts=[TextPart(turn.text)]))
        else:
            messages.append(ModelRequest(parts=[UserPromptPart(turn.text)], instructions=question.system))
    return messages


def parameters_of(question: Question) -> ModelRequestParameters:
    """The schema as strictly as the provider takes it: a grammar, or for DeepSeek any JSON object."""
    spec = question.spec
    form = OutputObjectDefinition(question.schema, name=question.answer.__name__, strict=True)
    if spec.provider is Provider.DEEPSEEK:
        return ModelRequestParameters(output_mode="prompted", prompted_output_template=False, output_object=form)
    search = []
    if Tool.WEB_SEARCH in question.tools:
        # Only Anthropic lets us say how often.
        uses = spec.searches_max if spec.provider is Provider.ANTHROPIC else None
        search = [WebSearchTool(max_uses=uses)]
    return ModelRequestParameters(output_mode="native", output_object=form, native_tools=list(search))


def settings_of(question: Question, time_left_s: float, connect_s: float) -> Any:
    """Settings of one send. Providers keep nothing of it."""
    spec = question.spec
    settings: dict[str, Any] = {
        "max_tokens": spec.max_output_tokens,
        "max_retries": 0,
        "timeout": httpx.Timeout(time_left_s, connect=min(connect_s, time_left_s)),
        "framing_announcement": "never",
    }
    if spec.temperature is not None:
        settings["temperature"] = spec.temperature
    if spec.thinking is not Thinking.PROVIDER:
        settings["thinking"] = _THINKING[spec.thinking]
    if question.tools and spec.provider in (Provider.OPENAI, Provider.XAI):
        settings["openai_store"] = False
        if Tool.X_SEARCH in question.tools:
            settings["openai_native_tools"] = [{"type": "x_search"}]
        if spec.provider is Provider.OPENAI:
            settings["extra_body"] = {"max_tool_calls": spec.searches_max}
    return settings


def answer_of(response: ModelResponse, question: Question) -> WireAnswer:
    """What the model said. Words before its last search are not its answer. Raises WireError if it broke off."""
    text: list[str] = []
    for part in response.parts:
        if isinstance(part, NativeToolReturnPart):
            text.clear()
        elif isinstance(part, TextPart):
            text.append(part.content)
    if response.finish_reason == "error":
        raise WireError(FailureKind.SERVER_ERROR, "the provider broke off while answering", charged=True)
    finish = {"length": Finish.LENGTH, "content_filter": Finish.REFUSAL}.get(response.finish_reason or "", Finish.DONE)
    usage, known = response.usage, response.usage.input_tokens > 0
    searches = usage.details.get("web_search_requests", 0)
    if Tool.X_SEARCH in question.tools:
        # Nobody reports how often X was searched: as often as the reservation thinks, at least.
        searches = max(searches, question.spec.searches_max)
    return WireAnswer(
        text="".join(text),
        model_id=response.model_name or question.spec.model,
        finish=finish,
        tokens_in=usage.input_tokens if known else None,
        tokens_out=usage.output_tokens if known else None,
        searches=searches,
    )


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
                headers=IDENTITY,
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

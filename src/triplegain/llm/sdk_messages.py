"""A question in the terms of the providers' clients, and their response in ours."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolReturnPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.output import OutputObjectDefinition

from triplegain.llm.reply import FailureKind
from triplegain.llm.request import Tool
from triplegain.llm.spec import Provider, Thinking
from triplegain.llm.wire import Finish, Question, Role, WireAnswer, WireError

_THINKING = {Thinking.OFF: False, Thinking.LOW: "low", Thinking.MEDIUM: "medium", Thinking.HIGH: "high"}


def messages_of(question: Question) -> list[ModelMessage]:
    """The turns, each of ours under the same instructions."""
    messages: list[ModelMessage] = []
    for turn in question.turns:
        if turn.role is Role.USER:
            messages.append(ModelRequest(parts=[UserPromptPart(turn.text)], instructions=question.system))
        else:
            messages.append(ModelResponse(parts=[TextPart(turn.text)]))
    return messages


def parameters_of(question: Question) -> ModelRequestParameters:
    """The schema as strictly as the provider takes it: a grammar, or for DeepSeek any JSON object."""
    spec = question.spec
    form = OutputObjectDefinition(question.schema, name=question.schema_name, strict=True)
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

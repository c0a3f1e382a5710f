"""The key of a question: the same question has the same, everything that decides the answer changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel, Field
from tests.llm.asked import ask

from triplegain.llm.reply import Prompt, Tool
from triplegain.llm.spec import ModelSpec, Provider, Thinking
from triplegain.llm.wire import fingerprint

SPEC = ModelSpec("gpt", Provider.OPENAI, "gpt-1", temperature=0.0)


def test_who_asks_when_and_for_how_long_does_not_matter() -> None:
    asked = ask("gpt")
    later = replace(asked, request_id="other", session_id="b", agent="x", timeout_s=1, asked_at_ns=9)
    assert fingerprint(later, replace(SPEC, base_url="http://127.0.0.1:1")) == fingerprint(asked, SPEC)
    assert len(fingerprint(asked, SPEC)) == 64


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, name="gpt-again"),
        replace(SPEC, model="gpt-2"),
        replace(SPEC, provider=Provider.XAI),
        replace(SPEC, temperature=0.1),
        replace(SPEC, temperature=None),
        replace(SPEC, max_output_tokens=9),
        replace(SPEC, context_tokens=9),
        replace(SPEC, thinking=Thinking.HIGH),
    ],
)
def test_another_model_or_setting_is_another_question(changed: ModelSpec) -> None:
    assert fingerprint(ask("gpt"), changed) != fingerprint(ask("gpt"), SPEC)


def test_other_words_tools_or_schema_are_another_question() -> None:
    class Narrow(BaseModel):
        confidence_pct: int = Field(le=50)

    asked = ask("gpt")
    others = [
        replace(asked, prompt=Prompt("Vote.", "The market falls.")),
        replace(asked, prompt=Prompt("Vote!", asked.prompt.user)),
        replace(asked, tools=frozenset({Tool.WEB_SEARCH})),
        replace(asked, answer=Narrow),
    ]
    assert len({fingerprint(each, SPEC) for each in (asked, *others)}) == 5

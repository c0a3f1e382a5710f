"""One type per answer: what the prompt says, what is parsed and what is stored cannot differ."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from triplegain.agents.conflict import ConflictAnswer
from triplegain.agents.decision import VoteAnswer
from triplegain.agents.regime import RegimeAnswer
from triplegain.agents.sentiment import NewsAnswer, SocialAnswer
from triplegain.agents.technical import TechnicalAnswer
from triplegain.agents.typed_answer import Reasoning, TypedAnswer, answer_places, template
from triplegain.app.models import Pong
from triplegain.llm.schema import form_text, schema_text

ANSWERS: tuple[type[TypedAnswer], ...] = (
    TechnicalAnswer, RegimeAnswer, SocialAnswer, NewsAnswer, VoteAnswer, ConflictAnswer,
)  # fmt: skip
each_answer = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)


def samples(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Anything that the schema allows, read from nothing but the schema."""
    if "anyOf" in schema:
        return st.one_of([samples(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            assert schema["additionalProperties"] is False
            return st.fixed_dictionaries({name: samples(each) for name, each in schema["properties"].items()})
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "array":
            return st.lists(samples(schema["items"]), max_size=schema["maxItems"])
        case "null":
            return st.none()
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        case "string":
            return st.text("abc xyz", min_size=schema.get("minLength", 0), max_size=schema["maxLength"])
        case other:
            raise AssertionError(other)


@each_answer
@given(st.data())
def test_what_the_schema_in_the_prompt_allows_is_parsed_and_stored_as_it_was(
    answer: type[TypedAnswer], data: st.DataObject
) -> None:
    sample = data.draw(samples(json.loads(schema_text(answer))))
    try:
        parsed = answer.model_validate_json(json.dumps(sample), strict=True)
    except ValidationError as refused:
        # What no schema can say: a buy needs a stop, modify reduces.
        assert re.search("a buy needs stop_bps|it may only reduce", str(refused)), sample
        return
    stored = parsed.model_dump(mode="json")
    assert answer.model_validate(stored) == parsed
    assert {**stored, **texts(sample)} == sample


def texts(sample: dict[str, Any]) -> dict[str, Any]:
    """Fields of free text: blanks are cleaned there."""
    free = ("reasoning", "signals", "narratives", "events")
    return {name: value for name, value in sample.items() if name in free}


@each_answer
def test_the_schema_is_closed_whole_and_without_references(answer: type[TypedAnswer]) -> None:
    schema = json.loads(schema_text(answer))
    assert schema["required"] == list(schema["properties"]) == list(answer.model_fields)
    assert list(schema["properties"])[-1] == "reasoning"
    assert schema["additionalProperties"] is False
    text = schema_text(answer)
    assert not re.search(r'"\$ref"|"\$defs"|"title"|"default"|"number"', text)
    assert "hold" in schema["properties"].get("action", {"enum": ["hold"]})["enum"]


@each_answer
def test_the_schema_is_what_pydantic_parses_by(answer: type[TypedAnswer]) -> None:
    """Against the type's own schema, references followed by hand."""
    own = answer.model_json_schema()
    for name, field in json.loads(schema_text(answer))["properties"].items():
        theirs = own["properties"][name]
        if "$ref" in theirs:
            theirs = {**own["$defs"][theirs["$ref"].split("/")[-1]], **theirs}
        for keyword in ("type", "enum", "minimum", "maximum", "maxLength", "maxItems", "pattern"):
            assert field.get(keyword) == theirs.get(keyword), (name, keyword)


@each_answer
def test_the_form_names_every_field_in_order_and_what_it_takes(answer: type[TypedAnswer]) -> None:
    form = form_text(answer)
    assert re.findall(r'"(\w+)":', form) == list(answer.model_fields)
    assert answer_places(answer) == {"form": form, "schema": schema_text(answer)}


def test_forms_are_short_and_show_what_is_fixed() -> None:
    assert form_text(ConflictAnswer) == (
        '{"resolution":"proceed|wait|modify|abort","size_pct":1..100,"confidence_pct":0..100,'
        '"reasoning":"why, in a sentence or two"}'
    )
    assert form_text(VoteAnswer, {"symbol": "XRP/BTC"}).startswith(
        '{"snapshot":"as given","symbol":"XRP/BTC","action":'
    )
    assert form_text(Pong) == '{"word":"pong","sum":0..99}'


def test_an_answer_with_an_optional_field_or_late_reasoning_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="every field is required"):
        type("Loose", (TypedAnswer,), {"__annotations__": {"size": int, "reasoning": Reasoning}, "size": 5})
    with pytest.raises(TypeError, match="reasoning comes last"):
        type("Hasty", (TypedAnswer,), {"__annotations__": {"reasoning": Reasoning, "size": int}})


@pytest.mark.parametrize("name", ["technical", "regime", "social", "news", "decision", "conflict"])
def test_every_full_prompt_has_a_place_for_form_and_schema_and_none_of_them_by_hand(name: str) -> None:
    text = template(name)
    assert set(re.findall(r"\{\{(\w+)\}\}", text)) - {"sells"} == {"form", "schema"}
    assert "json" in text.lower() and '"type"' not in text

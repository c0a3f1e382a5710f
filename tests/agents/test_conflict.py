from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from tests.agents.made_answers import context, snapshot_with

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.conflict import (
    ConflictAnswer,
    ConflictKind,
    conflict_prompt,
    remaining_share,
)
from triplegain.agents.decision_context import context_json
from triplegain.llm.schema import schema_text


def answered(resolution: str, size_pct: Any = 100) -> ConflictAnswer:
    return ConflictAnswer.model_validate(
        {"resolution": resolution, "size_pct": size_pct, "confidence_pct": 50, "reasoning": "so"}
    )


@pytest.mark.parametrize(
    ("resolution", "size_pct", "share"),
    [
        ("proceed", 100, "1"),
        ("proceed", 30, "1"),
        ("modify", 99, "0.99"),
        ("modify", 1, "0.01"),
        ("wait", 50, "0"),
        ("abort", 50, "0"),
    ],
)
def test_what_is_left_of_a_trade(resolution: str, size_pct: int, share: str) -> None:
    assert remaining_share(answered(resolution, size_pct)) == Decimal(share)


@pytest.mark.parametrize("size_pct", [100, 101, 150, 0, -1, 50.0, "50", None, float("nan")])
def test_modify_may_only_reduce(size_pct: object) -> None:
    with pytest.raises(ValidationError):
        answered("modify", size_pct)


@pytest.mark.parametrize("word", ["PROCEED", "go", "", "reverse"])
def test_another_word_is_no_resolution(word: str) -> None:
    with pytest.raises(ValidationError):
        answered(word)


@pytest.mark.parametrize("kind", list(ConflictKind))
def test_the_prompt_says_what_was_decided_what_stands_against_it_and_for_which_account(kind: ConflictKind) -> None:
    trade = AgentAnswer(Action.BUY, Decimal("0.72"), "", Decimal("0.02"))
    prompt = conflict_prompt(kind, trade, snapshot_with(), '{"some":"snapshot"}', context())
    assert schema_text(ConflictAnswer) in prompt.system
    assert "Decided: buy BTC/USDT, confidence 72 %, stop 200 bps away, target none." in prompt.user
    assert context_json(context()) in prompt.user and prompt.user.endswith('{"some":"snapshot"}')


def test_every_conflict_is_told_in_other_words() -> None:
    trade = AgentAnswer(Action.BUY, Decimal("0.72"), "", Decimal("0.02"), Decimal("0.04"))
    said = {conflict_prompt(kind, trade, snapshot_with(), "{}", context()).user for kind in ConflictKind}
    assert len(said) == len(ConflictKind)

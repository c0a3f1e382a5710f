"""A seventh voter is configuration: a name in llm.yaml and a number in agents.yaml, through one decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.session.scripted_models import SIX

from triplegain.app.models import assigned_models, taped_roster
from triplegain.config import ConfigurationError, load_config
from triplegain.domain.clock import SECOND_NS
from triplegain.llm.reply import ModelAnswer, Usage

SEVEN = (*SIX, "mini")
#: Whole percent; their mean is 75, so that what agreement adds is seen.
CONFIDENCES = dict(zip(SEVEN, (60, 65, 70, 75, 80, 85, 90), strict=True))


def configure(folder: Path, voters: str) -> None:
    models = "".join(f"  {name}: openai:gpt-6.1-terra\n" for name in SEVEN)
    roles = f"roles: {{decision: [{', '.join(SEVEN)}], technical: [], regime: [], social: [], news: []}}\n"
    (folder / "llm.yaml").write_text(f"models:\n{models}{roles}")
    (folder / "agents.yaml").write_text(f"consensus: {{{voters}}}\n")


@pytest.mark.parametrize(
    ("agreeing", "action", "confidence"),
    [
        # All seven: mean 75 and 15. All but one (who says 60): 77.5 and 10. All but two (60, 65): 80 and 5.
        (7, "buy", "0.90"),
        (6, "buy", "0.875"),
        (5, "buy", "0.85"),
        # Four of seven valid are a majority, and add nothing: mean of 75, 80, 85, 90.
        (4, "buy", "0.825"),
        # Three of seven: the other four say hold, and that is agreed: mean of 60, 65, 70 and 75.
        (3, "hold", "0.675"),
    ],
)
def test_seven_models_from_configuration_take_one_decision(
    market: Callable[..., Any],
    open_session: Callable[..., Any],
    tmp_path: Path,
    agreeing: int,
    action: str,
    confidence: str,
) -> None:
    configure(tmp_path, "voters: 7")
    config = load_config({}, tmp_path)
    cast = assigned_models(taped_roster(config, "auto", frozenset(SEVEN)))
    assert cast.voters == SEVEN
    decision = config.decision.of_session(cast, rebalances=False)
    # Without analyses, which would move the confidence, too.
    decision = replace(
        decision, tasks=tuple(replace(task, after=()) for task in decision.tasks if task.name == "decision")
    )
    feed = market(seconds=20, past=True)
    session = open_session(feed, baseline=None, decision=decision)
    asked: list[Any] = []
    decisions: list[Any] = []
    for event in feed.events():
        session.on_event(event)
        if session.now_ns > feed.start_ns + 5 * SECOND_NS and not asked:
            session.decision_engine.request("decision", session.now_ns)
        for opened in session.rounds.take_undispatched():
            if opened.kind != "decision" or asked:
                continue
            asked.append(opened)
            for number, model in enumerate(SEVEN):
                value = {
                    **opened.echo,
                    "action": "buy" if number >= 7 - agreeing else "hold",
                    "confidence_pct": CONFIDENCES[model],
                    "stop_bps": 150,
                    "target_bps": 400,
                    "size_pct": 50,
                    "reasoning": "as told",
                }
                session.deliver(opened.round_id, model, ModelAnswer(value, f"{model}-1", Usage(SECOND_NS)))
        if session.must_commit or session.record.has_waiting:
            decisions += [each for each in session.take_batch(0, 0).decisions if each.details.get("votes")]
    (decision,) = decisions
    assert len(decision.details["votes"]) == 7
    assert decision.action == action
    assert decision.confidence == Decimal(confidence)


def test_a_seventh_name_without_the_number_is_refused_and_told_where_it_stands(tmp_path: Path) -> None:
    configure(tmp_path, "voters: 6")
    with pytest.raises(
        ConfigurationError, match=r"llm.roles.decision names 7 models, at most 6 decide: consensus.voters"
    ):
        load_config({}, tmp_path)

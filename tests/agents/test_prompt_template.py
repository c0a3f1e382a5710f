from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from triplegain.agents import typed_answer
from triplegain.agents.typed_answer import PromptTemplateError, filled, template


def test_a_template_that_is_missing_is_an_error_and_no_empty_prompt() -> None:
    with pytest.raises(PromptTemplateError, match=r"no_such\.md is missing"):
        template("no_such")


def test_every_place_must_be_filled_and_every_value_have_a_place() -> None:
    for wrong in ({}, {"form": "x", "other": "y"}, {"other": "y"}):
        with pytest.raises(PromptTemplateError, match="decision_brief"):
            filled("decision_brief", **wrong)


def test_what_is_put_in_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_answer, "template", lambda name: "{{one}} and {{two}} \\1")
    assert filled("any", one="{{two}}", two="\\g<0>{{one}}") == "{{two}} and \\g<0>{{one}} \\1"


def test_templates_are_found_from_any_folder(tmp_path: Path) -> None:
    code = "from triplegain.agents.typed_answer import template; print(len(template('decision')))"
    source = Path(typed_answer.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(source)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert int(done.stdout) > 500

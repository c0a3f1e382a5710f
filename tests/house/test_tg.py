"""The bootstrap: what can be checked of it without installing anything."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TG = ROOT / "tg"


@pytest.fixture
def tg() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("tg", str(TG))
    spec = importlib.util.spec_from_loader("tg", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_old_python_can_read_it_far_enough_to_say_so() -> None:
    ast.parse(TG.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_it_imports_only_the_standard_library() -> None:
    imported = set()
    for node in ast.walk(ast.parse(TG.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["-n", "3", "--dist", "worksteal"]),
        (["-k", "wallet"], ["-n", "3", "--dist", "worksteal", "-k", "wallet"]),
        (["-n0", "-x"], ["-n0", "-x"]),
        (["--pdb"], ["--pdb"]),
    ],
)
def test_arguments_go_to_pytest(
    tg: ModuleType, monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[str]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    assert tg.pytest_arguments(given) == passed


def test_paths_are_those_of_where_the_user_stands(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_x.py").touch()
    monkeypatch.chdir(tmp_path)
    assert tg.pytest_arguments(["-n0", "test_x.py::test_y"]) == ["-n0", f"{tmp_path / 'test_x.py'}::test_y"]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["paper", "--llm", "local-tiny"], True),
        (["paper", "--llm=local-tiny"], True),
        (["models", "ping", "local-tiny"], True),
        (["paper"], False),
        (["test", "-k", "local-tiny"], False),
    ],
)
def test_who_names_the_small_model_gets_it(
    tg: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wanted: bool
) -> None:
    steps: list[str] = []

    def set_up_main(level: str) -> object:
        steps.append("set up")
        return tg.Environment(tg.LEVELS)

    monkeypatch.setattr(tg, "set_up_main", set_up_main)
    monkeypatch.setattr(tg, "set_up_local_model", lambda: steps.append("model"))
    monkeypatch.setattr(tg, "hand_over", lambda *words: sys.exit(" ".join(steps)))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as handed_over:
        tg.main(arguments)
    assert handed_over.value.code == ("set up model" if wanted else "set up")


def test_what_was_compiled_is_kept_whatever_the_environment_says(
    tg: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(os, "execv", lambda program, words: told.append(os.environ.get("PYTHONDONTWRITEBYTECODE")))
    tg.hand_over("python", "-m", "triplegain")
    assert told == [None]


@pytest.mark.skipif(not (ROOT / ".venv" / ".installed").exists(), reason="this checkout was not set up by ./tg")
def test_once_set_up_it_hands_over_from_any_folder_and_returns_the_exit_code(tmp_path: Path) -> None:
    asked = [sys.executable, str(TG), "test", "-n0", "--no-such-option"]
    # It refuses the option without a plugin, too, and loads none first.
    environ = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(asked, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "no-such-option" in done.stderr

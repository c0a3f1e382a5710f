"""The bootstrap: what can be checked of it without installing anything."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
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


def test_a_stamp_counts_only_for_the_same_locks_and_a_living_environment(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tg, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(tg, "PYTHON", tmp_path / "python")
    assert tg.installed_level("abc") == -1
    (tmp_path / "stamp").write_text("test abc", encoding="utf-8")
    assert tg.installed_level("abc") == -1
    (tmp_path / "python").touch()
    assert tg.installed_level("abc") == 1
    assert tg.installed_level("other") == -1
    (tmp_path / "stamp").write_text("tes", encoding="utf-8")
    assert tg.installed_level("abc") == -1


def test_another_lock_is_another_installation(tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tg, "REQUIREMENTS", tmp_path)
    (tmp_path / "runtime.lock").write_text("a==1", encoding="utf-8")
    before = tg.digest()
    assert tg.digest() == before
    (tmp_path / "runtime.lock").write_text("a==2", encoding="utf-8")
    assert tg.digest() != before


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["-n", "auto", "--dist", "worksteal"]),
        (["-k", "wallet"], ["-n", "auto", "--dist", "worksteal", "-k", "wallet"]),
        (["-n0", "-x"], ["-n0", "-x"]),
        (["--pdb"], ["--pdb"]),
    ],
)
def test_arguments_go_to_pytest(tg: ModuleType, given: list[str], passed: list[str]) -> None:
    assert tg.pytest_arguments(given) == passed


def test_paths_are_those_of_where_the_user_stands(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_x.py").touch()
    monkeypatch.chdir(tmp_path)
    assert tg.pytest_arguments(["-n0", "test_x.py::test_y"]) == ["-n0", f"{tmp_path / 'test_x.py'}::test_y"]


def test_an_environment_apart_is_no_part_of_the_installation(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tg, "REQUIREMENTS", tmp_path)
    (tmp_path / "runtime.lock").write_text("a==1", encoding="utf-8")
    before = tg.digest()
    for name in tg.APART:
        (tmp_path / f"{name}.lock").write_text("b==1", encoding="utf-8")
    assert tg.digest() == before


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
    monkeypatch.setattr(tg, "set_up", lambda level: steps.append("set up"))
    monkeypatch.setattr(tg, "set_up_local_model", lambda: steps.append("model"))
    monkeypatch.setattr(tg, "hand_over", lambda *words: sys.exit(" ".join(steps)))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as handed_over:
        tg.main(arguments)
    assert handed_over.value.code == ("set up model" if wanted else "set up")


def apart(tg: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> list[str]:
    """The programs that a set-up runs in `folder`, instead of running them."""
    (folder / "requirements").mkdir()
    (folder / "requirements" / "local-model.lock").write_text("a==1", encoding="utf-8")
    ran: list[str] = []

    def run(*command: str | Path, **environment: str) -> None:
        words = [str(word) for word in command]
        ran.append(words[1])
        if words[1] == "venv":
            Path(words[-1]).mkdir(exist_ok=True)
        elif fails:
            sys.exit("tg: could not set up; no usable wheels")

    monkeypatch.setattr(tg, "ROOT", str(folder))
    monkeypatch.setattr(tg, "REQUIREMENTS", folder / "requirements")
    monkeypatch.setattr(tg, "UV_HOME", folder / ".uv")
    monkeypatch.setattr(tg, "bring_uv", lambda: None)
    monkeypatch.setattr(tg, "run", run)
    return ran


def test_the_small_model_is_installed_once_and_says_how_much_it_downloads(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = apart(tg, tmp_path, monkeypatch)
    tg.set_up_local_model()
    assert ran == ["venv", "pip"]
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert f"once; {tg.MODEL_MB} MB" in said.err
    assert said.out == ""
    tg.set_up_local_model()
    assert ran == ["venv", "pip"]
    assert capsys.readouterr().err == ""
    (tmp_path / "requirements" / "local-model.lock").write_text("a==2", encoding="utf-8")
    tg.set_up_local_model()
    assert ran == ["venv", "pip"] * 2


def test_a_platform_without_llama_cpp_is_told_so_and_is_not_taken_for_installed(
    tg: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(tg, tmp_path, monkeypatch, fails=True)
    with pytest.raises(SystemExit) as ended:
        tg.set_up_local_model()
    assert "no usable wheels" in str(ended.value.code)
    assert "everything else runs without it" in str(ended.value.code)
    assert not (tmp_path / ".venv-local-model" / ".installed").exists()


@pytest.mark.skipif(not (ROOT / ".venv" / ".installed").exists(), reason="this checkout was not set up by ./tg")
def test_once_set_up_it_hands_over_from_any_folder_and_returns_the_exit_code(tmp_path: Path) -> None:
    asked = [sys.executable, str(TG), "test", "-n0", "--no-such-option"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "no-such-option" in done.stderr

"""What `./tg` installs, where, and what becomes of it when it is interrupted, damaged, or another version comes.

The real bootstrap runs in processes of its own on a small checkout; only uv is a stand-in that needs no registry.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.app.paper_process import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = ("bootstrap", "runtime", "test", "dev", "conformance", "local-model")
#: Installs one package and the program's stand-in; what is asked of it is written down. The file `mood` says how it
#: goes: `fails`, or `hangs` in a child of its own.
UV = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
'''
import os, pathlib, subprocess, sys
root = pathlib.Path({root!r})
with open(root / "asked", "a") as asked:
    print(*sys.argv[1:], file=asked)
if sys.argv[1] == "venv":
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", sys.argv[-1]], check=True)
    sys.exit()
mood = (root / "mood").read_text() if (root / "mood").exists() else ""
python = pathlib.Path(sys.argv[sys.argv.index("--python") + 1])
packages = next(python.parent.parent.glob("lib/python3*")) / "site-packages"
if mood == "hangs":
    (packages / "half").touch()
    (root / "hanging").write_text(str(os.getpid()))
    sys.stdin.close()
    import signal
    signal.pause()
if mood == "fails":
    sys.exit(2)
(packages / "needed").mkdir(exist_ok=True)
(packages / "needed" / "__init__.py").write_text("")
"""
#: Says who runs it, and with `wait` goes on running.
PROGRAM = """
import sys
import needed
print(sys.prefix, flush=True)
if sys.argv[1:] == ["wait"]:
    sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    root: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.root / "tg"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.strip(), err

    def ran_in(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out

    def change(self, lock: str) -> None:
        with (self.root / "requirements" / f"{lock}.lock").open("a") as file:
            file.write("another==1\n")

    def mood(self, mood: str) -> None:
        (self.root / "mood").write_text(mood)

    @property
    def asked(self) -> list[str]:
        """The first words of what uv was asked."""
        return [line.split()[0] for line in (self.root / "asked").read_text().splitlines()]

    @property
    def installed(self) -> set[str]:
        return {str(path) for path in (self.root / ".venvs").glob("venv-*")}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    root = (tmp_path / "a checkout").resolve()
    (root / "requirements").mkdir(parents=True)
    (root / ".uv").mkdir()
    (root / "src" / "triplegain").mkdir(parents=True)
    (root / "src" / "triplegain" / "__main__.py").write_text(PROGRAM)
    shutil.copy(ROOT / "tg", root / "tg")
    for lock in LOCKS:
        (root / "requirements" / f"{lock}.lock").write_text(f"{lock}==1\n")
    pinned = hashlib.sha256((root / "requirements" / "bootstrap.lock").read_bytes()).hexdigest()[:16]
    uv = root / ".uv" / f"uv-{pinned}"
    uv.write_text(UV.format(python=sys.executable, root=str(root)))
    uv.chmod(0o755)
    yield Checkout(root)


def test_it_is_set_up_once_and_the_link_leads_to_it(checkout: Checkout) -> None:
    place = checkout.ran_in()
    assert checkout.installed == {place}
    assert str((checkout.root / ".venv").resolve()) == place
    assert checkout.ran_in() == place
    assert checkout.asked == ["venv", "pip"]


def test_another_lock_is_installed_beside_what_runs_and_removed_when_nothing_runs_in_it(checkout: Checkout) -> None:
    running = checkout.start("wait")
    assert running.stdout is not None
    before = running.stdout.readline().strip()
    checkout.change("runtime")
    after = checkout.ran_in()
    assert after != before
    assert checkout.installed == {before, after}
    assert str((checkout.root / ".venv").resolve()) == after
    running.communicate("")
    assert running.returncode == 0
    checkout.change("runtime")
    assert checkout.installed == {before, after}
    newest = checkout.ran_in()
    assert checkout.installed == {newest}


def test_the_link_leads_to_what_runs_last(checkout: Checkout) -> None:
    lock = checkout.root / "requirements" / "runtime.lock"
    written = lock.read_text()
    running = checkout.start("wait")
    assert running.stdout is not None
    before = running.stdout.readline().strip()
    checkout.change("runtime")
    after = checkout.ran_in()
    lock.write_text(written)
    assert checkout.ran_in() == before
    assert str((checkout.root / ".venv").resolve()) == before
    assert checkout.installed == {before, after}
    running.communicate("")


def test_an_environment_apart_is_no_part_of_the_installation(checkout: Checkout) -> None:
    place = checkout.ran_in()
    checkout.change("conformance")
    checkout.change("local-model")
    assert checkout.ran_in() == place
    code, _, said = checkout.run("--set-up-local-model")
    assert (code, said.count("\n")) == (0, 1)
    assert "once; 121 MB" in said
    assert checkout.run("--set-up-local-model") == (0, "", "")
    assert (checkout.root / ".venv-local-model" / ".installed").exists()
    # One kind does not remove another.
    assert checkout.ran_in() == place


def test_a_model_that_cannot_be_installed_says_what_it_needs(checkout: Checkout) -> None:
    checkout.mood("fails")
    code, _, said = checkout.run("--set-up-local-model")
    assert code == 1
    assert "everything else runs without it" in said
    assert not (checkout.root / ".venv-local-model").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_set_up_that_is_interrupted_leaves_nothing_running_and_heals(checkout: Checkout, number: int) -> None:
    checkout.mood("hangs")
    interrupted = checkout.start()
    hanging = checkout.root / "hanging"
    child = int(eventually(lambda: hanging.exists() and hanging.read_text(), "uv to hang"))
    interrupted.send_signal(number)
    interrupted.communicate(timeout=30)
    assert interrupted.returncode == 128 + number
    eventually(lambda: not Path(f"/proc/{child}").exists(), "uv to be gone")
    checkout.mood("")
    place = checkout.ran_in()
    assert checkout.installed == {place}
    assert "--reinstall" in (checkout.root / "asked").read_text().splitlines()[-1]


def test_a_package_that_went_missing_is_installed_again(checkout: Checkout) -> None:
    place = checkout.ran_in()
    shutil.rmtree(next(Path(place).glob("lib/python3*/site-packages/needed")))
    assert checkout.ran_in() == place
    assert checkout.asked == ["venv", "pip", "pip"]


def test_a_registry_out_of_reach_is_told_in_words_and_as_json(checkout: Checkout) -> None:
    checkout.mood("fails")
    code, _, said = checkout.run("paper")
    assert code == 1
    assert "run the same command again" in said
    assert "Traceback" not in said
    code, out, _ = checkout.run("paper", "--json")
    assert (code, json.loads(out)["error_code"]) == (1, "not_set_up")
    code, _, said = checkout.run("doctor")
    assert code == 1
    assert "fix   installation" in said


def test_a_checkout_that_cannot_be_written_is_refused_in_words(checkout: Checkout) -> None:
    # A file where a folder belongs stops root, too.
    shutil.rmtree(checkout.root / ".uv")
    (checkout.root / ".uv").touch()
    code, _, said = checkout.run()
    assert code == 1
    assert "nothing can be written there" in said
    assert "Traceback" not in said


def test_the_one_folder_of_an_earlier_version_gives_way_unless_something_runs_in_it(checkout: Checkout) -> None:
    earlier = checkout.root / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(earlier)], check=True)
    running = subprocess.Popen([earlier / "bin" / "python", "-c", "input()"], stdin=subprocess.PIPE)
    place = checkout.ran_in()
    assert not earlier.is_symlink()
    running.communicate(b"\n")
    assert checkout.ran_in() == place
    assert earlier.is_symlink()
    assert str(earlier.resolve()) == place

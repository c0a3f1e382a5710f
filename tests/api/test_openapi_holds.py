"""Whatever the running product answers stands in its OpenAPI: tried by a program that reads nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.app.paper_process import PaperHome, eventually

pytestmark = pytest.mark.slow

#: Not asked for: what is valid by its shape is refused for its meaning (an amount of 0, two ways to say how much), a
#: path beside one with a parameter names that one's methods, too.
_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "ignored_auth", "use_after_free",
)  # fmt: skip
#: The same resources of a session that is named are asked for first, and less: their handlers are the same. What ends
#: that session would end its name.
_NAMED = (
    "--include-path-regex", r"\{session\}|/sessions$", "--exclude-path", "/api/v1/sessions/{session}/paper/reset",
    "--phases", "fuzzing,stateful", "--max-examples", "3",
)  # fmt: skip
_UNNAMED = (
    "--exclude-path-regex", r"\{session\}",
    "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "20",
)  # fmt: skip
_ANY = 10_000_000
_LIMITS = ("address", "wrong_keys", "default", "reads", "trade", "cancel", "stop", "reset")


def test_no_answer_is_missing_in_the_openapi_and_none_is_a_fault_of_ours(tmp_path: Path) -> None:
    config, folder = tmp_path / "config", tmp_path / "home"
    for made in (config, folder):
        made.mkdir(mode=0o700)
    limits = ", ".join(f"{name}: {_ANY}" for name in _LIMITS)
    (config / "api.yaml").write_text(f"limits_per_minute: {{{limits}}}\n")
    home = PaperHome(folder, {"TRIPLEGAIN_CONFIG_DIR": str(config)})
    with home.running("paper", "--feed", "demo", "--llm", "none", "--session", "asked") as running:
        note = folder / "running" / "asked.json"
        eventually(note.exists, "the session")
        told = json.loads(note.read_text())
        url = f"http://{told['host']}:{told['port']}/api/v1"
        eventually(lambda: httpx.get(f"{url}/health", trust_env=False).is_success, "the API")
        key = (folder / "admin.key").read_text().strip()
        (tmp_path / "schemathesis.toml").write_text('[parameters]\n"path.session" = "asked"\n')
        environ = {**os.environ, "NO_PROXY": "*"}
        for some in (_NAMED, _UNNAMED):
            words: list[str | Path] = [
                Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json",
                "--header", f"Authorization: Bearer {key}", "--checks", ",".join(_CHECKS), *some, "--seed", "1",
                "--request-timeout", "45", "--no-color",
            ]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
            assert "Stateful (not applicable)" not in done.stdout
        assert not running.is_over
        assert running.interrupt().code == 0

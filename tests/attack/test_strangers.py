"""Other sites, names that lead here, guesses and haste: told apart from the owner, and named where they stop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.app.paper_process import PaperHome, eventually

from triplegain.api.address import running_sessions

pytestmark = pytest.mark.slow

_LIMITS = "limits_per_minute: {address: 40, wrong_keys: 5, reads: 100000}\n"
#: Nagle's algorithm and a delayed acknowledgement are 40.
_ANSWER_MS = 25


@pytest.fixture
def home(home: PaperHome, tmp_path: Path) -> PaperHome:
    config = tmp_path / "config"
    config.mkdir()
    (config / "api.yaml").write_text(_LIMITS)
    return PaperHome(home.path, {"TRIPLEGAIN_CONFIG_DIR": str(config)})


@pytest.fixture
def url(home: PaperHome) -> Iterator[str]:
    """Of a session that was started anew after it was killed, so that no key was ever shown to it."""
    words = ("paper", "--feed", "demo", "--llm", "none", "--session", "s")
    with home.running(*words) as running:
        eventually(lambda: running.is_over or any(running_sessions(home.path)), "the session")
        running.kill()
    with home.running(*words) as running:
        [found] = eventually(lambda: list(running_sessions(home.path)), "the session")
        address = f"http://127.0.0.1:{found.port}/api/v1"
        eventually(lambda: _status(address) == 200, "the API")
        yield address
        assert running.interrupt().code == 0


def _status(url: str, **headers: str) -> int:
    return httpx.get(f"{url}/health/live", headers=headers, trust_env=False).status_code


def test_other_names_other_pages_and_guesses_are_refused_and_the_owner_is_not(home: PaperHome, url: str) -> None:
    key = {"Authorization": f"Bearer {(home.path / 'admin.key').read_text().strip()}"}
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "2130706433", "[::ffff:1.2.3.4]"):
        assert _status(url, Host=host, **key) == 421, host
    for headers in (
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    ):  # fmt: skip
        assert _status(url, **headers, **key) == 403, headers
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as stranger:
        refused = [stranger.get("/paper/mode", headers={"Authorization": f"Bearer guess-{n}"}) for n in range(6)]
        assert [each.status_code for each in refused] == [401] * 5 + [429]
        assert refused[-1].json()["details"]["limit"] == "limits_per_minute.wrong_keys"
        while (answer := stranger.get("/health/live")).status_code == 200:
            pass
        assert (answer.status_code, answer.json()["details"]["limit"]) == (429, "limits_per_minute.address")
    with httpx.Client(base_url=url, headers=key, trust_env=False, timeout=30) as owner:
        took_ms = []
        for _ in range(50):
            began = time.perf_counter()
            assert owner.get("/paper/mode").status_code == 200
            took_ms.append(1000 * (time.perf_counter() - began))
        # The body of a refused request comes after its answer, and the next one is heard all the same.
        for _ in range(30):
            assert owner.post("/paper/nowhere", json={"quantity": "1"}).status_code == 404
            assert owner.get("/paper/mode").status_code == 200
    assert home.run("pause").code == 0
    assert min(statistics.quantiles(took_ms)) < _ANSWER_MS, took_ms

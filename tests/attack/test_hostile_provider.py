"""A provider that answers in every bad way there is, and a stranger on the port of Ollama."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import ask, database_of
from tests.app.thinking_models import write_config
from tests.attack.hostile_provider import HostileProvider
from tests.attack.watching import assert_rows_tame, assert_tame, ended, watched
from tests.yardstick import timed

pytestmark = pytest.mark.slow

KEYS = {
    "OPENAI_API_KEY": "sk-proj-Qm83nVxz71TbLw90", "ANTHROPIC_API_KEY": "sk-ant-Rr55pZyt26HcGd41",
    "DEEPSEEK_API_KEY": "dk-Nf62qWsv98JkMa73", "XAI_API_KEY": "xai-Bc14eUio30PlTg85",
}  # fmt: skip
_DAY_USD = 3
#: Among those that the calls come to.
_STATUSES = {"oversized", "server_error", "rejected", "invalid"}
#: Of a command that lists models; its own start, however busy the machine is, is in it.
_PEAK_MAX_MB, _START_MAX_S = 300, 25.0


def runs(key: str) -> list[str]:
    return [key[at : at + 8] for at in range(len(key) - 7)]


def statuses_of(home: PaperHome) -> set[str]:
    with database_of(home) as url:
        return {row["status"] for row in ask(url, "SELECT DISTINCT status FROM model_calls")}


def test_a_session_goes_on_whatever_its_models_send(home: PaperHome, tmp_path: Path) -> None:
    files: dict[str, dict[str, Any]] = {
        "llm": {"budget": {"per_day_usd": _DAY_USD, "warn_usd": 1, "per_decision_usd": 2}},
        "orchestration": {"votes": {"timeout_s": 1}, "tasks": {"decision": {"timeout_s": 5}}},
    }
    with HostileProvider().serving() as provider:
        config = write_config(tmp_path / "config", provider.url, **files)
        environ = {"TRIPLEGAIN_CONFIG_DIR": str(config), **KEYS}
        words = ("paper", "--feed", "demo", "--speed", "max", "--llm", "qwen,gpt,grok,deepseek,sonnet,opus", "--json")
        # The model of Ollama that is named must be there.
        provider_has(config)
        with watched(home, *words, environ=environ) as product:
            eventually(lambda: sum(provider.served.values()) > 3 or product.running.is_over, "the first questions", 90)
            assert not product.running.is_over, product.running.wait()
            product.begin()
            eventually(lambda: provider.is_through or product.running.is_over, "every way of answering", 120)
            # Where the machine is busy an answer comes too late, and that way of answering is met again.
            eventually(lambda: statuses_of(home) >= _STATUSES or product.running.is_over, "every status of a call")
            assert not product.running.is_over, product.running.wait()
            asked = (("decisions", "--json"), ("decisions",), ("agents", "show"), ("agents", "show", "--json"))
            shown = [home.run(*each, environ=environ) for each in asked]
            growth_mb, worst_ms = product.growth_mb, product.worst_ms
            ended = product.running.interrupt()
    sys.stdout.write(f"memory +{growth_mb:.1f} MB, longest callback {worst_ms:.0f} ms")
    for each in (ended, *shown):
        assert_tame(each.stdout, "stdout")
        assert_tame(each.stderr, "stderr")
    texts = assert_rows_tame(home)
    everything = "\n".join((ended.stdout, ended.stderr, *(text for each in texts.values() for text in each)))
    found = [part for key in KEYS.values() for part in runs(key) if part in everything]
    assert found == []
    with database_of(home) as url:
        (open_calls,) = ask(url, "SELECT count(*) FROM model_spending WHERE cost_usd IS NULL")
        (cost,) = ask(url, "SELECT sum(cost_usd) AS usd, max(cost_usd - reserved_usd) AS over FROM model_spending")
        lengths = "max(length(model_id)) AS id, max(length(reason)) AS why"
        (calls,) = ask(url, f"SELECT count(*) AS n, {lengths} FROM model_calls")
    assert open_calls["count"] == 0
    assert cost["usd"] <= _DAY_USD and cost["over"] <= 0
    assert calls["n"] >= len(HostileProvider.WAYS) and calls["id"] <= 201 and calls["why"] <= 501
    assert growth_mb < 50, growth_mb
    assert worst_ms < 100, product.told


@pytest.mark.parametrize("answer", ["bomb", "endless", "drip", "deep"])
def test_whoever_is_asked_what_models_he_has_neither_fills_the_memory_nor_holds_up_a_start(
    home: PaperHome, tmp_path: Path, answer: str
) -> None:
    with HostileProvider().serving() as provider:
        provider.tags = answer
        config = write_config(tmp_path / "config", provider.url)
        environ = {"TRIPLEGAIN_CONFIG_DIR": str(config)}
        with timed() as took:
            running = home.start("models", "list", "--llm", "qwen", environ=environ)
            _, most_mb = ended(running)
        assert provider.served["tags", answer]
    assert "qwen" in running.said + running.complained
    assert_tame(running.said + running.complained, "terminal")
    assert 0 < most_mb < _PEAK_MAX_MB
    assert took.seconds < _START_MAX_S


def provider_has(config: Path) -> None:
    """The provider lists evil:1b; the configuration's local model is called that."""
    file = config / "llm.yaml"
    file.write_text(file.read_text().replace("ollama:qwen3:8b", "ollama:evil:1b"))


def test_whoever_listens_on_the_port_of_ollama_is_told_of_and_has_no_vote(home: PaperHome) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 11434))
        except OSError:
            pytest.skip("somebody listens on port 11434 of this machine")
    with HostileProvider().serving(11434) as stranger:
        ran = home.run("paper", "--feed", "demo", "--duration", "5s", "--json", "--llm", "auto")
        assert ran.answer["feed"] == "demo"
        doctor = {each["check"]: each for each in json.loads(home.run("doctor", "--json").stdout)["checks"]}
        listed = home.run("models", "list").stdout
    assert set(stranger.served) == {("tags", "list")}
    line = "Ollama at http://127.0.0.1:11434 has evil:1b: asked only by name: --llm ollama:evil:1b"
    assert "No language model takes part" in ran.stderr and line in ran.stderr
    assert line in doctor["language models"]["action"]
    assert line in " ".join(listed.split())
    assert_tame(ran.stderr + listed, "terminal")

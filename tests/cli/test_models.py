"""`models list` and `models ping`: who takes part and why not, and whether they answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Tg
from tests.llm.fake_provider import Do, FakeProvider

from triplegain.llm.spec import Provider

PONG = '{"word":"pong","sum":5}'


@pytest.fixture(autouse=True)
def no_keys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for names in (provider.key_variables for provider in Provider):
        for name in names:
            monkeypatch.setenv(name, "")


@contextmanager
def serving(fake: FakeProvider) -> Iterator[str]:
    """The fake server in a thread of its own; a command brings its own event loop."""
    up, down = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with fake:
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(10)
    try:
        yield fake.url
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(10)
        loop.close()


def configured(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of a config folder of our own, served at `url`: gpt is paid for, qwen is Ollama's."""
    (folder / "config").mkdir()
    (folder / "config" / "llm.yaml").write_text(
        f"""
models: {{gpt: openai:some-model, qwen: ollama:qwen3:8b}}
options:
  gpt: {{base_url: {url}/v1, price_in_usd: 2, price_out_usd: 10}}
  qwen: {{base_url: {url}}}
roles: {{technical: [qwen], regime: [], social: [], news: [gpt], decision: [qwen, gpt], conflict: [gpt], rebalance: []}}
retry_pause_ms: 0
""",
        encoding="utf-8",
    )
    monkeypatch.setenv("TRIPLEGAIN_CONFIG_DIR", str(folder / "config"))


def test_without_keys_each_model_says_what_it_lacks(tg: Tg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, "http://127.0.0.1:9", monkeypatch)
    listed = tg("models", "list", "--json").json
    assert {each["name"]: each["why_not"] for each in listed["models"]} == {
        "gpt": "OPENAI_API_KEY is not set",
        "qwen": "no Ollama answers at http://127.0.0.1:9",
    }
    assert listed["day_usd_max"] == "0"
    assert "rules decide" in tg("models", "list").out
    assert tg("models", "ping").code == 1
    refused = tg("models", "list", "--llm", "gpt")
    assert (refused.code, "OPENAI_API_KEY" in refused.err) == (2, True)


def test_those_who_take_part_are_listed_with_part_and_price(
    tg: Tg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-0123456789")
    with serving(FakeProvider()) as url:
        configured(tmp_path, url, monkeypatch)
        listed = tg("models", "list", "--json").json
        shown = tg("models", "list").out
    gpt, qwen = listed["models"]
    assert (gpt["roles"], gpt["price_in_usd"], gpt["price_out_usd"]) == (["news", "decision", "conflict"], "2", "10")
    assert (qwen["roles"], qwen["price_in_usd"]) == (["technical", "decision"], "0")
    assert listed["day_usd_max"] == "5"
    assert "A day costs at most 5.00 USD" in shown
    assert "secret" not in shown


def test_a_ping_is_answered_paid_for_and_put_down(
    tg: Tg, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-0123456789")
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", database_url)
    fake = FakeProvider(PONG)
    with serving(fake) as url:
        configured(tmp_path, url, monkeypatch)
        gpt, qwen = tg("models", "ping", "--json").json
        fake.script = [Do.REJECT]
        failed = tg("models", "ping", "gpt")
    # 812 x 2 / 1e6 + 64 x 10 / 1e6
    assert (gpt["model"], gpt["answered"], gpt["cost_usd"]) == ("gpt", True, "0.002264")
    assert (qwen["answered"], qwen["cost_usd"], qwen["tokens_in"]) == (True, "0", 812)
    assert failed.code == 1
    assert "this request is no request" in failed.out
    costs = tg("models", "cost", "--json").json
    assert {each["model"]: (each["calls"], each["spent_usd"]) for each in costs["costs"]} == {
        "gpt": (2, "0.002264"),
        "qwen": (1, "0"),
    }

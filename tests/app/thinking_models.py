"""Six models behind a fake server of all their wire formats, and paper systems that ask them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from tests.llm.fake_provider import Do, FakeProvider

from triplegain.app.opening import PaperOptions
from triplegain.app.paper_system import PaperSystem
from triplegain.config import load_config
from triplegain.domain.clock import SystemClock
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

SIX = ("qwen", "gpt", "grok", "deepseek", "sonnet", "opus")
#: The ids by which the fake server knows whom it plays; the names of the configuration are ours.
_IDS = {
    "qwen": "ollama:qwen3:8b",
    "gpt": "openai:gpt-6.1-terra",
    "grok": "xai:grok-4.7",
    "deepseek": "deepseek:deepseek-v4-pro",
    "sonnet": "anthropic:claude-sonnet-5-5",
    "opus": "anthropic:claude-opus-5-5",
}
_NAMES = {words.partition(":")[2]: name for name, words in _IDS.items()}
KEYS = {
    f"{provider}_API_KEY": f"key-of-{provider}-0123456789" for provider in ("OPENAI", "ANTHROPIC", "DEEPSEEK", "XAI")
}

_VOTE = re.compile(r'Vote on (\S+)\. Answer with "snapshot":"([0-9a-f]{12})"')
_OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "technical analyst": (
        "technical",
        {"trend": "sideways", "strength_pct": 10, "alignment_pct": None, "momentum_pct": 0, "support_bps": None}
        | {"resistance_bps": None, "signals": [], "bias": "neutral", "confidence_pct": 20},
    ),
    "in which regime": ("regime", {"regime": "ranging", "confidence_pct": 50}),
    "how people on X": ("social", {"score_pct": None, "confidence_pct": 0, "narratives": []}),
    "what the news mean": ("news", {"score_pct": None, "confidence_pct": 0, "events": []}),
    "A trade was decided": ("conflict", {"resolution": "proceed", "size_pct": 100, "confidence_pct": 60}),
    "has drifted": ("rebalance", {"mode": "defer", "confidence_pct": 60}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `number` counts the questions of this kind about this symbol to this model, from 1; asking once
    more after a failure does not count. `good` is an answer without fault, which holds."""

    model: str
    kind: str
    symbol: str
    snapshot: str
    number: int
    good: Mapping[str, Any]

    def vote(self, action: str, **changes: Any) -> str:
        """A valid vote: a buy with a stop of 1.5 % and a target of 4 %, unless `changes` say otherwise."""
        levels = {"stop_bps": 150, "target_bps": 400} if action == "buy" else {}
        return json.dumps({**self.good, "action": action, "confidence_pct": 85, **levels, **changes})

    def chance(self) -> int:
        """From 0 to 99, the same whenever the same question is put to the same model."""
        return hashlib.sha256(f"{self.model}/{self.snapshot}".encode()).digest()[0] % 100


def leans(asked: Asked) -> str | None:
    """Votes that lean one way at a time, most of them, so that there are majorities and trades both ways."""
    if asked.kind != "decision":
        return None
    way = hashlib.sha256(f"{asked.symbol}/{asked.number}".encode()).digest()[0] % 100
    leaning = "buy" if way < 50 else "sell" if way < 75 else "hold"
    return asked.vote(leaning if asked.chance() < 85 else "hold")


#: What a model does about a question: a text it answers with, a fault, or None for the good answer.
Says = Callable[[Asked], str | Do | None]


@dataclass
class ThinkingServer(FakeProvider):
    """Reads the question and answers by `says`, after `wait_s(asked)` seconds."""

    says: Says = lambda asked: None
    wait_s: Callable[[Asked], float] = lambda asked: 0.0
    asked: list[Asked] = field(default_factory=list)
    _seen: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = self._read(body)
        self.asked.append(asked)
        self.calls.append({"path": request.path})
        wait_s = self.wait_s(asked)
        if wait_s:
            await asyncio.sleep(wait_s)
        said = self.says(asked)
        self.answer = json.dumps(asked.good)
        if isinstance(said, Do):
            return await self._misbehave(said, request, body)
        return self._spoken(request.path, body, self.answer if said is None else said, None)

    def _read(self, body: dict[str, Any]) -> Asked:
        text = "\n".join(_texts(body))
        model = _NAMES[body["model"]]
        vote = _VOTE.search(text)
        if vote is not None:
            symbol, snapshot = vote.groups()
            good = {"snapshot": snapshot, "symbol": symbol, "action": "hold", "confidence_pct": 60, "stop_bps": None}
            good |= {"target_bps": None, "size_pct": 100, "reasoning": f"{model} thinks so"}
            seen = self._seen.setdefault((model, "decision", symbol), [])
            if snapshot not in seen:
                seen.append(snapshot)
            return Asked(model, "decision", symbol, snapshot, seen.index(snapshot) + 1, good)
        kind, good = next(found for words, found in _OTHERS.items() if words in text)
        return Asked(model, kind, "", "", 0, {**good, "reasoning": f"{model} thinks so"})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@contextmanager
def served(server: ThinkingServer) -> Iterator[ThinkingServer]:
    """The server in a thread of its own, for tests that wait for processes."""
    loop, ready, ending = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server:
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield server
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


def write_config(folder: Path, url: str, **files: Mapping[str, Any]) -> Path:
    """A configuration whose six models are at `url`, decide every 20 s and have 3 s for it; `files` are put over it."""
    options = {
        name: {
            "base_url": url if words.partition(":")[0] in ("ollama", "anthropic") else f"{url}/v1",
            **({} if name == "qwen" else {"price_in_usd": 2, "price_out_usd": 10}),
        }
        for name, words in _IDS.items()
    }
    # Analysts by rules, so that the only questions are those the tests are about.
    roles: dict[str, list[str]] = {part: [] for part in ("technical", "regime", "social", "news")}
    roles["decision"] = list(SIX)
    usual: dict[str, dict[str, Any]] = {
        "llm": {"models": _IDS, "options": options, "retry_pause_ms": 1, "roles": roles, "breaker": {"failures": 99}},
        "orchestration": {
            "tasks": {"decision": {"interval_s": 20, "timeout_s": 10}},
            "votes": {"timeout_s": 3, "strong_signal_pct": 101},
        },
        "portfolio": {"rebalance": {"enabled": False}},
        "api": {"limits_per_minute": {"trade": 100_000, "reads": 100_000}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in {*usual, *files}:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_over(usual.get(name, {}), files.get(name, {}))))
    return folder


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        merged[name] = _over(merged[name], value) if isinstance(merged.get(name), dict) else value
    return merged


@dataclass(frozen=True, slots=True)
class ThinkingPaper:
    """A paper system on the demo market with a database of its own, run in this process."""

    system: PaperSystem
    database: Database
    reader: SessionReader

    async def rows(self, table: str, order: str = "number") -> list[dict[str, Any]]:
        session = self.system.opened.record.session_id
        found = await self.database.rows(
            "looking", f"SELECT * FROM {table} WHERE session_id = $1 ORDER BY {order}", session
        )
        return [dict(row) for row in found]

    async def outcome(self) -> dict[str, Any]:
        """Everything two runs of the same market and the same answers have in common."""
        hashes = await self.reader.hashes(self.system.opened.record.session_id)
        told = {"session_id", "recorded_at"}
        found: dict[str, Any] = {"fills": hashes.fills_sha256, "ledger": hashes.ledger_sha256}
        for table in ("paper_decisions", "paper_votes", "paper_analyses"):
            rows = await self.rows(table)
            found[table] = [{name: value for name, value in row.items() if name not in told} for row in rows]
        return found


@asynccontextmanager
async def thinking_paper(
    url: str, config_dir: Path, home: Path, *, environ: Mapping[str, str] = KEYS, **options: Any
) -> AsyncIterator[ThinkingPaper]:
    """Opened, on the demo market at full speed with every model, unless the options of `paper` say otherwise; the
    caller runs it."""
    clock, database = SystemClock(), await Database.connect(url)
    store, reader = SessionStore(database, clock), SessionReader(database)
    chosen = PaperOptions(**{"feed": "demo", "speed": "max", "llm": "auto", **options})
    system = PaperSystem(chosen, load_config({}, config_dir), home, database, store, reader, clock, environ)
    try:
        await system.open()
        yield ThinkingPaper(system, database, reader)
    finally:
        await system.models.aclose()
        await store.close()
        await database.close()

"""A question, its answer's type, and a client that puts it to the fake server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field
from tests.llm.fake_provider import FakeProvider
from tests.llm.spending_memory import MemorySpending

from triplegain.domain.clock import Clock, ManualClock
from triplegain.llm.client import ModelClient
from triplegain.llm.reply import ModelRequest, Prompt, Tool
from triplegain.llm.settings import ClientSettings
from triplegain.llm.spec import ModelSpec, Provider

#: 2026-11-25 12:00 UTC.
NOON_NS = 1_795_608_000 * 10**9
SECRETS = {provider: f"secret-of-{provider}-0123456789" for provider in Provider}
PRICE_IN, PRICE_OUT = Decimal(2), Decimal(10)
ECHO = {"snapshot": "abc123", "symbol": "BTC/USDT"}


class Vote(BaseModel):
    snapshot: str
    symbol: str
    action: Literal["buy", "sell", "hold"]
    confidence_pct: int = Field(ge=0, le=100)
    move_pct: float
    stop_bps: int | None = Field(ge=1, le=2000)
    reasoning: str = Field(max_length=300)


GOOD: dict[str, Any] = {
    "snapshot": "abc123",
    "symbol": "BTC/USDT",
    "action": "hold",
    "confidence_pct": 60,
    "move_pct": 0.5,
    "stop_bps": None,
    "reasoning": "nothing is clear",
}
GOOD_TEXT = json.dumps(GOOD)


def good_but(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def spec_of(provider: Provider, fake: FakeProvider, **changes: Any) -> ModelSpec:
    """A model of `provider` at the fake server; 2 USD in, 10 USD out per million tokens, unless it is local."""
    local = provider in (Provider.OLLAMA, Provider.LOCAL)
    own_path = provider in (Provider.OLLAMA, Provider.ANTHROPIC)
    model = {Provider.ANTHROPIC: "claude-opus-5-5", Provider.XAI: "grok-4.7"}.get(provider, "some-model")
    given: dict[str, Any] = {
        "name": provider.value,
        "provider": provider,
        "model": model,
        "base_url": fake.url if own_path else f"{fake.url}/v1",
        "price_in": None if local else PRICE_IN,
        "price_out": None if local else PRICE_OUT,
        "local": local,
    }
    return ModelSpec(**{**given, **changes})


def ask(model: str, timeout_s: float = 5.0, request_id: str = "round-1/x", **changes: Any) -> ModelRequest:
    prompt = Prompt("Vote.", "The market stands still.")
    given: dict[str, Any] = {"agent": "decision", "answer": Vote, "echo": ECHO, "tools": frozenset[Tool](), **changes}
    return ModelRequest(request_id, "paper_1", model=model, prompt=prompt, timeout_s=timeout_s, **given)


@asynccontextmanager
async def client_of(
    *specs: ModelSpec, spending: MemorySpending | None = None, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[tuple[ModelClient, MemorySpending]]:
    """A client that waits for nobody between two sends."""
    ledger = spending or MemorySpending()
    chosen = ClientSettings(**{"retry_pause_s": 0.0, **settings})
    client = ModelClient(specs, SECRETS, ledger, clock or ManualClock(NOON_NS), chosen)
    await client.warm_up()
    try:
        yield client, ledger
    finally:
        await client.aclose()

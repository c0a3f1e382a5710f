"""Language models: six that answer in 1 to 6 s asked at once, and what our client adds to a call.

usage: models.py [CALLS]

A fake server in a thread of its own speaks each provider's format on loopback. In turns, CALLS times (default 200), a
question goes out through the client and the same bytes through a bare httpx call; the difference is what the client,
the cost ledger (in memory), the checks and the provider's own client library take. While the six are out, a ticker
on the same event loop measures how late it is woken: that is what the rest of the system would feel.
Prints JSON. Times are wall time in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.llm.asked import GOOD_TEXT, NOON_NS, SECRETS, ask, spec_of
from tests.llm.fake_provider import FakeProvider
from tests.llm.spending_memory import MemorySpending

from triplegain.domain.clock import ManualClock
from triplegain.llm.client import ModelClient
from triplegain.llm.reply import ModelAnswer
from triplegain.llm.spec import Provider

TICK_S = 0.01


@contextmanager
def serving(*fakes: FakeProvider) -> Iterator[None]:
    loop, up, down = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        for fake in fakes:
            await fake.__aenter__()
        up.set()
        await down.wait()
        for fake in fakes:
            await fake.__aexit__(None, None, None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join()


def spread(name: str, times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    at = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {f"{name}_{which}_ms": ordered[index] * 1e3 for which, index in at.items()}


def import_ms(module: str) -> float:
    words = f"import time; t=time.perf_counter(); import {module}; print(time.perf_counter()-t)"
    times = [
        float(subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    return min(times) * 1e3


async def overhead(provider: Provider, fake: FakeProvider, calls: int) -> dict[str, float]:
    ledger = MemorySpending(Decimal(10**6), Decimal(10**6))
    client = ModelClient([spec_of(provider, fake)], SECRETS, ledger, ManualClock(NOON_NS))
    await client.warm_up()
    for _ in range(5):
        await client.complete(ask(provider))
    body = {name: value for name, value in fake.calls[-1].items() if name != "path"}
    url = f"{fake.url}{fake.calls[-1]['path']}"
    ours, bare = [], []
    async with httpx.AsyncClient(trust_env=False) as http:
        for _ in range(calls):
            began = time.perf_counter()
            answer = await client.complete(ask(provider))
            ours.append(time.perf_counter() - began)
            assert isinstance(answer, ModelAnswer), answer
            began = time.perf_counter()
            (await http.post(url, json=body)).json()
            bare.append(time.perf_counter() - began)
    await client.aclose()
    added = [mine - theirs for mine, theirs in zip(sorted(ours), sorted(bare), strict=True)]
    return {**spread("client", ours), **spread("bare_httpx", bare), **spread("added", added)}


async def six_at_once(fakes: list[FakeProvider]) -> dict[str, float]:
    providers = [
        Provider.OLLAMA, Provider.OPENAI, Provider.XAI, Provider.DEEPSEEK, Provider.ANTHROPIC, Provider.ANTHROPIC,
    ]  # fmt: skip
    specs = [spec_of(p, fake, name=f"m{n}") for n, (p, fake) in enumerate(zip(providers, fakes, strict=True))]
    client = ModelClient(specs, SECRETS, MemorySpending(), ManualClock(NOON_NS))
    await client.warm_up()
    late: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            late.append(time.perf_counter() - began - TICK_S)

    figures: dict[str, float] = {}
    for which in ("first", "second"):
        late.clear()
        ticker = asyncio.create_task(tick())
        began = time.perf_counter()
        replies = await asyncio.gather(*(client.complete(ask(spec.name, 30, "r/" + spec.name)) for spec in specs))
        figures[f"six_{which}_total_ms"] = (time.perf_counter() - began) * 1e3
        ticker.cancel()
        assert all(isinstance(reply, ModelAnswer) for reply in replies), replies
        figures |= spread(f"loop_late_{which}", late)
    figures["slowest_model_ms"] = max(fake.delay_s for fake in fakes) * 1e3
    await client.aclose()
    return figures


def main(calls: int) -> None:
    figures: dict[str, object] = {
        "import_client_ms": round(import_ms("triplegain.llm.client"), 1),
        "import_providers_ms": round(import_ms("triplegain.llm.sdk_models"), 1),
    }
    one = FakeProvider(GOOD_TEXT)
    six = [FakeProvider(GOOD_TEXT, delay_s=float(seconds)) for seconds in range(1, 7)]
    with serving(one, *six):
        found = asyncio.run(six_at_once(six))
        figures["six_models"] = {name: round(value, 2) for name, value in found.items()}
        for provider in Provider:
            found = asyncio.run(overhead(provider, one, calls))
            figures[provider.value] = {name: round(value, 2) for name, value in found.items()}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

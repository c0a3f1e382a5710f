"""The local model: how soon it is there, how fast it reads and writes, how much memory it takes, how often it is valid.

    python bench/local_model.py [--busy 2] [--votes 20] [--temperature 0 --temperature 0.8]

Needs `./tg --set-up-local-model`. Votes are asked as the trading decision asks small models, over plain HTTP, and
checked as every answer is. `--busy N` runs N loops beside it, each in a session of its own, as other programs would be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from triplegain.agents.decision import VoteAnswer
from triplegain.agents.typed_answer import filled
from triplegain.llm.attempt import check_answer
from triplegain.llm.local.supervisor import LocalModel
from triplegain.llm.schema import form_text, schema_text

_PROMPT_TOKENS = (150, 300, 600, 1000, 2000, 3500)
_SYMBOLS = ("BTC/USDT", "XRP/USDT", "XRP/BTC")
#: What a line of `_figures` has, about.
_LINE_TOKENS = 24


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=0, help="loops that run beside it (default 0)")
    parser.add_argument("--votes", type=int, default=20, help="votes at each temperature (default 20)")
    parser.add_argument("--temperature", type=float, action="append", default=[], help="default 0 and 0.8")
    return parser.parse_args()


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command, start_new_session=True) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


class Bench:
    def __init__(self, model: LocalModel, client: httpx.AsyncClient) -> None:
        self._model = model
        self._client = client
        self._draw = random.Random(1)

    async def reading(self) -> None:
        print("| prompt, tokens | read in, s | tokens/s |\n|---|---|---|")
        for wanted in _PROMPT_TOKENS:
            told = await self._ask(self._figures(wanted // _LINE_TOKENS), max_tokens=1)
            timings = told["timings"]
            speed = timings["prompt_per_second"]
            print(f"| {told['usage']['prompt_tokens']} | {timings['prompt_ms'] / 1000:.1f} | {speed:.0f} |", flush=True)

    async def writing(self) -> None:
        told = await self._ask("Write a story.", max_tokens=128, ignore_eos=True)
        print(f"\nwrites {told['timings']['predicted_per_second']:.0f} tokens/s", flush=True)

    async def voting(self, votes: int, temperature: float) -> None:
        outcomes, waits, lengths = Counter[str](), [], []
        for _ in range(votes):
            began = time.perf_counter()
            outcome, tokens = await self._vote(temperature)
            waits.append(time.perf_counter() - began)
            outcomes[outcome] += 1
            lengths.append(tokens)
        waits.sort()
        found = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        print(
            f"temperature {temperature:g}: {found}; {sum(lengths) / votes:.0f} tokens in and out, "
            f"{waits[votes // 2]:.1f} s a vote, slowest {waits[-1]:.1f} s",
            flush=True,
        )

    async def _vote(self, temperature: float) -> tuple[str, int]:
        symbol = self._draw.choice(_SYMBOLS)
        echo = {"snapshot": f"{self._draw.getrandbits(48):012x}", "symbol": symbol}
        system = filled("decision_brief", form=form_text(VoteAnswer, echo))
        told = await self._ask(
            f"{symbol} price 61250.5, position flat\n{self._figures(2)}\nstop 50..500 bps, may_open true",
            system,
            max_tokens=self._model.spec.max_output_tokens,
            temperature=temperature,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "vote", "strict": True, "schema": json.loads(schema_text(VoteAnswer))},
            },
        )
        checked = check_answer(told["choices"][0]["message"]["content"], VoteAnswer, echo)
        cut = told["choices"][0]["finish_reason"] == "length"
        outcome = "valid" if isinstance(checked, dict) else "truncated" if cut else checked.kind.value
        return outcome, told["usage"]["total_tokens"]

    def _figures(self, lines: int) -> str:
        draw = self._draw
        return "\n".join(
            f"rsi {draw.uniform(20, 80):.1f} adx {draw.uniform(10, 50):.1f} ema_21_bps {draw.randint(-90, 90)}"
            for _ in range(lines)
        )

    async def _ask(self, user: str, system: str = "You read markets.", **settings: Any) -> Any:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        reply = await self._client.post(
            f"{self._model.base_url}/chat/completions", json={"messages": messages, **settings}
        )
        reply.raise_for_status()
        return reply.json()


async def measure(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as home, busy(asked.busy):
        began = time.perf_counter()
        async with await LocalModel.start(Path(home)) as model:
            print(f"there after {time.perf_counter() - began:.2f} s\n", flush=True)
            async with httpx.AsyncClient(trust_env=False, timeout=600) as client:
                bench = Bench(model, client)
                await bench.reading()
                await bench.writing()
                for temperature in asked.temperature or [0.0, 0.8]:
                    await bench.voting(asked.votes, temperature)
            print(f"memory: {_memory_mb(model.pid)} MB")


def _memory_mb(pid: int | None) -> str:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return "unknown"
    most = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return str(int(most[1]) // 1000) if most else "unknown"


if __name__ == "__main__":
    asyncio.run(measure(arguments()))

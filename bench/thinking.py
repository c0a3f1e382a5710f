"""Six models that answer after 1, 2, ... 6 s on a live session: how long a decision takes, and what the market feels.

    python bench/thinking.py CAPTURE [--seconds 40] [--turns 2] [--speed 1]

The local Kraken serves BTC/USDT, XRP/USDT and XRP/BTC, a fake server speaks for five providers, each in a process of
its own; the session is what `paper --feed live` runs, its database and its cost ledger included. It decides on each
market every ten seconds: eighteen questions under way for six seconds of every ten. In turns it runs without models
and with them. Lag is the time from the receipt of a frame on the socket until the session is through with its events.
Tokens are counted as the prompts are cut, which is more than any model counts. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.live_audit import LagTable
from tests.app.served import Addresses, served
from tests.app.thinking_models import SIX, ThinkingPaper, ThinkingServer, leans, thinking_paper, write_config

from triplegain.domain.clock import SystemClock
from triplegain.domain.market import MarketEvent
from triplegain.market.snapshot.compact import tokens_at_most
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_WARM_UP_S = 5.0
#: Seconds each model thinks.
_THINKS_S = {model: float(seconds) for seconds, model in enumerate(SIX, start=1)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="recorded market to serve, with a book of BTC/USDT")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each turn (default 40)")
    parser.add_argument("--turns", type=int, default=2, help="without and with models, so often (default 2)")
    parser.add_argument("--speed", default="1", help="market seconds per second (default 1)")
    return parser.parse_args()


async def serve_models() -> None:
    """Until standard input is closed."""
    async with ThinkingServer(says=leans, wait_s=lambda asked: _THINKS_S[asked.model]) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def models_apart() -> Iterator[str]:
    """The fake server's address, in a process that ends with this one."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def watch(paper: ThinkingPaper) -> LagTable:
    """Lags of the messages from here on."""
    session, clock, lags = paper.system.opened.session, SystemClock(), LagTable()
    take = session.on_event

    def watched(event: MarketEvent) -> None:
        take(event)
        lags.add(clock.now_ns() - event.received_at_ns)

    session.on_event = watched  # type: ignore[method-assign]
    return lags


async def turn(url: str, config: Path, home: Path, llm: str, seconds: float) -> dict[str, Any]:
    async with thinking_paper(url, config, home, feed="live", speed=None, llm=llm, reset=True) as paper:
        running = asyncio.create_task(paper.system.run())
        await asyncio.sleep(_WARM_UP_S)
        lags = watch(paper)
        await asyncio.sleep(seconds)
        found: dict[str, Any] = {"lags": lags}
        paper.system.stop()
        await running
        found["votes"] = await paper.rows("paper_votes")
        found["calls"] = await paper.rows("model_calls", "started_at")
        return found


def in_words(turns: list[dict[str, Any]]) -> dict[str, Any]:
    lags = LagTable()
    for one in turns:
        lags.merge(one["lags"])
    found: dict[str, Any] = {
        "events": lags.total,
        "lag_p50_ms": round(lags.share(0.5) * 1e3, 2),
        "lag_p99_ms": round(lags.share(0.99) * 1e3, 2),
        "lag_longest_ms": round(lags.most_ns / 1e6, 1),
    }
    calls = {(c["session_id"], c["request_id"]): c for one in turns for c in one["calls"] if c["agent"] == "decision"}
    took: dict[tuple[str, int], float] = {}
    counted = []
    for vote in (vote for one in turns for vote in one["votes"]):
        call = calls[vote["session_id"], vote["request_id"]]
        counted.append(call)
        took[vote["session_id"], vote["decision_number"]] = (vote["time_ns"] - call["asked_at_ns"]) / 1e9
    if took:
        tokens_in = sum(tokens_at_most("".join(m["text"] for m in call["request"]["messages"])) for call in counted)
        tokens_out = sum(tokens_at_most(call["response"]) for call in counted)
        ordered = sorted(took.values())
        found |= {
            "decisions": len(took),
            "decision_p50_s": round(ordered[len(ordered) // 2], 2),
            "decision_longest_s": round(ordered[-1], 2),
            "answers": sum(call["status"] == "answered" for call in counted),
            "failures": sum(call["status"] != "answered" for call in counted),
            "tokens_in_a_decision": round(tokens_in / len(took)),
            "tokens_out_a_decision": round(tokens_out / len(took)),
        }
    return found


async def measure(asked: argparse.Namespace, kraken: Addresses, models: str, folder: Path) -> dict[str, Any]:
    orchestration = {"tasks": {"decision": {"interval_s": 10, "timeout_s": 10}}, "votes": {"timeout_s": 8}}
    config = write_config(
        folder / "config",
        models,
        orchestration=orchestration,
        market={"kraken": {"rest_url": kraken.rest_url, "websocket_url": kraken.websocket_url}},
        agents={"trader": "models"},
        llm={"budget": {"per_day_usd": 1000}},
    )
    turns: dict[str, list[dict[str, Any]]] = {"none": [], "auto": []}
    with EmbeddedCluster(folder / "postgres") as url:
        await migrate(url, _MIGRATIONS)
        for _ in range(asked.turns):
            for llm, done in turns.items():
                done.append(await turn(url, config, folder / "home", llm, asked.seconds))
    slowest = max(_THINKS_S.values())
    return {"slowest_model_s": slowest, "without": in_words(turns["none"]), "with": in_words(turns["auto"])}


async def run(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, models_apart() as models:
        async with served(asked.capture, asked.speed) as kraken:
            sys.stdout.write(json.dumps(await measure(asked, kraken, models, Path(folder)), indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(serve_models() if sys.argv[1:] == ["--serve"] else run(arguments()))

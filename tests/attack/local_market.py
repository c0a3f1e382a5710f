"""A local Kraken in a process of its own on a tape of the test's making, and a session that trades on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.app.paper_process import Finished, PaperHome, Running, eventually

from triplegain.api.address import running_folder, running_sessions
from triplegain.api.owner_socket import reachable, socket_of

PAIR = "BTC/USDT"
_START_MS = 1_699_999_980_000


def write_tape(folder: Path, prices: Sequence[float], every_s: float = 0.5) -> Path:
    """One trade of 0.01 BTC at each price, bought and sold by turns."""
    folder.mkdir()
    rows = [
        [_START_MS + round(number * every_s * 1000), str(number + 1), None, ("buy", "sell")[number % 2], price, 0.01, 0]
        for number, price in enumerate(prices)
    ]
    (folder / "BTC_USDT-trades.json").write_text(json.dumps(rows))
    return folder


@dataclass
class LocalMarket:
    """`environ` points a session at it."""

    process: Running
    url: str
    environ: dict[str, str]

    def fault(self, kind: str, **more: Any) -> None:
        httpx.post(f"{self.url}/control/faults", json={"kind": kind, **more}).raise_for_status()

    def mend(self) -> None:
        httpx.delete(f"{self.url}/control/faults", headers={"content-type": "application/json"}).raise_for_status()

    def skip(self, market_s: float) -> None:
        httpx.post(f"{self.url}/control/skip", json={"market_s": market_s}).raise_for_status()

    def market_s(self) -> float:
        """Seconds of the tape that have been played."""
        now_ns: int = httpx.get(f"{self.url}/control/state").json()["market_time_ns"]
        return (now_ns // 1_000_000 - _START_MS) / 1000

    def skip_to(self, market_s: float) -> None:
        """On to that second of the tape, where it is not there yet."""
        if (ahead := market_s - self.market_s()) > 0:
            self.skip(ahead)


@contextmanager
def local_market(home: PaperHome, tape: Path, *words: str) -> Iterator[LocalMarket]:
    server = PaperHome(home.path.parent / "kraken")
    with server.running("local-kraken", str(tape), "--json", *words) as process:
        said = eventually(lambda: "\n" in process.said and process.said.partition("\n")[0], "the local Kraken")
        environ: dict[str, str] = json.loads(said)["environment"]
        yield LocalMarket(process, environ["TRIPLEGAIN_KRAKEN_REST_URL"], environ)


@dataclass
class Trading:
    """A running session of one home, spoken to over the command line."""

    home: PaperHome
    process: Running

    def tg(self, *words: str) -> Finished:
        return self.home.run(*words, "--json")

    def ask(self, *words: str) -> Any:
        done = self.tg(*words)
        assert done.code == 0, done
        return json.loads(done.stdout)

    def get(self, path: str) -> httpx.Response:
        """A route as the owner sees it."""
        path_of = socket_of(running_folder(self.home.path), self.process.process.pid)
        with reachable(path_of) as name, httpx.Client(transport=httpx.HTTPTransport(uds=name), timeout=30) as client:
            return client.get(f"http://localhost/api/v1{path}")

    def alerts(self) -> list[str]:
        found: list[str] = self.get("/paper/portfolio").json()["alerts"]
        return found

    def condition(self) -> str:
        words: str = self.get("/paper/portfolio").json()["conditions"][PAIR]
        return words

    def buy(self, stop: str) -> str:
        """A position; its id."""
        answer = self.ask("order", "place", PAIR, "buy", "0.001", "--stop", stop)
        assert answer["status"] == "filled", answer
        eventually(self._stop_rests, "its stop")
        position: str = answer["position_id"]
        return position

    def _stop_rests(self) -> bool:
        return any(each["order_type"] == "stop-loss" and each["status"] == "open" for each in self.orders())

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/paper/orders").json()["items"]
        return found

    def position(self, position_id: str) -> dict[str, Any]:
        items = self.get("/paper/positions?closed=true").json()["items"]
        (found,) = [each for each in items if each["position_id"] == position_id]
        return dict(found)


@contextmanager
def trading(home: PaperHome, market: LocalMarket) -> Iterator[Trading]:
    """A session on the market, without a trader of its own, once its market is in order."""
    config = home.path.parent / "config"
    config.mkdir(exist_ok=True)
    # It is looked at as often as a test likes.
    (config / "api.yaml").write_text("limits_per_minute: {reads: 1000000, default: 1000000}\n")
    environ = {**market.environ, "TRIPLEGAIN_CONFIG_DIR": str(config)}
    with home.running("paper", "--feed", "live", "--session", "s", "--candle", "1h", environ=environ) as process:
        session = Trading(home, process)
        eventually(lambda: process.is_over or any(running_sessions(home.path)), "the session")
        assert not process.is_over, process.wait()
        yield session
        if not process.is_over:
            process.interrupt()

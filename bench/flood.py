"""Orders and emergencies under a flood of strangers: 110 idle connections, requests without a key, guessed keys.

    python bench/flood.py [--rounds 10] [--orders 150] [--emergencies 100]

A session of the demo market runs in a home of its own, with no delays of the exchange. In turns the flood goes to the
session and to a dummy server of another process that takes and answers as many, so that the flood itself costs the same
processor; meanwhile one who has a key places orders one after the other, and cancels each. Then, under the flood of the
session, the owner asks for emergencies on the socket: seconds from the request to the answer, which comes when it is
stored. What `tg emergency` takes as a process, its start included, is told apart.

Prints one JSON object. `ratio` is the order's p99 under the session's flood by that under the dummy's; the aim is no
more than 2, and every emergency within a second. `flood` has what the flood took of a processor and what it was
answered. The exit code is 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.app.paper_process import PaperHome, eventually
from tests.attack.flood import Flooded, flooded

from triplegain.api.owner_socket import reachable, socket_of
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

_RATIO_MAX, _EMERGENCY_MAX_S = 2.0, 1.0
#: Commands of the owner that are run as processes.
_COMMANDS = 5
#: Between two orders: a turn lasts for a while, and the flood has the whole of it.
_PAUSE_S = 0.01
_WARM_UP = 30
_CONFIG = {
    "execution.yaml": """
paper_trading:
  initial_balance: {USDT: 100000000}
  fill_delay_ms: 0
  account_tier: unlimited
""",
    # Of strangers as it is configured by default.
    "api.yaml": "limits_per_minute: {default: 100000, reads: 100000, trade: 100000, cancel: 100000, stop: 100000}\n",
}
_ORDER = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.001", "price": "1000"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="turns of each kind (default 10)")
    parser.add_argument("--orders", type=int, default=150, help="of each turn (default 150)")
    parser.add_argument("--emergencies", type=int, default=100, help="default 100")
    return parser.parse_args()


@contextmanager
def session(folder: Path) -> Iterator[tuple[PaperHome, dict[str, Any]]]:
    """A home, and where its session says that it answers."""
    (folder / "config").mkdir()
    for name, words in _CONFIG.items():
        (folder / "config" / name).write_text(words)
    (folder / "home").mkdir(mode=0o700)
    home = PaperHome(folder / "home", {"TRIPLEGAIN_CONFIG_DIR": str(folder / "config")})
    note = home.path / "running" / "flooded.json"
    words = ("paper", "--feed", "demo", "--llm", "none", "--session", "flooded", "--json")
    with EmbeddedCluster(cluster_folder(home.path)), home.running(*words) as running:
        eventually(lambda: note.exists() or running.is_over, "the session")
        assert not running.is_over, running.wait()
        yield home, json.loads(note.read_text())
        running.interrupt()


@contextmanager
def dummy() -> Iterator[int]:
    """The port of a server of nothing."""
    words = [sys.executable, "-m", "tests.attack.dummy_server"]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


class Orders:
    """One customer, on a connection that is kept."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._placed = 0

    def place(self, count: int) -> list[float]:
        """Seconds of each POST."""
        times = []
        for _ in range(count):
            self._placed += 1
            name = f"flood-{self._placed}"
            begun = time.perf_counter()
            answer = self._client.post("/paper/trade", json={**_ORDER, "client_order_id": name})
            times.append(time.perf_counter() - begun)
            assert answer.status_code == 201, answer.text
            assert self._client.delete(f"/paper/orders/{name}").status_code == 200
            time.sleep(_PAUSE_S)
        return times


def _figures(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    shares = {f"p{share}_ms": ordered[min(len(ordered) * share // 100, len(ordered) - 1)] * 1e3 for share in (50, 99)}
    return {name: round(each, 2) for name, each in {**shares, "max_ms": ordered[-1] * 1e3}.items()}


class Turns:
    """What was measured under one of the two floods."""

    def __init__(self) -> None:
        self.rounds: list[list[float]] = []
        self.answers: Counter[str] = Counter()
        self.cpu_s = 0.0
        self.wall_s = 0.0

    def add(self, seconds: list[float], flood: Flooded, wall_s: float) -> None:
        self.rounds.append(seconds)
        self.answers.update(flood.answers)
        self.cpu_s += flood.cpu_s
        self.wall_s += wall_s

    @property
    def seconds(self) -> list[float]:
        return [each for one in self.rounds for each in one]

    def told(self) -> dict[str, Any]:
        flood = {"share_of_a_cpu": round(self.cpu_s / self.wall_s, 2), "answers": dict(self.answers.most_common())}
        p99 = [_figures(one)["p99_ms"] for one in self.rounds]
        return {**_figures(self.seconds), "orders": len(self.seconds), "p99_ms_of_rounds": p99, "flood": flood}


def orders(asked: argparse.Namespace, client: httpx.Client, ports: dict[str, int]) -> dict[str, Turns]:
    """In turns under the flood of each port."""
    measured = {name: Turns() for name in ports}
    customer = Orders(client)
    customer.place(_WARM_UP)
    for _ in range(asked.rounds):
        for name, port in ports.items():
            begun = time.perf_counter()
            with flooded(port) as flood:
                seconds = customer.place(asked.orders)
            measured[name].add(seconds, flood, time.perf_counter() - begun)
    return measured


def emergencies(count: int, home: PaperHome, note: dict[str, Any]) -> dict[str, Any]:
    """Under a flood of the session."""
    took_s, process_s = [], []
    with flooded(note["port"]), reachable(socket_of(home.path / "running", note["pid"])) as name:
        transport = httpx.HTTPTransport(uds=name)
        with httpx.Client(transport=transport, base_url="http://localhost/api/v1", timeout=60) as owner:
            for _ in range(count):
                begun = time.perf_counter()
                answer = owner.post("/coordinator/emergency")
                took_s.append(time.perf_counter() - begun)
                assert answer.status_code == 202, answer.text
        for _ in range(_COMMANDS):
            begun = time.perf_counter()
            running = home.start("emergency", "--json")
            assert running.wait().code == 0
            process_s.append(time.perf_counter() - begun)
    within = sum(each <= _EMERGENCY_MAX_S for each in took_s)
    return {
        **_figures(took_s),
        "within_a_second": f"{within} of {count}",
        "process_with_its_start_s": {"median": round(statistics.median(process_s), 2), "max": round(max(process_s), 2)},
    }


def main() -> int:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="tg-") as scratch, session(Path(scratch)) as (home, note), dummy() as port:
        headers = {"Authorization": f"Bearer {(home.path / 'admin.key').read_text().strip()}"}
        url = f"http://{note['host']}:{note['port']}/api/v1"
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            eventually(lambda: client.get("/paper/portfolio").json()["prices"].get("BTC/USDT"), "a price")
            measured = orders(asked, client, {"session": note["port"], "dummy": port})
        stopped = emergencies(asked.emergencies, home, note)
    p99 = {name: _figures(turns.seconds)["p99_ms"] for name, turns in measured.items()}
    ratio = round(p99["session"] / p99["dummy"], 2)
    told = {"orders": {name: turns.told() for name, turns in measured.items()}, "ratio": ratio, "emergencies": stopped}
    print(json.dumps(told, indent=1))
    return int(ratio > _RATIO_MAX or stopped["max_ms"] > _EMERGENCY_MAX_S * 1e3)


if __name__ == "__main__":
    sys.exit(main())
